"""The needle biopsy: geometry, harm, force, perception and the goal form."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import halsted  # noqa: F401 - registers the environments
from halsted.agents.scripted.needle_expert import NeedleExpert
from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.biopsy_task import BiopsyLimits, dense_reward, harm, sparse_reward
from halsted.envs.surgery.breathing import Breathing
from halsted.envs.surgery.needle_biopsy import NeedleBiopsyEnv, NeedleBiopsyGoalEnv
from halsted.imaging_bridge import DegradedSegmenter, LabelMap, Patient, Volume
from halsted.imaging_bridge.cases import PhantomCase
from halsted.robot.anatomy import BODY

ADVANCE = np.array([0, 0, 0, 0, 1], dtype=np.float32)


def slab(bone: bool = False) -> Patient:
    """A block of tissue, 160 mm across and 120 mm deep, its front at y = -60 mm (LPS).

    A lesion of 10 mm radius lies at the origin; a plate of bone may lie in front of it.
    """
    affine = np.array([[0, 0, 2, -79], [0, 2, 0, -79], [2, 0, 0, -79], [0, 0, 0, 1.0]])
    index = np.moveaxis(np.indices((80, 80, 80)), 0, -1)
    points = index @ affine[:3, :3].T + affine[:3, 3]
    voxels = np.zeros((80, 80, 80), np.uint8)
    voxels[np.abs(points[..., 1]) < 60] = 1
    voxels[np.linalg.norm(points, axis=-1) < 40] = 2
    if bone:
        voxels[np.abs(points[..., 1] + 50) < 4] = 4
    voxels[np.linalg.norm(points, axis=-1) < 10] = 3
    names = {"body": 1, "liver": 2, "lesion": 3, "rib_left_9": 4}
    image = Volume(np.where(voxels > 0, 40.0, -1000.0).astype(np.float32), affine, "CT", "HU")
    return Patient({"ct": image}, LabelMap(voxels, affine, names, "generated"))


def scene(**changes: Any) -> dict[str, Any]:
    """A needle 20 mm straight above the lesion's skin."""
    plain = {
        "patient": 0,
        "couch_offset_m": (0.0, 0.0, 0.0),
        "start_offset_m": (0.0, 0.0),
        "start_height_m": 0.02,
        "breath_period_s": 4.0,
        "breath_phase": 0.0,
    }
    return plain | changes


def dive(env: gym.Env[Any, Any], steps: int) -> list[dict[str, Any]]:
    infos = []
    for _ in range(steps):
        _, _, terminated, truncated, info = env.step(ADVANCE)
        infos.append(info)
        if terminated or truncated:
            break
    return infos


def test_straight_down_reaches_a_lesion_below() -> None:
    env = NeedleBiopsyEnv(slab())
    env.reset(seed=0, options={"scene": scene()})
    infos = dive(env, 40)
    assert infos[-1]["is_success"]
    assert infos[-1]["distance_m"] <= 0.005
    # 20 mm of air and 60 mm of tissue at 5 mm a step, less the tolerance.
    assert len(infos) == pytest.approx((80 - 5) / 5, abs=2)
    env.close()


def test_the_world_is_the_patient_in_metres() -> None:
    env = NeedleBiopsyEnv(slab())
    env.reset(seed=0, options={"scene": scene(couch_offset_m=(0.01, -0.02, 0.03))})
    assert env.target_in_world == pytest.approx([0.61, -0.02, 0.33], abs=0.002)
    # The front of the body, at y = -60 mm in LPS, lies 60 mm over the lesion in the world.
    assert env.contact.tip[2] == pytest.approx(0.33 + 0.06 + 0.02, abs=0.003)
    assert env.contact.distances[BODY] == pytest.approx(0.02, abs=0.003)
    env.close()


def test_bone_stops_the_needle_and_is_counted() -> None:
    env = NeedleBiopsyEnv(slab(bone=True))
    env.reset(seed=0, options={"scene": scene()})
    infos = dive(env, 60)
    assert not infos[-1]["is_success"]
    assert max(info["costs"]["bone"] for info in infos) == 1.0
    assert max(info["costs"]["force"] for info in infos) == 1.0
    assert infos[-1]["distance_m"] > 0.045  # the plate begins 54 mm before the lesion
    env.close()


