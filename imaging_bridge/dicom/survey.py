"""What a folder holds in DICOM, by the headers of its files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from halsted.imaging_bridge.dicom.elements import term_of, uid_of
from halsted.imaging_bridge.dicom.files import DicomHeader, read_header
from halsted.imaging_bridge.dicom.frames import FRAME_TAGS
from halsted.imaging_bridge.dicom.kinds import MODALITIES, VOLUMES
from halsted.imaging_bridge.dicom.suv import SUV_TAGS
from halsted.imaging_bridge.errors import ScanError

MOST_FILES = 200_000
"""Files that a folder may hold."""

_TAGS = tuple(dict.fromkeys((*FRAME_TAGS, *SUV_TAGS)))
_DICOM_SUFFIXES = {".dcm", ".dicom", ".ima"}


@dataclass(frozen=True)
class Survey:
    """What a folder, or one file, holds in DICOM, by its headers.

    Attributes:
        folder: The folder or file.
        series: Headers of the files that make volumes, by SeriesInstanceUID and modality.
        others: Files of other DICOM objects, by SOP class.
        notes: What was passed over although it may belong to the scan, a sentence each.
    """

    folder: Path
    series: Mapping[tuple[str, str], list[DicomHeader]]
    others: Mapping[str, list[Path]]
    notes: tuple[str, ...] = ()


def survey(folder: Path | str) -> Survey:
    """Read the headers of all DICOM files in a folder and its subfolders, or of one file.

    Raises:
        ScanError: the folder cannot be listed, or a file that starts like DICOM cannot be parsed.
    """
    found: dict[tuple[str, str], list[DicomHeader]] = {}
    others: dict[str, list[Path]] = {}
    strange = 0
    for path in files_in(Path(folder)):
        header = read_header(path, _TAGS)
        if header is None:
            strange += path.suffix.lower() in _DICOM_SUFFIXES or path.stat().st_size == 0
            continue
        if header.sop_class not in VOLUMES:
            others.setdefault(header.sop_class, []).append(path)
            continue
        modality = VOLUMES[header.sop_class]
        if modality == "OT":
            modality = term_of(header.elements, "Modality", MODALITIES) or modality
        uid = uid_of(header.elements, "SeriesInstanceUID")
        found.setdefault((uid, modality), []).append(header)
    notes = [f"{strange} empty or unreadable file(s) were passed over"] if strange else []
    return Survey(Path(folder), found, others, tuple(notes))


def files_in(folder: Path) -> list[Path]:
    """All files of a folder and its subfolders, sorted; of a file, itself.

    Links to folders are not followed, and hidden folders are passed over.

    Raises:
        ScanError: the folder cannot be listed, or holds more than `MOST_FILES` files.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise ScanError(
            f"cannot list the folder {folder} (there is none); pass a folder of DICOM files that "
            "you may read"
        )
    found: list[Path] = []
    for path in _walked(folder):
        found.append(path)
        if len(found) > MOST_FILES:
            raise ScanError(
                f"{folder} holds more than {MOST_FILES} files; pass the folder of one study"
            )
    return sorted(found)


def _walked(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise ScanError(
            f"cannot list the folder {error.filename} ({error.strerror}); pass a folder of DICOM "
            "files that you may read"
        ) from error

    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [one for one in folders if not one.startswith(".")]  # unfinished pulls, say
        yield from (path for name in names if (path := Path(root, name)).is_file())
