"""What a reader of a public data set's folder gives: one source a case."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.photographs import PHOTOGRAPH_SUFFIXES
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.volume import Volume


@dataclass(frozen=True)
class Source:
    """A case of a data set, read when it is needed.

    Attributes:
        name: What the data set calls it; no path.
        person: Who it is, as far as the data set tells: cases of one person belong into one split.
        read: Reads images, labels and facts; can be pickled.
    """

    name: str
    person: str
    read: Callable[[], Patient]

    def load(self) -> Patient:
        """The case.

        Raises:
            HalstedError: a file is missing or cannot be read, or its truth does not fit its image.
        """
        return self.read()


@dataclass(frozen=True)
class Layout:
    """How a public data set lies in a folder.

    Attributes:
        name: Of the data set.
        looks_for: The files by which it is known, in words.
        recognises: Whether a folder holds such files.
        find: Its cases, in the order of their names; empty where there are none.
    """

    name: str
    looks_for: str
    recognises: Callable[[Path], bool]
    find: Callable[[Path], list[Source]]

    def sources(self, folder: Path | str) -> list[Source]:
        """The cases of a folder that have their truth.

        Raises:
            ScanError: there is none, or what lists them cannot be read.
        """
        found = self.find(existing(folder))
        if not found:
            raise ScanError(
                f"{folder} holds no case of {self.name} with its truth ({self.looks_for}); pass "
                "the folder into which the data set was unpacked"
            )
        return found


def existing(folder: Path | str) -> Path:
    """The folder.

    Raises:
        ScanError: there is none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ScanError(f"there is no folder {folder}; pass the folder of a data set")
    return folder


def pictures_in(files: Iterable[Path]) -> dict[str, Path]:
    """Pictures by the stem of their names."""
    return {one.stem: one for one in files if one.suffix.lower() in PHOTOGRAPH_SUFFIXES}


def files_below(folder: Path, *patterns: str) -> list[Path]:
    """Files in a folder and its subfolders whose names match a pattern, sorted."""
    found = {one for pattern in patterns for one in folder.rglob(pattern)}
    return sorted(one for one in found if one.is_file() and not one.name.startswith("."))


def is_there(path: Path) -> bool:
    """Whether there is such a file; a name that no file can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def as_modality(volume: Volume, modality: str) -> Volume:
    """The volume, of which the data set says what its file does not."""
    return replace(volume, modality=modality, unit="HU" if modality == "CT" else "1")
