"""The URDF of every arm in PyBullet: the same kinematics, motors that settle, jaws that touch."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.robot.arm import Arm, Gripper, arm_names, load_arm
from halsted.robot.bullet import POSITION_GAIN, start_bullet
from halsted.robot.rigid import Mount, RigidWorld


class Loaded:
    """An arm in a world of its own."""

    def __init__(self, name: str) -> None:
        self.arm: Arm = load_arm(name)
        self.bullet: Any
        self.bullet, self.client = start_bullet()
        self.body = self.bullet.loadURDF(
            str(self.arm.urdf(visual=False)), useFixedBase=True, physicsClientId=self.client
        )
        count = self.bullet.getNumJoints(self.body, self.client)
        infos = [self.bullet.getJointInfo(self.body, k, self.client) for k in range(count)]
        numbers = {info[1].decode(): info[0] for info in infos}
        self.links = {info[12].decode(): info[0] for info in infos}
        self.jaws = self.arm.gripper.joints if self.arm.gripper else ()
        self.movable = [numbers[name] for name in (*self.arm.joint_names, *self.jaws)]
        self.forces = [infos[number][10] for number in self.movable]

    def place(self, joints: NDArray[np.float64], jaw: float = 0.0) -> None:
        for number, value in zip(self.movable, self.with_jaws(joints, jaw), strict=True):
            self.bullet.resetJointState(self.body, number, value, physicsClientId=self.client)

    def drive(self, joints: NDArray[np.float64], jaw: float, steps: int) -> None:
        self.bullet.setJointMotorControlArray(
            self.body,
            self.movable,
            self.bullet.POSITION_CONTROL,
            targetPositions=self.with_jaws(joints, jaw),
            forces=self.forces,
            positionGains=[POSITION_GAIN] * len(self.movable),
            physicsClientId=self.client,
        )
        for _ in range(steps):
            self.bullet.stepSimulation(physicsClientId=self.client)

    def with_jaws(self, joints: NDArray[np.float64], jaw: float) -> list[float]:
        return [*joints.tolist(), *([jaw] * len(self.jaws))]

    def tool(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        state = self.bullet.getLinkState(
            self.body, self.links["tool"], computeForwardKinematics=1, physicsClientId=self.client
        )
        rotation = np.reshape(self.bullet.getMatrixFromQuaternion(state[5]), (3, 3))
        return np.array(state[4]), rotation


@pytest.fixture
def loaded(name: str) -> Iterator[Loaded]:
    world = Loaded(name)
    yield world
    world.bullet.disconnect(world.client)


ALL = pytest.mark.parametrize("name", arm_names())
PSM = pytest.mark.parametrize("name", ["psm"])


@ALL
def test_pybullet_has_the_tool_at_the_same_place(loaded: Loaded) -> None:
    arm = loaded.arm
    rng = np.random.default_rng(0)
    for joints in rng.uniform(arm.lower, arm.upper, (300, len(arm.lower))):
        loaded.place(joints)
        position, rotation = loaded.tool()
        pose = arm.forward(joints)
        assert np.abs(pose[:3, 3] - position).max() < 1e-6
        assert np.abs(pose[:3, :3] - rotation).max() < 1e-6


@ALL
def test_a_move_of_10_mm_settles_in_a_tenth_of_a_second(loaded: Loaded) -> None:
    arm = loaded.arm
    for way in np.vstack([np.eye(3), -np.eye(3)]):
        pose = arm.forward(arm.home)
        pose[:3, 3] += 0.01 * way
        joints, reached = arm.inverse(pose, arm.home)
        assert reached
        loaded.place(arm.home)
        loaded.drive(joints, 0.0, 24)
        assert np.linalg.norm(loaded.tool()[0] - pose[:3, 3]) < 1e-4


@ALL
def test_an_arm_at_rest_holds_itself_against_gravity(loaded: Loaded) -> None:
    loaded.place(loaded.arm.home)
    before, _ = loaded.tool()
    loaded.drive(loaded.arm.home, 0.0, 240)
    assert np.linalg.norm(loaded.tool()[0] - before) < 1e-5


@pytest.mark.parametrize("name", arm_names())
def test_every_arm_moves_in_a_rigid_world(name: str) -> None:
    arm = load_arm(name)
    world = RigidWorld([Mount("arm", arm, np.eye(4))], (), substeps=24)
    world.reset([arm.home], [0.0], {})
    aim = arm.home + 0.01
    for _ in range(5):
        world.step([aim], [0.0], [False])
    assert world.joints[0] == pytest.approx(aim, abs=1e-3)
    assert world.is_sane()
    world.close()


@PSM
def test_jaws_open_by_equal_angles_along_y(loaded: Loaded) -> None:
    gripper = loaded.arm.gripper
    assert isinstance(gripper, Gripper)
    loaded.place(loaded.arm.home, gripper.open)
    pose = loaded.arm.forward(loaded.arm.home)
    along = []
    for link in gripper.links:
        state = loaded.bullet.getLinkState(
            loaded.body,
            loaded.links[link],
            computeForwardKinematics=1,
            physicsClientId=loaded.client,
        )
        rotation = np.reshape(loaded.bullet.getMatrixFromQuaternion(state[5]), (3, 3))
        along.append(pose[:3, :3].T @ rotation[:, 2])
    angle = gripper.open
    assert along[0] == pytest.approx([0.0, np.sin(angle), np.cos(angle)], abs=1e-6)
    assert along[1] == pytest.approx([0.0, -np.sin(angle), np.cos(angle)], abs=1e-6)


@PSM
@pytest.mark.parametrize("thickness_m", [0.001, 0.005])
def test_both_jaws_close_on_a_small_thing(loaded: Loaded, thickness_m: float) -> None:
    bullet, arm = loaded.bullet, loaded.arm
    assert arm.gripper is not None
    bullet.setGravity(0.0, 0.0, 0.0, physicsClientId=loaded.client)
    pose = arm.forward(arm.home)
    shape = bullet.createCollisionShape(
        bullet.GEOM_CAPSULE,
        radius=thickness_m / 2,
        height=0.01,
        physicsClientId=loaded.client,
    )
    # A wire across the jaws, along the tool's x axis.
    turn = bullet.getQuaternionFromEuler([np.pi / 2, 0.0, 0.0])
    thing = bullet.createMultiBody(0.001, shape, -1, pose[:3, 3].tolist(), turn)
    loaded.place(arm.home, arm.gripper.open)
    loaded.drive(arm.home, arm.gripper.open, 24)
    assert not bullet.getContactPoints(loaded.body, thing, physicsClientId=loaded.client)
    loaded.drive(arm.home, arm.gripper.closed, 48)
    normals = {}
    for contact in bullet.getContactPoints(loaded.body, thing, physicsClientId=loaded.client):
        normals[contact[3]] = pose[:3, 1] @ np.array(contact[7])
    left, right = (loaded.links[link] for link in arm.gripper.links)
    assert set(normals) == {left, right}
    assert normals[left] > 0.7
    assert normals[right] < -0.7
    at, _ = bullet.getBasePositionAndOrientation(thing, physicsClientId=loaded.client)
    assert np.linalg.norm(np.subtract(at, pose[:3, 3])) < 0.003
