"""Stiffness means what it says, momentum is kept, and a run can be repeated to the bit."""

import numpy as np
import pytest

from halsted.robot.tissue import Material, SoftBody, TetMesh, TissueError, block

STRIP = Material(young_pa=30_000.0, poisson=0.45, damping=20.0)
LENGTH = 0.1


def elongation_ratio(across: int) -> float:
    """Elongation of a hanging strip over rho g L^2 / (2 E)."""
    mesh = block((0.01, 0.01, LENGTH), (across, across, 10 * across))
    body = SoftBody(mesh, STRIP, np.flatnonzero(mesh.nodes[:, 2] > LENGTH - 1e-9))
    for _ in range(120):
        body.step(1 / 60)
    lowest = mesh.nodes[:, 2] < 1e-9
    expected = STRIP.density * 9.81 * LENGTH**2 / (2 * STRIP.young_pa)
    return -float(body.positions[lowest, 2].mean()) / expected


def test_a_hanging_strip_stretches_as_the_formula_says_and_closer_with_a_finer_mesh() -> None:
    coarse, fine = elongation_ratio(2), elongation_ratio(3)
    assert coarse == pytest.approx(1.0, abs=0.05)
    assert abs(fine - 1.0) < abs(coarse - 1.0)


def test_the_equilibrium_does_not_depend_on_the_sub_step() -> None:
    mesh = block((0.01, 0.01, 0.03), (2, 2, 6))
    top = np.flatnonzero(mesh.nodes[:, 2] > 0.03 - 1e-9)
    ends = []
    for rate in (2400, 9600):
        body = SoftBody(mesh, Material(damping=30.0), top, substeps_per_s=rate)
        for _ in range(90):
            body.step(1 / 60)
        ends.append(body.positions)
    assert ends[0] == pytest.approx(ends[1], abs=1e-7)


@pytest.mark.parametrize("poisson", [0.0, 0.3, 0.45])
def test_poissons_ratio_is_the_share_by_which_a_stretched_bar_narrows(poisson: float) -> None:
    mesh = block((0.01, 0.01, 0.06), (2, 2, 12))
    low = np.flatnonzero(mesh.nodes[:, 2] < 1e-9)
    body = SoftBody(
        mesh, Material(poisson=poisson, damping=30.0), low, gravity=(0, 0, 0), substeps_per_s=4800
    )
    pose = np.eye(4)
    pose[2, 3] = 0.06
    handle = body.grip(pose, np.array([[0, 0.005, 0.06], [0.01, 0.005, 0.06]]), 0.0051)
    assert handle is not None
    lifted = pose.copy()
    lifted[2, 3] += 0.0012
    body.move_grip(handle, lifted)
    for _ in range(90):
        body.step(1 / 60)
    middle = np.abs(mesh.nodes[:, 2] - 0.03) < 0.006
    rest, now = mesh.nodes[middle], body.positions[middle]
    stretch = np.polyfit(rest[:, 2], now[:, 2], 1)[0] - 1.0
    narrowing = 1.0 - np.polyfit(rest[:, 0], now[:, 0], 1)[0]
    assert narrowing == pytest.approx(poisson * stretch, abs=0.02 * stretch + 1e-6)


def test_a_free_body_keeps_its_momentum() -> None:
    mesh = block((0.02, 0.02, 0.02), (3, 3, 3))
    body = SoftBody(mesh, Material(damping=0.0))
    for _ in range(30):
        body.step(1 / 60)
    weight = 8e-6 * 1000.0 * 9.81
    assert body.momentum == pytest.approx([0.0, 0.0, -0.5 * weight], rel=1e-9, abs=1e-12)


def test_a_body_at_rest_without_gravity_stays_as_it_is(sheet_mesh: TetMesh) -> None:
    body = SoftBody(sheet_mesh, Material(), gravity=(0, 0, 0))
    body.step(0.1)
    assert body.positions == pytest.approx(sheet_mesh.nodes, abs=1e-12)
    assert body.elastic_energy == pytest.approx(0.0, abs=1e-12)


def test_every_tetrahedron_is_counted_once_and_the_surface_is_closed(sheet_mesh: TetMesh) -> None:
    assert sheet_mesh.volumes.sum() == pytest.approx(0.04 * 0.04 * 0.006)
    assert sheet_mesh.node_masses(1000.0).sum() == pytest.approx(0.0096)
    a, b, c = (sheet_mesh.nodes[sheet_mesh.surface[:, k]] for k in range(3))
    # The divergence theorem: only a closed surface wound outwards encloses the volume.
    assert np.einsum("fi,fi->", a, np.cross(b, c)) / 6 == pytest.approx(0.04 * 0.04 * 0.006)


def test_a_body_lands_on_the_floor_and_weighs_on_it() -> None:
    mesh = block((0.02, 0.02, 0.01), (4, 4, 2), (0, 0, 0.005))
    body = SoftBody(mesh, Material(), floor_z=0.0)
    for _ in range(60):
        body.step(1 / 60)
    assert body.positions[:, 2].min() == pytest.approx(0.0, abs=1e-6)
    assert np.abs(body.velocities).max() < 1e-3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"poisson": 0.5}, "poisson"),
        ({"young_pa": float("nan")}, "young_pa"),
        ({"tear_stretch": 0.5}, "tear_stretch"),
    ],
)
def test_a_material_that_cannot_be_is_refused(change: dict[str, float], words: str) -> None:
    with pytest.raises(TissueError, match=words):
        Material(**change)


def test_what_cannot_be_simulated_is_refused(sheet_mesh: TetMesh) -> None:
    with pytest.raises(TissueError, match="too few"):
        SoftBody(sheet_mesh, Material(), substeps_per_s=100)
    with pytest.raises(TissueError, match="node 9999"):
        SoftBody(sheet_mesh, Material(), [9999])
    with pytest.raises(TissueError, match="whole number"):
        SoftBody(sheet_mesh, Material()).step(1e-5)
    for duration in (float("nan"), float("inf"), -1 / 60):
        with pytest.raises(TissueError, match="whole number"):
            SoftBody(sheet_mesh, Material()).step(duration)
    with pytest.raises(TissueError, match="floor_z is nan"):
        SoftBody(sheet_mesh, Material(), floor_z=float("nan"))
    with pytest.raises(TissueError, match="floor_friction is -5"):
        SoftBody(sheet_mesh, Material(), floor_z=0.0, floor_friction=-5.0)
    with pytest.raises(TissueError, match="gravity"):
        SoftBody(sheet_mesh, Material(), gravity=(0.0, 0.0, float("nan")))
    with pytest.raises(TissueError, match="no volume"):
        block((0.1, 0.1, 0.0), (1, 1, 1))
    with pytest.raises(TissueError, match="no positive volume"):
        TetMesh(sheet_mesh.nodes, sheet_mesh.tets[:, [1, 0, 2, 3]])