def test_nothing_but_bone_stops_it_below_the_force_limit() -> None:
    env = NeedleBiopsyEnv(slab())
    env.reset(seed=0, options={"scene": scene()})
    forces = [info["force_n"] for info in dive(env, 40)]
    assert 0.5 < max(forces) < 8.0
    env.close()


def test_force_rises_until_the_skin_gives_way() -> None:
    env = NeedleBiopsyEnv(slab())
    env.reset(seed=0, options={"scene": scene()})
    contact = env.contact
    before = 0.0
    for _ in range(60):
        env.step(ADVANCE * 0.1)
        if contact.is_inserted:
            break
    while contact.state[0] == 0.0:
        env.step(ADVANCE * 0.1)
        if contact.state[0] == 0.0:
            assert contact.force >= before - 1e-6
            before = contact.force
    deflection = contact.forces.skin_puncture
    full = contact.forces.skin_linear * deflection + contact.forces.skin_quadratic * deflection**2
    assert 0.5 * full < before <= full
    env.close()


def test_inside_the_skin_only_the_advance_acts() -> None:
    env = NeedleBiopsyEnv(slab())
    env.reset(seed=0, options={"scene": scene()})
    dive(env, 15)
    assert env.contact.is_inserted
    tip, direction = env.contact.tip.copy(), env.contact.direction.copy()
    for _ in range(5):
        env.step(np.array([1, 1, 1, 1, 0], dtype=np.float32))
    assert np.linalg.norm(env.contact.tip - tip) < 2e-3  # it settles along its axis
    assert np.linalg.norm(np.cross(env.contact.tip - tip, direction)) < 3e-4
    assert env.contact.direction == pytest.approx(direction, abs=1e-3)
    env.close()


def test_retracting_leaves_the_puncture_behind() -> None:
    env = NeedleBiopsyEnv(slab())
    env.reset(seed=0, options={"scene": scene()})
    dive(env, 12)
    for _ in range(16):
        env.step(-ADVANCE)
    assert not env.contact.is_inserted
    assert env.contact.force == 0.0
    env.close()


def test_breathing_moves_the_target_to_the_feet_and_back() -> None:
    env = NeedleBiopsyEnv(slab(), breathing_mm=10.0)
    env.reset(seed=0, options={"scene": scene()})
    rest = env.target_in_world.copy()
    shifts = []
    for _ in range(78):
        env.step(np.zeros(5, dtype=np.float32))
        shifts.append(env.target_in_world - rest)
    moved = np.array(shifts)
    assert moved[:, 1].min() == pytest.approx(-0.010, abs=1e-4)
    assert np.abs(moved[:, [0, 2]]).max() == 0.0
    env.close()


def test_breathing_follows_lujan() -> None:
    breath = Breathing(amplitude_mm=10.0, period_s=4.0)
    assert breath.shift_m(0.0) == 0.0
    assert breath.shift_m(2.0) == pytest.approx(0.010)
    assert breath.shift_m(1.0) == pytest.approx(0.010 * 0.25)  # sin(pi/4)^4


def test_success_is_judged_on_the_truth_and_goals_on_perception() -> None:
    shifted = DegradedSegmenter(shift_mm=(12.0, 0.0, 0.0), noise_mm=0.0)
    env = NeedleBiopsyGoalEnv(slab(), segmenter=shifted)
    observation, _ = env.reset(seed=0, options={"scene": scene()})
    goal = observation["desired_goal"] * 0.15
    assert goal[0] == pytest.approx(0.012, abs=0.0021)
    infos = dive(env, 40)
    assert infos[-1]["is_success"]
    env.close()


def test_goal_reward_is_the_batched_one(phantoms: list[PhantomCase]) -> None:
    env = NeedleBiopsyGoalEnv(phantoms)
    env.reset(seed=1)
    rows = []
    for _ in range(40):
        observation, reward, terminated, _, info = env.step(ADVANCE)
        rows.append((observation, reward, info))
        if terminated:
            break
    achieved = np.array([row[0]["achieved_goal"] for row in rows])
    desired = np.array([row[0]["desired_goal"] for row in rows])
    batched = env.compute_reward(achieved, desired, [row[2] for row in rows])
    assert batched == pytest.approx([row[1] for row in rows])
    assert env.compute_reward(achieved, achieved, [{}] * len(rows)) == pytest.approx(0.0)
    env.close()


