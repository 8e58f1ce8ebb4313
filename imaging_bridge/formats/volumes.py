"""Scans and label maps in image files: NIfTI, NRRD, MetaImage, MINC and Analyze."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import GeometryError, ScanError
from halsted.imaging_bridge.formats.budget import check_budget
from halsted.imaging_bridge.formats.label_names import (
    LabelNames,
    check_complete,
    names_found,
    names_given,
)
from halsted.imaging_bridge.formats.nibabel_volumes import (
    Decoded,
    read_analyze,
    read_minc,
    read_nifti_2,
)
from halsted.imaging_bridge.formats.nifti_header import is_nifti, read_nifti_header
from halsted.imaging_bridge.formats.nifti_place import check_sform, check_taken, sheared
from halsted.imaging_bridge.formats.text_headers import check_text_header
from halsted.imaging_bridge.labels import LabelMap, Provenance
from halsted.imaging_bridge.volume import Volume, affine_from_sitk

if TYPE_CHECKING:
    import SimpleITK as sitk

_READERS = {
    ".nii.gz": "NiftiImageIO",
    ".nii": "NiftiImageIO",
    ".hdr": "NiftiImageIO",
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
}
IMAGE_SUFFIXES = (*_READERS, ".mnc")
"""File name endings that are read here; of a pair, pass the header (.hdr)."""

# Air is about -1000 HU; no other common modality stores whole numbers that low.
_CT_MINIMUM = -500.0
_CT_WHOLE_NUMBERS = 0.9


def image_suffix(path: Path) -> str | None:
    """The one of `IMAGE_SUFFIXES` that a file name ends with, or None."""
    name = path.name.lower()
    return next((suffix for suffix in IMAGE_SUFFIXES if name.endswith(suffix)), None)


@dataclass(frozen=True, eq=False)
class _Image:
    """What is taken from a file.

    Attributes:
        voxels: (z, y, x) of whatever type.
        affine: From (z, y, x, 1) to LPS, mm.
        segments: What 3D Slicer says about segments.
        names: Values by name, from a label table in the file.
    """

    voxels: NDArray[Any]
    affine: NDArray[np.float64]
    segments: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, int] = field(default_factory=dict)


def read_volume(
    path: Path | str, *, phase: int | None = None, orientation: str | None = None
) -> Volume:
    """Read a three-dimensional scan of one value a voxel as float32.

    These files do not say what was measured. A scan counts as ``CT`` in HU where its lowest value
    is -500 or less and at least 90 % of its values are whole numbers, else as ``OT`` without unit.

    Args:
        path: A file that ends with one of `IMAGE_SUFFIXES`.
        phase: Index of the phase, from 0, of a file with four axes.
        orientation: Directions in which the axes x, y and z of an Analyze 7.5 file grow, which such
            files do not say, e.g. ``LAS``.

    Raises:
        ScanError: the file is missing, truncated, of another format, a colour image, not placed in
            the patient, or too large; or it has four axes and no phase is named.
        GeometryError: a voxel is NaN or infinite, or the axes are not perpendicular.
    """
    path = Path(path)
    image = _read(path, phase, orientation)
    voxels = image.voxels.astype(np.float32, copy=False)
    modality, unit = ("CT", "HU") if _looks_like_ct(voxels) else ("OT", "1")
    try:
        return Volume(voxels, image.affine, modality, unit)
    except GeometryError as error:
        raise GeometryError(f"{path} cannot be used: {error}") from error


def read_labels(
    path: Path | str,
    names: LabelNames | None = None,
    provenance: Provenance = "unknown",
    *,
    orientation: str | None = None,
) -> LabelMap:
    """Read a label map, of which every voxel is a whole number from 0 (background) to 65535.

    Args:
        path: A file that ends with one of `IMAGE_SUFFIXES`.
        names: Names of the values: a scheme of `structures.NAMING_SCHEMES`, a JSON file
            {name: value}, or such a mapping. Where it is None, they come from the first of: 3D
            Slicer's segment metadata in the file; ``<stem>.json`` beside it; a label table in its
            NIfTI header, as TotalSegmentator writes it; ``label_<value>``.
        provenance: Who drew the labels, which such files do not say.
        orientation: Of an Analyze 7.5 file; see `read_volume`.

    Raises:
        ScanError: as for `read_volume`; also where a voxel is no such number.
        StructureError: a value has no name.
        GeometryError: the axes are not perpendicular.
    """
    path = Path(path)
    image = _read(path, None, orientation)
    voxels = _label_voxels(path, image.voxels)
    present = [int(value) for value in np.flatnonzero(np.bincount(voxels.ravel())) if value]
    if names is None:
        stem = path.name[: -len(image_suffix(path) or "")]
        found = names_found(path, stem, image.segments, image.names, present)
    else:
        found = names_given(names, present)
    named = {name: value for name, value in found.items() if value != 0}  # 0 is background
    check_complete(path, named, present)
    return LabelMap(voxels, image.affine, named, provenance)


def _read(path: Path, phase: int | None, orientation: str | None) -> _Image:
    suffix = image_suffix(path)
    if suffix is None:
        raise ScanError(
            f"{path} has no suffix of an image file that is read here; pass one of "
            f"{', '.join(IMAGE_SUFFIXES)}"
        )
    if not path.is_file():
        raise ScanError(f"there is no file {path}; check the path")
    if suffix == ".mnc":
        return _from_nibabel(read_minc(path))
    if suffix == ".hdr" and not is_nifti(path):
        return _from_nibabel(read_analyze(path, orientation))
    if orientation is not None:
        raise ScanError(
            f"{path} says itself where its axes point, but an orientation was named; leave it out"
        )
    if _READERS[suffix] == "NiftiImageIO":
        return _read_nifti(path, phase)
    check_text_header(path)
    return _read_with_sitk(path, phase)


def _from_nibabel(decoded: Decoded) -> _Image:
    return _Image(decoded.voxels, decoded.affine)


def _read_nifti(path: Path, phase: int | None) -> _Image:
    header = read_nifti_header(path)
    if header.version == 1:
        check_sform(path, header)
        image = _read_with_sitk(path, phase)
        check_taken(path, header, image.affine, image.voxels.shape)
        return replace(image, names=header.names)
    sizes = list(header.dimensions)
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    _check_axes(path, sizes, phase)
    decoded = read_nifti_2(path, phase if len(sizes) == 4 else None, header.unit_mm)
    voxels = decoded.voxels.reshape(decoded.voxels.shape[-3:])
    return _Image(voxels, decoded.affine, names=header.names)


def _read_with_sitk(path: Path, phase: int | None) -> _Image:
    """The file as an image of three axes and one value a voxel."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    # Or a file of another format passes under this suffix.
    reader.SetImageIO(_READERS[image_suffix(path) or ""])
    reader.SetFileName(str(path))
    shows_warnings = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.GlobalWarningDisplayOff()  # they would quote the file on standard error
    try:
        reader.ReadImageInformation()
        _check_layout(path, reader, phase)
        if phase is not None:
            size = reader.GetSize()
            reader.SetExtractSize([*size[:3], 0])
            reader.SetExtractIndex([0, 0, 0, phase])
        image: sitk.Image = reader.Execute()
    except RuntimeError as error:  # whose text is several lines of C++
        raise _unreadable(path, str(error)) from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shows_warnings)
    voxels = np.asarray(sitk.GetArrayFromImage(image))
    return _Image(voxels, affine_from_sitk(image), _segment_metadata(image))


