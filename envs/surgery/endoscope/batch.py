"""The endoscope's tasks in batches, by the same closed forms as one by one."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numba import njit

from halsted.envs.surgery.bench import Scene
from halsted.envs.surgery.endoscope.ecm_reach import BOX_M, GOALS_M, START_M, ECMReachEnv
from halsted.envs.surgery.endoscope.endoscope_env import EndoscopeEnv
from halsted.envs.surgery.endoscope.mis_orient import (
    M_PER_RAD,
    START_LOWER,
    START_UPPER,
    MisOrientEnv,
)
from halsted.envs.surgery.endoscope.stand import (
    HALF_ANGLE_TAN,
    scope_kinematics,
    scope_mount,
    upright_pose,
)
from halsted.envs.surgery.endoscope.static_track import START, TARGETS_M, StaticTrackEnv
from halsted.envs.surgery.endoscope.track_env import TARGET_HEIGHT_M, UPRIGHT_DECAY
from halsted.envs.surgery.kinematic_batch import Array, Flags, KinematicBatch, Numbers
from halsted.robot.scope_motion import (
    camera_pose,
    misorientation,
    point_scope,
    project,
    roll_scope,
    shift_scope,
    steer_scope,
)


class ScopeBatch(KinematicBatch):
    """Base of the endoscope's batches."""

    task_type: type[EndoscopeEnv]

    def __init__(
        self,
        num_envs: int,
        preset: str = "default",
        reward: Literal["sparse", "dense"] = "sparse",
        horizon: int | None = None,
        harm_price: float | None = None,
        **others: object,
    ) -> None:
        """A batch of `num_envs` copies; other arguments as the environment's."""
        task = self.task_type(preset, reward, horizon, harm_price, "kinematic")
        super().__init__(num_envs, task, others)
        self._scale = task.preset
        self._joints, self._starts = np.zeros((num_envs, 4)), np.zeros((num_envs, 4))
        self._targets = np.zeros((num_envs, 3))
        self._tips = np.zeros((num_envs, 3))
        self._seen = np.zeros((num_envs, 4))
        self._refused = np.zeros(num_envs, np.bool_)
        arm, table, base = scope_mount().arm, scope_kinematics(), scope_mount().base_in_world
        self._limits = (arm.lower, arm.upper)
        self._table = (table.rows, table.tool)
        self._base = base

    def _steer(self, actions: Array) -> None:
        """Change the joints, and fill what was refused."""
        raise NotImplementedError

    def _place(self, who: Numbers) -> None:
        """Draw joints and targets of these copies."""
        raise NotImplementedError

    def _draw(self, who: Numbers) -> None:
        self._place(who)
        self._measure()

    def _move(self, actions: Array) -> tuple[Array, Flags]:
        self._steer(actions)
        before = self._tips.copy()
        self._measure()
        way = self._tips - before
        return np.sqrt(np.einsum("ij,ij->i", way, way)), self._refused.copy()

    def _measure(self) -> None:
        _measure_all(
            *self._table, self._base, upright_pose(), HALF_ANGLE_TAN,
            self._joints, self._targets, self._tips, self._seen,
        )  # fmt: skip

    def _in_base(self, places: Array) -> Array:
        return np.asarray((places - self._base[:3, 3]) @ self._base[:3, :3])


class ECMReachBatch(ScopeBatch):
    """`ECMReachEnv` in a batch."""

    task_type = ECMReachEnv

    def _place(self, who: Numbers) -> None:
        drawn = self.np_random.uniform(GOALS_M[:, 0], GOALS_M[:, 1], (len(who), 3))
        self._targets[who] = drawn
        start = np.zeros(4)
        point_scope(self._table[0], *self._limits, start, self._in_base(START_M))
        self._joints[who] = start

    def _steer(self, actions: Array) -> None:
        _shift_all(*self._table, self._base, *self._limits, BOX_M, self._joints,
                   self._shifts(actions), self._refused)  # fmt: skip

    def _states(self) -> Array:
        return np.hstack((self._joints, self._in_base(self._tips)))

    def _goals(self) -> tuple[Array, Array]:
        return self._in_base(self._tips), self._in_base(self._targets)

    def scene(self, number: int) -> Scene:
        """See `KinematicBatch.scene`."""
        goal = self._targets[number].tolist()
        return {"start": START_M.tolist(), "goal": goal, "cavity": [0.0]}


