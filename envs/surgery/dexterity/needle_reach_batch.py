"""`NeedleReachEnv` in a batch."""

from __future__ import annotations

from typing import Literal

import numpy as np

from halsted.envs.surgery.bench import Scene
from halsted.envs.surgery.dexterity.bench_arms import downward_pose, mounted
from halsted.envs.surgery.dexterity.instrument_env import pose_at
from halsted.envs.surgery.dexterity.needle_reach import (
    ABOVE_M,
    SPREAD_M,
    START,
    NeedleReachEnv,
)
from halsted.envs.surgery.dexterity.things import NEEDLE_WIRE_M
from halsted.envs.surgery.kinematic_batch import Array, Flags, KinematicBatch, Numbers


class NeedleReachBatch(KinematicBatch):
    """`NeedleReachEnv` in a batch."""

    def __init__(
        self,
        num_envs: int,
        preset: str = "default",
        reward: Literal["sparse", "dense"] = "sparse",
        horizon: int | None = None,
        harm_price: float | None = None,
        arm: str = "psm",
        **others: object,
    ) -> None:
        """A batch of `num_envs` copies; other arguments as the environment's."""
        task = NeedleReachEnv(preset, reward, horizon, harm_price, arm, "kinematic")
        super().__init__(num_envs, task, others)
        self._task = task
        self._mount = mounted(0, arm)
        self._lower, self._upper = task.workspaces[0].T
        to_base = np.linalg.inv(self._mount.base_in_world)
        self._turn_to_base, self._shift_to_base = to_base[:3, :3].T.copy(), to_base[:3, 3]
        start = np.array(START[:3])
        self._poses = np.tile(to_base @ downward_pose(start, START[3]), (num_envs, 1, 1))
        self._start, _ = self._mount.arm.inverse(self._poses[0], self._mount.arm.home)
        self._joints = np.tile(self._start, (num_envs, 1))
        self._tools = np.tile(start, (num_envs, 1))
        self._needles = np.zeros((num_envs, 3))  # x, y and yaw
        self._needles_at = np.zeros((num_envs, 3))
        self._grips = np.zeros((num_envs, 3))
        self._opening = np.zeros(num_envs)

    def _draw(self, who: Numbers) -> None:
        spread = SPREAD_M * self.task.preset.spread
        high = np.array([spread, spread, np.pi / 2])
        self._needles[who] = drawn = self.np_random.uniform(-high, high, (len(who), 3))
        self._needles_at[who, :2] = drawn[:, :2]
        self._needles_at[:, 2] = NEEDLE_WIRE_M
        (x, y, z, _), c, s = self._task.grips[0], np.cos(drawn[:, 2]), np.sin(drawn[:, 2])
        offset = np.stack([c * x - s * y, s * x + c * y, np.full(len(who), z)], axis=-1)
        self._grips[who] = self._needles_at[who] + offset
        self._joints[who] = self._start
        self._tools[who] = START[:3]
        self._opening[who] = self._task.open_share

    def _move(self, actions: Array) -> tuple[Array, Flags]:
        asked = self._tools + self._shifts(actions)
        places = np.minimum(np.maximum(asked, self._lower), self._upper)
        self._poses[:, :3, 3] = places @ self._turn_to_base + self._shift_to_base
        self._joints, reached = self._mount.arm.inverse(self._poses, self._joints)
        way = (places - self._tools) * reached[:, None]
        self._tools = self._tools + way
        self._opening[:] = 0.0
        return np.sqrt(np.einsum("ij,ij->i", way, way)), ~(reached & (places == asked).all(axis=1))

    def _states(self) -> Array:
        states = np.zeros((self.num_envs, self.task.specification.size))
        turn = 2.0 * (self._needles[:, 2] + self._task.grips[0][3] - START[3])
        states[:, :3] = self._tools
        states[:, 3], states[:, 4] = np.cos(START[3]), np.sin(START[3])
        states[:, 5] = self._opening
        states[:, 7:10] = self._grips - self._tools
        states[:, 10], states[:, 11] = np.cos(turn), np.sin(turn)
        states[:, 12:] = self._needles_at
        return states

    def _goals(self) -> tuple[Array, Array]:
        return self._tools, self._grips + np.array([0.0, 0.0, ABOVE_M])

    def scene(self, number: int) -> Scene:
        """See `KinematicBatch.scene`."""
        x, y, yaw = self._needles[number].tolist()
        return {"tools": list(START), "pose_needle": pose_at(x, y, NEEDLE_WIRE_M, yaw), "goal": []}
