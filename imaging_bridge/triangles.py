"""Triangle meshes of vtk: smoothed, with fewer faces, and as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from vtkmodules.vtkCommonDataModel import vtkPolyData

_FLAP_PASSES = 4


def smoothed(mesh: vtkPolyData) -> vtkPolyData:
    """The mesh after windowed sinc smoothing."""
    from vtkmodules.vtkFiltersCore import vtkWindowedSincPolyDataFilter

    smooth = vtkWindowedSincPolyDataFilter()
    smooth.SetInputData(mesh)
    smooth.SetNumberOfIterations(15)
    smooth.SetPassBand(0.1)
    smooth.BoundarySmoothingOff()
    smooth.NormalizeCoordinatesOn()
    smooth.Update()
    made: vtkPolyData = smooth.GetOutput()
    return made


def decimated(mesh: vtkPolyData, max_faces: int) -> tuple[NDArray[np.float64], NDArray[Any]] | None:
    """At most that many faces, or None where they would not be closed."""
    if mesh.GetNumberOfCells() <= max_faces:
        return arrays_of(mesh)
    points, faces = arrays_of(_reduced(mesh, 1.0 - max_faces / mesh.GetNumberOfCells()))
    faces = _without_flaps(faces)
    return (points, faces) if (_edge_counts(faces) == 2).all() else None


def _reduced(mesh: vtkPolyData, by: float) -> vtkPolyData:
    from vtkmodules.vtkFiltersCore import vtkQuadricDecimation

    decimate = vtkQuadricDecimation()
    decimate.SetInputData(mesh)
    decimate.SetTargetReduction(by)
    decimate.Update()
    reduced: vtkPolyData = decimate.GetOutput()
    return reduced


def arrays_of(mesh: vtkPolyData) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Points (n, 3) in reverse order of their components, and faces (m, 3)."""
    from vtkmodules.util.numpy_support import vtk_to_numpy

    index = vtk_to_numpy(mesh.GetPoints().GetData())[:, ::-1].astype(np.float64)
    return index, vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3)


def _without_flaps(faces: NDArray[Any]) -> NDArray[Any]:
    """The faces without those that hang on a closed mesh by one edge, as vtk now and then leaves.

    A few passes are enough for flaps; a true hole stays one, and is found by its edges.
    """
    for _ in range(_FLAP_PASSES):
        hangs = (_edge_counts(faces).reshape(3, -1) == 1).any(axis=0)
        if not hangs.any():
            break
        faces = faces[~hangs]
    return faces


def _edge_counts(faces: NDArray[Any]) -> NDArray[np.int64]:
    """(3 m,) how many faces share the first, second and third edge of each face."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    keys = edges[:, 0].astype(np.int64) << 32 | edges[:, 1]
    _, where, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return np.asarray(counts[where])


def signed_volume(points: NDArray[np.float64], faces: NDArray[Any]) -> float:
    """What the faces enclose; negative if they are wound inwards."""
    middle = points.mean(axis=0)
    a, b, c = (points[faces[:, corner]] - middle for corner in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)
