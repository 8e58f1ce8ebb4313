"""The da Vinci's arms: published tables, round trips, PyBullet's answer, and what is refused."""

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.robot.arm import Arm, load_arm
from halsted.robot.arm_description import ArmDescription

JAW_LENGTH_M = 0.0102


@pytest.fixture(scope="module")
def psm() -> Arm:
    return load_arm("psm")


@pytest.fixture(scope="module")
def ecm() -> Arm:
    return load_arm("ecm")


def random_joints(arm: Arm, count: int, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return rng.uniform(arm.lower, arm.upper, (count, len(arm.lower)))


def wide_roll(psm: Arm) -> Arm:
    """The same arm with the roll limits of the instrument's own file."""
    dump = psm.description.model_dump()
    dump["joints"][3] |= {"lower": -4.53786, "upper": 4.53786}
    return Arm("psm_wide", ArmDescription.model_validate(dump))


@pytest.mark.parametrize(
    ("joints", "point"),
    [
        ([0.0, 0.0, 0.12, 0.0, 0.0, 0.0], [0.0, 0.0, -0.1135]),
        ([0.3, -0.2, 0.15, 0.5, 0.4, -0.3], [0.03991, 0.02532, -0.13478]),
    ],
)
def test_the_psm_is_where_its_table_says(psm: Arm, joints: list[float], point: list[float]) -> None:
    pose = psm.forward(np.array(joints))
    assert pose[:3, 3] - JAW_LENGTH_M * pose[:3, 2] == pytest.approx(point, abs=1e-5)


def test_the_jaws_approach_along_the_shaft_at_zero(psm: Arm) -> None:
    pose = psm.forward(np.array([0.0, 0.0, 0.12, 0.0, 0.0, 0.0]))
    assert pose[:3, :3] == pytest.approx(np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]]), abs=1e-12)


def test_the_ecm_is_where_its_table_says(ecm: Arm) -> None:
    pose = ecm.forward(np.array([0.0, 0.0, 0.1, 0.0]))
    assert pose[:3, 3] == pytest.approx([0.0, 0.0, -0.1007], abs=1e-5)
    assert pose[:3, :3] == pytest.approx(np.diag([1.0, -1.0, -1.0]), abs=1e-12)


@pytest.mark.parametrize("name", ["psm", "ecm"])
def test_forward_after_inverse_is_where_it_began(name: str) -> None:
    arm = load_arm(name)
    poses = arm.forward(random_joints(arm, 100_000))
    joints, reached = arm.inverse(poses, random_joints(arm, 100_000, seed=1))
    assert reached.all()
    assert (joints >= arm.lower).all()
    assert (joints <= arm.upper).all()
    assert np.abs(arm.forward(joints) - poses).max() < 1e-9


def test_the_joints_come_back_where_the_wrist_is_before_the_remote_centre(psm: Arm) -> None:
    joints = random_joints(psm, 100_000)
    joints[:, 2] = np.maximum(joints[:, 2], 0.03)
    found, reached = psm.inverse(psm.forward(joints), np.zeros(6))
    assert reached.all()
    assert np.abs(found - joints).max() < 1e-9


def test_of_several_solutions_the_nearest_is_taken(psm: Arm) -> None:
    arm = wide_roll(psm)
    joints = random_joints(arm, 20_000)
    near = joints + np.random.default_rng(2).normal(0.0, 1e-3, joints.shape)
    found, reached = arm.inverse(arm.forward(joints), near)
    assert reached.all()
    assert np.abs(found - joints).max() < 1e-6
    # From afar, the roll is within half a turn of the given one unless limits forbid.
    far, _ = arm.inverse(arm.forward(joints), near + 0.4)
    other = far[:, 3] - 2.0 * np.pi * np.sign(far[:, 3])
    allowed = np.abs(other) <= arm.upper[3]
    assert (np.abs(far[:, 3] - near[:, 3] - 0.4) <= np.abs(other - near[:, 3] - 0.4))[allowed].all()
    assert allowed.any()


def test_behind_the_remote_centre_the_nearer_wrist_is_taken(psm: Arm) -> None:
    joints = random_joints(psm, 20_000, seed=3)
    joints[:, 2] *= 0.015 / psm.upper[2]
    found, reached = psm.inverse(psm.forward(joints), joints)
    assert reached.all()
    assert np.abs(found - joints).max() < 1e-6


def test_single_and_batch_agree(psm: Arm) -> None:
    joints = random_joints(psm, 12)
    poses = psm.forward(joints.reshape(3, 4, 6))
    assert poses.shape == (3, 4, 4, 4)
    found, reached = psm.inverse(poses, psm.home)
    assert found.shape == (3, 4, 6)
    assert reached.shape == (3, 4)
    for number, pose in enumerate(poses.reshape(-1, 4, 4)):
        one, ok = psm.inverse(pose, psm.home)
        assert ok
        assert (one == found.reshape(-1, 6)[number]).all()
        assert (psm.forward(joints[number]) == pose).all()


@pytest.mark.parametrize("name", ["psm", "ecm"])
@pytest.mark.parametrize("number", range(4))
def test_beyond_a_limit_nothing_is_clipped(name: str, number: int) -> None:
    arm = load_arm(name)
    for limit, sign in ((arm.lower, -1.0), (arm.upper, 1.0)):
        joints = arm.home.copy()
        joints[number] = limit[number]
        assert arm.inverse(arm.forward(joints), arm.home)[1]
        joints[number] += sign * 1e-4
        found, reached = arm.inverse(arm.forward(joints), arm.home)
        assert not reached
        assert (found == arm.home).all()


def test_poses_that_are_none_are_not_reached(psm: Arm, ecm: Arm) -> None:
    for arm in (psm, ecm):
        pose = arm.forward(arm.home)
        bad = np.repeat(pose[None], 6, axis=0)
        bad[0, 0, 3] = np.nan
        bad[1, 1, 1] = np.inf
        bad[2, :3, :3] *= 1.01
        bad[3, :3, 0] *= -1.0
        bad[4, :3, 3] *= 10.0
        bad[5, :3, 3] = -pose[:3, 3]
        found, reached = arm.inverse(bad, arm.home)
        assert not reached.any()
        assert (found == arm.home).all()


def test_at_the_remote_centre_no_joints_follow(psm: Arm, ecm: Arm) -> None:
    joints = psm.home.copy()
    joints[2] = 0.0156
    assert not psm.inverse(psm.forward(joints), psm.home)[1]
    pose = np.eye(4)
    assert not ecm.inverse(pose, ecm.home)[1]


def test_the_arguments_stay_as_they_are(psm: Arm) -> None:
    pose, near = psm.forward(psm.home + 0.01), psm.home.copy()
    before = pose.copy()
    psm.inverse(pose, near)
    assert (near == psm.home).all()
    assert (pose == before).all()


def test_a_scope_sees_along_the_line_from_the_remote_centre(ecm: Arm) -> None:
    joints = random_joints(ecm, 1000)
    poses = ecm.forward(joints)
    radial = poses[:, :3, 3] / np.linalg.norm(poses[:, :3, 3], axis=1, keepdims=True)
    assert np.abs(poses[:, :3, 2] - radial).max() < 1e-12
    # A direction of view that the position forbids is not used.
    poses[:, :3, 1] = np.cross(poses[:, :3, 2], poses[:, :3, 0])
    found, reached = ecm.inverse(poses, ecm.home)
    assert reached.all()
    assert np.abs(found - joints).max() < 1e-9
