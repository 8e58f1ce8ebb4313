"""Gripping, tearing, cutting, repeating and resetting."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.robot.tissue import Capsules, Material, SoftBody, TetMesh, TissueError, block

STEP_S = 1 / 60
PADS = np.array([[0.001, 0.001, 0.0005], [0.001, 0.001, -0.0065]])


def at(x: float, y: float, z: float) -> NDArray[np.float64]:
    pose = np.eye(4)
    pose[:3, 3] = x, y, z
    return pose


def pieces(body: SoftBody) -> int:
    """Number of parts that share no node."""
    parent = np.arange(len(body.mesh.nodes))

    def root(node: int) -> int:
        while parent[node] != node:
            node = parent[node]
        return int(node)

    intact = body.mesh.tets[body.fate == 0]
    for tet in intact:
        for node in tet[1:]:
            parent[root(node)] = root(tet[0])
    return len({root(node) for node in intact.ravel()})


def lift(body: SoftBody, handle: int, height: float, steps: int) -> float:
    """Lift slowly; the force at the end, N."""
    for number in range(steps):
        body.move_grip(handle, at(0, 0, height * (number + 1) / steps))
        result = body.step(STEP_S)
    return float(result.grip_forces[0, 2])


def test_a_grip_needs_tissue_between_both_jaws(sheet: SoftBody) -> None:
    assert sheet.grip(np.eye(4), np.add(PADS, (0, 0, 0.02)), 0.003) is None
    only_one_jaw_touches = np.array([[0, 0, 0.0005], [0, 0, -0.03]])
    assert sheet.grip(np.eye(4), only_one_jaw_touches, 0.003) is None
    assert sheet.grip(np.eye(4), PADS, 0.003) is not None


def test_jaws_finer_than_the_mesh_hold_the_tissue_they_are_in(sheet: SoftBody) -> None:
    handle = sheet.grip(np.eye(4), np.add(PADS, (0.001, 0.001, 0)), 0.0006)
    assert handle is not None
    assert len(sheet.gripped_nodes(handle)) >= 1


def test_gripped_tissue_follows_the_tool_and_pulls_it_back(sheet: SoftBody) -> None:
    handle = sheet.grip(np.eye(4), PADS, 0.003)
    assert handle is not None
    held = sheet.gripped_nodes(handle)
    force = lift(sheet, handle, 0.006, 30)
    assert sheet.positions[held] == pytest.approx(sheet.mesh.nodes[held] + [0, 0, 0.006], abs=1e-12)
    assert force < -0.01
    sheet.release(handle)
    for _ in range(60):
        sheet.step(STEP_S)
    assert sheet.positions[held, 2].max() < 0.001
    with pytest.raises(TissueError, match="holds nothing"):
        sheet.release(handle)


def test_the_force_on_a_grip_is_the_weight_that_hangs_from_it() -> None:
    mesh = block((0.02, 0.02, 0.02), (3, 3, 3), (-0.01, -0.01, -0.02))
    body = SoftBody(mesh, Material(damping=20.0))
    handle = body.grip(np.eye(4), np.array([[-0.01, 0, -0.001], [0.01, 0, -0.001]]), 0.004)
    assert handle is not None
    for _ in range(120):
        result = body.step(STEP_S)
    assert result.grip_forces[0] == pytest.approx([0, 0, -8e-6 * 1000 * 9.81], abs=1e-5)


def test_a_grip_slips_off_above_its_force(sheet: SoftBody) -> None:
    handle = sheet.grip(np.eye(4), PADS, 0.003, most_force=0.05)
    assert handle is not None
    for number in range(60):
        sheet.move_grip(handle, at(0, 0, 0.0005 * (number + 1)))
        result = sheet.step(STEP_S)
        assert (handle in result.slipped) == (np.linalg.norm(result.grip_forces[0]) > 0.05)
        if result.slipped:
            break
    assert result.slipped == (handle,)
    assert sheet.grips == ()


def test_a_grip_does_not_outlive_its_tissue(sheet: SoftBody) -> None:
    handle = sheet.grip(np.eye(4), PADS, 0.006)
    assert handle is not None
    before = sheet.gripped_nodes(handle)
    edge = np.array([[0.0003, -0.1, 0.001], [0.0003, -0.1, -0.007]])
    sheet.cut(edge, np.add(edge, (0, 0.2, 0)))
    for x in (0.001, 0.0045, 0.0085):
        sheet.cut(np.add(edge, (x, 0, 0)), np.add(edge, (x, 0.2, 0)))
    after = sheet.gripped_nodes(handle)
    left = np.unique(sheet.mesh.tets[sheet.fate == 0])
    assert set(after) == set(before) & set(left)
    assert 0 < len(after) < len(before)
    for x in np.linspace(-0.012, 0, 13):
        sheet.cut(np.add(edge, (x, 0, 0)), np.add(edge, (x, 0.2, 0)))
    assert sheet.grips == ()
    assert sheet.step(STEP_S).grip_forces.shape == (0, 3)
    with pytest.raises(TissueError, match="holds nothing"):
        sheet.release(handle)


def test_a_grip_lets_go_of_nodes_that_are_torn_off() -> None:
    mesh = block((0.02, 0.004, 0.004), (5, 1, 1), (0.0, -0.002, -0.002))
    body = SoftBody(mesh, Material(tear_stretch=1.3), np.flatnonzero(mesh.nodes[:, 0] < 1e-9))
    handle = body.grip(np.eye(4), np.array([[0.02, 0, 0.003], [0.02, 0, -0.003]]), 0.003)
    assert handle is not None
    before = body.gripped_nodes(handle)
    for number in range(60):
        angle = 0.2 * number
        pose = at(0.001 * number, 0, 0)
        pose[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        if body.grips:
            body.move_grip(handle, pose)
        body.step(STEP_S)
        held = set(body.gripped_nodes(handle).tolist()) if body.grips else set()
        assert held <= set(np.unique(mesh.tets[body.fate == 0]))
    assert len(held) < len(before)


def test_nodes_without_tissue_stay_and_have_no_momentum() -> None:
    mesh = block((0.01, 0.01, 0.01), (1, 1, 1))
    body = SoftBody(mesh, Material(damping=0.0), gravity=(0, 0, 0))
    body._nodes.velocities[:] = (0.1, 0, 0)
    body.step(body.period_s * 4)
    assert body.momentum == pytest.approx([0.1 * body.node_masses.sum(), 0, 0])
    blade = np.array([[-0.1, -0.1, 0.005], [0.1, -0.1, 0.005]])
    body.cut(blade, np.add(blade, (0, 0.2, 0)))
    assert (body.fate == 2).all()
    assert body.momentum == pytest.approx([0, 0, 0])
    places = body.positions.copy()
    body.step(body.period_s * 4)
    assert (body.positions == places).all()


def test_tissue_tears_above_its_limit_and_not_below(
    sheet_mesh: TetMesh, edge: NDArray[np.int64]
) -> None:
    body = SoftBody(sheet_mesh, Material(tear_stretch=1.6, damping=20.0), edge)
    handle = body.grip(np.eye(4), PADS, 0.003)
    assert handle is not None
    torn, height = 0, 0.0
    while not torn:
        assert body.largest_stretch <= 1.6
        height += 0.0002
        body.move_grip(handle, at(0, 0, height))
        torn = body.step(STEP_S).torn
        assert height < 0.03
    assert (body.fate == 1).sum() == torn
    assert height > 0.002


@pytest.mark.parametrize("width", [0.05, 1e-4])
def test_a_cut_leaves_two_pieces_however_large_the_step(sheet: SoftBody, width: float) -> None:
    """A long blade at one stroke, and one much finer than the elements drawn in many."""
    heights = np.array([[0, 0, 0.01], [0, 0, -0.01]])
    stops = np.linspace(-0.021, 0.021, 2 if width > 0.01 else 50)
    area = 0.0
    for before, after in itertools.pairwise(stops):
        cut = sheet.cut(np.add(heights, (0.0011, before, 0)), np.add(heights, (0.0011, after, 0)))
        area += cut.area_m2
    assert pieces(sheet) == 2
    assert (sheet.fate == 2).sum() > 0
    if width > 0.01:
        assert area == pytest.approx(0.04 * 0.006, rel=1e-5)
        assert cut.centre == pytest.approx([0, 0, -0.003], abs=0.004)


def test_a_blade_beside_the_tissue_cuts_nothing(sheet: SoftBody) -> None:
    blade = np.array([[0, 0, 0.001], [0.01, 0, 0.001]])
    cut = sheet.cut(blade, np.add(blade, (0, 0.01, 0)))
    assert len(cut.elements) == 0 and cut.area_m2 == 0.0 and not sheet.fate.any()


def test_the_surface_stays_closed_after_a_cut(sheet: SoftBody) -> None:
    blade = np.array([[0.001, -0.005, 0.01], [0.001, -0.005, -0.002]])
    sheet.cut(blade, np.add(blade, (0, 0.01, 0)))
    a, b, c = (sheet.positions[sheet.surface[:, k]] for k in range(3))
    enclosed = np.einsum("fi,fi->", a, np.cross(b, c)) / 6
    assert enclosed == pytest.approx(sheet.mesh.volumes[sheet.fate == 0].sum())


def handle_roughly(body: SoftBody, seed: int, steps: int) -> list[bytes]:
    """Push, grip, pull, cut and release at random; the positions after each step."""
    rng = np.random.default_rng(seed)
    place, rod, trace = np.zeros(3), np.array([[[0, 0, 0.01], [0, 0, 0.1]]]), []
    for number in range(steps):
        if number % 20 == 0:
            for handle in body.grips:
                body.release(handle)
            place = rng.uniform([-0.012, -0.012, 0], [0.012, 0.012, 0])
            body.grip(at(*place), PADS - [0.001, 0.001, 0] + place, 0.003)
        step = rng.uniform(-0.004, 0.004, 3)
        place = np.clip(place + step, -0.02, 0.02)
        for handle in body.grips:
            body.move_grip(handle, at(*place))
        moved = rod + rng.uniform(-0.004, 0.004, 3)
        body.step(STEP_S, Capsules(rod, moved, np.array([0.003])))
        rod = np.clip(moved, -0.1, 0.1)
        if number == steps // 2:
            body.cut(rod[0], rod[0] + [0.01, 0, 0])
        trace.append(body.positions.tobytes())
    return trace


def test_the_same_calls_give_the_same_bits_after_a_reset_and_in_another_body(
    sheet_mesh: TetMesh, edge: NDArray[np.int64]
) -> None:
    body = SoftBody(sheet_mesh, Material(), edge)
    first = handle_roughly(body, 1, 60)
    body.reset()
    assert body.positions.tobytes() == sheet_mesh.nodes.tobytes()
    assert handle_roughly(body, 1, 60) == first
    assert handle_roughly(SoftBody(sheet_mesh, Material(), edge), 1, 60) == first


def test_a_restored_state_goes_on_as_the_first_time(sheet: SoftBody) -> None:
    handle = sheet.grip(np.eye(4), PADS, 0.003)
    assert handle is not None
    lift(sheet, handle, 0.004, 5)
    saved = sheet.save()
    ends = []
    for _ in range(2):
        lift(sheet, handle, 0.008, 10)
        ends.append(sheet.positions.tobytes())
        sheet.restore(saved)
    assert ends[0] == ends[1]


def test_rough_handling_neither_blows_up_nor_leaves_tissue_inside_out(
    sheet_mesh: TetMesh, edge: NDArray[np.int64]
) -> None:
    body = SoftBody(sheet_mesh, Material(), edge)
    for seed in range(15):
        body.reset()
        handle_roughly(body, seed, 60)
        for handle in body.grips:
            body.release(handle)
        for _ in range(60):
            body.step(STEP_S)
        assert body.is_within(np.inf)
        assert np.abs(body.velocities).max() < 20.0  # fragments fall
        assert np.abs(body.positions[:, :2]).max() < 0.2


def test_volume_is_kept_over_ten_seconds_of_handling(sheet: SoftBody) -> None:
    handle = sheet.grip(np.eye(4), PADS, 0.003)
    assert handle is not None
    for number in range(600):
        angle = number / 20
        sheet.move_grip(handle, at(0.003 * np.sin(angle), 0, 0.005 * (1 - np.cos(angle))))
        sheet.step(STEP_S)
        if number % 10 == 0:
            assert sheet.volume_ratio == pytest.approx(1.0, abs=0.03)
