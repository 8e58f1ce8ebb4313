"""Surfaces, read back by vtk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vtkmodules.vtkFiltersCore import vtkFeatureEdges, vtkMassProperties
from vtkmodules.vtkIOGeometry import vtkOBJReader, vtkSTLReader

from halsted.imaging_bridge.errors import StructureError
from halsted.imaging_bridge.exports import write_obj, write_stl
from halsted.imaging_bridge.labels import LabelMap


@pytest.fixture
def balls() -> LabelMap:
    """Two balls in 2 x 1 x 1 mm voxels on a mirrored grid; names that are no file names."""
    z, y, x = np.indices((30, 50, 90))
    voxels = np.zeros(z.shape, np.uint8)
    voxels[np.hypot(np.hypot((z - 15) * 2, y - 25), x - 25) < 18] = 1
    voxels[np.hypot(np.hypot((z - 15) * 2, y - 25), x - 65) < 12] = 2
    affine = np.array(
        [[0, 0, -1.0, 40], [0, 1, 0, -30], [2, 0, 0, 100], [0, 0, 0, 1]], dtype=np.float64
    )
    return LabelMap(voxels, affine, {"../liver: left": 1, "../liver? left": 2, "spleen": 3})


def read(reader: Any, path: Path) -> Any:
    reader.SetFileName(str(path))
    reader.Update()
    return reader.GetOutput()


def check_closed(mesh: Any) -> None:
    edges = vtkFeatureEdges()
    edges.SetInputData(mesh)
    edges.BoundaryEdgesOn()
    edges.FeatureEdgesOff()
    edges.ManifoldEdgesOff()
    edges.NonManifoldEdgesOn()
    edges.Update()
    assert edges.GetOutput().GetNumberOfCells() == 0


def test_stl_is_closed_in_its_place_and_of_the_right_size(balls: LabelMap, tmp_path: Path) -> None:
    paths = write_stl(balls, tmp_path / "out")
    assert [path.parent for path in paths] == [tmp_path / "out"] * 2
    for path, name, column in zip(paths, balls.names, (25, 65), strict=False):
        mesh = read(vtkSTLReader(), path)
        check_closed(mesh)
        measure = vtkMassProperties()
        measure.SetInputData(mesh)
        assert measure.GetVolume() / 1000 == pytest.approx(balls.volumes_ml[name], rel=0.03)
        np.testing.assert_allclose(mesh.GetCenter(), balls.to_patient((15, 25, column)), atol=0.5)
        assert b"LPS" in path.read_bytes()[:80]


def test_obj_has_a_group_a_structure(balls: LabelMap, tmp_path: Path) -> None:
    path = write_obj(balls, tmp_path / "all.obj", max_faces=2000)
    check_closed(read(vtkOBJReader(), path))
    lines = path.read_text().splitlines()
    assert sum(line.startswith("g ") for line in lines) == 2
    assert sum(line.startswith("f ") for line in lines) <= 4000
    assert "LPS" in lines[0]


def test_a_file_says_the_same_as_the_other(balls: LabelMap, tmp_path: Path) -> None:
    both = [read(vtkSTLReader(), path) for path in write_stl(balls, tmp_path)]
    one = read(vtkOBJReader(), write_obj(balls, tmp_path / "all.obj"))
    assert one.GetNumberOfCells() == sum(mesh.GetNumberOfCells() for mesh in both)
    bounds = np.array([mesh.GetBounds() for mesh in both])
    np.testing.assert_allclose(one.GetBounds()[::2], bounds[:, ::2].min(axis=0), atol=1e-3)


def test_empty_labels_are_refused(tmp_path: Path) -> None:
    empty = LabelMap(np.zeros((2, 2, 2), np.uint8), np.eye(4), {"liver": 1})
    with pytest.raises(StructureError, match="no voxel"):
        write_obj(empty, tmp_path / "all.obj")
    assert not list(tmp_path.iterdir())


def test_small_structures_keep_their_volume(tmp_path: Path) -> None:
    """Of which smoothing leaves between 0 and 87 %."""
    z, y, x = np.indices((20, 20, 60))
    voxels = np.zeros(z.shape, np.uint8)
    voxels[2:18, 9:11, 4:6] = 1
    voxels[10, 10, 10] = 2
    voxels[np.arange(2, 18), np.arange(2, 18), 15] = 3
    voxels[np.hypot(np.hypot(z - 10, y - 10), x - 25) <= 2] = 4
    voxels[np.hypot(np.hypot(z - 10, y - 10), x - 40) <= 3] = 5
    names = {"vessel": 1, "voxel": 2, "diagonal": 3, "nodule_2": 4, "nodule_3": 5}
    labels = LabelMap(voxels, np.diag([3.0, 0.7, 0.7, 1.0])[[2, 1, 0, 3]], names)
    for name, path in zip(names, write_stl(labels, tmp_path), strict=True):
        mesh = read(vtkSTLReader(), path)
        check_closed(mesh)
        measure = vtkMassProperties()
        measure.SetInputData(mesh)
        exact = 0.002 if name != "nodule_3" else 0.06
        assert measure.GetVolume() / 1000 == pytest.approx(labels.volumes_ml[name], rel=exact)


def test_a_surface_that_would_be_too_small_is_refused_by_name(tmp_path: Path) -> None:
    voxels = np.zeros((9, 9, 9), np.uint8)
    voxels[4, 4, 4] = 1
    labels = LabelMap(voxels, np.eye(4), {"speck": 1})
    for write, name in ((write_obj, "a.obj"), (write_stl, "a")):
        with pytest.raises(StructureError, match="speck with 4 faces or fewer is 81% off"):
            write(labels, tmp_path / name, max_faces=4)
    assert not list(tmp_path.iterdir())