class MisOrientBatch(ScopeBatch):
    """`MisOrientEnv` in a batch."""

    task_type = MisOrientEnv

    def _place(self, who: Numbers) -> None:
        self._joints[who] = self.np_random.uniform(START_LOWER, START_UPPER, (len(who), 4))
        self._starts[who] = self._joints[who]

    def _steer(self, actions: Array) -> None:
        _roll_all(*self._limits, self._joints, actions * self._scale.step_rad, self._refused)

    def _states(self) -> Array:
        return self._joints

    def _goals(self) -> tuple[Array, Array]:
        return self._seen[:, 2:3], np.zeros((self.num_envs, 1))

    def _potentials(self, achieved: Array, desired: Array) -> Array:
        return np.asarray(M_PER_RAD * np.abs(achieved - desired)[:, 0])

    def scene(self, number: int) -> Scene:
        """See `KinematicBatch.scene`."""
        return {"joints": self._starts[number].tolist(), "cavity": [0.0]}


class StaticTrackBatch(ScopeBatch):
    """`StaticTrackEnv` in a batch."""

    task_type = StaticTrackEnv

    def _place(self, who: Numbers) -> None:
        drawn = self.np_random.uniform(TARGETS_M[:, 0], TARGETS_M[:, 1], (len(who), 2))
        self._targets[who, :2] = drawn
        self._targets[who, 2] = TARGET_HEIGHT_M
        self._joints[who] = START

    def _steer(self, actions: Array) -> None:
        scale = self._scale
        steps = actions * (scale.turn_rad, scale.turn_rad, scale.ahead_m)
        _steer_all(*self._table, *self._limits, self._joints, self._seen, steps,
                   scale.upright_gain, UPRIGHT_DECAY, self._refused)  # fmt: skip

    def _states(self) -> Array:
        return np.hstack((self._joints, self._seen[:, 3:], self._seen[:, :3]))

    def _goals(self) -> tuple[Array, Array]:
        return self._seen[:, :3], np.zeros((self.num_envs, 3))

    def _potentials(self, achieved: Array, desired: Array) -> Array:
        off = np.abs(achieved - desired)
        return np.asarray(M_PER_RAD * (np.hypot(off[:, 0], off[:, 1]) + off[:, 2]))

    def scene(self, number: int) -> Scene:
        """See `KinematicBatch.scene`."""
        target = self._targets[number].tolist()
        return {"joints": list(START), "target": target, "cavity": [0.0]}


@njit(cache=True, error_model="numpy")
def _measure_all(rows, tool, base, upright, half, joints, targets, tips, seen):  # type: ignore[no-untyped-def]
    """Fill tips (n, 3), world m, and what is seen (n, 4): place, turn, whether in the picture."""
    pose = np.empty((4, 4))
    for n in range(joints.shape[0]):
        camera_pose(rows, tool, base, joints[n], pose)
        u, v, depth = project(pose, targets[n], half)
        for i in range(3):
            tips[n, i] = pose[i, 3]
        seen[n, 0], seen[n, 1], seen[n, 2] = u, v, misorientation(pose, upright)
        seen[n, 3] = depth > 0.0 and -1.0 <= u <= 1.0 and -1.0 <= v <= 1.0


@njit(cache=True, error_model="numpy")
def _shift_all(rows, tool, base, lower, upper, box, joints, shifts, refused):  # type: ignore[no-untyped-def]
    for n in range(joints.shape[0]):
        refused[n] = not shift_scope(rows, tool, base, lower, upper, box, joints[n], shifts[n])


@njit(cache=True, error_model="numpy")
def _roll_all(lower, upper, joints, turns, refused):  # type: ignore[no-untyped-def]
    for n in range(joints.shape[0]):
        refused[n] = not roll_scope(lower, upper, joints[n], turns[n, 0])


@njit(cache=True, error_model="numpy")
def _steer_all(rows, tool, lower, upper, joints, seen, steps, gain, decay, refused):  # type: ignore[no-untyped-def]
    for n in range(joints.shape[0]):
        righting = -gain * seen[n, 2] * np.exp(-decay * np.hypot(seen[n, 0], seen[n, 1]))
        right, down, ahead = steps[n, 0], steps[n, 1], steps[n, 2]
        refused[n] = not steer_scope(
            rows, tool, lower, upper, joints[n], right, down, ahead, righting
        )
