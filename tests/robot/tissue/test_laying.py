"""Laying a body down elsewhere and stiffer, its markers, and what it hides."""

import numpy as np
import pytest

from halsted.robot.tissue import Markers, Material, SoftBody, TetMesh, TissueError
from halsted.robot.tissue.visibility import hidden_from_above

STEP_S = 1 / 60


def turned(stretch: float = 1.0) -> np.ndarray:
    """A placement: a quarter turn about z, stretched along its own x, and moved."""
    return np.array([[0, -1, 0, 0.1], [stretch, 0, 0, 0.2], [0, 0, 1, 0.3], [0, 0, 0, 1.0]])


def test_a_body_laid_elsewhere_is_at_rest_there(sheet_mesh: TetMesh, edge: np.ndarray) -> None:
    body = SoftBody(sheet_mesh, Material(), edge, gravity=(0, 0, 0))
    body.reset(turned())
    for _ in range(10):
        body.step(STEP_S)
    expected = sheet_mesh.nodes @ turned()[:3, :3].T + [0.1, 0.2, 0.3]
    assert body.positions == pytest.approx(expected, abs=1e-9)
    assert body.elastic_energy == pytest.approx(0.0, abs=1e-9)


def test_a_stretching_placement_is_felt(sheet_mesh: TetMesh, edge: np.ndarray) -> None:
    body = SoftBody(sheet_mesh, Material(), edge, gravity=(0, 0, 0))
    body.reset(turned(1.1))
    assert body.largest_stretch == pytest.approx(1.1)
    assert body.elastic_energy > 0.0


def test_a_body_made_stiffer_by_reset_is_the_stiffer_body(
    sheet_mesh: TetMesh, edge: np.ndarray
) -> None:
    built = SoftBody(sheet_mesh, Material(young_pa=6e3), edge, substeps_per_s=2400)
    changed = SoftBody(sheet_mesh, Material(young_pa=9e3), edge, substeps_per_s=2400)
    changed.reset(young_pa=6e3)
    for body in (built, changed):
        for _ in range(5):
            body.step(STEP_S)
    assert changed.positions.tobytes() == built.positions.tobytes()


def test_a_restored_state_has_the_stiffness_it_was_saved_with(sheet: SoftBody) -> None:
    sheet.step(STEP_S)
    saved = sheet.save()
    ends = []
    for young_pa in (sheet.material.young_pa, 5e3):
        sheet.reset(young_pa=young_pa)
        sheet.restore(saved)
        assert sheet.material.young_pa == saved.material.young_pa
        for _ in range(5):
            sheet.step(STEP_S)
        ends.append(sheet.positions.tobytes())
    assert ends[0] == ends[1]


def test_tissue_too_stiff_for_its_sub_steps_is_refused(sheet: SoftBody) -> None:
    with pytest.raises(TissueError, match="too few"):
        sheet.reset(young_pa=1e6)


def test_markers_move_with_the_tissue(sheet: SoftBody) -> None:
    markers = Markers(sheet)
    points = np.array([[0.003, -0.002, -0.001], [0.0, 0.0, 0.0], [-0.02, 0.02, -0.006]])
    markers.place(points)
    assert markers.positions == pytest.approx(points, abs=1e-12)
    sheet.reset(turned(1.2))
    expected = points @ turned(1.2)[:3, :3].T + [0.1, 0.2, 0.3]
    assert markers.positions == pytest.approx(expected, abs=1e-12)
    assert markers.laid_positions == pytest.approx(expected, abs=1e-12)
    with pytest.raises(TissueError, match="outside"):
        markers.place(np.array([[0.0, 0.0, 0.001]]))


def test_what_lies_under_the_sheet_is_hidden(sheet: SoftBody) -> None:
    places = np.array([[0.001, 0.0005, -0.01], [0.03, 0, -0.01], [0.001, 0.0005, 0.001]])
    assert hidden_from_above(sheet, places).tolist() == [True, False, False]
    blade = np.array([[0.001, -0.001, 0.01], [0.001, -0.001, -0.01]])
    sheet.cut(blade, np.add(blade, (0, 0.002, 0)))
    assert not hidden_from_above(sheet, places).any()
