"""Carry a ring past obstacles from one post to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from gymnasium.utils import EzPickle
from numpy.typing import NDArray

from halsted.envs.surgery.bench import Scene, Sight, Vector
from halsted.envs.surgery.dexterity.instrument_env import InstrumentEnv, pose_at
from halsted.envs.surgery.dexterity.pegs import pegged
from halsted.envs.surgery.dexterity.ring_sight import RingSight
from halsted.envs.surgery.dexterity.things import (
    RED,
    RING_RADIUS_M,
    RING_WIRE_M,
    post,
    ring,
    table,
    wall,
)
from halsted.imaging_bridge import Segmenter
from halsted.robot.bodies import Body

_POST_M = 0.01
_WALL_M = 0.03
_WALLS = 4


class RingTransferEnv(InstrumentEnv):
    """Carry a ring past obstacles from one post to another.

    ## Description
    A ring lies around a post of a board. Between it and the goal's post stand four walls. The
    instrument grips the ring by its rim, lifts it over everything and lowers it over the other
    post. The walls are 3 cm high: what is carried too low strikes them, and that counts as harm.
    Made for RGB-D too: `sight="rgbd"` tells arm, ring and board apart in `labels`. Perception can
    be handed in: the ring's pose is then observed by a segmenter's labels of a picture in colour
    and depth, while success, harm and `task_reward` are judged on the truth.

    ## Starting State
    The tool stands 7 cm over a corner. The posts stand 6 to 10 cm apart across the board, the walls
    between them at any heading.

    ## Episode End
    Terminated when the ring is within 5 mm of the goal post's axis and 4 mm of its height at rest
    there, unless the preset is `surrol`; truncated after `horizon` steps.

    It need not have been let go. Where perception missed the ring (`info["ring_missed"]`) nobody
    would begin: the first step ends the episode without success.

    ## Perception
    `segmenter`: labels ``ring`` (and ``arm``) in ``red``, ``green``, ``blue`` and ``depth``; by
    default the true pose is observed. A picture is taken at reset and 0.3 s after the ring was let
    go, or the jaws opened or closed on nothing. In between the ring lies where it was last seen, or
    moves with the tool that holds it. It is round: its heading is 0 when it is seen. The sparse
    reward pays for the goal that is observed, as `compute_reward` must; the dense one for what is
    true. A ring that was missed is observed far outside of the workspace.

    Actions, observations, rewards, costs and other arguments are those of `InstrumentEnv`.
    """

    handled = "ring"
    grips = ((RING_RADIUS_M, 0.0, 0.0, np.pi / 2),)
    rest_m = RING_WIRE_M
    open_share = 0.4
    carried_at_m = _WALL_M + 0.006

    def __init__(
        self,
        preset: str = "default",
        reward: Literal["sparse", "dense"] = "sparse",
        horizon: int | None = None,
        harm_price: float | None = None,
        arm: str = "psm",
        sight: Sight = "state",
        render_mode: str | None = None,
        segmenter: Segmenter | None = None,
    ) -> None:
        """Make the environment; see the class."""
        super().__init__(preset, reward, horizon, harm_price, arm, sight, render_mode)
        EzPickle.__init__(
            self, preset, reward, horizon, harm_price, arm, sight, render_mode, segmenter
        )
        self._eyes = None if segmenter is None else RingSight(segmenter)

    @property
    def seen_pose(self) -> tuple[Vector, Sequence[float]]:
        """See the base: as perception sees it."""
        return super().seen_pose if self._eyes is None else self._eyes.pose

    def _bodies(self) -> Sequence[Body]:
        posts = [post(name, _POST_M) for name in ("post_start", "post_goal")]
        walls = [wall(f"wall_{number}", _WALL_M) for number in range(_WALLS)]
        return table(), ring("ring", "target", RED), *posts, *walls

    def _sample_scene(self) -> Scene:
        start, goal = self._posts()
        scene = {
            "tools": [-0.05, 0.05, 0.07, 0.0],
            "pose_ring": pose_at(*start, RING_WIRE_M, self._draw(np.pi / 2)),
            "pose_post_start": pose_at(*start, 0.0),
            "pose_post_goal": pose_at(*goal, 0.0),
            "goal": [*goal, RING_WIRE_M],
        }
        along = np.subtract(goal, start)
        for number, share in enumerate(np.linspace(0.35, 0.65, _WALLS)):
            across = float(self.np_random.uniform(-0.4, 0.4))
            x, y = start + share * along + across * np.array([-along[1], along[0]])
            yaw = float(self.np_random.uniform(-np.pi, np.pi))
            scene[f"pose_wall_{number}"] = pose_at(float(x), float(y), 0.0, yaw)
        return scene

    def _posts(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Feet (2,), m, of two posts on different sides of the board."""
        side = float(self.np_random.choice((-1.0, 1.0)))
        first = self._draw(0.03), side * (0.04 + self._draw(0.01))
        second = self._draw(0.03), -side * (0.04 + self._draw(0.01))
        return first, second

    def _apply(self, scene: Scene) -> None:
        super()._apply(scene)
        if self._eyes is not None:
            self._eyes.begin(self)
            self._is_hopeless = self._eyes.is_missed

    def _advance(self, action: Vector) -> Vector:
        costs = super()._advance(action)
        if self._eyes is not None:
            self._eyes.follow(self, is_closing=bool(action[4] < 0.0))
        return costs

    def _perceived(self, achieved: Vector) -> Vector:
        return achieved if self._eyes is None else self._eyes.pose[0]

    def _sparse_reward(self, observation: Any, info: dict[str, Any]) -> float:
        if self._eyes is None or self._is_unstable:
            return super()._sparse_reward(observation, info)
        goals = observation["achieved_goal"], observation["desired_goal"]
        return float(self.compute_reward(*goals, info))

    def _info(self, costs: Vector, succeeded: bool) -> dict[str, Any]:
        info = super()._info(costs, succeeded)
        if self._eyes is not None:
            info["ring_missed"] = self._eyes.is_missed
        return info

    @property
    def _needs_visuals(self) -> bool:
        return super()._needs_visuals or self._eyes is not None

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        return pegged(achieved, desired)
