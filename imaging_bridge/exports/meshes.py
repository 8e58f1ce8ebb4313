"""Surfaces of structures as STL and Wavefront OBJ files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from halsted.imaging_bridge.errors import StructureError
from halsted.imaging_bridge.exports.names import file_stems
from halsted.imaging_bridge.files import make_folder, write_text, write_whole
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.surfaces import MOST_VOLUME_ERROR, Surface, surface_of

MAX_FACES = 50_000
"""Default bound on the triangles of one structure."""

_HEADER = b"Halsted; DICOM patient frame LPS; millimetres"
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def write_stl(labels: LabelMap, folder: Path | str, max_faces: int = MAX_FACES) -> list[Path]:
    """Write the surface of every structure that has voxels as ``<structure>.stl``, binary.

    Points are in the patient's LPS frame, mm, which the 80-byte header says.

    Args:
        labels: The label map.
        folder: Folder to write to.
        max_faces: Upper bound on the triangles of one structure.

    Returns:
        The files, in the order of the label map.

    Raises:
        StructureError: no structure has voxels, or so few faces are allowed that a surface would
            not be closed or its volume be wrong by over a tenth.
        OutputError: a file cannot be written.
    """
    surfaces = list(_surfaces(labels, max_faces))  # all of them, or no file
    folder = make_folder(Path(folder))
    written = []
    for stem, surface in surfaces:
        path = folder / f"{stem}.stl"
        written.append(write_whole(path, partial(_write_bytes, _stl(surface))))
    return written


def write_obj(labels: LabelMap, path: Path | str, max_faces: int = MAX_FACES) -> Path:
    """Write the surfaces of all structures that have voxels into one OBJ file, a group each.

    Args:
        labels: The label map.
        path: File to write.
        max_faces: Upper bound on the triangles of one structure.

    Raises:
        StructureError: no structure has voxels, or so few faces are allowed that a surface would
            not be closed or its volume be wrong by over a tenth.
        OutputError: the file cannot be written.
    """
    lines = [f"# {_HEADER.decode()}"]
    first = 1  # vertices are counted from 1, through the whole file
    for stem, surface in _surfaces(labels, max_faces):
        lines += [f"o {stem}", f"g {stem}"]
        lines += ["v {:.4f} {:.4f} {:.4f}".format(*point) for point in surface.points.tolist()]
        lines += ["f {} {} {}".format(*face) for face in (surface.faces + first).tolist()]
        first += len(surface.points)
    return write_text(Path(path), "\n".join(lines) + "\n")


def _write_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _surfaces(labels: LabelMap, max_faces: int) -> Iterator[tuple[str, Surface]]:
    """A name that is safe in a path, and the surface, of every structure that has voxels."""
    names = [name for name, volume in labels.volumes_ml.items() if volume > 0]
    if not names:
        raise StructureError(
            "the labels hold no voxel of any structure, so there is no surface to write; choose "
            "other labels"
        )
    for stem, name in zip(file_stems(names), names, strict=True):
        surface = surface_of(labels, name, max_faces=max_faces, keep_volume=True)
        if abs(surface.volume_error) > MOST_VOLUME_ERROR:
            raise StructureError(
                f"the surface of {name} with {max_faces} faces or fewer is "
                f"{abs(surface.volume_error):.0%} off its voxels' volume, and no more than "
                f"{MOST_VOLUME_ERROR:.0%} is written; allow it more faces, or leave it out"
            )
        yield stem, surface


def _stl(surface: Surface) -> bytes:
    triangles = np.zeros(len(surface.faces), dtype=_TRIANGLE)
    corners = surface.points[surface.faces]
    triangles["corners"] = corners
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    triangles["normal"] = normals / np.where(lengths == 0, 1, lengths)
    return _HEADER.ljust(80) + np.uint32(len(triangles)).tobytes() + triangles.tobytes()
