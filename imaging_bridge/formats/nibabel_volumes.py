"""Volumes that SimpleITK does not read, through nibabel: NIfTI-2, MINC and Analyze 7.5."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import GeometryError, HalstedError, ScanError
from halsted.imaging_bridge.formats.budget import check_budget
from halsted.imaging_bridge.formats.extras import extra

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage

_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # nibabel's points are RAS
_LETTERS = "LPSRAI"
_MINC_2_IMAGE = "minc-2.0/image/0/image"
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, eq=False)
class Decoded:
    """Voxels (z, y, x) or (phase, z, y, x), and the affine from (z, y, x, 1) to LPS, mm."""

    voxels: NDArray[Any]
    affine: NDArray[np.float64]


def read_nifti_2(path: Path, phase: int | None) -> Decoded:
    """Read NIfTI-2, whose header has been checked; see `nifti_header`.

    Raises:
        ScanError: nibabel cannot read it.
        GeometryError: the axes are not perpendicular.
    """
    image = _load(path, "Nifti2Image")
    check_budget(path, image.shape)
    return _in_lps(path, _voxels(path, image, phase).T, np.asarray(image.affine)[:, [2, 1, 0, 3]])


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
    if is_hdf5:
        _check_self_contained(path)
    image = _load(path, "Minc2Image" if is_hdf5 else "Minc1Image")
    if len(image.shape) != 3:
        raise ScanError(
            f"{path} has {len(image.shape)} axes, but three were expected; export one phase as a "
            "volume"
        )
    check_budget(path, image.shape)
    voxels = _voxels(path, image).astype(np.float32)  # scaled by image-min and image-max
    return _in_lps(path, voxels, np.asarray(image.affine))


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
    image = _load(path, "Spm99AnalyzeImage")
    shape = tuple(image.shape[:3]) if image.shape[3:] in ((), (1,)) else ()
    if len(shape) != 3:
        raise ScanError(
            f"{path} has axes of sizes {image.shape}, but three were expected; export one phase"
        )
    check_budget(path, shape)
    _check_length(path, image)
    affine = np.eye(4)
    for axis, (letter, step) in enumerate(zip(orientation, image.header.get_zooms(), strict=False)):
        place = _LETTERS.index(letter)
        affine[:3, axis] = 0.0
        affine[place % 3, axis] = float(step) if place < 3 else -float(step)
    return Decoded(_voxels(path, image).reshape(shape).T, affine[:, [2, 1, 0, 3]])


def _check_orientation(orientation: str) -> None:
    places = {_LETTERS.find(letter) % 3 for letter in orientation if letter in _LETTERS}
    if len(orientation) != 3 or len(places) != 3:
        raise ScanError(
            f"the orientation {orientation!r} does not name each axis of the body once; pass three "
            "letters of L or R, A or P, and I or S, such as LAS"
        )


def _load(path: Path, kind: str) -> SpatialImage:
    """The file's header as an image of a class of nibabel; no voxel is read."""
    with extra("formats"):
        import nibabel
    if kind == "Minc2Image":
        with extra("formats"):
            import h5py  # type: ignore[import-untyped]  # noqa: F401 - nibabel needs it
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image: SpatialImage = getattr(nibabel, kind).from_filename(str(path))
    except HalstedError:
        raise
    except Exception as error:  # whatever the parser makes of bytes that nobody has vouched for
        raise _unreadable(path) from error
    return image


def _voxels(path: Path, image: SpatialImage, phase: int | None = None) -> NDArray[Any]:
    """Real values, in the order of the file's axes."""
    try:
        return np.asarray(image.dataobj if phase is None else image.dataobj[..., phase])
    except Exception as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> ScanError:
    return ScanError(
        f"{path} cannot be read as {path.suffix}: it is truncated, damaged, irregularly spaced, of "
        "another format, or a file that belongs to it is missing; get the file again"
    )


def _check_self_contained(path: Path) -> None:
    """Refuse an HDF5 file whose voxels lie in another file."""
    with extra("formats"):
        import h5py
    try:
        with h5py.File(path, "r") as file:
            voxels = file[_MINC_2_IMAGE]
            is_own = not voxels.external and not voxels.is_virtual
            is_own = is_own and Path(voxels.file.filename) == path
    except Exception as error:
        raise _unreadable(path) from error
    if not is_own:
        raise ScanError(f"{path} keeps its voxels in another file; pass one that holds them itself")


def _check_length(path: Path, image: Any) -> None:
    """Refuse an image file that is shorter than its header says: nibabel maps it into memory."""
    data = path.with_suffix(".img")
    if not data.is_file():
        raise ScanError(f"there is no file {data} beside {path}; put both into one folder")
    header = image.header
    needed = int(header.get_data_offset() + np.prod(image.shape) * header.get_data_dtype().itemsize)
    if data.stat().st_size < needed:
        raise ScanError(
            f"{data} is truncated: it holds {data.stat().st_size} bytes, but its header announces "
            f"{needed}; get the file again"
        )


def _in_lps(path: Path, voxels: NDArray[Any], affine: NDArray[np.float64]) -> Decoded:
    steps = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(steps.T @ steps, np.eye(3), atol=1e-4):
        raise GeometryError(
            f"{path} has axes that are not perpendicular (a sheared affine); resample it onto a "
            "rectangular grid first"
        )
    return Decoded(voxels, _TO_LPS @ affine)
