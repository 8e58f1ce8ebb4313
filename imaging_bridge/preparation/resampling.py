"""Volumes and labels on another grid, without aliasing where it is coarser."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from halsted.imaging_bridge.errors import GeometryError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.preparation.separable import AxisWeights, triangle_weights, weigh
from halsted.imaging_bridge.volume import Grid, Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

Interpolation = Literal["linear", "nearest", "bspline"]

AIR_HU = -1024.0
"""What CT is filled with outside its field of view: the least that 12-bit scanners store."""

_PARALLEL = 1e-5  # of a direction cosine: 0.005 voxels over 512
_MOST_VOXELS = 1 << 30


@dataclass(frozen=True, eq=False)
class Target:
    """A grid that has no voxels yet.

    Attributes:
        shape: Voxels along (z, y, x).
        affine: 4x4 from (z, y, x, 1) to LPS, mm.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Distance in mm between neighbours along (z, y, x)."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), dtype=np.float64)


def target_with_spacing(grid: Grid, spacing_mm: ArrayLike) -> Target:
    """The grid of exactly this spacing that covers the same field of view about the same centre.

    Args:
        grid: Whose field of view, outer face to outer face, and axes are kept.
        spacing_mm: Along (z, y, x), or one number for all.

    Raises:
        GeometryError: a spacing is not one or three positive numbers, or so fine that the grid
            would be huge.
    """
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    if spacing.shape not in ((), (1,), (3,)):
        raise GeometryError(
            f"a spacing of shape {spacing.shape} was asked for, but one number or three were "
            "expected; pass millimetres along z, y and x"
        )
    spacing = np.broadcast_to(spacing, (3,))
    if not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise GeometryError(
            f"a spacing of {spacing.tolist()} mm was asked for, but it must be above 0; pass "
            "millimetres along z, y and x"
        )
    extent = grid.spacing * grid.shape
    # A millionth of a voxel is rounding, and makes no voxel of its own.
    shape = np.maximum(np.rint(extent / spacing - 1e-6), 1)
    if shape.prod() > _MOST_VOXELS:
        raise GeometryError(
            f"a spacing of {spacing.tolist()} mm makes {shape.prod():.3g} voxels, more than the "
            f"{_MOST_VOXELS:.3g} that are made here; choose a coarser one, or crop first"
        )
    affine = np.eye(4)
    affine[:3, :3] = grid.direction * spacing
    middle = grid.to_patient((np.array(grid.shape) - 1) / 2.0)
    affine[:3, 3] = middle - affine[:3, :3] @ ((shape - 1) / 2.0)
    z, y, x = (int(count) for count in shape)
    return Target((z, y, x), affine)


def resample(
    volume: Volume,
    onto: Grid | Target | ArrayLike,
    interpolation: Interpolation = "linear",
    fill: float | None = None,
    antialias: bool = True,
) -> Volume:
    """The volume on another grid, as float32.

    Linear interpolation between parallel grids is a triangle filter; see `separable`. Otherwise,
    where the new grid is coarser, a Gaussian whose full width at half maximum makes up the
    difference between both spacings goes before (Cardoso et al. 2015,
    doi:10.1007/978-3-319-24571-3_81).

    Args:
        volume: What is resampled.
        onto: Another grid; or a spacing in mm, along (z, y, x) or for all, for the same field of
            view.
        interpolation: ``linear``; ``bspline`` (cubic, sharper, overshoots); or ``nearest``.
        fill: Value outside the field of view: `AIR_HU` for CT in HU, else the volume's lowest.
        antialias: Whether to smooth before a coarser grid; never for ``nearest``.

    Raises:
        GeometryError: a spacing is not usable, or the grid of the volume is sheared.
    """
    target = _target(volume, onto)
    outside = fill if fill is not None else _fill(volume)
    axes = _parallel_axes(volume, target, antialias) if interpolation == "linear" else None
    if axes is not None:
        voxels = weigh(volume.voxels, axes, outside)
    else:
        image = volume.to_sitk()
        if antialias and interpolation != "nearest":
            image = _smoothed(image, volume, target)
        voxels = _with_sitk(image, target, interpolation, outside)
    return replace(volume, voxels=voxels, affine=target.affine)


def resample_labels(
    labels: LabelMap,
    onto: Grid | Target | ArrayLike,
    method: Literal["nearest", "majority"] = "nearest",
) -> LabelMap:
    """The labels on another grid.

    Args:
        labels: What is resampled; background outside its field of view.
        onto: As for `resample`.
        method: ``nearest`` takes the label at the new centre; ``majority`` the one that fills most
            of the triangle around it, which is smoother and drops single voxels.

    Raises:
        GeometryError: as for `resample`.
    """
    target = _target(labels, onto)
    if method == "majority":
        voxels = _majority(labels, target)
    else:
        voxels = _with_sitk(labels.to_sitk(), target, "nearest", 0.0)
    return replace(labels, voxels=voxels.astype(labels.voxels.dtype), affine=target.affine)


