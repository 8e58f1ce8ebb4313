"""Base of the tasks in which one or two instruments handle things on the table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from gymnasium.utils import EzPickle
from numpy.typing import ArrayLike

from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.bench import GoalBenchEnv, Scene, Sight, Vector, World
from halsted.envs.surgery.bench_task import harm
from halsted.envs.surgery.dexterity.bench_arms import WORKSPACE_M, ToolGuide, mounted
from halsted.robot.bodies import Body
from halsted.robot.camera import Camera, Frame
from halsted.robot.rigid import RigidWorld
from halsted.robot.rotations import quaternion_of_yaw, rotation_of, yaw_of
from halsted.robot.specification import Entry, Specification

_DROP_M = 0.015
"""Greatest height above its rest from which a thing may be let go."""
_LEAD_STEPS = 2.0
_IN_HAND_M = 0.002
_UNIT_TOLERANCE = 1e-6

BIMANUAL_WORKSPACES_M = tuple(
    np.array([WORKSPACE_M[0], bounds, WORKSPACE_M[2]]) for bounds in ((-0.01, 0.07), (-0.07, 0.01))
)
"""Each of two instruments keeps to its half of the table and 1 cm of the other."""


def instrument_command(arms: int) -> Specification:
    """What a policy commands: five numbers an arm, of which the first four are steps."""
    suffixes = ("",) if arms == 1 else tuple(f"_{number + 1}" for number in range(arms))
    entries = []
    for suffix in suffixes:
        entries += [
            Entry(f"shift_in_world{suffix}", 3, "m", 0.006, "Cartesian step of the tool"),
            Entry(f"turn{suffix}", 1, "rad", np.deg2rad(12.0).item(), "step about the vertical"),
            Entry(f"jaw{suffix}", 1, "1", 1.0, "below 0 closes the jaws, else they open"),
        ]
    return Specification(tuple(entries))


def instrument_state(arms: int) -> Specification:
    """What a policy observes of the instruments and of the thing that they handle."""
    suffixes = ("",) if arms == 1 else tuple(f"_{number + 1}" for number in range(arms))
    entries = []
    for suffix in suffixes:
        entries += [
            Entry(f"tool_in_world{suffix}", 3, "m", 0.05, "forward kinematics", 4.0),
            Entry(f"heading{suffix}", 2, "1", 1.0, "cosine and sine of the tool's heading"),
            Entry(f"opening{suffix}", 1, "1", 1.0, "measured share of the jaws' opening", 2.0),
            Entry(f"holding{suffix}", 1, "1", 1.0, "1 while something is held"),
            Entry(f"grasp_from_tool{suffix}", 3, "m", 0.02, "grasp point less the tool", 10.0),
            Entry(
                f"grasp_heading_from_tool{suffix}", 2, "1", 1.0, "cosine and sine of twice the turn"
            ),
        ]
    return Specification(
        (*entries, Entry("object_in_world", 3, "m", 0.05, "pose of the thing handled", 4.0))
    )


class InstrumentEnv(GoalBenchEnv):
    """One or two instruments over the table, and one thing that they handle.

    A subclass says which bodies there are, how a scene is drawn, where the thing is gripped and
    when it is where it should be.

    ## Action Space
    `Box(-1, 1, (5,), float32)`, twice as long for two instruments: for each a Cartesian step of the
    tool (3), its turn about the vertical, and its jaws, which close below 0 and open otherwise.
    The tools point down. A step beyond the workspace is cut short, one out of reach or beyond a
    joint's limit is not taken; both count as cost. The command never runs ahead of the tool by
    more than two steps. Closing jaws hold a thing once both of them touch it; see
    `halsted.robot.rigid.RigidWorld`.

    ## Observation Space
    `Dict` of float32 in goal form: `observation`, `achieved_goal` and `desired_goal`, goals in
    units of 5 cm. With `sight` other than `state` also images, see `BenchEnv`.

    ## Rewards
    `reward="sparse"`: 0 for a step that succeeds, -1 for any other, less `harm_price` for each unit
    of cost. `reward="dense"`: 100 for each metre that the thing, or the tool on its way to it,
    gains on its goal, 10 on success, less the price of harm. `info["task_reward"]` is the sparse
    one in either form.

    ## Costs
    `info["cost"]` is the sum of `info["costs"]`: a step with a tip faster than 0.2 m/s, as a
    mean over the step, which `surrol` can never exceed (`speed`), with more than 2 N of the
    instrument, or of what it holds, on a fixture (`force`), with instruments touching (`clash`),
    with a command beyond workspace, reach or joint limits (`limits`); a thing let go more than
    15 mm above its rest (`drop`); the simulation's end by its watchdog (`instability`).

    ## Arguments
    `preset`: `default` (30 Hz, up to 6 mm and 12 degrees a step) or `surrol` (5 Hz in 48 sub-steps,
    10 mm and 30 degrees, its horizon, tolerance and spread, no end on success, no harm in the
    reward). In `default` a step is at most 6 mm in every direction, in `surrol` along each axis.
    `reward`, `harm_price`: see above. `horizon`: control steps. `arm`: name of an arm with
    a gripper. `sight`: `state`, `rgb` or `rgbd`. `render_mode`: `rgb_array` or None.
    """

    arms: ClassVar[int] = 1
    command = instrument_command(1)
    specification = instrument_state(1)
    handled: ClassVar[str] = "thing"
    """Name of the body that is handled."""
    grips: ClassVar[tuple[tuple[float, float, float, float], ...]] = ((0.0, 0.0, 0.0, 0.0),)
    """For each arm, where it grips the thing: (3,), m, in the body's frame, and heading, rad."""
    rest_m: ClassVar[float] = 0.0
    """Height of the thing's origin, m, when it lies where it may be let go."""
    open_share: ClassVar[float] = 0.5
    """Of the jaws' range, to which they open: 40 degrees for a large needle driver, as SurRoL's."""
    carried_at_m: ClassVar[float | None] = None
    """Height of the thing's origin at which it is carried to a goal on the table; None for a goal
    in the air."""
    in_hand: ClassVar[int | None] = None
    """Number of the arm that holds the thing at the start, if any."""
    workspaces: ClassVar[tuple[Vector, ...]] = (WORKSPACE_M,)
    """For each arm, (3, 2) bounds, m, of where its tool may be commanded to."""

    def __init__(
        self,
        preset: str = "default",
        reward: Literal["sparse", "dense"] = "sparse",
        horizon: int | None = None,
        harm_price: float | None = None,
        arm: str = "psm",
        sight: Sight = "state",
        render_mode: str | None = None,
    ) -> None:
        """Make the environment; see the class of the task."""
        EzPickle.__init__(self, preset, reward, horizon, harm_price, arm, sight, render_mode)
        super().__init__(preset, reward, horizon, harm_price, sight, render_mode)
        self._mounts = [mounted(number, arm) for number in range(self.arms)]
        lead = _LEAD_STEPS * self.preset.step_m
        self._guides = [
            ToolGuide(mount, lead, workspace)
            for mount, workspace in zip(self._mounts, self.workspaces, strict=True)
        ]
        self._tools: list[Vector] = [np.zeros(3) for _ in self._mounts]
        self._headings = [0.0 for _ in self._mounts]

    # -- Hooks ---------------------------------------------------------------------------------

    def _bodies(self) -> Sequence[Body]:
        """Everything on the table; made once."""
        raise NotImplementedError

    def _make_world(self) -> World:
        return RigidWorld(self._mounts, self._bodies(), self.preset.substeps, self._needs_visuals)

    # -- What an expert may look at --------------------------------------------------------------

    @property
    def guides(self) -> Sequence[ToolGuide]:
        """For each arm, the pose that it is commanded to."""
        return self._guides

    @property
    def goal_in_world(self) -> Vector:
        """(3,) where the thing should go, m."""
        return self._goal_in_world

    @property
    def way_to_goal(self) -> Vector:
        """(3,) from what has been achieved to the goal, m."""
        return self._desired()[:3] - self._achieved()[:3]

    def tool(self, arm: int) -> Vector:
        """(3,) measured position of an arm's tool, world m."""
        return self._tools[arm]

    def turn_to_goal(self) -> float:
        """How far the thing still has to be turned about the vertical, rad; 0 unless it matters."""
        return 0.0

    def heading(self, arm: int) -> float:
        """Measured heading of an arm's tool, rad."""
        return self._headings[arm]

    def grip(self, arm: int) -> tuple[Vector, float]:
        """Where an arm grips the thing: position (3,), world m, and heading, rad."""
        return self._grip_of(arm, *self.world.body_pose(self.handled))

    # -- What a planner may look at --------------------------------------------------------------

    @property
    def seen_pose(self) -> tuple[Vector, Sequence[float]]:
        """Position (3,), world m, and quaternion (x, y, z, w) of the thing as perception sees it.

        It is the true one where nothing is perceived.
        """
        return self._thing, self._turn

    @property
    def seen_way_to_goal(self) -> Vector:
        """(3,) from what seems to have been achieved to the goal, m."""
        return self._desired()[:3] - self._perceived(self._achieved())[:3]

    def seen_grip(self, arm: int) -> tuple[Vector, float]:
        """Where an arm would grip the thing that is seen, as `grip`."""
        return self._grip_of(arm, *self.seen_pose)

    def seems_to_have_succeeded(self) -> bool:
        """Whether the goal is met as far as perception sees."""
        return bool(self._success(self._perceived(self._achieved()), self._desired()))

    def _grip_of(
        self, arm: int, position: ArrayLike, turn: Sequence[float]
    ) -> tuple[Vector, float]:
        x, y, z, heading = self.grips[arm]
        offset = rotation_of(turn) @ (x, y, z)
        return np.add(position, offset), yaw_of(turn) + heading

    # -- BenchEnv's hooks ------------------------------------------------------------------------

    def _apply(self, scene: Scene) -> None:
        self._check(scene)
        for guide, start in zip(self._guides, np.reshape(scene["tools"], (-1, 4)), strict=True):
            if not guide.place(start[:3].copy(), float(start[3])):
                raise EnvironmentOptionError(
                    f"the arm cannot reach the start {start[:3].round(3).tolist()} of this scene; "
                    "replay it with the arm that it was recorded with"
                )
        poses = {
            name.removeprefix("pose_"): values
            for name, values in scene.items()
            if name.startswith("pose_")
        }
        self.world.reset([guide.joints for guide in self._guides], self._openings_at_start(), poses)
        if self.in_hand is not None:
            self._attach()
        self._goal_in_world = np.array(scene["goal"])
        self._measure()

    def _advance(self, action: Vector) -> Vector:
        world, step_m, step_rad = self.world, self.preset.step_m, self.preset.step_rad
        refused, closing = 0, []
        for number, guide in enumerate(self._guides):
            own = action[5 * number : 5 * number + 5]
            if self.preset.is_round:
                own[:3] /= max(1.0, math.sqrt(own[:3] @ own[:3]))
            refused += not guide.move(step_m * own[:3], step_rad * own[3], self._tools[number])
            closing.append(bool(own[4] < 0.0))
        before = self._tools
        openings = [0.0 if c else self.open_share for c in closing]
        contacts = world.step([guide.joints for guide in self._guides], openings, closing)
        self._measure()
        moved = [now - then for now, then in zip(self._tools, before, strict=True)]
        speed = max(math.sqrt(way @ way) for way in moved) / world.control_period_s
        self._is_unstable = not world.is_sane()
        return harm(
            speed_m_s=speed,
            force_n=max(contact.fixed_n for contact in contacts),
            clash_n=max(contact.arm_n for contact in contacts),
            refused=refused,
            drops=sum(contact.let_go_m > self.rest_m + _DROP_M for contact in contacts),
            unstable=self._is_unstable,
        )

    def _measure(self) -> None:
        poses = [
            guide.measured_pose(joints)
            for guide, joints in zip(self._guides, self.world.joints, strict=True)
        ]
        self._tools = [pose[0] for pose in poses]
        self._headings = [pose[1] for pose in poses]
        position, turn = self.world.body_pose(self.handled)
        self._thing, self._turn = np.array(position), turn

    def _state(self) -> Vector:
        values: list[float] = []
        thing, turn_of_thing = self.seen_pose
        rotation, yaw = rotation_of(turn_of_thing), yaw_of(turn_of_thing)
        for number, (tool, heading) in enumerate(zip(self._tools, self._headings, strict=True)):
            x, y, z, grip_heading = self.grips[number]
            to_grip = thing + rotation @ (x, y, z) - tool
            turn = 2.0 * (yaw + grip_heading - heading)
            values += [*tool.tolist(), math.cos(heading), math.sin(heading)]
            values += [self.world.opening(number), float(self.world.held[number] is not None)]
            values += [*to_grip.tolist(), math.cos(turn), math.sin(turn)]
        return np.array([*values, *thing.tolist()])

    def _achieved(self) -> Vector:
        return self._thing

    def _desired(self) -> Vector:
        return self._goal_in_world

    def _potential(self, achieved: Vector, desired: Vector) -> float:
        """The way of the thing to its goal, and of the nearest free tool to the thing."""
        left = float(np.linalg.norm(achieved - desired))
        if any(name is not None for name in self.world.held):
            return left
        reach = min(
            float(np.linalg.norm(self.grip(number)[0] - tool))
            for number, tool in enumerate(self._tools)
        )
        return left + reach + 0.02

    def _marked(self) -> list[Vector]:
        return [self._goal_in_world[:3]]

    def _look(self, camera: Camera) -> Frame:
        return self.world.look(camera)

    def _check(self, scene: Scene) -> None:
        """Refuse a recorded scene that no drawn one can be like."""
        tools = np.reshape(scene["tools"], (-1, 4))[:, :3]
        bounds = np.array(self.workspaces)
        if (tools < bounds[:, :, 0]).any() or (tools > bounds[:, :, 1]).any():
            raise EnvironmentOptionError(
                f"tools of this scene are at {tools.round(3).tolist()}, outside the workspace "
                f"{bounds.tolist()} m; replay what info['scene'] gave"
            )
        for name, pose in scene.items():
            if name.startswith("pose_") and abs(math.hypot(*pose[3:]) - 1.0) > _UNIT_TOLERANCE:
                raise EnvironmentOptionError(
                    f"{name} of this scene has the quaternion {pose[3:]}, which is not of length "
                    "1; replay what info['scene'] gave"
                )

    def _attach(self) -> None:
        """Begin with the thing in hand."""
        assert self.in_hand is not None
        position, turn = self.world.body_pose(self.handled)
        grip = np.add(position, rotation_of(turn) @ self.grips[self.in_hand][:3])
        away = float(np.linalg.norm(grip - self._guides[self.in_hand].position))
        if away > _IN_HAND_M:
            raise EnvironmentOptionError(
                f"the {self.handled} of this scene lies {away * 1e3:.0f} mm from the tool that "
                "should hold it; replay what info['scene'] gave"
            )
        self.world.attach(self.in_hand, self.handled)

    def _openings_at_start(self) -> list[float]:
        return [0.05 if arm == self.in_hand else self.open_share for arm in range(self.arms)]

    # -- For subclasses --------------------------------------------------------------------------

    def _draw(self, half_width: float) -> float:
        """A number within a half width of 0, times the preset's spread."""
        return float(self.np_random.uniform(-1.0, 1.0)) * half_width * self.preset.spread


def pose_at(x: float, y: float, z: float, yaw: float = 0.0) -> list[float]:
    """Position (3,), m, and quaternion (x, y, z, w) of an upright body."""
    return [x, y, z, *quaternion_of_yaw(yaw)]
