"""Opening DICOM files that nobody has vouched for."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from halsted.imaging_bridge.dicom.elements import Elements, elements_of, uid_of
from halsted.imaging_bridge.errors import ScanError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.tag import BaseTag
    from pydicom.uid import UID

MAX_FILE_BYTES = 1 << 30
"""Size over which a DICOM file is not opened."""

# Deflate expands up to 1,032 times; what comes before the pixels needs far less than this.
_MOST_INFLATED_BYTES = 64 << 20
_PREAMBLE = 128
_LONG_VRS = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UN"}
_UNDEFINED_LENGTH = 0xFFFFFFFF
_PIXELS = {
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
    0x7FE00010: "PixelData",
}


@dataclass(frozen=True)
class DicomHeader:
    """What a file says before its pixels, and where these lie.

    Attributes:
        path: The file.
        sop_class: What kind of object it holds.
        syntax: How it is encoded (TransferSyntaxUID).
        dataset: The elements that were asked for, as pydicom has them.
        elements: Values of the elements that were asked for, by keyword.
        pixels_at: Byte at which the value of the pixels starts; None where it cannot be sought (a
            deflated file), or where there is none.
        pixel_bytes: Length of uncompressed pixels in the file; 0 where they are compressed.
        pixel_keyword: Element that holds the pixels, e.g. ``PixelData``; empty where there is none.
        file_bytes: Size of the file.
    """

    path: Path
    sop_class: UID
    syntax: UID
    dataset: Dataset
    elements: Elements
    pixels_at: int | None
    pixel_bytes: int
    pixel_keyword: str
    file_bytes: int


def sop_class(path: Path) -> UID | None:
    """What kind of object a DICOM file says it holds; None for any other file.

    Raises:
        ScanError: the file cannot be opened, or starts like DICOM but does not get as far as saying
            what it is.
    """
    header = read_header(path, ("SOPClassUID",))
    return None if header is None else header.sop_class


def read_header(path: Path, tags: Sequence[str]) -> DicomHeader | None:
    """The elements with these keywords, each converted to its value; None for no DICOM file.

    A file without the preamble of DICOM Part 10 counts as DICOM where it starts with an element of
    the first groups and can be parsed. No pixel is read.

    Raises:
        ScanError: the file cannot be parsed, is too large, or is in no known transfer syntax.
    """
    marked: bool | None = True
    try:
        with path.open("rb") as file, _quietly():
            marked = _starts_like_dicom(file)
            if marked is None:
                return None
            return _parse(path, file, tags, _checked_size(path), marked)
    except ScanError:
        raise
    except Exception as error:
        if not marked:  # some other file that happens to start with these bytes
            return None
        raise broken(path, error) from error


def broken(path: Path, error: Exception) -> ScanError:
    """The error for a file that pydicom cannot parse.

    pydicom raises errors of many types on broken files; their text may quote the file's content (a
    name, a number), so only the type is told.
    """
    if isinstance(error, OSError) and not isinstance(error, EOFError):
        return ScanError(
            f"cannot open {path} ({error.strerror or type(error).__name__}); pass a file that you "
            "may read"
        )
    return ScanError(
        f"{path} starts like a DICOM file but cannot be parsed ({type(error).__name__}), so it is "
        "truncated or damaged; get the file again from where it came"
    )


@contextmanager
def _quietly() -> Iterator[None]:
    """Let pydicom neither judge values nor warn of them: its warnings quote a file's content."""
    from pydicom.config import disable_value_validation

    with disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _starts_like_dicom(file: BinaryIO) -> bool | None:
    """True with the marker of Part 10, False for a bare data set, None for anything else."""
    head = file.read(_PREAMBLE + 4)
    file.seek(0)
    if head[_PREAMBLE:] == b"DICM":
        return True
    # Old archives hold data sets without preamble; the first element is (0008,0000) to (0008,0018).
    bare = len(head) > 8 and head[:2] == b"\x08\x00" and head[3] == 0 and head[2] <= 0x18
    return False if bare else None