def test_harm_counts_each_cause_once_a_step() -> None:
    limits = BiopsyLimits(risk_margin_mm=2.0, pleura_allowed=1, force_limit_n=8.0)
    near = np.array([-0.001, 0.1, 0.1, 0.1, 0.1])
    costs = harm(
        vessel_m=near,
        bone_m=np.roll(near, 1),
        risk_m=np.array([0.1, 0.1, 0.0019, 0.0021, 0.1]),
        force_n=np.array([1.0, 1.0, 1.0, 9.0, 1.0]),
        pleura_before=np.array([0.0, 1.0, 0.0, 0.0, 1.0]),
        pleura_after=np.array([1.0, 1.0, 0.0, 0.0, 3.0]),
        limits=limits,
    )
    assert costs.tolist() == [
        [1, 0, 0, 0, 0],
        [0, 1, 0, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 0, 1],
        [0, 0, 2, 0, 0],
    ]


def test_rewards_price_harm() -> None:
    limits = BiopsyLimits(tolerance_mm=5.0, harm_price=2.0)
    distance = np.array([0.004, 0.006])
    assert sparse_reward(distance, np.array([0.0, 1.0]), limits).tolist() == [0.0, -3.0]
    gained = dense_reward(np.array([0.014, 0.016]), distance, np.array([0.0, 1.0]), limits)
    assert gained == pytest.approx([1.0 + 10.0 - 0.05, 1.0 - 0.05 - 2.0])


def test_expert_biopsies_phantoms_without_harm() -> None:
    for organ in ("liver", "lung"):
        env = gym.make(
            "halsted/NeedleBiopsy-v0", patient=[PhantomCase(s, organ) for s in (5000, 5001)],
            organ=organ,
        )  # fmt: skip
        expert = NeedleExpert()
        for patient in (0, 1):
            observation, _ = env.reset(seed=patient, options={"patient": patient})
            expert.reset(env, 0)
            over, vessel = False, 0.0
            while not over:
                observation, _, terminated, truncated, info = env.step(expert.act(observation))
                vessel += info["costs"]["vessel"] + info["costs"]["bone"]
                over = terminated or truncated
            assert info["is_success"]
            assert vessel == 0.0
        env.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"patient": 7}, "no patient 7"),
        ({"patinet": 0}, "patinet"),
        ({"scene": {"patient": 0}}, "start_height_m"),
        ({"scene": scene(start_height_m="high")}, "no number"),
        ({"scene": scene(start_height_m=2.0)}, "cannot reach"),
    ],
)
def test_reset_names_what_it_cannot_use(options: dict[str, Any], words: str) -> None:
    env = NeedleBiopsyEnv(slab())
    with pytest.raises(EnvironmentOptionError, match=words):
        env.reset(options=options)


def test_actions_that_are_no_numbers_are_refused() -> None:
    env = NeedleBiopsyEnv(slab())
    env.reset(seed=0)
    with pytest.raises(EnvironmentOptionError, match="not finite"):
        env.step(np.full(5, np.nan, dtype=np.float32))
    env.close()


def test_a_lesion_smaller_than_the_tolerance_is_refused() -> None:
    env = NeedleBiopsyEnv(slab(), tolerance_mm=15.0)
    with pytest.raises(EnvironmentOptionError, match="less than the tolerance"):
        env.reset(seed=0)


def test_rendering_shows_the_patient_and_changes_nothing(phantoms: list[PhantomCase]) -> None:
    seen = NeedleBiopsyEnv(phantoms[0], render_mode="rgb_array")
    unseen = NeedleBiopsyEnv(phantoms[0])
    seen.reset(seed=0)
    unseen.reset(seed=0)
    picture = seen.render()
    assert picture is not None
    assert picture.shape == (360, 480, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
    for _ in range(5):
        seen.render()
        assert (seen.step(ADVANCE)[0] == unseen.step(ADVANCE)[0]).all()
    seen.close()
    unseen.close()
