"""Volumes that SimpleITK does not read, through nibabel: NIfTI-2, MINC and Analyze 7.5."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge import children
from halsted.imaging_bridge.child_process import Request, size_of
from halsted.imaging_bridge.errors import GeometryError, ScanError
from halsted.imaging_bridge.formats.budget import check_budget
from halsted.imaging_bridge.formats.extras import extra
from halsted.imaging_bridge.formats.nifti_place import TO_LPS, are_perpendicular

_LETTERS = "LPSRAI"
_PROGRAM = Path(__file__).with_name("nibabel_child.py")
_HEADER_BYTES = 4096
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, eq=False)
class Decoded:
    """Voxels (z, y, x) or (phase, z, y, x), and the affine from (z, y, x, 1) to LPS, mm."""

    voxels: NDArray[Any]
    affine: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Header:
    """What is taken from a header.

    Attributes:
        shape: In the order of the file's axes.
        affine: From (i, j, k, 1) to RAS, mm.
        steps: Size of a voxel along each axis.
        start: Byte at which the voxels start, of Analyze.
        voxel_bytes: Size of a stored voxel.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    steps: tuple[float, ...]
    start: int
    voxel_bytes: int


def read_nifti_2(path: Path, phase: int | None, unit_mm: float) -> Decoded:
    """Read NIfTI-2, whose header has been checked; see `nifti_header`.

    Args:
        path: The file.
        phase: Index along the fourth axis, or None where there is none.
        unit_mm: Millimetres in the header's unit, which nibabel does not heed.

    Raises:
        ScanError: nibabel cannot read it.
        GeometryError: the axes are not perpendicular.
    """
    header = _header(path, "Nifti2Image")
    check_budget(path, header.shape)
    voxels = _voxels(path, "Nifti2Image", header.shape, phase)
    affine = np.diag([unit_mm, unit_mm, unit_mm, 1.0]) @ header.affine
    return _in_lps(path, voxels, affine[:, [2, 1, 0, 3]])


def read_minc(path: Path) -> Decoded:
    """Read MINC 1 (netCDF) or MINC 2 (HDF5): real values, by its direction cosines.

    Axes stay in the order of the file, usually zspace, yspace, xspace.

    Raises:
        ScanError: it is truncated, damaged, not three-dimensional, irregularly spaced, or refers to
            other files.
        GeometryError: the axes are not perpendicular.
    """
    with path.open("rb") as file:
        is_hdf5 = file.read(8) == _HDF5_MAGIC
    image = "Minc2Image" if is_hdf5 else "Minc1Image"
    header = _header(path, image)
    if len(header.shape) != 3:
        raise ScanError(
            f"{path} has {len(header.shape)} axes, but three were expected; export one phase as a "
            "volume"
        )
    check_budget(path, header.shape)
    voxels = _voxels(path, image, header.shape).astype(np.float32)  # scaled by image-min, image-max
    return _in_lps(path, voxels, header.affine)


def read_analyze(path: Path, orientation: str | None) -> Decoded:
    """Read an Analyze 7.5 pair; it does not say which side is left, so the caller must.

    Args:
        path: The header, ``NAME.hdr``.
        orientation: Directions in which the file's axes x, y and z grow, e.g. ``LAS``.

    Raises:
        ScanError: no orientation is given, or the pair is truncated, damaged or not
            three-dimensional.
    """
    if orientation is None:
        raise ScanError(
            f"{path} is an Analyze 7.5 file, which does not say where left and right are; name the "
            'directions of its axes, for example orientation="LAS", or convert the original DICOM '
            "to NIfTI"
        )
    _check_orientation(orientation)
    header = _header(path, "Spm99AnalyzeImage")
    shape = header.shape[:3] if header.shape[3:] in ((), (1,)) else ()
    if len(shape) != 3:
        raise ScanError(
            f"{path} has axes of sizes {header.shape}, but three were expected; export one phase"
        )
    check_budget(path, shape)
    _check_length(path, header)
    affine = np.eye(4)
    for axis, (letter, step) in enumerate(zip(orientation, header.steps, strict=False)):
        place = _LETTERS.index(letter)
        affine[:3, axis] = 0.0
        affine[place % 3, axis] = float(step) if place < 3 else -float(step)
    voxels = _voxels(path, "Spm99AnalyzeImage", shape).reshape(shape[::-1])
    return Decoded(voxels, affine[:, [2, 1, 0, 3]])


def _check_orientation(orientation: str) -> None:
    places = {_LETTERS.find(letter) % 3 for letter in orientation if letter in _LETTERS}
    if len(orientation) != 3 or len(places) != 3:
        raise ScanError(
            f"the orientation {orientation!r} does not name each axis of the body once; pass three "
            "letters of L or R, A or P, and I or S, such as LAS"
        )


def _header(path: Path, image: str) -> _Header:
    """The header as a class of nibabel reads it; no voxel is read."""
    with extra("formats"):
        import h5py  # type: ignore[import-untyped]  # noqa: F401 - the child reads with both
        import nibabel  # noqa: F401
    shape, affine, steps, layout = _asked(path, image, 4, _HEADER_BYTES, what="header")
    return _Header(
        tuple(int(count) for count in shape),
        affine,
        tuple(float(step) for step in steps),
        int(layout[0]),
        int(layout[1]),
    )


def _voxels(
    path: Path, image: str, shape: tuple[int, ...], phase: int | None = None
) -> NDArray[Any]:
    """Real values, the slowest axis first."""
    size = 8 * math.prod(shape[:3])
    return _asked(path, image, 1, size, what="voxels", phase=phase)[0]


def _asked(path: Path, image: str, arrays: int, size: int, **what: Any) -> list[NDArray[Any]]:
    answers: list[NDArray[Any]] = []
    request = Request(
        program=_PROGRAM,
        path=path,
        what={"image": image, **what},
        arrays=arrays,
        array_bytes=size,
        more_bytes=2 * size_of(path),
        take=lambda _, array: answers.append(array),
        refusal=_refusal,
    )
    children.decode([request])
    return answers


def _refusal(path: Path, reason: str) -> ScanError:
    if reason == "ElsewhereError":
        return ScanError(
            f"{path} keeps its voxels in another file; pass one that holds them itself"
        )
    return _unreadable(path)


def _unreadable(path: Path) -> ScanError:
    return ScanError(
        f"{path} cannot be read as {path.suffix}: it is truncated, damaged, irregularly spaced, of "
        "another format, or a file that belongs to it is missing; get the file again"
    )


def _check_length(path: Path, header: _Header) -> None:
    """Refuse an image file that is shorter than its header says: nibabel maps it into memory."""
    data = path.with_suffix(".img")
    if not data.is_file():
        raise ScanError(f"there is no file {data} beside {path}; put both into one folder")
    needed = header.start + math.prod(header.shape) * header.voxel_bytes
    if data.stat().st_size < needed:
        raise ScanError(
            f"{data} is truncated: it holds {data.stat().st_size} bytes, but its header announces "
            f"{needed}; get the file again"
        )


def _in_lps(path: Path, voxels: NDArray[Any], affine: NDArray[np.float64]) -> Decoded:
    if not are_perpendicular(affine[:3, :3]):
        raise GeometryError(
            f"{path} has axes that are not perpendicular (a sheared affine); resample it onto a "
            "rectangular grid first"
        )
    return Decoded(voxels, TO_LPS @ affine)