def _checked_size(path: Path) -> int:
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ScanError(
            f"{path} has {size} bytes, more than the {MAX_FILE_BYTES} that a file may have here; "
            "export it as classic single-frame DICOM"
        )
    return size


def _parse(path: Path, file: BinaryIO, tags: Sequence[str], size: int, marked: bool) -> DicomHeader:
    from pydicom import dcmread
    from pydicom.filereader import read_dataset
    from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

    wanted = _numbers_of_tags((*tags, "SOPClassUID"))
    meta = _meta_of(path) if marked else None
    place: tuple[int | None, int] = (None, 0)
    if meta is not None and meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        content = _inflated(file, meta)
        dataset = read_dataset(content, False, True, stop_when=_at_pixels, specific_tags=wanted)
        syntax = DeflatedExplicitVRLittleEndian
        pixel_keyword = _pixel_keyword(content, syntax)
    else:
        read = dcmread(file, stop_before_pixels=True, specific_tags=wanted, force=not marked)
        dataset = read
        syntax = UID(str(read.file_meta.get("TransferSyntaxUID", "")))
        if not marked:
            syntax = _guessed_syntax(read)
        pixel_keyword = _pixel_keyword(file, syntax)
        if pixel_keyword:
            place = _pixels_in(file, syntax, size)
    elements = elements_of(dataset)
    kind = uid_of(elements, "SOPClassUID")
    if not kind and meta is not None:
        kind = uid_of(meta, "MediaStorageSOPClassUID")
    if not kind:
        raise EOFError
    return DicomHeader(path, UID(kind), UID(syntax), dataset, elements, *place, pixel_keyword, size)


@lru_cache
def _numbers_of_tags(keywords: tuple[str, ...]) -> list[BaseTag | int]:
    from pydicom.tag import Tag

    return [Tag(keyword) for keyword in keywords]


def _meta_of(path: Path) -> FileMetaDataset:
    from pydicom.filereader import read_file_meta_info
    from pydicom.uid import UID, AllTransferSyntaxes

    meta = read_file_meta_info(path)
    if UID(str(meta.get("TransferSyntaxUID", ""))) not in AllTransferSyntaxes:
        raise ScanError(
            f"{path} states no TransferSyntaxUID of the DICOM standard, so its bytes cannot be "
            "understood; convert it to Explicit VR Little Endian where it came from"
        )
    return meta


def _inflated(file: BinaryIO, meta: FileMetaDataset) -> BytesIO:
    """The data set of a deflated file, as far as it may be unpacked without knowing more."""
    start = _PREAMBLE + 4 + 12 + int(meta.FileMetaInformationGroupLength)
    file.seek(start)
    return BytesIO(
        zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(), _MOST_INFLATED_BYTES)
    )


def _at_pixels(tag: int, vr: str | None, length: int) -> bool:
    return tag in _PIXELS


def _guessed_syntax(dataset: Dataset) -> UID:
    """How a data set that does not say so was found to be encoded."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _pixel_keyword(file: BinaryIO, syntax: UID) -> str:
    """The element of pixels that parsing stopped at; empty where it stopped at the end."""
    at = file.tell()
    head = file.read(8)
    file.seek(at)
    order: Literal["little", "big"] = "little" if syntax.is_little_endian else "big"
    group, element = (int.from_bytes(head[n : n + 2], order) for n in (0, 2))
    return _PIXELS.get((group << 16) | element, "") if len(head) == 8 else ""


def _pixels_in(file: BinaryIO, syntax: UID, size: int) -> tuple[int | None, int]:
    """Where the uncompressed pixels that parsing stopped at start, and how many bytes they are."""
    head = file.read(12)
    if syntax.is_implicit_VR:
        at, length = 8, head[4:8]
    elif head[4:6] in _LONG_VRS:
        at, length = 12, head[8:12]
    else:
        at, length = 8, head[6:8]
    start = file.tell() - len(head) + at
    stated = int.from_bytes(length, "little" if syntax.is_little_endian else "big")
    if syntax.is_encapsulated:
        return start, 0
    if stated == _UNDEFINED_LENGTH:
        return None, 0  # encapsulated under a false transfer syntax
    return start, min(stated, max(size - start, 0))
