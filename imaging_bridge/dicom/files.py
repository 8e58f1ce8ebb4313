"""Opening DICOM files that nobody has vouched for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from halsted.imaging_bridge.errors import ScanError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

MAX_FILE_BYTES = 1 << 30
"""Size over which a DICOM file is not opened: a single frame, or contours, are far smaller."""


def sop_class(path: Path) -> UID | None:
    """What kind of object a file of DICOM Part 10 says it holds; None for any other file.

    Normally only the file meta information is read, so that nothing large or compressed is touched.

    Raises:
        ScanError: the file cannot be opened, or starts like DICOM but does not get as far as saying
            what it is.
    """
    from pydicom.filereader import read_file_meta_info
    from pydicom.uid import UID

    try:
        with path.open("rb") as file:
            if file.read(132)[128:] != b"DICM":  # 128 bytes of preamble come first
                return None
        stated = text_of(read_file_meta_info(path), "MediaStorageSOPClassUID")
    except Exception as error:
        raise _broken(path, error) from error
    stated = stated or text_of(read_dicom(path, ["SOPClassUID"]), "SOPClassUID")
    if not stated:
        raise _broken(path, EOFError())
    return UID(stated)


def read_dicom(path: Path, tags: Sequence[str]) -> Dataset:
    """The elements with these keywords, each converted to its value.

    Args:
        path: The file.
        tags: Keywords; the file is read as far as the pixels only where ``PixelData`` is one.

    Raises:
        ScanError: the file cannot be parsed, is larger than `MAX_FILE_BYTES`, or is deflated.
    """
    from pydicom import dcmread

    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ScanError(
            f"{path} has {size} bytes, more than the {MAX_FILE_BYTES} that a single-frame image or "
            "a structure set may have here; export it as classic single-frame DICOM"
        )
    _check_syntax(path)
    try:
        dataset = dcmread(
            path, specific_tags=list(tags), stop_before_pixels="PixelData" not in tags
        )
        for _ in dataset.iterall():  # pydicom converts, and finds damage, on first access
            pass
    except Exception as error:
        raise _broken(path, error) from error
    return dataset


def text_of(dataset: Dataset, tag: str) -> str:
    """An element as one line that can be printed; empty where there is none."""
    stated = str(dataset.get(tag) or "").strip()
    return "".join(letter if letter.isprintable() else "?" for letter in stated)


def _check_syntax(path: Path) -> None:
    from pydicom.filereader import read_file_meta_info
    from pydicom.uid import UID, AllTransferSyntaxes, DeflatedExplicitVRLittleEndian

    try:
        syntax = UID(str(read_file_meta_info(path).get("TransferSyntaxUID", "")))
    except Exception as error:
        raise _broken(path, error) from error
    if syntax == DeflatedExplicitVRLittleEndian:
        # zlib may blow a small file up to any size, before a single element can be looked at
        raise ScanError(
            f"{path} is stored in the Deflated transfer syntax, which is not read because its "
            "size cannot be bounded; convert it to Explicit VR Little Endian (dcmconv +te)"
        )
    if syntax not in AllTransferSyntaxes:
        raise ScanError(
            f"{path} states no TransferSyntaxUID of the DICOM standard, so its bytes cannot be "
            "understood; convert it to Explicit VR Little Endian where it came from"
        )


def _broken(path: Path, error: Exception) -> ScanError:
    # pydicom raises errors of many types on broken files; their text may quote the file's content
    # (a name, a number), so only the type is told.
    if isinstance(error, OSError):
        return ScanError(
            f"cannot open {path} ({error.strerror or type(error).__name__}); pass a file that you "
            "may read"
        )
    return ScanError(
        f"{path} starts like a DICOM file but cannot be parsed ({type(error).__name__}), so it is "
        "truncated or damaged; get the file again from where it came"
    )
