"""Volumes and label maps as NIfTI or NRRD files, through SimpleITK.

SimpleITK's images are in DICOM's LPS frame, as ours are; it writes NRRD in LPS and turns x and y
for NIfTI's RAS.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from halsted.imaging_bridge.errors import GeometryError, OutputError
from halsted.imaging_bridge.files import write_text, write_whole
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.volume import Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd")
"""File name endings that are written here."""


def write_volume(volume: Volume, path: Path | str) -> Path:
    """Write a volume as NIfTI or NRRD, by the file's ending.

    The voxels keep their type, except that float64 becomes float32 and whole numbers that fit into
    int16 (most CT) are stored as int16, so that the file is half the size and loses nothing.

    Args:
        volume: The volume; its unit and modality are not stored, since neither format has a place
            for them.
        path: File ending with one of `IMAGE_SUFFIXES`.

    Raises:
        OutputError: another ending, or the file cannot be written.
        GeometryError: the axes are not perpendicular, or it is a picture of unknown size.
    """
    path = Path(path)
    image_suffix(path)
    if not volume.spacing_known:
        raise GeometryError(
            "this picture does not say how large its pixels are, and a NIfTI or NRRD file would; "
            "keep it as it is"
        )
    image = volume.to_sitk()
    return _write(_smallest(image), path)


def write_labels(labels: LabelMap, path: Path | str) -> Path:
    """Write a label map and the names of its values.

    In NRRD the names are 3D Slicer's segment metadata, in the file. NIfTI has no place for them
    that other programs share, so ``<stem>.json`` is written beside it: {name: value}.

    Args:
        labels: The label map.
        path: File ending with one of `IMAGE_SUFFIXES`.

    Raises:
        OutputError: another ending, or the file cannot be written.
        GeometryError: the axes are not perpendicular.
    """
    path = Path(path)
    suffix = image_suffix(path)
    image = labels.to_sitk()
    if suffix == ".nrrd":
        _name_segments(image, labels)
        return _write(image, path)
    names = path.with_name(path.name[: -len(suffix)] + ".json")
    write_text(names, json.dumps(dict(labels.names), indent=1) + "\n")
    return _write(image, path)


def image_suffix(path: Path) -> str:
    """The one of `IMAGE_SUFFIXES` that the file's name ends with.

    Raises:
        OutputError: it ends with none of them.
    """
    for suffix in IMAGE_SUFFIXES:
        if path.name.lower().endswith(suffix):
            return suffix
    raise OutputError(
        f"the output {path} does not end with an image format's suffix; name it with one of "
        f"{', '.join(IMAGE_SUFFIXES)}"
    )


def _smallest(image: sitk.Image) -> sitk.Image:
    """The same values as int16 where that loses nothing, and never as float64."""
    import SimpleITK as sitk

    voxels = sitk.GetArrayViewFromImage(image)
    kind = image.GetPixelID()
    if voxels.dtype == np.float64:
        kind = sitk.sitkFloat32
    if voxels.dtype.kind == "f" and np.abs(voxels).max() <= 32767:
        if (voxels == np.rint(voxels)).all():
            kind = sitk.sitkInt16
    smallest: sitk.Image = sitk.Cast(image, kind)
    return smallest


def _name_segments(image: sitk.Image, labels: LabelMap) -> None:
    """Say what 3D Slicer's segmentation reader looks for."""
    for number, (name, value) in enumerate(labels.names.items()):
        for key, text in {
            "ID": f"Segment_{number + 1}",
            "Name": name,
            "LabelValue": str(value),
            "Layer": "0",
        }.items():
            image.SetMetaData(f"Segment{number}_{key}", text)


def _write(image: sitk.Image, path: Path) -> Path:
    import SimpleITK as sitk

    def write(temporary: Path) -> None:
        try:
            sitk.WriteImage(image, str(temporary), useCompression=True)
        except RuntimeError as error:  # whose text is several lines of C++
            raise OSError("the disk is full or the image writer failed") from error

    return write_whole(path, write)
