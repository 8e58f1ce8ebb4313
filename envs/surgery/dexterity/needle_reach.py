"""Bring an instrument's tip to a needle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from gymnasium.utils import EzPickle
from numpy.typing import NDArray

from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.bench import Scene, Sight, Vector, World, choose
from halsted.envs.surgery.bench_task import within
from halsted.envs.surgery.dexterity.instrument_env import InstrumentEnv, pose_at
from halsted.envs.surgery.dexterity.things import NEEDLE_WIRE_M, needle, needle_point, table
from halsted.robot.bodies import Body
from halsted.robot.kinematic import KinematicWorld, Tier

_TOLERANCE_M = 0.005
ABOVE_M = 0.005
SPREAD_M = 0.05
START = (-0.05, 0.05, 0.07, 0.0)
"""Of the tool: its place, world m, and heading, rad."""


class NeedleReachEnv(InstrumentEnv):
    """Bring an instrument's tip to a point over a needle.

    ## Description
    A needle is fixed on the table. The tool goes to a point 5 mm above the middle of its wire. Turn
    and jaws of the action have no effect, as in SurRoL's NeedleReach, which this task is.

    ## Starting State
    The tool stands 7 cm over a corner of the workspace; the needle lies within 5 cm of the middle,
    times the preset's spread, at any heading.

    ## Episode End
    Terminated when the tool is within 5 mm of
    the goal, unless the preset is `surrol`; truncated after `horizon` steps.

    Actions, observations, rewards, costs and arguments are those of `InstrumentEnv`, and `tier`:
    `kinematic` (no PyBullet: the tool is where it is told to be, and touches nothing) or `rigid`.
    If left out it is `kinematic` in the preset `default` without pictures, else `rigid`.
    """

    handled = "needle"
    grips = (needle_point(np.pi),)
    rest_m = NEEDLE_WIRE_M

    def __init__(
        self,
        preset: str = "default",
        reward: Literal["sparse", "dense"] = "sparse",
        horizon: int | None = None,
        harm_price: float | None = None,
        arm: str = "psm",
        tier: Tier | None = None,
        sight: Sight = "state",
        render_mode: str | None = None,
    ) -> None:
        """Make the environment; see the class."""
        super().__init__(preset, reward, horizon, harm_price, arm, sight, render_mode)
        EzPickle.__init__(self, preset, reward, horizon, harm_price, arm, tier, sight, render_mode)
        choose("tier", tier, (None, "kinematic", "rigid"))
        if tier == "kinematic" and self._needs_visuals:
            raise EnvironmentOptionError(
                "the kinematic tier of NeedleReach has no pictures, but sight or render_mode asks "
                "for them; choose the rigid tier"
            )
        plain = preset == "default" and not self._needs_visuals
        self.tier: Tier = tier or ("kinematic" if plain else "rigid")

    def _make_world(self) -> World:
        if self.tier == "rigid":
            return super()._make_world()
        return KinematicWorld(self._mounts, self._bodies(), self.preset.substeps)

    def _bodies(self) -> Sequence[Body]:
        return table(), needle("needle", mass_kg=0.0)

    def _sample_scene(self) -> Scene:
        x, y = self._draw(SPREAD_M), self._draw(SPREAD_M)
        yaw = float(self.np_random.uniform(-np.pi / 2, np.pi / 2))
        return {
            "tools": list(START),
            "pose_needle": pose_at(x, y, NEEDLE_WIRE_M, yaw),
            "goal": [],
        }

    def _apply(self, scene: Scene) -> None:
        super()._apply(scene)
        self._goal_in_world = self.grip(0)[0] + (0.0, 0.0, ABOVE_M)

    def _advance(self, action: Vector) -> Vector:
        action[3:] = 0.0, -1.0
        return super()._advance(action)

    def _achieved(self) -> Vector:
        return self._tools[0]

    def _potential(self, achieved: Vector, desired: Vector) -> float:
        return float(np.linalg.norm(achieved - desired))

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        return within(achieved, desired, _TOLERANCE_M)
