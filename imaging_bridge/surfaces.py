"""Triangle surfaces of structures, for cameras and exports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.cache import cache_key, cached_arrays
from halsted.imaging_bridge.errors import StructureError
from halsted.imaging_bridge.formats.extras import extra
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.preparation.separable import triangle_weights, weigh
from halsted.imaging_bridge.triangles import arrays_of, decimated, signed_volume, smoothed

if TYPE_CHECKING:
    from vtkmodules.vtkCommonDataModel import vtkPolyData

_VERSION = 2  # raise when the surface of the same labels changes

MOST_VOLUME_ERROR = 0.1
"""From which error on a surface that is to keep its volume is not smoothed; see `surface_of`."""

# Decimation costs by the face, so that one that shall end with few begins with few times as many.
_SPARE_FACES = 4.0
_LEAST_STEP = 1.2
_FEWEST_FACES = 4
_LEVEL_STEPS = 12  # to a four-thousandth of a voxel
_COARSENINGS = 12
# A coarser grid holds the structure if every point of the fine surface is this near to its border:
# in the part of a coarse voxel that is filled, of which one half is the border.
_MOST_OFF_HALF = 0.35


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed triangle mesh.

    Attributes:
        points: (n, 3) LPS points, mm.
        faces: (m, 3) indices into `points`, wound outwards unless asked otherwise.
        volume_error: What the mesh encloses over the voxels' volume, less one. Beyond a tenth, the
            structure is about as thin as a voxel, and its distance field says more.
    """

    points: NDArray[np.float32]
    faces: NDArray[np.int32]
    volume_error: float = 0.0


def surface_of(
    labels: LabelMap,
    *names: str,
    max_faces: int = 5000,
    inwards: bool = False,
    keep_volume: bool = False,
) -> Surface:
    """The smoothed and decimated surface of the union of some structures, cached.

    Made by vtk's flying edges (Schroeder et al. 2015, doi:10.1109/LDAV.2015.7348069), windowed sinc
    smoothing and quadric decimation; where that loses nothing, from a coarser grid whose voxels
    hold how full they are. The mesh is closed, also where the field of view cuts the structure.

    Its error on a ball, an ellipsoid and a torus, with voxels up to three times as long as wide and
    2000 faces or more: at most 0.6 of a voxel's longest edge, 0.15 on average, and 2 % in volume.
    What is narrower than about three voxels, such as a small vessel, is thinned by smoothing: see
    `Surface.volume_error`, and use `fields.signed_distance` for it.

    Args:
        labels: The label map.
        names: The structures.
        max_faces: Upper bound on the number of triangles.
        inwards: Whether the faces are wound inwards, for a camera in a lumen.
        keep_volume: Whether a structure whose smooth surface misses its volume by more than
            `MOST_VOLUME_ERROR` is not smoothed, but cut at the level between inside and outside
            that encloses its volume. Decimation may still change it: see `Surface.volume_error`.

    Raises:
        StructureError: a name is unknown, the structures have no voxels, or so few faces are
            allowed that the mesh would not be closed.
    """
    if max_faces < _FEWEST_FACES:
        raise StructureError(
            f"a surface of {max_faces} faces was asked for, but a closed one has at least "
            f"{_FEWEST_FACES}; allow it more"
        )
    mask = labels.mask(*names)
    if not mask.any():
        raise StructureError(
            f"the structure {' + '.join(names)} has no voxels, so it has no surface; choose another"
        )
    key = cache_key("surface", _VERSION, labels.content_hash, sorted(names), max_faces, keep_volume)
    arrays = cached_arrays(key, lambda: _make_surface(mask, labels.affine, max_faces, keep_volume))
    faces = arrays["faces"][:, ::-1] if inwards else arrays["faces"]
    return Surface(arrays["points"], faces, float(arrays["volume_error"]))


def _make_surface(
    mask: NDArray[np.bool_], affine: NDArray[np.float64], max_faces: int, keep_volume: bool
) -> dict[str, NDArray[Any]]:
    with extra("view"):
        import vtkmodules.vtkFiltersCore  # noqa: F401
    cropped, first = _cropped(mask)
    index, faces = _closed_mesh(cropped, affine, max_faces)
    if keep_volume and _volume_error(cropped, index, faces) > MOST_VOLUME_ERROR:
        index, faces = _better(cropped, index, faces, max_faces)
    points = (index + first) @ affine[:3, :3].T + affine[:3, 3]
    enclosed = signed_volume(points, faces)
    true = np.count_nonzero(mask) * abs(np.linalg.det(affine[:3, :3]))
    return {
        "points": points.astype(np.float32),
        "faces": (faces if enclosed > 0 else faces[:, ::-1]).astype(np.int32),  # mirrored affine
        "volume_error": np.array(abs(enclosed) / true - 1.0),
    }


