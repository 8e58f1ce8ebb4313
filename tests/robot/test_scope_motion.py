"""The endoscope's motion against the arm's own kinematics."""

from __future__ import annotations

import math

import numpy as np
import pytest

from halsted.envs.surgery.endoscope.stand import scope_kinematics
from halsted.robot.arm import load_arm
from halsted.robot.scope_motion import (
    camera_pose,
    misorientation,
    point_scope,
    project,
    steer_scope,
)

ARM = load_arm("ecm")
TABLE = scope_kinematics()


def poses(joints: np.ndarray) -> np.ndarray:
    pose = np.empty((4, 4))
    camera_pose(TABLE.rows, TABLE.tool, np.eye(4), joints, pose)
    return pose


def drawn(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(ARM.lower * 0.9, ARM.upper * 0.9 + [0, 0, 0.01, 0], (count, 4))


def test_pointing_is_the_inverse_of_the_arm() -> None:
    for joints in drawn(200):
        pose = ARM.forward(joints)
        np.testing.assert_allclose(poses(joints), pose, atol=1e-12)
        found = np.array([0.0, 0.0, 0.1, joints[3]])
        assert point_scope(TABLE.rows, ARM.lower, ARM.upper, found, pose[:3, 3])
        np.testing.assert_allclose(found, joints, atol=1e-9)


def test_what_is_out_of_reach_changes_nothing() -> None:
    joints = ARM.home.copy()
    for place in ([0.0, 0.0, 0.1], [0.0, 0.0, -0.5], [0.0, 0.0, 0.0], [math.nan, 0.0, -0.1]):
        assert not point_scope(TABLE.rows, ARM.lower, ARM.upper, joints, np.array(place))
        np.testing.assert_array_equal(joints, ARM.home)


def test_a_turn_to_the_right_moves_the_picture_to_the_left() -> None:
    for joints in drawn(50):
        before, after = poses(joints), joints.copy()
        if not steer_scope(
            TABLE.rows, TABLE.tool, ARM.lower, ARM.upper, after, 0.02, 0.01, 0.001, 0.0
        ):
            continue
        point = before[:3, 3] + before[:3, 2]
        u, v, _ = project(poses(after), point, 1.0)
        assert (u, v) == (pytest.approx(-0.02, rel=0.4), pytest.approx(-0.01, rel=0.4))
        assert after[2] - joints[2] == pytest.approx(0.001)


def test_misorientation_is_the_roll_between_cameras_that_look_alike() -> None:
    joints = np.array([0.3, -0.2, 0.1, 0.0])
    upright = poses(joints)
    for roll in (-1.5, -0.3, 0.0, 0.7, 1.5):
        joints[3] = roll
        assert misorientation(poses(joints), upright) == pytest.approx(roll)


def test_misorientation_is_the_rotation_of_the_affine_map() -> None:
    """By singular values: of what turns the axes of one picture into those of the other."""
    upright = poses(np.zeros(4))
    for joints in drawn(100):
        now = poses(joints)
        turn = upright[:2, :2].T @ np.linalg.inv(now[:2, :2].T)
        left, _, right = np.linalg.svd(turn)
        rotation = left @ right
        if np.linalg.det(rotation) > 0:
            angle = math.atan2(rotation[1, 0], rotation[0, 0])
            assert misorientation(now, upright) == pytest.approx(angle, abs=1e-9)
