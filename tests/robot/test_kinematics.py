"""Forward kinematics against PyBullet's, the Jacobian, and the inverse over the workspace."""

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.robot.arm import Arm
from halsted.robot.guidance import direction_of_tilt, tilt_of_direction
from halsted.robot.kinematics.chain import rotation_from_rpy
from halsted.robot.kinematics.needle_line import forward
from halsted.robot.registration import ISOCENTRE_IN_WORLD
from halsted.robot.world import World


def random_joints(arm: Arm, count: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(
        arm.chain.lower, arm.chain.upper, (count, len(arm.home))
    )


def test_the_tip_is_where_pybullet_has_it(arm: Arm) -> None:
    world = World(arm)
    for joints in random_joints(arm, 200):
        world.reset(joints)
        position, direction = arm.chain.tip(joints)
        by_bullet, along = world.tip_by_bullet()
        assert np.linalg.norm(position - by_bullet) < 1e-6
        assert np.linalg.norm(direction - along) < 1e-5
    world.close()


def test_home_points_down_over_the_isocentre(arm: Arm) -> None:
    position, direction = arm.chain.tip(arm.home)
    assert np.linalg.norm(position[:2] - ISOCENTRE_IN_WORLD[:2]) < 0.1
    assert position[2] > ISOCENTRE_IN_WORLD[2]
    assert direction[2] < -0.99


def test_every_pose_of_the_workspace_is_reached(arm: Arm) -> None:
    rng = np.random.default_rng(1)
    box = np.array([0.1, 0.1, 0.13])
    for _ in range(500):
        wanted = np.add(ISOCENTRE_IN_WORLD, rng.uniform(-box, box))
        angle, towards = rng.uniform(0.0, np.deg2rad(45.0)), rng.uniform(-np.pi, np.pi)
        facing = direction_of_tilt(angle * np.array([np.cos(towards), np.sin(towards)]))
        joints, miss = arm.chain.solve(wanted, facing, arm.home, arm.home, 200)
        position, direction = arm.chain.tip(joints)
        assert np.linalg.norm(position - wanted) < 1e-4
        assert np.linalg.norm(np.cross(direction, facing)) < 1e-3
        assert direction @ facing > 0
        assert miss < 1e-4
        assert (joints >= arm.chain.lower).all()
        assert (joints <= arm.chain.upper).all()


def test_the_miss_of_a_pose_out_of_reach_is_told(arm: Arm) -> None:
    wanted = np.array([3.0, 0.0, 0.3])
    joints, miss = arm.chain.solve(wanted, np.array([0.0, 0.0, -1.0]), arm.home, arm.home, 50)
    position, _ = arm.chain.tip(joints)
    assert miss >= np.linalg.norm(position - wanted) - 1e-9
    assert miss > 1.0
    assert np.isfinite(joints).all()


def test_a_needle_that_faces_the_wrong_way_counts_as_a_miss(arm: Arm) -> None:
    position, direction = arm.chain.tip(arm.home)
    _, miss = arm.chain.solve(position, -direction, arm.home, arm.home, 0)
    assert miss == pytest.approx(0.2, abs=1e-6)


def test_the_jacobian_is_the_derivative(arm: Arm) -> None:
    chain, step = arm.chain, 1e-6
    for joints in random_joints(arm, 10, seed=2):
        jacobian = np.empty((6, len(joints)))
        position, direction = np.empty(3), np.empty(3)
        forward(chain.origins, chain.axes, chain.tool, joints, position, direction, jacobian)
        for number in range(len(joints)):
            change = np.zeros_like(joints)
            change[number] = step
            (ahead, ahead_along), (back, back_along) = (
                chain.tip(joints + change),
                chain.tip(joints - change),
            )
            assert jacobian[:3, number] == pytest.approx((ahead - back) / (2 * step), abs=1e-7)
            turned = np.cross(jacobian[3:, number], direction)
            assert turned == pytest.approx((ahead_along - back_along) / (2 * step), abs=1e-7)


def test_tilts_and_directions_are_one_to_one() -> None:
    for tilt in np.random.default_rng(3).uniform(-0.7, 0.7, (50, 2)):
        direction = direction_of_tilt(tilt)
        assert np.linalg.norm(direction) == pytest.approx(1.0)
        assert -direction[2] == pytest.approx(np.cos(np.hypot(*tilt)))
        assert tilt_of_direction(direction) == pytest.approx(tilt)
    assert tilt_of_direction(direction_of_tilt(np.zeros(2))) == pytest.approx([0.0, 0.0])


def test_rpy_turns_about_fixed_axes() -> None:
    quarter = np.pi / 2
    assert rotation_from_rpy([quarter, 0, 0]) @ [0, 1, 0] == pytest.approx([0, 0, 1])
    assert rotation_from_rpy([0, quarter, 0]) @ [0, 0, 1] == pytest.approx([1, 0, 0])
    assert rotation_from_rpy([0, 0, quarter]) @ [1, 0, 0] == pytest.approx([0, 1, 0])
    # Roll first, yaw last: y goes to z by the roll, where the yaw leaves it.
    assert rotation_from_rpy([quarter, 0, quarter]) @ [0, 1, 0] == pytest.approx([0, 0, 1])
