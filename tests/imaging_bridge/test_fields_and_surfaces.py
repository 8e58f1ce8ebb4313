"""Distance fields and surfaces of structures against balls."""

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.imaging_bridge import LabelMap, StructureError
from halsted.imaging_bridge.fields import signed_distance
from halsted.imaging_bridge.surfaces import Surface, surface_of

RADIUS_MM = 20.0
SHAPE = (30, 44, 50)
SPACING = np.array([2.0, 1.4, 1.2])


def oblique(mirrored: bool) -> NDArray[np.float64]:
    """An affine that turns, moves and, if asked, mirrors."""
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn)) * (-1 if mirrored else 1)
    affine = np.eye(4)
    affine[:3, :3] = turn * SPACING
    affine[:3, 3] = [-300.0, 120.0, 900.0]
    return affine


def ball(affine: NDArray[np.float64]) -> tuple[LabelMap, NDArray[np.float64]]:
    """A ball in the middle of the grid, and its middle in LPS, mm."""
    middle = affine[:3, :3] @ (np.array(SHAPE) / 2.0 - 0.3) + affine[:3, 3]
    points = np.moveaxis(np.indices(SHAPE), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    voxels = (np.linalg.norm(points - middle, axis=-1) < RADIUS_MM).astype(np.uint8)
    return LabelMap(voxels, affine, {"ball": 1, "nothing": 2}), middle


def corners(surface: Surface) -> NDArray[np.float64]:
    return surface.points[surface.faces].astype(np.float64)


def volume_mm3(surface: Surface, about: NDArray[np.float64]) -> float:
    """Positive if the faces are wound outwards."""
    a, b, c = np.moveaxis(corners(surface) - about, 1, 0)
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)


def test_distances_of_a_ball_are_right_to_half_a_voxel() -> None:
    labels, middle = ball(oblique(mirrored=False))
    found = signed_distance(labels.mask("ball"), labels.spacing)
    points = labels.to_patient(np.moveaxis(np.indices(SHAPE), 0, -1))
    true = np.linalg.norm(points - middle, axis=-1) - RADIUS_MM
    error = np.abs(found - true)[np.abs(true) < 8]
    assert error.max() < np.linalg.norm(SPACING) / 2
    assert error.mean() < SPACING.mean() / 2
    clear = np.abs(true) > np.linalg.norm(SPACING)
    assert (np.sign(found) == np.sign(true))[clear].all()


def test_distances_of_a_plane_run_through_zero_between_the_voxels() -> None:
    mask = np.zeros((4, 5, 12), bool)
    mask[:, :, :6] = True
    found = signed_distance(mask, (3.0, 3.0, 2.0))
    assert found[2, 2] == pytest.approx(2.0 * (np.arange(12) - 5.5))


def test_distances_of_nothing_and_of_everything() -> None:
    nothing = np.zeros((3, 4, 5), bool)
    assert (signed_distance(nothing, (1, 1, 1)) == np.inf).all()
    assert (signed_distance(~nothing, (1, 1, 1)) == -np.inf).all()


@pytest.mark.parametrize("mirrored", [False, True], ids=["oblique", "mirrored"])
def test_a_surface_is_closed_turned_outwards_and_where_the_voxels_are(mirrored: bool) -> None:
    labels, middle = ball(oblique(mirrored))
    surface = surface_of(labels, "ball", max_faces=3000)
    edges = Counter(
        (int(face[a]), int(face[b])) for face in surface.faces for a, b in ((0, 1), (1, 2), (2, 0))
    )
    # Every edge is walked once each way: closed, and one side throughout.
    assert set(edges.values()) == {1}
    assert all((b, a) in edges for a, b in edges)
    assert volume_mm3(surface, middle) == pytest.approx(labels.volumes_ml["ball"] * 1e3, rel=0.03)
    radii = np.linalg.norm(surface.points - middle, axis=1)
    assert np.abs(radii - RADIUS_MM).max() < SPACING.max()


def test_the_face_budget_is_kept() -> None:
    labels, middle = ball(oblique(mirrored=False))
    for budget in (2000, 300):
        surface = surface_of(labels, "ball", max_faces=budget)
        assert 0.5 * budget < len(surface.faces) <= budget
        assert volume_mm3(surface, middle) == pytest.approx(33510, rel=0.05)


def test_a_structure_that_the_field_of_view_cuts_is_closed_too() -> None:
    voxels = np.ones((8, 9, 10), np.uint8)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])[[2, 1, 0, 3]]
    surface = surface_of(LabelMap(voxels, affine, {"block": 1}), "block")
    middle = surface.points.mean(axis=0)
    # Smoothing rounds the edges of a block of 5760 cubic millimetres.
    assert 0.8 * 5760 < volume_mm3(surface, middle) < 1.02 * 5760


def test_a_surface_is_kept_in_the_cache() -> None:
    labels, _ = ball(oblique(mirrored=False))
    first = surface_of(labels, "ball", max_faces=1234)
    again = surface_of(labels, "ball", max_faces=1234)
    assert isinstance(again.points, np.memmap)
    assert (again.points == first.points).all()
    assert (again.faces == first.faces).all()


def test_what_has_no_voxels_has_no_surface() -> None:
    labels, _ = ball(oblique(mirrored=False))
    with pytest.raises(StructureError, match="nothing has no voxels"):
        surface_of(labels, "nothing")
    with pytest.raises(StructureError, match="'spleen'"):
        surface_of(labels, "spleen")
