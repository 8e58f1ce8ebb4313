"""Base of the tasks of the endoscope."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from gymnasium.utils import EzPickle

from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.bench import BenchEnv, Scene, Sight, Vector, World, choose
from halsted.envs.surgery.bench_task import CAUSES, SPEED_LIMIT_M_S, Preset, harm
from halsted.envs.surgery.endoscope.cavity import Cavity
from halsted.envs.surgery.endoscope.stand import (
    SCOPE_DEFAULT,
    SCOPE_SURROL,
    ScopePreset,
    scope_kinematics,
    scope_mount,
    upright_pose,
)
from halsted.robot.camera import Camera, Frame
from halsted.robot.kinematic import KinematicWorld, Tier
from halsted.robot.rigid import RigidWorld
from halsted.robot.scope_motion import camera_pose
from halsted.robot.specification import Entry

_HARMLESS = np.zeros(len(CAUSES))
_CAVITIES = 1 << 31

JOINTS_STATE = (
    Entry("yaw_and_pitch", 2, "rad", 1.0, "joint encoders", 2.0),
    Entry("insertion", 1, "m", 0.1, "joint encoder", 4.0),
    Entry("roll", 1, "rad", 1.0, "joint encoder", 2.0),
)


class EndoscopeEnv(BenchEnv):
    """One endoscope, which looks down into a cavity past its remote centre.

    A subclass says how a scene is drawn, what an action does to the joints, and what is observed.

    ## Rewards
    `reward="sparse"`: 0 for a step that succeeds, -1 for any other, less `harm_price` for each unit
    of cost. `reward="dense"`: what the step gained on its goal (see the task), 10 on success, less
    the price of harm. `info["task_reward"]` is the sparse one in either form.

    ## Costs
    `info["cost"]` is the sum of `info["costs"]`: a step with the optical centre faster than 0.2 m/s
    (`speed`), and one whose command went beyond workspace or joint limits (`limits`), which is cut
    short at the workspace and not taken at a joint's limit.

    ## Arguments
    `preset`: `default` (30 Hz, kinematic) or `surrol` (10 Hz in 24 sub-steps, rigid, its scale of
    actions, tolerance and horizon, no end on success, no harm in the reward). `tier`: `kinematic`
    (no PyBullet: the arm is where it is told to be) or `rigid`; the preset's if left out.
    `reward`, `harm_price`: see above. `horizon`: control steps. `sight`: `state`, `rgb` or `rgbd`;
    the scope's own picture of the cavity, 84 pixels square, 60 degrees wide. `render_mode`:
    `rgb_array` or None.
    """

    presets: ClassVar[Mapping[str, Preset]] = {"default": SCOPE_DEFAULT, "surrol": SCOPE_SURROL}
    preset: ScopePreset

    def __init__(
        self,
        preset: str = "default",
        reward: Literal["sparse", "dense"] = "sparse",
        horizon: int | None = None,
        harm_price: float | None = None,
        tier: Tier | None = None,
        sight: Sight = "state",
        render_mode: str | None = None,
    ) -> None:
        """Make the environment; see the class of the task."""
        super().__init__(preset, reward, horizon, harm_price, sight, render_mode)
        EzPickle.__init__(self, preset, reward, horizon, harm_price, tier, sight, render_mode)
        choose("tier", tier, (None, "kinematic", "rigid"))
        self.tier: Tier = tier or self.preset.tier
        self._mount = scope_mount()
        self._table = scope_kinematics()
        self._joints = self._mount.arm.home.copy()
        self._pose = np.empty((4, 4))
        self._upright = upright_pose()
        self._cavity: Cavity | None = None
        self._cavity_seed = 0

    # -- Hooks ---------------------------------------------------------------------------------

    def _make_world(self) -> World:
        substeps = self.preset.substeps
        if self.tier == "kinematic":
            return KinematicWorld([self._mount], (), substeps)
        return RigidWorld([self._mount], (), substeps)

    def _steer(self, action: Vector) -> bool:
        """Change the commanded joints by an action; False if it was not taken whole."""
        raise NotImplementedError

    def _look_around(self) -> None:
        """Take what is observed from the camera's new pose."""

    def _target_in_world(self) -> Vector:
        """(3,) what the picture shows as the target, m."""
        raise NotImplementedError

    # -- What an expert may look at --------------------------------------------------------------

    @property
    def camera_in_world(self) -> Vector:
        """(4, 4) pose of the camera: x to the right of the picture, y down, z along the view."""
        return self._pose

    @property
    def joints(self) -> Vector:
        """(4,) commanded: yaw, pitch, insertion, roll, rad or m."""
        return self._joints

    # -- BenchEnv's hooks ------------------------------------------------------------------------

    def _start(self, joints: Vector, cavity_seed: float) -> None:
        """Put the arm at rest at joints (4,), in the cavity of this seed.

        Raises:
            EnvironmentOptionError: no cavity has this seed.
        """
        check_scene("cavity", [cavity_seed], 0.0, float(_CAVITIES - 1))
        self._joints[:] = joints
        self.world.reset([self._joints], [0.0], {})
        self._cavity_seed = int(cavity_seed)
        self._measure()

    def _draw_cavity(self) -> list[float]:
        return [float(self.np_random.integers(_CAVITIES))]

    def _advance(self, action: Vector) -> Vector:
        whole = self._steer(action)
        world, pose = self.world, self._pose
        x, y, z = pose[0, 3], pose[1, 3], pose[2, 3]
        world.step((self._joints,), (0.0,), (False,))
        self._measure()
        moved = math.sqrt((pose[0, 3] - x) ** 2 + (pose[1, 3] - y) ** 2 + (pose[2, 3] - z) ** 2)
        self._is_unstable = not math.isfinite(moved)
        speed = moved / world.control_period_s
        if whole and speed <= SPEED_LIMIT_M_S:
            return _HARMLESS
        return harm(speed_m_s=speed, refused=not whole, unstable=self._is_unstable)

    def _measure(self) -> None:
        table = self._table
        camera_pose(
            table.rows, table.tool, self._mount.base_in_world, self.world.joints[0], self._pose
        )
        self._look_around()

    def _camera(self, width: int, height: int) -> Camera:
        """The scope's own."""
        x, y, z = self._pose[:3, 3].tolist()
        ahead, down = self._pose[:3, 2], self._pose[:3, 1]
        at, up = (self._pose[:3, 3] + ahead).tolist(), (-down).tolist()
        return Camera(width, height, (x, y, z), tuple(at), tuple(up), 60.0)

    def _look(self, camera: Camera) -> Frame:
        if self._cavity is None or self._cavity.seed != self._cavity_seed:
            self._cavity = Cavity(self._cavity_seed)
        return self._cavity.look(camera, self._target_in_world())


def drawn_joints(scene: Scene) -> Vector:
    """The joints (4,) of a scene.

    Raises:
        EnvironmentOptionError: they are beyond their limits.
    """
    arm = scope_mount().arm
    check_scene("joints", scene["joints"], arm.lower, arm.upper)
    return np.array(scene["joints"])


def check_scene(part: str, values: list[float], lower: Any, upper: Any) -> None:
    """Refuse a recorded scene with numbers that no drawn one has.

    Args:
        part: Of the scene.
        values: What was given.
        lower: Least numbers allowed, one or one each.
        upper: Greatest numbers allowed.
    """
    if not (np.less_equal(lower, values) & np.less_equal(values, upper)).all():
        least, most = (np.round(bound, 4).tolist() for bound in (lower, upper))
        raise EnvironmentOptionError(
            f"{part} of this scene is {values}, outside {least} to {most}; replay what "
            "info['scene'] gave"
        )
