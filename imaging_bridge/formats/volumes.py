"""Scans and label maps in image files: NIfTI, NRRD and MetaImage, through SimpleITK."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.series import VOXEL_BUDGET_BYTES
from halsted.imaging_bridge.errors import GeometryError, ScanError
from halsted.imaging_bridge.formats.label_names import (
    LabelNames,
    check_complete,
    names_found,
    names_given,
)
from halsted.imaging_bridge.formats.nifti_header import read_nifti_header
from halsted.imaging_bridge.labels import LabelMap, Provenance
from halsted.imaging_bridge.volume import Volume, affine_from_sitk

if TYPE_CHECKING:
    import SimpleITK as sitk

_READERS = {
    ".nii.gz": "NiftiImageIO",
    ".nii": "NiftiImageIO",
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
}
IMAGE_SUFFIXES = tuple(_READERS)
"""File name endings that are read here."""

# Air is about -1000 HU; no other common modality stores whole numbers that low.
_CT_MINIMUM = -500.0
_CT_WHOLE_NUMBERS = 0.9


def image_suffix(path: Path) -> str | None:
    """The one of `IMAGE_SUFFIXES` that a file name ends with, or None."""
    name = path.name.lower()
    return next((suffix for suffix in IMAGE_SUFFIXES if name.endswith(suffix)), None)


def read_volume(path: Path | str) -> Volume:
    """Read a three-dimensional scan of one value a voxel as float32.

    These files do not say what was measured. A scan counts as ``CT`` in HU where its lowest value
    is -500 or less and at least 90 % of its values are whole numbers, else as ``OT`` without unit.

    Raises:
        ScanError: the file is missing, truncated, of another format, 4-D, a colour image, not
            placed in the patient, or too large.
        GeometryError: a voxel is NaN or infinite, or the axes are not perpendicular.
    """
    path = Path(path)
    image = _read(path)
    voxels = _array(image).astype(np.float32, copy=False)
    modality, unit = ("CT", "HU") if _looks_like_ct(voxels) else ("OT", "1")
    try:
        return Volume(voxels, affine_from_sitk(image), modality, unit)
    except GeometryError as error:
        raise GeometryError(f"{path} cannot be used: {error}") from error


def read_labels(
    path: Path | str, names: LabelNames | None = None, provenance: Provenance = "unknown"
) -> LabelMap:
    """Read a label map, of which every voxel is a whole number from 0 (background) to 65535.

    Args:
        path: NIfTI, NRRD or MetaImage file.
        names: Names of the values: a scheme of `structures.NAMING_SCHEMES`, a JSON file
            {name: value}, or such a mapping. Where it is None, they come from the first of: 3D
            Slicer's segment metadata in the file; ``<stem>.json`` beside it; a label table in its
            NIfTI header, as TotalSegmentator writes it; ``label_<value>``.
        provenance: Who drew the labels, which such files do not say.

    Raises:
        ScanError: as for `read_volume`; also where a voxel is no such number.
        StructureError: a value has no name.
        GeometryError: the axes are not perpendicular.
    """
    path = Path(path)
    image = _read(path)
    voxels = _label_voxels(path, _array(image))
    present = [int(value) for value in np.flatnonzero(np.bincount(voxels.ravel())) if value]
    if names is None:
        suffix = image_suffix(path) or ""
        table = read_nifti_header(path).names if suffix.startswith(".nii") else {}
        found = names_found(
            path, path.name[: -len(suffix)], _segment_metadata(image), table, present
        )
    else:
        found = names_given(names, present)
    named = {name: value for name, value in found.items() if value != 0}  # 0 is background
    check_complete(path, named, present)
    return LabelMap(voxels, affine_from_sitk(image), named, provenance)


def _read(path: Path) -> sitk.Image:
    """The file as an image of three axes and one value a voxel."""
    import SimpleITK as sitk

    suffix = image_suffix(path)
    if suffix is None:
        raise ScanError(
            f"{path} has no suffix of an image file that is read here; pass one of "
            f"{', '.join(IMAGE_SUFFIXES)}"
        )
    if not path.is_file():
        raise ScanError(f"there is no file {path}; check the path")
    if suffix.startswith(".nii"):
        read_nifti_header(path)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(_READERS[suffix])  # or a file of another format passes under this suffix
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        _check_layout(path, reader)
        image: sitk.Image = reader.Execute()
    except RuntimeError as error:  # whose text is several lines of C++
        raise _unreadable(path, str(error)) from error
    return image


def _check_layout(path: Path, reader: sitk.ImageFileReader) -> None:
    size, components = reader.GetSize(), reader.GetNumberOfComponents()
    if components != 1:
        raise ScanError(
            f"{path} has {components} values a voxel (colours, vectors or layers), but one was "
            "expected; export one channel or layer at a time"
        )
    if len(size) != 3:
        raise ScanError(
            f"{path} has {len(size)} axes (sizes {' x '.join(map(str, size))}), but three were "
            "expected; export one phase as a volume"
        )
    needed = int(np.prod(size, dtype=object)) * 4
    if needed > VOXEL_BUDGET_BYTES:
        raise ScanError(
            f"{path} has {' x '.join(map(str, size))} voxels, which take {needed / 2**30:.1f} GiB "
            f"as float32, over the budget of {VOXEL_BUDGET_BYTES / 2**30:.1f} GiB; crop or "
            "resample it"
        )


def _unreadable(path: Path, reason: str) -> ScanError | GeometryError:
    if "orthonormal" in reason:
        return GeometryError(
            f"{path} has axes that are not perpendicular (a sheared sform); resample it onto a "
            "rectangular grid first"
        )
    return ScanError(
        f"{path} cannot be read as {image_suffix(path)}: it is truncated, damaged, of another "
        "format, or the data file that its header names is missing; get the file again"
    )


def _array(image: sitk.Image) -> NDArray[Any]:
    import SimpleITK as sitk

    return np.asarray(sitk.GetArrayFromImage(image))


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
