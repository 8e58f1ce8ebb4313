"""The rigid bench: grasping by contact, repeating itself, and what it refuses."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.robot.arm import load_arm
from halsted.robot.bodies import Body, Shape, arc_centroid, capsule_between, needle_arc
from halsted.robot.camera import Camera
from halsted.robot.errors import ArmError
from halsted.robot.rigid import Mount, RigidWorld
from halsted.robot.rotations import quaternion_of, rotation_of

HEIGHT = 0.2
TABLE = Body("table", (Shape("box", (0.3, 0.3, 0.02), (0.0, 0.0, -0.01)),))
CUBE = Body("cube", (Shape("box", (0.006, 0.006, 0.006)),), mass_kg=0.002, label="target")


def mount(name: str = "psm1") -> Mount:
    base = np.eye(4)
    base[2, 3] = HEIGHT
    return Mount(name, load_arm("psm"), base)


def joints_at(z: float) -> NDArray[np.float64]:
    """Of an instrument that points straight down, its tool at this height."""
    arm = load_arm("psm")
    joints = arm.home.copy()
    joints[2] += arm.forward(arm.home)[2, 3] - (z - HEIGHT)
    return joints


@pytest.fixture
def world() -> Iterator[RigidWorld]:
    world = RigidWorld([mount()], [TABLE, CUBE])
    yield world
    world.close()


def begin(world: RigidWorld, cube_x: float = 0.0) -> None:
    world.reset([joints_at(0.004)], [0.5], {"cube": [cube_x, 0.0, 0.003, 0.0, 0.0, 0.0, 1.0]})


def close_jaws(world: RigidWorld, steps: int = 15) -> None:
    for _ in range(steps):
        world.step([joints_at(0.004)], [0.0], [True])


def lift(world: RigidWorld, opening: float = 0.0) -> None:
    for number in range(30):
        target = joints_at(0.004 + 0.05 * (number + 1) / 30)
        world.step([target], [opening], [opening == 0.0])


def test_jaws_that_close_on_a_cube_lift_it(world: RigidWorld) -> None:
    begin(world)
    close_jaws(world)
    assert world.held == ["cube"]
    lift(world)
    assert world.held == ["cube"]
    assert world.body_pose("cube")[0][2] == pytest.approx(0.003 + 0.05, abs=0.001)


def test_a_cube_that_one_jaw_only_pushes_is_not_held(world: RigidWorld) -> None:
    begin(world, cube_x=0.0)
    world.reset([joints_at(0.004)], [0.0], {"cube": [0.0, 0.0072, 0.003, 0.0, 0.0, 0.0, 1.0]})
    close_jaws(world)
    assert world.held == [None]


def test_jaws_that_close_on_nothing_hold_nothing(world: RigidWorld) -> None:
    begin(world, cube_x=0.05)
    close_jaws(world)
    assert world.held == [None]
    assert world.opening(0) == pytest.approx(0.0, abs=0.02)


def test_opening_lets_go_and_gravity_takes_over(world: RigidWorld) -> None:
    begin(world)
    close_jaws(world)
    lift(world)
    for _ in range(30):
        world.step([joints_at(0.054)], [0.5], [False])
    assert world.held == [None]
    assert world.body_pose("cube")[0][2] == pytest.approx(0.003, abs=0.0005)


def test_a_grasp_is_torn_away_by_more_than_its_force() -> None:
    anvil = Body("cube", CUBE.shapes, mass_kg=2.0)  # 20 N: more than the 5 N of a grasp
    world = RigidWorld([mount()], [TABLE, anvil])
    begin(world)
    close_jaws(world)
    assert world.held == ["cube"]
    lost = []
    for number in range(60):
        target = joints_at(0.004 + 0.001 * number)
        lost.append(world.step([target], [0.0], [True])[0].grasp_lost)
    assert any(lost)
    assert world.body_pose("cube")[0][2] < 0.02
    world.close()


def test_a_grasp_holds_still() -> None:
    world = RigidWorld([mount()], [TABLE, CUBE])
    begin(world)
    close_jaws(world)
    arm = load_arm("psm")

    def cube_in_tool() -> NDArray[np.float64]:
        tool = mount().base_in_world @ arm.forward(world.joints[0])
        position, turn = world.body_pose("cube")
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation_of(turn), position
        return np.asarray(np.linalg.inv(tool) @ pose)

    lift(world)
    before = cube_in_tool()
    for number in range(40):
        swung = joints_at(0.054)
        swung[:2] += 0.1 * np.sin(0.5 * number)
        world.step([swung], [0.0], [True])
    after = cube_in_tool()
    assert np.abs(after[:3, 3] - before[:3, 3]).max() < 3.5e-4  # m: the slip of the reference
    assert np.abs(after[:3, :3] - before[:3, :3]).max() < np.deg2rad(5.0)
    world.close()


def test_what_the_arm_presses_on_pushes_back(world: RigidWorld) -> None:
    begin(world, cube_x=0.05)
    contacts = [world.step([joints_at(-0.02)], [0.0], [False])[0] for _ in range(20)]
    assert contacts[-1].fixed_n > 1.0
    assert contacts[-1].arm_n == 0.0


def test_the_same_commands_give_the_same_trajectory_after_anything(world: RigidWorld) -> None:
    def run() -> list[object]:
        begin(world)
        rows: list[object] = []
        for number in range(40):
            contact = world.step([joints_at(0.004 + 0.001 * max(0, number - 15))], [0.0], [True])
            rows.append((world.body_pose("cube"), world.joints[0].tolist(), contact))
        return rows

    first = run()
    begin(world, cube_x=0.003)
    close_jaws(world)
    lift(world, opening=0.5)
    assert run() == first


def test_names_must_differ() -> None:
    with pytest.raises(ArmError, match=r"two arms .* same name"):
        RigidWorld([mount("psm"), mount("psm")], [])
    with pytest.raises(ArmError, match=r"two bodies .* same name"):
        RigidWorld([mount()], [CUBE, CUBE])


def test_a_camera_tells_arm_target_and_table_apart() -> None:
    world = RigidWorld([mount()], [TABLE, CUBE], visual=True)
    begin(world)
    frame = world.look(Camera(64, 64, eye=(0.1, 0.0, 0.05), target=(0.0, 0.0, 0.0)))
    assert frame.image.shape == (64, 64, 3)
    assert set(np.unique(frame.labels)) >= {1, 2, 4}  # arm, target, fixture
    camera = Camera(64, 64, eye=(0.1, 0.0, 0.05), target=(0.0, 0.0, 0.0))
    rows, columns = np.nonzero(frame.labels == 2)
    seen = camera.pixel_of(np.array([0.0, 0.0, 0.003]))
    assert seen == pytest.approx((columns.mean() + 0.5, rows.mean() + 0.5), abs=2.5)
    assert camera.pixel_of(np.array([0.3, 0.0, 0.1])) is None  # behind
    # The table's plane lies as far as geometry says, at the image's middle or beside the cube.
    below = Camera(64, 64, eye=(0.12, 0.12, 0.1), target=(0.12, 0.12, 0.0), up=(0.0, 1.0, 0.0))
    assert np.allclose(world.look(below).depth_m[28:36, 28:36], 0.1, atol=1e-3)
    world.close()


def test_capsules_lie_between_their_ends() -> None:
    start, end = np.array([0.01, -0.02, 0.03]), np.array([-0.02, 0.01, -0.04])
    shape = capsule_between(start, end, 0.001)
    half = rotation_of(shape.orientation)[:, 2] * shape.size[1] / 2
    ends = np.array([np.subtract(shape.position, half), np.add(shape.position, half)])
    assert np.allclose(ends, [start, end], atol=1e-12)


def test_an_arc_of_wire_balances_at_its_origin() -> None:
    points = needle_arc(0.02, np.pi / 2, 3 * np.pi / 2, 2001)
    assert np.allclose(((points[1:] + points[:-1]) / 2).mean(axis=0), 0.0, atol=1e-7)
    # 2 R / pi for a half circle
    assert arc_centroid(0.02, -np.pi / 2, np.pi / 2)[0] == pytest.approx(2 * 0.02 / np.pi)


def test_quaternions_and_rotations_are_inverse() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        quaternion = rng.normal(size=4)
        quaternion *= np.sign(quaternion[3]) / np.linalg.norm(quaternion)
        assert np.allclose(quaternion_of(rotation_of(quaternion.tolist())), quaternion, atol=1e-12)
    half_turn = rotation_of((1.0, 0.0, 0.0, 0.0))
    assert np.allclose(rotation_of(quaternion_of(half_turn)), half_turn)
