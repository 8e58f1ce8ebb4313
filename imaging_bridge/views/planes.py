"""The three planes through a point, as radiologists look at them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from halsted.imaging_bridge.errors import GeometryError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.structures import role_of
from halsted.imaging_bridge.volume import Grid, Volume

Plane = Literal["axial", "coronal", "sagittal"]
PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")

AnyGrid = TypeVar("AnyGrid", bound=Grid)

# Index (superior, posterior, left) of the axis that a plane is cut along, of its rows and of its
# columns, and whether the rows go against their axis. Patient's right is on the picture's left,
# and the viewer looks at coronal slices from the front and at sagittal ones from the left.
_LAYOUT: dict[Plane, tuple[int, int, int, bool]] = {
    "axial": (0, 1, 2, False),
    "coronal": (1, 0, 2, True),
    "sagittal": (2, 0, 1, True),
}
# Modalities whose images lie in the patient's frame; OT is what NIfTI and NRRD files hold.
_PLACED = ("CT", "MR", "PT", "NM", "RTDOSE", "OT")
# A direction is named after every axis along which it has at least this part of its length.
_NAMED_PART = 0.35


@dataclass(frozen=True, eq=False)
class Slice:
    """One plane of an upright grid.

    Attributes:
        plane: Its name.
        pixels: As shown: rows from top to bottom, columns from left to right.
        spacing: Distance in mm between rows, and between columns.
        cross: Row and column of the point that the planes have in common.
        edges: Anatomical directions towards the left, right, upper and lower edge, e.g. ``R``.
    """

    plane: Plane
    pixels: NDArray[np.generic]
    spacing: tuple[float, float]
    cross: tuple[int, int]
    edges: tuple[str, str, str, str]


def upright(grid: AnyGrid) -> AnyGrid:
    """The same grid with its array axes ordered and turned to grow upwards, backwards, leftwards.

    No voxel is resampled: an oblique scan stays oblique, and its axes are only renamed.
    """
    # LPS components of the axes; the best pairing of array axes with (S, P, L).
    along = grid.direction[::-1]
    order = max(
        permutations(range(3)), key=lambda order: sum(abs(along[k, order[k]]) for k in range(3))
    )
    index = np.eye(4)[:, [*order, 3]]
    voxels = grid.voxels.transpose(order)
    for axis, source in enumerate(order):
        if along[axis, source] < 0:
            index[source, 3] = grid.shape[source] - 1
            index[source, axis] = -1
            voxels = np.flip(voxels, axis)
    return replace(grid, voxels=voxels, affine=grid.affine @ index)


def shown_image(patient: Patient) -> Volume:
    """The first image of a patient, upright.

    Raises:
        GeometryError: there is no image, or it is a picture that lies nowhere in the patient, of
            which no side can be named.
    """
    image = patient.image
    if not image.spacing_known or image.modality not in _PLACED:
        raise GeometryError(
            f"this is a picture ({image.modality}) that does not say where it lies in the patient, "
            "so it has no three planes; open it in a viewer for pictures"
        )
    return upright(image)


def slices_at(grid: Grid, point: ArrayLike) -> dict[Plane, Slice]:
    """The three slices of an upright grid whose voxel centres are nearest to an LPS point, mm.

    Raises:
        GeometryError: the point lies outside the grid.
    """
    index = np.rint(grid.to_index(point)).astype(int)
    if (index < 0).any() or (index >= grid.shape).any():
        x, y, z = np.asarray(point, dtype=float)
        raise GeometryError(
            f"the point ({x:.1f}, {y:.1f}, {z:.1f}) mm in LPS lies outside the scan; name a point "
            "within it"
        )
    return {plane: _slice(grid, plane, index) for plane in PLANES}


def _slice(grid: Grid, plane: Plane, index: NDArray[np.int_]) -> Slice:
    cut, rows, columns, upwards = _LAYOUT[plane]
    pixels = np.take(grid.voxels, index[cut], axis=cut)  # rows before columns in every layout
    row = int(index[rows])
    if upwards:
        pixels, row = pixels[::-1], grid.shape[rows] - 1 - row
    down = grid.direction[:, rows] * (-1 if upwards else 1)
    right = grid.direction[:, columns]
    return Slice(
        plane,
        pixels,
        (float(grid.spacing[rows]), float(grid.spacing[columns])),
        (row, int(index[columns])),
        (named(-right), named(right), named(-down), named(down)),
    )


def named(direction: NDArray[np.float64]) -> str:
    """The anatomical name of an LPS unit vector: ``L``, or ``LP`` between left and posterior."""
    strongest = np.argsort(-np.abs(direction))
    return "".join(
        "LPS"[axis] if direction[axis] > 0 else "RAI"[axis]
        for axis in strongest
        if abs(direction[axis]) >= _NAMED_PART
    )


def in_words(point: ArrayLike) -> str:
    """An LPS point, mm, as ``L 12.0  A 3.5  S 101.0``."""
    return "  ".join(
        f"{pair[0] if number >= 0 else pair[1]} {abs(number):.1f}"
        for pair, number in zip(("LR", "PA", "SI"), np.asarray(point, dtype=float), strict=True)
    )


def point_of_interest(grid: Grid, labels: LabelMap | None) -> NDArray[np.float64]:
    """An LPS point, mm, worth looking at first.

    In the first lesion, else in the largest structure that is not the whole body, the voxel nearest
    to its middle; without labels the middle of the scan.
    """
    if labels is not None:
        sizes = {name: size for name, size in labels.volumes_ml.items() if size > 0}
        lesions = [name for name in sizes if role_of(name) == "lesion"]
        others = sorted((name for name in sizes if role_of(name) != "body"), key=sizes.__getitem__)
        if chosen := lesions[:1] or others[-1:]:
            inside = np.argwhere(labels.mask(*chosen))
            middle = np.linalg.norm((inside - inside.mean(axis=0)) * labels.spacing, axis=1)
            return labels.to_patient(inside[np.argmin(middle)])
    return grid.to_patient((np.array(grid.shape) - 1) // 2)
