"""Triangle surfaces of structures, for cameras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.cache import cache_key, cached_arrays
from halsted.imaging_bridge.errors import StructureError
from halsted.imaging_bridge.labels import LabelMap

_VERSION = 1  # raise when the surface of the same labels changes


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed triangle mesh, wound outwards.

    Attributes:
        points: (n, 3) LPS points, mm.
        faces: (m, 3) indices into `points`.
    """

    points: NDArray[np.float32]
    faces: NDArray[np.int32]


def surface_of(labels: LabelMap, *names: str, max_faces: int = 5000) -> Surface:
    """The smoothed and decimated surface of the union of some structures, cached.

    Made by vtk's flying edges (Schroeder et al. 2015, doi:10.1109/LDAV.2015.7348069), windowed
    sinc smoothing and quadric decimation.

    Args:
        labels: The label map.
        names: The structures.
        max_faces: Upper bound on the number of triangles.

    Raises:
        StructureError: a name is unknown, or the structures have no voxels.
    """
    mask = labels.mask(*names)
    if not mask.any():
        raise StructureError(
            f"the structure {' + '.join(names)} has no voxels, so it has no surface; choose another"
        )
    key = cache_key("surface", _VERSION, labels.content_hash, sorted(names), max_faces)
    arrays = cached_arrays(key, lambda: _make_surface(mask, labels.affine, max_faces))
    return Surface(arrays["points"], arrays["faces"])


def _make_surface(
    mask: NDArray[np.bool_], affine: NDArray[np.float64], max_faces: int
) -> dict[str, NDArray[Any]]:
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import (
        vtkFlyingEdges3D,
        vtkQuadricDecimation,
        vtkWindowedSincPolyDataFilter,
    )

    # One voxel of background all round closes surfaces that the field of view cuts.
    padded = np.pad(mask, 1).astype(np.float32)
    grid = vtkImageData()
    grid.SetDimensions(*padded.shape[::-1])
    grid.GetPointData().SetScalars(numpy_to_vtk(padded.ravel(), deep=True))
    contour = vtkFlyingEdges3D()
    contour.SetInputData(grid)
    contour.SetValue(0, 0.5)
    contour.ComputeNormalsOff()
    contour.ComputeScalarsOff()
    smooth = vtkWindowedSincPolyDataFilter()
    smooth.SetInputConnection(contour.GetOutputPort())
    smooth.SetNumberOfIterations(15)
    smooth.SetPassBand(0.1)
    smooth.BoundarySmoothingOff()
    smooth.NormalizeCoordinatesOn()
    smooth.Update()
    mesh = smooth.GetOutput()
    if mesh.GetNumberOfCells() > max_faces:
        decimate = vtkQuadricDecimation()
        decimate.SetInputData(mesh)
        decimate.SetTargetReduction(1.0 - max_faces / mesh.GetNumberOfCells())
        decimate.Update()
        mesh = decimate.GetOutput()
    index = vtk_to_numpy(mesh.GetPoints().GetData())[:, ::-1].astype(np.float64) - 1.0
    points = index @ affine[:3, :3].T + affine[:3, 3]
    faces = vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    return {
        "points": points.astype(np.float32),
        "faces": _wound_outwards(points, faces).astype(np.int32),
    }


def _wound_outwards(points: NDArray[np.float64], faces: NDArray[Any]) -> NDArray[Any]:
    """The same faces, turned if their signed volume is negative (a mirrored affine)."""
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    signed_volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum()
    return faces if signed_volume > 0 else faces[:, ::-1]
