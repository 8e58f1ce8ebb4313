"""What SimpleITK does not check of MetaImage and NRRD files: their length, and what they refer to.

Both have a header of text lines, then voxels in the same file or in another that the header names.
Formats: https://itk.org/Wiki/ITK/MetaIO/Documentation, https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.budget import check_budget
from halsted.imaging_bridge.formats.text_fields import check_meta_fields, check_nrrd_fields

_MOST_HEADER_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20
_META_BYTES = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 8, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}
_NRRD_BYTES = {
    "char": 1,
    "int8": 1,
    "int8_t": 1,
    "short": 2,
    "int16": 2,
    "int16_t": 2,
    "int": 4,
    "int32": 4,
    "int32_t": 4,
    "longlong": 8,
    "int64": 8,
    "int64_t": 8,
    "float": 4,
    "double": 8,
}


@dataclass(frozen=True)
class _Layout:
    """Where the voxels are and how many bytes they take.

    Attributes:
        name: Of the file that holds them, or "" for the header's own.
        offset: Byte at which they start; -1 where they end with the file.
        needed: Bytes, uncompressed.
        size: Voxels along each axis.
        window: zlib's name of the compression, or 0 where there is none.
    """

    name: str
    offset: int
    needed: int
    size: tuple[int, ...]
    window: int


def check_text_header(path: Path) -> None:
    """Make sure that the voxels are beside the header, and as many as it says.

    Raises:
        ScanError: the header is none, or the voxels are too many, elsewhere, missing or
            truncated.
    """
    head = _head(path)
    is_meta = path.suffix.lower() in (".mha", ".mhd")
    try:
        if is_meta:
            fields, start = _meta_fields(head)
            layout = _meta(fields, start)
            check_meta_fields(path, fields)
        else:
            fields, start = _nrrd_fields(head)
            layout = _nrrd(fields, start)
            check_nrrd_fields(path, fields)
    except (KeyError, ValueError) as error:
        raise ScanError(
            f"{path} cannot be read as {path.suffix.lower()}: it is truncated, damaged, or of "
            "another format, as its header does not describe its voxels; get the file again"
        ) from error
    check_budget(path, layout.size)
    data = _data_file(path, layout)
    present = _present(data, layout)
    if present < layout.needed:
        raise ScanError(
            f"{path} is truncated: there are {present} bytes of voxels, but its header announces "
            f"{layout.needed}; get the file again"
        )


def _data_file(path: Path, layout: _Layout) -> Path:
    """The file that holds the voxels."""
    data = path
    if layout.name:
        is_name = layout.name.isprintable() and len(layout.name) < 200
        if (
            not is_name
            or Path(layout.name).name != layout.name
            or "%" in layout.name
            or layout.name[:1] in ".~"
        ):
            raise ScanError(
                f"{path} keeps its voxels in several files or in another folder, but one file "
                "beside it was expected; write it as one file"
            )
        data = path.with_name(layout.name)
        if not data.is_file():
            raise ScanError(f"the data file that {path} names is missing; put it beside the header")
    return data


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_HEADER_BYTES)
    except OSError as error:
        raise ScanError(
            f"cannot open {path} ({error.strerror}); pass a file that you may read"
        ) from error


def _meta_fields(head: bytes) -> tuple[dict[str, str], int]:
    """Fields by name, and the byte after them."""
    fields = {}
    offset = 0
    for line in head.splitlines(keepends=True):
        offset += len(line)
        key, _, value = line.decode("latin-1").partition("=")
        fields[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":
            break
    return fields, offset


def _meta(fields: Mapping[str, str], offset: int) -> _Layout:
    size = tuple(int(one) for one in fields["DimSize"].split())
    kind = fields["ElementType"].removeprefix("MET_").removeprefix("U").removesuffix("_ARRAY")
    needed = math.prod(size) * _META_BYTES[kind] * int(fields.get("ElementNumberOfChannels", "1"))
    name = fields["ElementDataFile"]
    is_own = name.upper() == "LOCAL"
    if not is_own:
        offset = int(fields.get("HeaderSize", "0"))
    window = 47 if fields.get("CompressedData", "").lower() == "true" else 0  # zlib or gzip
    return _Layout("" if is_own else name, offset, needed, size, window)


def _nrrd_fields(head: bytes) -> tuple[dict[str, str], int]:
    """Fields by name, in small letters without spaces, and the byte after them."""
    if not head.startswith(b"NRRD"):
        raise ValueError("no magic")
    ends = [found.end() for found in (re.search(rb"\r?\n\r?\n", head),) if found]
    offset = ends[0] if ends else len(head)
    fields = {}
    for line in head[:offset].decode("latin-1").splitlines():
        key, colon, value = line.partition(":")
        if colon and not value.startswith("="):
            fields[key.strip().lower().replace(" ", "")] = value.strip()
    return fields, offset


def _nrrd(fields: Mapping[str, str], offset: int) -> _Layout:
    kind = re.sub(
        r"^(signed|unsigned|u(?=int|short|char|long))", "", fields["type"].replace(" ", "")
    )
    kind = kind.replace("longlongint", "longlong").replace("shortint", "short")
    size = tuple(int(one) for one in fields["sizes"].split())
    needed = math.prod(size) * _NRRD_BYTES[kind]
    encoding = fields["encoding"].lower()
    if encoding not in ("raw", "gzip", "gz"):
        raise ValueError("encoding")
    name = fields.get("datafile", "")
    skip = int(fields.get("byteskip", "0"))
    if skip < -1 or int(fields.get("lineskip", "0")):
        raise ValueError("skip")
    start = (0 if name else offset) + skip if skip >= 0 else -1
    return _Layout(name, start, needed, size, 0 if encoding == "raw" else 31)


def _present(data: Path, layout: _Layout) -> int:
    """Bytes of voxels in the file, counted until there are enough, so that no bomb goes off."""
    size = data.stat().st_size
    if layout.offset < 0:
        return size
    if not layout.window:
        return size - layout.offset
    unpack = zlib.decompressobj(layout.window)
    count = 0
    with data.open("rb") as file:
        file.seek(layout.offset)
        packed = b""
        while count < layout.needed and not unpack.eof:
            packed = unpack.unconsumed_tail or file.read(_CHUNK_BYTES)
            if not packed:
                break
            try:
                count += len(unpack.decompress(packed, _CHUNK_BYTES))
            except zlib.error:
                return count
    return count