def _check_layout(path: Path, reader: sitk.ImageFileReader, phase: int | None) -> None:
    components = reader.GetNumberOfComponents()
    if components != 1:
        raise ScanError(
            f"{path} has {components} values a voxel (colours, vectors or layers), but one was "
            "expected; export one channel or layer at a time"
        )
    _check_axes(path, reader.GetSize(), phase)
    check_budget(path, reader.GetSize())


def _check_axes(path: Path, size: Sequence[int], phase: int | None) -> None:
    found = f"{path} has {len(size)} axes (sizes {' x '.join(map(str, size))})"
    if phase is None and len(size) == 4:
        raise ScanError(
            f"{found}, but three were expected; choose a phase with phase=0 to {size[3] - 1}, or "
            "export one phase as a volume"
        )
    if len(size) != (3 if phase is None else 4):
        raise ScanError(
            f"{found}, but {'three' if phase is None else 'four, the last of phases,'} were "
            "expected; export one phase as a volume"
        )
    if phase is not None and not 0 <= phase < size[3]:
        raise ScanError(
            f"{path} has the phases 0 to {size[3] - 1}, but phase {phase} was asked for; choose "
            "one of these"
        )


def _unreadable(path: Path, reason: str) -> ScanError | GeometryError:
    if "orthonormal" in reason:
        return sheared(path)
    return ScanError(
        f"{path} cannot be read as {image_suffix(path)}: it is truncated, damaged, of another "
        "format, or the data file that its header names is missing; get the file again"
    )


def _segment_metadata(image: sitk.Image) -> dict[str, str]:
    """What 3D Slicer says about segments; other keys may not even be text."""
    keys = [key for key in image.GetMetaDataKeys() if re.fullmatch(r"Segment[0-9]+_\w+", key)]
    return {key: image.GetMetaData(key).encode(errors="replace").decode() for key in keys}


def _looks_like_ct(voxels: NDArray[np.float32]) -> bool:
    if voxels.min() > _CT_MINIMUM:
        return False
    return bool(np.mean(voxels == np.rint(voxels)) >= _CT_WHOLE_NUMBERS)


def _label_voxels(path: Path, array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in the smallest of uint8 and uint16."""
    if array.dtype.kind == "f" and not (array == np.rint(array)).all():  # NaN differs from itself
        raise ScanError(
            f"{path} holds values that are not whole numbers, so it is no label map; pass labels, "
            "or resample them with nearest-neighbour interpolation"
        )
    low, high = array.min(), array.max()
    if low < 0 or high > 65535:
        raise ScanError(
            f"{path} holds values from {low:g} to {high:g}, but labels go from 0 to 65535; pass "
            "a label map, not a scan"
        )
    return array.astype(np.uint8 if high < 256 else np.uint16)
