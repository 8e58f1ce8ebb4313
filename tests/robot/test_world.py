"""The simulated world: apart from others, repeatable, and silent."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.imaging_bridge import LabelMap, Patient, Volume
from halsted.robot.anatomy import Anatomy, anatomy_of
from halsted.robot.arm import Arm
from halsted.robot.guidance import NeedleGuide
from halsted.robot.needle import NeedleContact
from halsted.robot.registration import ISOCENTRE_IN_WORLD, patient_to_world
from halsted.robot.world import World

Trace = tuple[NDArray[np.float64], NDArray[np.float64]]


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    """A block of tissue whose front lies 30 mm over the isocentre."""
    affine = np.array([[0, 0, 4, -58], [0, 4, 0, -58], [4, 0, 0, -58], [0, 0, 0, 1.0]])
    points = np.moveaxis(np.indices((30, 30, 30)), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    voxels = np.zeros((30, 30, 30), np.uint8)
    voxels[np.abs(points[..., 1]) < 32] = 1
    voxels[np.linalg.norm(points, axis=-1) < 12] = 2
    labels = LabelMap(voxels, affine, {"body": 1, "lesion": 2}, "generated")
    image = Volume(np.zeros((30, 30, 30), np.float32), affine, "CT", "HU")
    return anatomy_of(Patient({"ct": image}, labels), "lesion", "liver")


def touch(arm: Arm, anatomy: Anatomy) -> tuple[NeedleContact, NeedleGuide]:
    index_of_world = anatomy.index_of_world(patient_to_world(anatomy.target_in_patient))
    guide = NeedleGuide(arm)
    assert guide.place(np.add(ISOCENTRE_IN_WORLD, (0, 0, 0.04)), np.zeros(2))
    return NeedleContact(arm.chain, anatomy, index_of_world), guide


def insertion(world: World, anatomy: Anatomy, steps: int = 15) -> Trace:
    """Joints and forces of a straight insertion from a fresh reset."""
    contact, guide = touch(world.arm, anatomy)
    world.reset(guide.joints)
    contact.update(world.joints, world.control_period_s)
    joints, forces = [], []
    for _ in range(steps):
        assert guide.move(np.array([0, 0, 0, 0, 0.003]), contact.is_inserted)
        world.step(guide.joints, contact)
        joints.append(world.joints.copy())
        forces.append(contact.force)
    return np.array(joints), np.array(forces)


def test_the_needle_follows_its_command_into_tissue(arm: Arm, anatomy: Anatomy) -> None:
    world = World(arm)
    joints, forces = insertion(world, anatomy)
    tip, _ = arm.chain.tip(joints[-1])
    # 15 steps of 3 mm from 40 mm above; the servo lags by less than two steps.
    assert tip == pytest.approx(np.add(ISOCENTRE_IN_WORLD, (0, 0, -0.005)), abs=0.006)
    assert forces[0] == 0.0
    assert forces[-1] > 0.5
    world.close()


def test_a_world_replays_bit_for_bit(arm: Arm, anatomy: Anatomy) -> None:
    world, other = World(arm), World(arm)
    first = insertion(world, anatomy)
    world.reset(arm.home)
    for again in (insertion(world, anatomy), insertion(other, anatomy)):
        assert (again[0] == first[0]).all()
        assert (again[1] == first[1]).all()
    world.close()
    other.close()


def test_two_worlds_do_not_touch_each_other(arm: Arm, anatomy: Anatomy) -> None:
    world, other = World(arm), World(arm)
    contact, guide = touch(arm, anatomy)
    world.reset(arm.home)
    other.reset(guide.joints)
    contact.update(other.joints, other.control_period_s)
    before, _ = world.tip_by_bullet()
    for _ in range(5):
        guide.move(np.array([0.005, 0, 0, 0, 0]), is_inserted=False)
        other.step(guide.joints, contact)
    assert (world.tip_by_bullet()[0] == before).all()
    assert (world.joints == arm.home).all()
    world.close()
    other.reset(arm.home)  # lives on without the first
    assert other.tip_by_bullet()[0] == pytest.approx(arm.chain.tip(arm.home)[0], abs=1e-6)
    other.close()
    other.close()


def test_nothing_is_added_by_resets_and_steps(arm: Arm, anatomy: Anatomy) -> None:
    world = World(arm)
    assert world.body_count() == 1
    for _ in range(3):
        insertion(world, anatomy, steps=3)
    assert world.body_count() == 1
    world.close()


def test_the_physics_engine_says_nothing_on_standard_output() -> None:
    program = (
        "from halsted.robot.arm import load_arm\n"
        "from halsted.robot.world import World\n"
        "World(load_arm('kuka_lbr')).close()\n"
        "print('only this')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "only this\n"