def _target(grid: Grid, onto: Grid | Target | ArrayLike) -> Target:
    if isinstance(onto, Target):
        return onto
    if isinstance(onto, Grid):
        return Target(onto.shape, onto.affine)
    return target_with_spacing(grid, onto)


def _fill(volume: Volume) -> float:
    return AIR_HU if volume.unit == "HU" else float(volume.voxels.min())


def _parallel_axes(
    grid: Grid, target: Target, antialias: bool
) -> tuple[AxisWeights, AxisWeights, AxisWeights] | None:
    """Weights along each axis where the axes of both grids are parallel, else None."""
    step = np.linalg.solve(grid.affine, target.affine)
    diagonal = np.diag(step)[:3]
    turn = (step[:3, :3] - np.diag(diagonal)) * grid.spacing[:, np.newaxis] / target.spacing
    if np.abs(turn).max() > _PARALLEL:
        return None
    z, y, x = (
        triangle_weights(
            grid.shape[axis],
            step[axis, 3] + diagonal[axis] * np.arange(target.shape[axis]),
            float(diagonal[axis]) if antialias else 1.0,
        )
        for axis in range(3)
    )
    return z, y, x


def _smoothed(image: sitk.Image, grid: Grid, target: Target) -> sitk.Image:
    """The image without what the coarser grid cannot hold."""
    import SimpleITK as sitk

    # How wide the new voxels are along the old axes.
    coarse = np.linalg.norm(grid.direction.T @ target.affine[:3, :3], axis=1)
    lost = np.sqrt(np.clip(coarse**2 - grid.spacing**2, 0.0, None))
    sigma = lost / (2.0 * np.sqrt(2.0 * np.log(2.0)))
    image = sitk.Cast(image, sitk.sitkFloat32)
    if not (sigma > 1e-3 * grid.spacing).any():
        return image
    return sitk.DiscreteGaussian(
        image, variance=(sigma[::-1] ** 2).tolist(), maximumKernelWidth=64, useImageSpacing=True
    )


def _with_sitk(
    image: sitk.Image, target: Target, interpolation: Interpolation, fill: float
) -> NDArray[np.float32]:
    import SimpleITK as sitk

    interpolators = {
        "linear": sitk.sitkLinear,
        "nearest": sitk.sitkNearestNeighbor,
        "bspline": sitk.sitkBSpline3,
    }
    reference = reference_image(target)
    found = sitk.Resample(
        image,
        reference.size,
        sitk.Transform(3, sitk.sitkIdentity),
        interpolators[interpolation],
        reference.origin,
        reference.spacing,
        reference.direction,
        fill,
        image.GetPixelID() if interpolation == "nearest" else sitk.sitkFloat32,
    )
    array = np.asarray(sitk.GetArrayFromImage(found))
    return array if interpolation == "nearest" else array.astype(np.float32, copy=False)


@dataclass(frozen=True)
class Reference:
    """A grid in SimpleITK's terms, whose axes are x, y, z."""

    size: list[int]
    origin: list[float]
    spacing: list[float]
    direction: list[float]


def reference_image(target: Grid | Target) -> Reference:
    """What SimpleITK's resampling asks for.

    Raises:
        GeometryError: the axes are not perpendicular.
    """
    spacing = target.spacing
    direction = (target.affine[:3, :3] / spacing)[:, ::-1]
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
        raise GeometryError(
            "the grid to resample onto has axes that are not perpendicular; choose a spacing or "
            "another grid"
        )
    return Reference(
        [int(count) for count in target.shape[::-1]],
        target.affine[:3, 3].tolist(),
        spacing[::-1].tolist(),
        direction.ravel().tolist(),
    )


def _majority(labels: LabelMap, target: Target) -> NDArray[np.float32]:
    axes = _parallel_axes(labels, target, antialias=True)
    best = np.zeros(target.shape, np.float32)
    found = np.zeros(target.shape, np.float32)
    for value in np.flatnonzero(np.bincount(labels.voxels.ravel())):
        share = _share(labels, int(value), target, axes)
        better = share > best
        best[better], found[better] = share[better], value
    return found


def _share(
    labels: LabelMap,
    value: int,
    target: Target,
    axes: tuple[AxisWeights, AxisWeights, AxisWeights] | None,
) -> NDArray[np.float32]:
    """How much of each new voxel a label fills, from 0 to 1."""
    outside = 1.0 if value == 0 else 0.0
    mask = (labels.voxels == value).astype(np.uint8)
    if axes is not None:
        return weigh(mask, axes, outside)
    one = replace(labels, voxels=mask, names={"one": 1})
    return _with_sitk(_smoothed(one.to_sitk(), labels, target), target, "linear", outside)
