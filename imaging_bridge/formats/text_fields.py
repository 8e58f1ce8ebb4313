"""Fields of MetaImage and NRRD headers that SimpleITK passes over although they change the scan.

Refused here, so that no voxel has another value, size or place than the file says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from halsted.imaging_bridge.errors import ScanError

# Of NRRD, those that SimpleITK turns into LPS, and no others.
_SPACES = (
    *("left-posterior-superior", "lps", "left-posterior-superior-time", "lpst"),
    *("right-anterior-superior", "ras", "left-anterior-superior", "las"),
)
_MILLIMETRES = ("mm", "millimeter", "millimeters", "millimetre", "millimetres", "?", "???", "")
_ORIENTATIONS = ("RAI", "?", "???", "????", "")  # MetaImage's name of axes along L, P and S


def check_meta_fields(path: Path, fields: Mapping[str, str]) -> None:
    """Refuse a MetaImage whose values are to be scaled, or whose lengths are not millimetres.

    Without TransformMatrix and Offset a MetaImage lies along L, P and S at the origin, as MetaIO
    documents.

    Raises:
        ScanError: it names the field.
    """
    for key, unscaled in (
        ("ElementToIntensityFunctionSlope", 1.0),
        ("ElementToIntensityFunctionOffset", 0.0),
    ):
        if float(fields.get(key, unscaled)) != unscaled:
            raise ScanError(
                f"{path} has an {key} other than {unscaled:g}, so that its voxels are not yet the "
                "values that were measured; apply slope and offset, and write the file without them"
            )
    if fields.get("DistanceUnits", "").lower() not in _MILLIMETRES:
        raise ScanError(
            f"{path} has DistanceUnits other than mm; write its spacing and offset in mm"
        )
    is_turned = {"TransformMatrix", "Rotation", "Orientation"} & fields.keys()
    if not is_turned and fields.get("AnatomicalOrientation", "").upper() not in _ORIENTATIONS:
        raise ScanError(
            f"{path} has an AnatomicalOrientation other than RAI but no TransformMatrix; write the "
            "matrix from its axes to left, posterior and superior"
        )


def check_nrrd_fields(path: Path, fields: Mapping[str, str]) -> None:
    """Refuse an NRRD that is not placed in the patient by a frame that is known, in mm.

    Args:
        path: The file.
        fields: By names in small letters, without spaces.

    Raises:
        ScanError: it names the field.
    """
    space = fields.get("space", "").lower()
    # SimpleITK, which knows no name for four dimensions, writes LPS so.
    is_four = not space and fields.get("spacedimension") == fields["dimension"] == "4"
    if space not in _SPACES and not is_four:
        raise ScanError(
            f"{path} has no space of left-posterior-superior, right-anterior-superior or "
            "left-anterior-superior, so left and right are unknown; write this field from the "
            "original DICOM"
        )
    for key, name in (("spacedirections", "space directions"), ("spaceorigin", "space origin")):
        if "(" not in fields.get(key, ""):
            raise ScanError(
                f"{path} has no {name}, so it does not say where its voxels lie in the patient; "
                "write this field from the original DICOM"
            )
    units = re.findall(r'"([^"]*)"', fields.get("spaceunits", ""))[:3]
    if any(unit.strip().lower() not in _MILLIMETRES for unit in units):
        raise ScanError(
            f"{path} has space units other than mm; write its space directions and space origin "
            "in mm"
        )
