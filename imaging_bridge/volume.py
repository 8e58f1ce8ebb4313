"""Voxel arrays that know where they lie in the patient."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from halsted.imaging_bridge.errors import GeometryError

if TYPE_CHECKING:
    import SimpleITK as sitk

FloatArray = NDArray[np.floating[Any]]

_POSITION_TOLERANCE_MM = 1e-3


@dataclass(frozen=True, eq=False)
class Grid:
    """An array of voxels and its one affine.

    An index is always in array order (z, y, x); a point is always (x, y, z) in the patient's LPS
    frame of DICOM, in millimetres. Voxel indices name voxel centres.

    Attributes:
        voxels: Array of shape (z, y, x); made read-only.
        affine: 4x4 matrix from a homogeneous array index (z, y, x, 1) to a point (x, y, z, 1)
            in LPS, mm.

    Raises:
        GeometryError: the array is not three-dimensional, or the affine is not an invertible
            affine of finite numbers.
    """

    voxels: NDArray[Any]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        voxels = self.voxels.view()
        affine = np.array(self.affine, dtype=np.float64)
        if voxels.ndim != 3 or 0 in voxels.shape:
            raise GeometryError(
                f"a volume has three non-empty axes (z, y, x), but this array's shape is "
                f"{voxels.shape}; pass one phase or channel at a time"
            )
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise GeometryError(
                "the affine of a volume is a 4x4 matrix of finite numbers; pass one"
            )
        if abs(np.linalg.det(affine[:3, :3])) < 1e-9 or not np.allclose(affine[3], (0, 0, 0, 1)):
            raise GeometryError(
                "the affine of this volume collapses space (a zero spacing, or a last row other "
                "than 0 0 0 1); repair the header of the file it came from"
            )
        voxels.flags.writeable = False
        affine.flags.writeable = False
        object.__setattr__(self, "voxels", voxels)
        object.__setattr__(self, "affine", affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along (z, y, x)."""
        return self.voxels.shape

    @cached_property
    def spacing(self) -> NDArray[np.float64]:
        """Distance in mm between neighbours along (z, y, x)."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), dtype=np.float64)

    @property
    def origin(self) -> NDArray[np.float64]:
        """LPS point, mm, of the centre of voxel (0, 0, 0)."""
        return self.affine[:3, 3]

    @cached_property
    def direction(self) -> NDArray[np.float64]:
        """3x3; column k is the LPS unit vector along array axis k of (z, y, x)."""
        return np.asarray(self.affine[:3, :3] / self.spacing, dtype=np.float64)

    @cached_property
    def orientation(self) -> str:
        """Anatomical direction in which the array axes (z, y, x) grow, e.g. ``SPL``."""
        letters = []
        for axis in self.direction.T:
            strongest = int(np.argmax(np.abs(axis)))
            letters.append("LPS"[strongest] if axis[strongest] > 0 else "RAI"[strongest])
        return "".join(letters)

    def to_patient(self, index: ArrayLike) -> NDArray[np.float64]:
        """LPS points, mm, of array indices; (..., 3) in, (..., 3) out."""
        return np.asarray(index, dtype=np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def to_index(self, point_in_patient: ArrayLike) -> NDArray[np.float64]:
        """Fractional array indices (z, y, x) of LPS points in mm; (..., 3) in, (..., 3) out."""
        inverse = np.linalg.inv(self.affine)
        points = np.asarray(point_in_patient, dtype=np.float64)
        return np.asarray(points @ inverse[:3, :3].T + inverse[:3, 3], dtype=np.float64)

    def same_geometry(self, other: Grid, tolerance_mm: float = 0.1) -> bool:
        """Whether every corner voxel of both grids lies within `tolerance_mm` in the patient."""
        if self.shape != other.shape:
            return False
        corners = np.stack(
            np.meshgrid(*((0, n - 1) for n in self.shape), indexing="ij"), axis=-1
        ).reshape(-1, 3)
        apart = np.linalg.norm(self.to_patient(corners) - other.to_patient(corners), axis=1)
        return bool(apart.max() <= tolerance_mm)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of voxels, type and affine (rounded to a micrometre)."""
        digest = hashlib.sha256(f"{self.voxels.shape}{self.voxels.dtype.str}".encode())
        digest.update(np.round(self.affine, 6).tobytes())
        digest.update(np.ascontiguousarray(self.voxels).data)
        return digest.hexdigest()

    def to_sitk(self) -> sitk.Image:
        """The same voxels as a SimpleITK image (its axes are x, y, z).

        Raises:
            GeometryError: the axes are not perpendicular, which SimpleITK cannot hold.
        """
        import SimpleITK as sitk

        direction = self.direction[:, ::-1]
        if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
            raise GeometryError(
                "the axes of this volume are not perpendicular (a sheared affine); "
                "resample it onto a rectangular grid first"
            )
        image = sitk.GetImageFromArray(np.ascontiguousarray(self.voxels))
        image.SetSpacing(self.spacing[::-1].tolist())
        image.SetOrigin(self.origin.tolist())
        image.SetDirection(direction.ravel().tolist())
        return image


def affine_from_sitk(image: sitk.Image) -> NDArray[np.float64]:
    """The (z, y, x)-to-LPS affine, mm, of a SimpleITK image."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    affine = np.eye(4)
    affine[:3, :3] = (direction * np.array(image.GetSpacing()))[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return affine


@dataclass(frozen=True, eq=False)
class Volume(Grid):
    """A scan's measured values on their grid.

    Attributes:
        modality: DICOM's name, e.g. ``CT`` or ``MR``; ``OT`` where it is unknown.
        unit: Unit of a voxel's value, e.g. ``HU``; ``1`` where it has none.
        spacing_known: Whether distances are millimetres. A photograph that does not say how large
            a pixel is has a spacing of 1 and lies nowhere in the patient.

    Raises:
        GeometryError: see `Grid`; also where a voxel is not a finite number.
    """

    modality: str = "OT"
    unit: str = "1"
    spacing_known: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        # The sum is finite only if every voxel is; the count is made only to word the error.
        if not np.isfinite(np.sum(self.voxels, dtype=np.float64)):
            bad = int(np.count_nonzero(~np.isfinite(self.voxels)))
            raise GeometryError(
                f"{bad} voxels of this volume are NaN or infinite; every voxel must be a number, "
                "so mask or refill them before reading it here"
            )
