"""The kinematic tier beside the rigid one."""

from __future__ import annotations

import numpy as np
import pytest

from halsted.envs.surgery.dexterity.bench_arms import mounted
from halsted.envs.surgery.dexterity.needle_reach import NeedleReachEnv
from halsted.envs.surgery.endoscope.stand import scope_mount
from halsted.robot.bodies import Body, Shape
from halsted.robot.errors import ArmError
from halsted.robot.kinematic import KinematicWorld
from halsted.robot.rigid import RigidWorld


def test_arms_are_where_they_are_told_to_be() -> None:
    mount = mounted(0, "psm")
    world = KinematicWorld([mount], [Body("ball", (Shape("sphere", (0.01,)),))], substeps=8)
    assert world.control_period_s == pytest.approx(1 / 30)
    joints = mount.arm.home + 0.01
    world.reset([mount.arm.home], [0.5], {"ball": [0.1, 0.0, 0.2, 0.0, 0.0, 0.0, 1.0]})
    assert world.body_pose("ball") == ([0.1, 0.0, 0.2], [0.0, 0.0, 0.0, 1.0])
    assert world.opening(0) == 0.5
    (contact,) = world.step([joints], [0.0], [True])
    assert contact.fixed_n == contact.arm_n == 0.0
    np.testing.assert_array_equal(world.joints[0], joints)
    joints += 1.0  # the world keeps no reference to what it was given
    assert not np.array_equal(world.joints[0], joints)
    assert world.is_sane()
    with pytest.raises(ArmError, match="no grasps"):
        world.attach(0, "ball")


def test_namesakes_are_refused_as_in_the_rigid_tier() -> None:
    mount, ball = mounted(0, "psm"), Body("ball", (Shape("sphere", (0.01,)),))
    for tier in (KinematicWorld, RigidWorld):
        with pytest.raises(ArmError, match=r"two arms .* same name"):
            tier([mount, mount], ())
        with pytest.raises(ArmError, match=r"two bodies .* same name"):
            tier([mount], (ball, ball))


def test_a_lone_arm_moves_as_in_any_rigid_world() -> None:
    mount = scope_mount()
    ball = Body("ball", (Shape("sphere", (0.01,), (9.0, 0.0, 0.0)),))  # out of reach
    alone, other = RigidWorld([mount], (), 24), RigidWorld([mount], (ball,), 24)
    aim = mount.arm.home + np.array([0.2, -0.1, 0.03, 0.4])
    for world in (alone, other):
        world.reset([mount.arm.home], [0.0], {})
    for _ in range(5):
        for world in (alone, other):
            world.step([aim], [0.0], [False])
        np.testing.assert_array_equal(alone.joints[0], other.joints[0])
    np.testing.assert_allclose(alone.joints[0], aim, atol=1e-3)
    alone.close()
    other.close()


def test_needle_reach_ends_alike_in_both_tiers() -> None:
    one, other = NeedleReachEnv(tier="kinematic"), NeedleReachEnv(tier="rigid")
    one.reset(seed=3)
    other.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(8):
        action = 0.2 * rng.uniform(-1, 1, 5).astype(np.float32)
        for _ in range(4):
            one.step(action)
            other.step(action)
    np.testing.assert_allclose(one.tool(0), other.tool(0), atol=1e-3, rtol=0)
    other.close()
