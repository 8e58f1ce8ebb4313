"""Where a point of one scan lies in another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from halsted.imaging_bridge.errors import GeometryError
from halsted.imaging_bridge.preparation.resampling import AIR_HU, Target, reference_image
from halsted.imaging_bridge.volume import Grid, Volume

if TYPE_CHECKING:
    import SimpleITK as sitk


@dataclass(frozen=True, eq=False)
class Transform:
    """A mapping of points of the fixed scan to points of the moving scan, LPS, mm.

    A point p goes to matrix @ (p + displacement at p).

    Attributes:
        matrix: 4x4 affine.
        displacement_mm: (z, y, x, 3) float32, mm along L, P and S; or None where nothing deforms.
        grid: Where the displacements lie; zero outside.
    """

    matrix: NDArray[np.float64]
    displacement_mm: NDArray[np.float32] | None = None
    grid: Target | None = None

    def __call__(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (..., 3) of the fixed scan, LPS, mm, in the moving scan."""
        found = np.asarray(points, dtype=np.float64)
        if self.displacement_mm is not None:
            transform = self.to_sitk()
            flat = found.reshape(-1, 3).tolist()
            moved = [transform.TransformPoint(point) for point in flat]
            return np.array(moved).reshape(found.shape)
        return np.asarray(found @ self.matrix[:3, :3].T + self.matrix[:3, 3])

    def inverse(self) -> Transform:
        """The mapping of points of the moving scan to points of the fixed one.

        Raises:
            GeometryError: it deforms; register the other way round instead.
        """
        if self.displacement_mm is not None:
            raise GeometryError(
                "a deformable transform has no inverse here; register the scans the other way round"
            )
        return Transform(np.asarray(np.linalg.inv(self.matrix), dtype=np.float64))

    def to_sitk(self) -> sitk.Transform:
        """The same for SimpleITK."""
        import SimpleITK as sitk

        linear = sitk.AffineTransform(3)
        linear.SetMatrix(self.matrix[:3, :3].ravel().tolist())
        linear.SetTranslation(self.matrix[:3, 3].tolist())
        if self.displacement_mm is None or self.grid is None:
            return linear
        field = sitk.GetImageFromArray(self.displacement_mm.astype(np.float64), isVector=True)
        reference = reference_image(self.grid)
        field.SetOrigin(reference.origin)
        field.SetSpacing(reference.spacing)
        field.SetDirection(reference.direction)
        # The last of a composite is applied first.
        return sitk.CompositeTransform([linear, sitk.DisplacementFieldTransform(field)])


def bring(
    moving: Volume, onto: Grid | Target, transform: Transform, fill: float | None = None
) -> Volume:
    """The moving volume on the grid of the fixed one, linearly interpolated, as float32.

    Args:
        moving: What is brought.
        onto: Grid of the fixed scan.
        transform: From points of the fixed scan to points of the moving one.
        fill: Value outside the field of view: `resampling.AIR_HU` for CT in HU, else the lowest.
    """
    import SimpleITK as sitk

    outside = fill if fill is not None else AIR_HU
    if fill is None and moving.unit != "HU":
        outside = float(moving.voxels.min())
    reference = reference_image(
        onto if isinstance(onto, Target) else Target(onto.shape, onto.affine)
    )
    found = sitk.Resample(
        moving.to_sitk(),
        reference.size,
        transform.to_sitk(),
        sitk.sitkLinear,
        reference.origin,
        reference.spacing,
        reference.direction,
        outside,
        sitk.sitkFloat32,
    )
    return replace(moving, voxels=sitk.GetArrayFromImage(found), affine=onto.affine)


def sitk_linear(transform: sitk.Transform) -> Transform:
    """A linear transform of SimpleITK as a matrix."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    for axis, step in enumerate(np.eye(3).tolist()):
        matrix[:3, axis] = np.array(transform.TransformPoint(step)) - origin
    matrix[:3, 3] = origin
    return Transform(matrix)
