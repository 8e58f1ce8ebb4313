"""Keep a moving target in the picture."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.bench import Scene, Vector
from halsted.envs.surgery.endoscope.endoscope_env import check_scene, drawn_joints
from halsted.envs.surgery.endoscope.stand import (
    HALF_ANGLE_TAN,
    SCOPE_DEFAULT,
    SCOPE_SURROL,
    scope_kinematics,
    scope_mount,
)
from halsted.envs.surgery.endoscope.track_env import (
    TARGET_HEIGHT_M,
    UPRIGHT_DECAY,
    UPRIGHT_RATE,
    TrackEnv,
)
from halsted.envs.surgery.endoscope.trajectory import (
    CURVE_POINTS,
    POINTS_PER_S,
    closed_curve,
    draw_waypoints,
)
from halsted.robot.scope_motion import camera_pose

LOWER_M, UPPER_M = np.array([-0.3, -0.4]), np.array([0.6, 0.4])
"""Where the target moves, as SurRoL's (surrol/tasks/ecm_active_track.py)."""
START = (0.0, 0.0, 0.02, 0.0)
_LOST = 1.1
"""Half-widths of the picture from its middle, at which the target counts as lost. SurRoL's are the
same but to the left, where it allows 1.2 (surrol/tasks/ecm_active_track.py)."""
_IN_SIGHT = 0.8
"""The same within which it starts."""


class ActiveTrackEnv(TrackEnv):
    """Keep a moving target in the picture, as near to its middle as can be.

    ## Description
    The target goes round on a closed curve through twelve drawn points; the endoscope follows with
    its view. SurRoL's ActiveTrack, in which the place on the curve survives a reset that puts the
    camera back, so that a quarter of its episodes begin with the target lost. Here every episode
    has its own curve, and begins with the target in sight.

    ## Starting State
    The endoscope looks down at 60 degrees to the floor; the target starts somewhere on its curve
    within 0.8 half-widths of the picture's middle. It takes 20 s for a round.

    ## Observation Space
    `Box` of float32, no goals; see `TrackEnv`. With `sight` other than `state` a `Dict` of it, as
    `observation`, and of images.

    ## Rewards
    In every step 1, less half the target's distance from the middle (in half-widths), less a tenth
    of the rate, 1/s, at which SurRoL's control would right the picture, less `harm_price` for each
    unit of cost; whatever `reward` is. `info["task_reward"]` is the same.

    ## Episode End
    Terminated when the target is more than 1.1 half-widths off; truncated after `horizon` steps,
    500. `info["is_success"]` is true at the end of an episode that has not lost it.

    Actions, costs and arguments are those of `TrackEnv` and `EndoscopeEnv`.
    """

    presets = {  # noqa: RUF012 - declared so by the base class
        "default": replace(SCOPE_DEFAULT, horizon=500, ends_on_success=False),
        "surrol": replace(SCOPE_SURROL, horizon=500),
    }

    def _observation_space(self) -> gym.Space[Any]:
        spaces = super()._observation_space()
        assert isinstance(spaces, gym.spaces.Dict)
        if self.sight == "state":
            return spaces["observation"]
        kept = {name: space for name, space in spaces.items() if not name.endswith("goal")}
        return gym.spaces.Dict(kept)

    def _observe(self, achieved: Vector, desired: Vector) -> Any:
        observation = super()._observe(achieved, desired)
        if self.sight == "state":
            return observation["observation"]
        return {name: part for name, part in observation.items() if not name.endswith("goal")}

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Carry out one action, and let the target move on; see `BenchEnv.step`."""
        observation, _, terminated, truncated, info = super().step(action)
        u, v, angle = self._seen
        off = math.hypot(u, v)
        rate = UPRIGHT_RATE * abs(angle) * math.exp(-UPRIGHT_DECAY * off)
        info["task_reward"] = reward = (
            1.0 - off / 2.0 - rate / 10.0 - self.harm_price * info["cost"]
        )
        return observation, reward, terminated or self._is_lost(), truncated, info

    @property
    def next_target(self) -> Vector:
        """(3,) where the target will be after the next step, world m."""
        return self._at(self._phase + POINTS_PER_S * self.world.control_period_s)

    def _sample_scene(self) -> Scene:
        phases: list[int] = []
        while not phases:
            waypoints = draw_waypoints(self.np_random, LOWER_M, UPPER_M)
            phases = phases_in_sight(closed_curve(waypoints))
        return {
            "joints": list(START),
            "waypoints": waypoints.ravel().tolist(),
            "phase": [float(self.np_random.choice(phases))],
            "cavity": self._draw_cavity(),
        }

    def _apply(self, scene: Scene) -> None:
        check_scene("phase", scene["phase"], 0.0, float(CURVE_POINTS))
        waypoints = np.reshape(scene["waypoints"], (-1, 2))
        for axis in range(2):
            check_scene("waypoints", waypoints[:, axis].tolist(), LOWER_M[axis], UPPER_M[axis])
        self._curve = closed_curve(waypoints)
        self._phase = scene["phase"][0]
        self._target = self._at(self._phase)
        self._start(drawn_joints(scene), scene["cavity"][0])

    def _advance(self, action: Vector) -> Vector:
        self._phase += POINTS_PER_S * self.world.control_period_s
        return super()._advance(action)

    def _look_around(self) -> None:
        self._target = self._at(self._phase)
        super()._look_around()

    def _at(self, phase: float) -> Vector:
        """The curve's point (3,) at a phase, counted in its points."""
        whole = math.floor(phase)
        share = phase - whole
        (x0, y0), (x1, y1) = (
            self._curve[number % CURVE_POINTS].tolist() for number in (whole, whole + 1)
        )
        return np.array([x0 + share * (x1 - x0), y0 + share * (y1 - y0), TARGET_HEIGHT_M])

    def _is_lost(self) -> bool:
        u, v, _ = self._seen
        return max(abs(u), abs(v)) > _LOST

    def _achieved(self) -> Vector:
        return np.array(self._seen)

    def _desired(self) -> Vector:
        return _MIDDLE

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        return np.asarray(self._steps >= self.horizon and not self._is_lost())


_MIDDLE = np.zeros(3)


def phases_in_sight(curve: NDArray[np.float64]) -> list[int]:
    """At which points of a curve (n, 2), m, the target is in sight as an episode starts."""
    table, pose = scope_kinematics(), np.empty((4, 4))
    camera_pose(table.rows, table.tool, scope_mount().base_in_world, np.array(START), pose)
    points = np.column_stack([curve, np.full(len(curve), TARGET_HEIGHT_M)])
    x, y, z = ((points - pose[:3, 3]) @ pose[:3, :3]).T
    off = np.maximum(np.abs(x), np.abs(y)) / (z * HALF_ANGLE_TAN)
    return np.flatnonzero((z > 0.0) & (off < _IN_SIGHT)).tolist()
