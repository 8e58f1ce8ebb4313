"""Arrays that kinematics cannot take: kernels would read and write beyond their ends."""

from __future__ import annotations

import numpy as np
import pytest

from halsted.robot.arm import arm_names, load_arm
from halsted.robot.errors import ArmError

ALL = pytest.mark.parametrize("name", arm_names())


@ALL
@pytest.mark.parametrize("more", [1, -1, 600])
def test_joints_of_another_number_are_refused(name: str, more: int) -> None:
    arm = load_arm(name)
    count = len(arm.joint_names)
    for shape in ((count + more,), (count, count + more), (600, count + more)):
        with pytest.raises(ArmError, match=rf"to an arm of {count} joints; give"):
            arm.forward(np.zeros(shape))
    with pytest.raises(ArmError, match="joints"):
        arm.forward(np.float64(0.0))  # type: ignore[arg-type]


@ALL
def test_poses_of_another_shape_are_refused(name: str) -> None:
    arm = load_arm(name)
    for shape in ((4,), (3, 4), (16,), (4, 4, 3), (5, 16), ()):
        with pytest.raises(ArmError, match=r"give \(\.\.\., 4, 4\)"):
            arm.inverse(np.zeros(shape), arm.home)


@ALL
def test_a_start_that_does_not_fit_is_refused(name: str) -> None:
    arm = load_arm(name)
    count, pose = len(arm.home), arm.forward(arm.home)
    many = np.tile(pose, (6, 1, 1))
    for poses, near in (
        (pose, np.tile(arm.home, (5, 1))),
        (pose, np.zeros(count + 1)),
        (many, np.zeros((6, count + 1))),
        (many, np.zeros((5, count))),
        (many, np.zeros((2, 6, count))),
    ):
        with pytest.raises(ArmError, match="given as near"):
            arm.inverse(poses, near)


@ALL
def test_batches_of_any_shape_are_those_one_by_one(name: str) -> None:
    arm = load_arm(name)
    rng = np.random.default_rng(0)
    joints = arm.home + rng.uniform(-0.01, 0.01, (2, 3, len(arm.home)))
    poses = arm.forward(joints)
    found, reached = arm.inverse(poses, arm.home)
    assert poses.shape == (2, 3, 4, 4)
    assert found.shape == joints.shape
    assert reached.all()
    for place in np.ndindex(2, 3):
        np.testing.assert_array_equal(arm.forward(joints[place]), poses[place])
        one, _ = arm.inverse(poses[place], arm.home)
        np.testing.assert_array_equal(one, found[place])
    none, reached = arm.inverse(arm.forward(joints[:0]), arm.home)
    assert none.shape == (0, 3, len(arm.home))
    assert reached.shape == (0, 3)


@ALL
@pytest.mark.parametrize(
    "row", [(1.0, 2.0, 3.0, 4.0), (0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, np.nan)]
)
def test_a_pose_with_another_last_row_is_not_reached(name: str, row: tuple[float, ...]) -> None:
    arm = load_arm(name)
    pose = arm.forward(arm.home)
    pose[3] = row
    joints, reached = arm.inverse(pose, arm.home)
    assert not reached
    np.testing.assert_array_equal(joints, arm.home)


@ALL
def test_an_answer_is_no_view_of_what_was_given(name: str) -> None:
    arm = load_arm(name)
    near = arm.home.copy()
    pose = arm.forward(arm.home)
    pose[:3, 3] += 0.002
    joints, _ = arm.inverse(pose, near)
    np.testing.assert_array_equal(near, arm.home)
    assert not np.shares_memory(joints, near)


def test_a_needle_line_takes_no_other_number_of_joints() -> None:
    arm = load_arm("kuka_lbr")
    down = np.array([0.0, 0.0, -1.0])
    with pytest.raises(ArmError, match="7 joints"):
        arm.chain.tip(np.zeros(3))
    with pytest.raises(ArmError, match="near"):
        arm.chain.solve(np.zeros(3), down, np.zeros(3), arm.home)
    with pytest.raises(ArmError, match="7 joints"):
        arm.chain.solve(np.zeros(3), down, arm.home, np.zeros(6))
