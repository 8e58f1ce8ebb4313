"""Distance fields and surfaces of structures against balls."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from halsted.imaging_bridge import LabelMap, StructureError, read_labels
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


def voxel_centres(counts: NDArray[np.float64], spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """(z, y, x, 3) centres along (z, y, x), mm, of a grid that begins at the origin."""
    z, y, x = (int(count) for count in counts)
    return np.moveaxis(np.indices((z, y, x)), 0, -1) * spacing


def distance_to_nearest(
    seeds: NDArray[np.bool_], spacing: NDArray[np.float64]
) -> NDArray[np.float64]:
    image = sitk.GetImageFromArray(seeds.astype(np.uint8))
    image.SetSpacing(spacing[::-1].tolist())
    found = sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
    distances: NDArray[np.float64] = sitk.GetArrayFromImage(found)
    return np.maximum(distances, 0.0)  # below zero inside a clump


@pytest.mark.parametrize("seed", range(6))
def test_distances_agree_with_maurer(seed: int) -> None:
    """From all voxels inside and outside that share a face, in any shape, cut or not."""
    rng = np.random.default_rng(seed)
    spacing = rng.uniform(0.4, 4.0, 3)
    mask = rng.random(rng.integers(1, 24, 3)) < (0.01, 0.1, 0.5, 0.8, 0.97, 0.3)[seed]
    mask.flat[0], mask.flat[-1] = False, True
    apart = [np.diff(np.pad(mask, 1, "edge").astype(int), axis=axis) != 0 for axis in range(3)]
    z, y, x = (np.moveaxis(one, axis, 0) for axis, one in enumerate(apart))
    inner = (slice(1, -1), slice(1, -1))
    border = np.zeros(mask.shape, bool)
    for axis, one in enumerate((z, y, x)):
        touches = one[(slice(None), *inner)]
        border |= np.moveaxis(touches[1:] | touches[:-1], 0, axis)
    peer = sum(distance_to_nearest(border & side, spacing) for side in (mask, ~mask)) / 2
    signed = np.where(mask, -peer, peer)
    np.testing.assert_allclose(signed_distance(mask, spacing), signed, atol=2e-4)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 1.0, 1.0), (1.25, 0.9, 0.7)])
@pytest.mark.parametrize("shape", ["ball", "slab"])
def test_distances_of_balls_and_slabs_keep_their_stated_error(
    shape: str, spacing: tuple[float, float, float]
) -> None:
    step = np.array(spacing)
    points = voxel_centres(np.ceil(60 / step), step) - 29.7
    if shape == "ball":
        true, part = np.linalg.norm(points, axis=-1) - 17.0, points
    else:
        normal = np.array([0.5, 0.7, 0.51])
        true, part = np.abs(points @ normal / np.linalg.norm(normal)) - 9.0, points * 1.7
    middle = (np.abs(part) < 30).all(axis=-1)  # where the nearest point of a slab is in the grid
    error = np.abs(signed_distance(true < 0, step) - true)[middle]
    assert error.max() < 0.6 * step.max()
    assert error.mean() < 0.25 * step.max()


TORUS_MM = (26.0, 10.0)
ELLIPSOID_MM = np.array([15.0, 22.0, 30.0])


def analytic(shape: str, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance to the surface, mm; of the ellipsoid to first order."""
    if shape == "ball":
        return np.asarray(np.linalg.norm(points, axis=-1) - RADIUS_MM)
    if shape == "torus":
        ring = np.hypot(points[..., 1], points[..., 2]) - TORUS_MM[0]
        return np.asarray(np.hypot(ring, points[..., 0]) - TORUS_MM[1])
    scaled = np.linalg.norm(points / ELLIPSOID_MM, axis=-1)
    slope = np.linalg.norm(points / ELLIPSOID_MM**2, axis=-1)
    return np.asarray(scaled * (scaled - 1.0) / np.maximum(slope, 1e-9))


@pytest.mark.parametrize("max_faces", [2000, 5000, 10**9])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 1.4, 1.2), (3.0, 1.0, 1.0)])
@pytest.mark.parametrize("shape", ["ball", "ellipsoid", "torus"])
def test_a_surface_keeps_its_stated_error(
    shape: str, spacing: tuple[float, float, float], max_faces: int
) -> None:
    step = np.array(spacing)
    affine = np.diag([*step, 1.0])[[2, 1, 0, 3]]
    counts = np.ceil(80 / step)
    middle = (counts / 2 - 0.3) * step
    mask = analytic(shape, voxel_centres(counts, step) - middle) < 0
    labels = LabelMap(mask.astype(np.uint8), affine, {shape: 1})
    surface = surface_of(labels, shape, max_faces=max_faces)
    assert is_closed(surface)
    on_faces = corners(surface).mean(axis=1)
    points = np.concatenate([surface.points, on_faces])[:, ::-1] - middle
    error = np.abs(analytic(shape, points))
    assert error.max() < 0.6 * step.max()
    assert error.mean() < 0.15 * step.max()
    assert abs(surface.volume_error) < 0.02
    enclosed = volume_mm3(surface, surface.points.mean(axis=0))
    assert enclosed == pytest.approx(labels.volumes_ml[shape] * 1e3, rel=0.02)


def is_closed(surface: Surface) -> bool:
    faces = surface.faces
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    return bool((np.unique(edges, axis=0, return_counts=True)[1] == 2).all())


def test_a_lumen_is_wound_inwards() -> None:
    labels, middle = ball(oblique(mirrored=True))
    outwards, inwards = (surface_of(labels, "ball", inwards=inwards) for inwards in (False, True))
    assert volume_mm3(inwards, middle) == pytest.approx(-volume_mm3(outwards, middle))


def test_a_thin_vessel_says_that_its_surface_is_too_thin() -> None:
    voxels = np.zeros((60, 30, 30), np.uint8)
    voxels[5:55, 15, 15] = 1
    labels = LabelMap(voxels, np.eye(4)[[2, 1, 0, 3]], {"vessel": 1})
    assert surface_of(labels, "vessel").volume_error < -0.1
    kept = surface_of(labels, "vessel", keep_volume=True)
    assert is_closed(kept)
    assert abs(kept.volume_error) < 0.002
    assert volume_mm3(kept, kept.points.mean(axis=0)) == pytest.approx(50, rel=0.002)
    distance = signed_distance(labels.mask("vessel"), labels.spacing)
    assert distance[30, 15, 15] == pytest.approx(-0.5)
    assert distance[30, 15, 20] == pytest.approx(4.5)


@pytest.mark.parametrize("max_faces", [1000, 2000, 5000])
def test_real_organs_are_closed_within_their_budget(data_folder: Path, max_faces: int) -> None:
    labels = read_labels(data_folder / "abdomen_organs" / "example_seg.nii.gz")
    for name in ("liver", "colon", "aorta", "portal_vein_and_splenic_vein", "vertebrae_L1"):
        surface = surface_of(labels, name, max_faces=max_faces)
        assert len(surface.faces) <= max_faces
        assert is_closed(surface)
        assert abs(surface.volume_error) < 0.08


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


@pytest.mark.parametrize("budget", [-1, 0, 3])
def test_too_few_faces_for_any_body_are_refused(budget: int) -> None:
    labels, _ = ball(oblique(mirrored=False))
    with pytest.raises(StructureError, match="at least 4"):
        surface_of(labels, "ball", max_faces=budget)
