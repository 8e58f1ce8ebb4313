"""Where the names of label values come from when the voxels are in an image file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from halsted.imaging_bridge.errors import ScanError, StructureError
from halsted.imaging_bridge.structures import NAMING_SCHEMES

LabelNames = str | Path | Mapping[str, int]
"""A scheme of `structures.NAMING_SCHEMES`, a JSON file {name: value}, or such a mapping."""


def names_given(names: LabelNames, present: Iterable[int]) -> dict[str, int]:
    """Voxel values by name, from what a caller passed.

    Of a scheme, which lists every structure that could have been labelled, only the values that
    are `present` are kept; a mapping or a JSON file is kept whole.

    Raises:
        ScanError: it is neither a scheme nor a JSON file of that form.
    """
    if isinstance(names, Mapping):
        return dict(names)
    if str(names) in NAMING_SCHEMES:
        return _only(NAMING_SCHEMES[str(names)], present)
    path = Path(names)
    if not path.is_file():
        raise ScanError(
            f"the label names {str(names)!r} are neither a naming scheme "
            f"({', '.join(sorted(NAMING_SCHEMES))}) nor a JSON file; pass one of these"
        )
    found = _names_in_json(path)
    if found is None:
        raise ScanError(
            f"{path} is no JSON object of the form {{name: value}} with whole numbers from 0 to "
            '65535 as values; write it like {"liver": 5}'
        )
    return found


def names_found(
    path: Path, stem: str, metadata: Mapping[str, str], table: Mapping[str, int], present: list[int]
) -> dict[str, int]:
    """Voxel values by name, from the first of these that has any.

    The file's own metadata as 3D Slicer writes them (``Segment0_Name``, ``Segment0_LabelValue``);
    ``<stem>.json`` beside the file, if it is an object of whole numbers by name; the label table
    of a NIfTI header (only values that are `present`); else ``label_<value>``.
    """
    return (
        _names_of_slicer(metadata)
        or _names_in_json(path.with_name(f"{stem}.json"))
        or _only(table, present)
        or {f"label_{value}": value for value in present}
    )


def check_complete(path: Path, names: Mapping[str, int], present: Iterable[int]) -> None:
    """Refuse names that leave a value of the file without one.

    Raises:
        StructureError: it names the file and the values.
    """
    missing = sorted(set(present) - set(names.values()))
    if missing:
        raise StructureError(
            f"the label values {missing[:8]} of {path} have no name in the names given for it; add "
            "them, or pass other names"
        )


def _only(names: Mapping[str, int], present: Iterable[int]) -> dict[str, int]:
    kept = set(present)
    return {name: value for name, value in names.items() if value in kept}


def _names_in_json(path: Path) -> dict[str, int] | None:
    """The names in a JSON file, or None where it is missing or holds something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or not all(_is_label(value) for value in found.values()):
        return None
    return found


def _is_label(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 65536


def _names_of_slicer(metadata: Mapping[str, str]) -> dict[str, int]:
    names = {}
    for key, name in metadata.items():
        segment = re.fullmatch(r"(Segment\d+)_Name", key)
        value = metadata.get(f"{segment[1]}_LabelValue", "") if segment else ""
        if value.isascii() and value.isdigit():
            names[name.strip()] = int(value)
    return names