def _cropped(mask: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The part that is not empty, with a voxel of background all round, and its first index.

    The background closes surfaces that the field of view cuts.
    """
    axes = [tuple(other for other in range(3) if other != axis) for axis in range(3)]
    ends = [np.flatnonzero(mask.any(axis=others))[[0, -1]] for others in axes]
    box = tuple(slice(int(low), int(high) + 1) for low, high in ends)
    return np.pad(mask[box], 1).view(np.uint8), np.array([low - 1 for low, _ in ends])


def _closed_mesh(
    mask: NDArray[np.uint8], affine: NDArray[np.float64], max_faces: int
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Array indices (n, 3) along (z, y, x) and faces (m, 3) of the first mesh that is closed."""
    for mesh in _meshes(mask, affine, max_faces):
        found = decimated(mesh, max_faces)
        if found is not None and len(found[1]):
            return found
    raise StructureError(
        f"this structure has no closed surface of {max_faces} faces or fewer; allow it more faces"
    )


def _meshes(
    mask: NDArray[np.uint8], affine: NDArray[np.float64], max_faces: int
) -> Iterator[vtkPolyData]:
    """Smooth surfaces in the mask's array indices (x, y, z), the best first.

    Decimating many thin shells to a few faces tears them; then a grid so coarse that it has few
    faces to begin with loses the thinnest parts, but stays closed.
    """
    fine = _contour(mask)
    step = float(np.sqrt(fine.GetNumberOfCells() / (_SPARE_FACES * max_faces)))
    if step > _LEAST_STEP:
        grid = _coarser(mask, affine, step)
        if grid.holds(fine):
            yield grid.contour()
    yield smoothed(fine)
    for power in range(_COARSENINGS):
        yield _coarser(mask, affine, max(step, 1.0) * 1.4**power).contour()


def _better(
    mask: NDArray[np.uint8], index: NDArray[np.float64], faces: NDArray[Any], max_faces: int
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Array indices and faces of the contour that encloses the mask's volume, if it is nearer."""
    low, high = 0.0, 1.0
    for _ in range(_LEVEL_STEPS):  # the lower the level, the more is enclosed
        level = (low + high) / 2.0
        enclosed = abs(signed_volume(*arrays_of(_contour(mask, level))))
        low, high = (level, high) if enclosed > np.count_nonzero(mask) else (low, level)
    found = decimated(_contour(mask, level), max_faces)
    if found and _volume_error(mask, *found) < _volume_error(mask, index, faces):
        return found
    return index, faces


def _volume_error(
    mask: NDArray[np.uint8], index: NDArray[np.float64], faces: NDArray[Any]
) -> float:
    return abs(abs(signed_volume(index, faces)) / np.count_nonzero(mask) - 1.0)


def _contour(voxels: NDArray[Any], level: float = 0.5) -> vtkPolyData:
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D

    grid = vtkImageData()
    grid.SetDimensions(*voxels.shape[::-1])
    grid.GetPointData().SetScalars(numpy_to_vtk(voxels.ravel(), deep=True))
    contour = vtkFlyingEdges3D()
    contour.SetInputData(grid)
    contour.SetValue(0, level)
    contour.ComputeNormalsOff()
    contour.ComputeScalarsOff()
    contour.Update()
    mesh: vtkPolyData = contour.GetOutput()
    return mesh


@dataclass(frozen=True, eq=False)
class _Coarse:
    """How full each voxel of a coarser grid is, from 0 to 1, and where it lies in the mask."""

    filled: NDArray[np.float32]
    starts: NDArray[np.float64]
    steps: NDArray[np.float64]

    def holds(self, fine: vtkPolyData) -> bool:
        """Whether the whole of a fine surface runs near to where voxels are half full."""
        from vtkmodules.util.numpy_support import vtk_to_numpy

        vertices = vtk_to_numpy(fine.GetPoints().GetData())[:, ::-1]
        values = _sampled(self.filled, (vertices - self.starts) / self.steps)
        return bool(np.abs(values - 0.5).max() <= _MOST_OFF_HALF)

    def contour(self) -> vtkPolyData:
        """The surface in the mask's array indices (x, y, z)."""
        from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy

        mesh = _contour(self.filled)
        if mesh.GetNumberOfPoints():
            found = vtk_to_numpy(mesh.GetPoints().GetData())
            found = found * self.steps[::-1] + self.starts[::-1]
            mesh.GetPoints().SetData(numpy_to_vtk(found.astype(np.float32), deep=True))
        return mesh


def _coarser(mask: NDArray[np.uint8], affine: NDArray[np.float64], step: float) -> _Coarse:
    """A grid whose voxels are `step` times as wide on average, and as nearly cubes as can be."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    steps = np.maximum(step * np.cbrt(spacing.prod()) / spacing, 1.0)
    counts = np.ceil((np.array(mask.shape) + 1) / steps).astype(int) + 1
    starts = (np.array(mask.shape) - 1) / 2.0 - steps * (counts - 1) / 2.0
    z, y, x = (
        triangle_weights(mask.shape[k], starts[k] + steps[k] * np.arange(counts[k]), steps[k])
        for k in range(3)
    )
    filled = weigh(mask, (z, y, x), 0.0)
    for axis in range(3):  # which lie beyond the mask, so that the surface is closed
        np.moveaxis(filled, axis, 0)[[0, -1]] = 0.0
    return _Coarse(filled, starts, steps)


def _sampled(values: NDArray[np.float32], index: NDArray[Any]) -> NDArray[np.float64]:
    """Trilinear interpolation at (n, 3) indices (z, y, x)."""
    low = np.clip(np.floor(index).astype(np.int64), 0, np.array(values.shape) - 2)
    part = index - low
    found = np.zeros(len(index))
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, part, 1.0 - part), axis=1)
        z, y, x = (low + corner).T
        found += weight * values[z, y, x]
    return found
