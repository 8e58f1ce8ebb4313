"""Whole poses of seven-joint arms by damped least squares."""

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.robot.arm import Arm, load_arm

SEVEN_JOINTS = pytest.mark.parametrize("name", ["kuka_lbr", "panda"])


def random_joints(arm: Arm, count: int, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return rng.uniform(arm.lower, arm.upper, (count, len(arm.lower)))


@SEVEN_JOINTS
def test_poses_are_reached_from_nearby(name: str) -> None:
    arm = load_arm(name)
    joints = random_joints(arm, 2000)
    near = joints + np.random.default_rng(1).normal(0.0, 0.05, joints.shape)
    poses = arm.forward(joints)
    found, reached = arm.inverse(poses, near)
    assert reached.mean() >= 0.999
    assert np.abs(arm.forward(found) - poses)[reached].max() < 1e-8
    assert (found[reached] >= arm.lower).all()
    assert (found[reached] <= arm.upper).all()
    # The freedom that the pose leaves to the seventh joint is spent on staying near.
    assert np.median(np.linalg.norm(found - near, axis=1)) < 0.2


@SEVEN_JOINTS
def test_poses_anywhere_are_reached_from_home(name: str) -> None:
    arm = load_arm(name)
    poses = arm.forward(random_joints(arm, 1000, seed=2))
    found, reached = arm.inverse(poses, arm.home)
    assert reached.mean() >= 0.99
    assert np.abs(arm.forward(found) - poses)[reached].max() < 1e-8
    assert (found[~reached] == arm.home).all()


@SEVEN_JOINTS
def test_poses_out_of_reach_are_told(name: str) -> None:
    arm = load_arm(name)
    bad = np.repeat(arm.forward(arm.home)[None], 4, axis=0)
    bad[0, :3, 3] = [3.0, 0.0, 0.0]
    bad[1, 2, 3] = np.nan
    bad[2, :3, :3] *= 1.01
    bad[3, :3, 1] *= -1.0
    found, reached = arm.inverse(bad, arm.home)
    assert not reached.any()
    assert (found == arm.home).all()


@SEVEN_JOINTS
def test_a_tool_that_is_half_a_turn_away_about_itself_is_reached(name: str) -> None:
    arm = load_arm(name)
    pose = arm.forward(arm.home)
    pose[:3, :2] *= -1.0
    found, reached = arm.inverse(pose, arm.home)
    assert reached
    assert np.abs(arm.forward(found) - pose).max() < 1e-8


def test_the_tighter_of_two_limits_holds() -> None:
    panda = load_arm("panda")
    # Franka's data sheet; the URDF's own limits lie beyond.
    assert panda.upper == pytest.approx([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])
    assert panda.lower == pytest.approx(
        [-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973]
    )
