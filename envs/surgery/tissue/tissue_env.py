"""Base of the tasks in which an instrument handles soft tissue."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np
from gymnasium.utils import EzPickle
from numpy.typing import NDArray

from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.bench import GoalBenchEnv, Vector
from halsted.envs.surgery.bench_task import DEFAULT, Preset, harm
from halsted.envs.surgery.dexterity.bench_arms import WORKSPACE_M, mounted
from halsted.envs.surgery.dexterity.things import table
from halsted.envs.surgery.tissue.instrument import RADII_M, capsules, jaw_angle
from halsted.envs.surgery.tissue.tilt_guide import TiltGuide
from halsted.robot.bullet import RATE_HZ
from halsted.robot.camera import Camera, Frame
from halsted.robot.drawing import Drawing, draw_over
from halsted.robot.rigid import Mount, RigidWorld
from halsted.robot.tissue import Capsules, SoftBody

_EXCHANGE = 2
"""PyBullet steps after which arm and tissue tell each other where they are and how they push."""
EXCHANGE_S = _EXCHANGE / RATE_HZ
_LEAD_STEPS = 2.0
_RUNAWAY_M = 0.5
_TISSUE_COLOUR = (0.85, 0.45, 0.42)


@dataclass
class Touch:
    """What arm and tissue did to each other in a control step.

    Attributes:
        force: (3,) mean force on the tool in the last exchange, world, N.
        most_force_n: Greatest such force, or force on a fixture, in the step.
        torn: Number of tetrahedra torn.
        slipped: Number of grips that slipped off.
    """

    force: Vector
    most_force_n: float = 0.0
    torn: int = 0
    slipped: int = 0


class TissueEnv(GoalBenchEnv):
    """An instrument over the table, and soft tissue that it handles.

    ## Coupling
    Arm and tissue run at 120 exchanges a second: the arm is driven for two steps of PyBullet, the
    tissue follows it, and the mean force of the tissue on the tool acts on the arm in the next two.

    ## Rewards
    `reward="sparse"`: 0 for a step that succeeds, -1 for any other, less `harm_price` for each unit
    of cost. `reward="dense"`: 100 for each metre that is gained, 10 on success, less the price of
    harm. `info["task_reward"]` is the sparse one in either form.

    ## Costs
    `info["cost"]` is the sum of `info["costs"]`: a step with a tip faster than 0.2 m/s (`speed`),
    with more than 2 N on tissue or table (`force`), with tissue stretched by more than half its
    length or tearing (`strain`), with a command beyond workspace, reach or joint limits
    (`limits`); a grip that slips off (`drop`); the end by the watchdog, a truncation
    (`instability`).

    ## Arguments
    `preset`: `default` (30 Hz) only. `reward`, `harm_price`: see above. `horizon`: control steps.
    `sight`: `state`, `rgb` or `rgbd`. `render_mode`: `rgb_array` or None.
    """

    presets: ClassVar[Mapping[str, Preset]] = MappingProxyType({"default": DEFAULT})
    workspace_m: ClassVar[Vector] = WORKSPACE_M

    def __init__(
        self,
        preset: str = "default",
        reward: Literal["sparse", "dense"] = "sparse",
        horizon: int | None = None,
        harm_price: float | None = None,
        sight: Literal["state", "rgb", "rgbd"] = "state",
        render_mode: str | None = None,
    ) -> None:
        """Make the environment; see the class of the task."""
        EzPickle.__init__(self, preset, reward, horizon, harm_price, sight, render_mode)
        super().__init__(preset, reward, horizon, harm_price, sight, render_mode)
        self._mount = mounted(0, "psm")
        self._guide = self._new_guide(self._mount, _LEAD_STEPS * self.preset.step_m)
        self.body = self._new_body()
        self._pose = np.eye(4)
        self._axes = np.zeros((len(RADII_M), 2, 3))
        self._touch = Touch(np.zeros(3))
        self._strain = self._opening = 0.0

    # -- Hooks ---------------------------------------------------------------------------------

    def _new_body(self) -> SoftBody:
        """The tissue; made once."""
        raise NotImplementedError

    def _new_guide(self, mount: Mount, lead_m: float) -> TiltGuide:
        """What is commanded of the tool, and within which workspace."""
        raise NotImplementedError

    def _follow(self, tools: Capsules, touch: Touch) -> tuple[Vector, Vector]:
        """Simulate the tissue over one exchange, in which the instrument moved.

        Args:
            tools: The instrument's jaws and wrist.
            touch: Where to count what tore and slipped.

        Returns:
            The force (3,) on the tool, N, and where it acts (3,), world, m.
        """
        raise NotImplementedError

    def _drawings(self) -> Sequence[Drawing]:
        """What a camera sees beside the arm, the table and the tissue."""
        raise NotImplementedError

    # -- What an expert may look at --------------------------------------------------------------

    @property
    def guide(self) -> TiltGuide:
        """The pose that the tool is commanded to."""
        return self._guide

    @property
    def tool(self) -> Vector:
        """(3,) measured position of the tool, world m."""
        return self._pose[:3, 3]

    @property
    def world(self) -> RigidWorld:
        """The simulated arm."""
        world = super().world
        assert isinstance(world, RigidWorld)  # as _make_world makes it
        return world

    def _make_world(self) -> RigidWorld:
        return RigidWorld([self._mount], [table()], _EXCHANGE, self._needs_visuals)

    # -- For subclasses --------------------------------------------------------------------------

    def _begin(self, opening: float) -> None:
        """Put the arm where its guide was placed, its jaws open by a share."""
        self.world.reset([self._guide.joints], [opening], {})
        self._measure()
        self._opening = opening
        self._touch, self._strain = Touch(np.zeros(3)), 0.0

    def _place_guide(self, position: Vector, tilt: float) -> None:
        if not self._guide.place(position, tilt):
            raise EnvironmentOptionError(
                f"the arm cannot reach the start {position.round(3).tolist()} of this scene; "
                "replay what info['scene'] gave"
            )

    def _carry_out(self, refused: bool, tip: Vector) -> Vector:
        """Drive arm and tissue for one control step; costs (cause,).

        Args:
            refused: Whether the command was not carried out whole.
            tip: (3,) in the tool frame, the point whose speed counts, m.
        """
        before = self._at_tool(tip)
        self._touch = touch = Touch(np.zeros(3))
        for _ in range(self.preset.substeps // _EXCHANGE):
            self._exchange(touch)
        way = self._at_tool(tip) - before
        self._watch()
        self._strain = self.body.largest_stretch - 1.0
        return harm(
            speed_m_s=math.sqrt(way @ way) * RATE_HZ / self.preset.substeps,
            force_n=touch.most_force_n,
            strain=math.inf if touch.torn else self._strain,
            refused=refused,
            drops=touch.slipped,
            unstable=self._is_unstable,
        )

    def _at_tool(self, point: Vector) -> Vector:
        """A point (3,) of the tool frame in the world, m."""
        moved: Vector = self._pose[:3, :3] @ point + self._pose[:3, 3]
        return moved

    @property
    def _angle(self) -> float:
        """Measured angle of each jaw, rad."""
        gripper = self._mount.arm.gripper
        assert gripper is not None
        return jaw_angle(gripper, self.world.opening(0))

    def _camera(self, width: int, height: int) -> Camera:
        return Camera(width, height, eye=(0.075, -0.06, 0.065), target=(0.0, 0.0, 0.012))

    def _look(self, camera: Camera) -> Frame:
        tissue = Drawing(self.body.positions, self.body.surface, _TISSUE_COLOUR)
        return draw_over(self.world.look(camera), camera, [tissue, *self._drawings()])

    # -- Inside --------------------------------------------------------------------------------

    def _exchange(self, touch: Touch) -> None:
        (contact,) = self.world.step([self._guide.joints], [self._opening], [False])
        axes = self._axes
        self._measure()
        force, point = self._follow(Capsules(axes, self._axes, RADII_M), touch)
        if not np.isfinite(force).all():
            force = np.zeros(3)
        self.world.push(0, force, point)
        touch.force = force
        touch.most_force_n = max(touch.most_force_n, contact.fixed_n, math.sqrt(force @ force))

    def _measure(self) -> None:
        self._pose = self._mount.base_in_world @ self._mount.arm.forward(self.world.joints[0])
        self._axes = capsules(self._pose, self._angle)

    def _watch(self) -> None:
        """End the episode where numbers have run away; a last observation stays finite.

        Looked at are the arm and all of the tissue, loose pieces too, which the floor holds up.
        """
        self._is_unstable = not (self.world.is_sane() and self.body.is_within(_RUNAWAY_M))
        if self._is_unstable:
            self.body.reset()


def placed(x: float, y: float, z: float, yaw: float, stretch: float = 1.0) -> NDArray[np.float64]:
    """A 4x4 placement turned about z, and stretched along its own x."""
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array(
        [[stretch * c, -s, 0.0, x], [stretch * s, c, 0.0, y], [0, 0, 1, z], [0, 0, 0, 1]]
    )
