"""What SimpleITK does not tell about a NIfTI file: is it whole, is it placed, are its labels named.

SimpleITK reads a truncated NIfTI file as zeros from where it ends, and a voxel that is no number as
zero, both without an error.
Field offsets: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h, nifti2.h.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.budget import check_budget

_HEADER_BYTES = 348
_NIFTI_2_HEADER_BYTES = 540
_MAGICS = {
    _HEADER_BYTES: (b"n+1\0", b"ni1\0"),
    _NIFTI_2_HEADER_BYTES: (b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n"),
}
_CHUNK_BYTES = 1 << 20
_UNITS_MM = {1: 1000.0, 2: 1.0, 3: 0.001}  # metre, millimetre, micron; unknown is millimetre
_FLOATS = {16: "f4", 64: "f8"}  # codes of the header's datatype
# Bits of a voxel by datatype, where it is a number.
_BITS = {2: 8, 4: 16, 8: 32, 16: 32, 64: 64, 256: 8, 512: 16, 768: 32, 1024: 64, 1280: 64}
_COLOURS = {128: 24, 2304: 32, 32: 64, 1792: 128}
_MOST_EXTENSION_BYTES = 4 << 20

# Caret's label table, which TotalSegmentator, nnU-Net and Connectome Workbench write. A pattern and
# no XML parser, so that nothing in the file can make one expand entities.
_LABEL = re.compile(rb'<Label\s+Key="(\d+)"[^>]*>\s*(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))\s*</Label>')


@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """The parts of a NIfTI header that are checked here.

    Attributes:
        dimensions: Voxels along (x, y, z, ...), as many as the header counts.
        bits: Of one voxel.
        float_type: NumPy's name of a voxel's type, with byte order, where it is a float; else "".
        data_offset: Byte at which the voxels start.
        is_placed: Whether the header says where the voxels lie in the patient.
        names: Voxel values by name, from a label table in the header's extension; or empty.
        version: Of NIfTI, 1 or 2.
        is_pair: Whether the voxels lie in a file of their own, beside the header.
        unit_mm: Millimetres in the unit that the header measures places in (xyzt_units).
        sform: 4x4 from (i, j, k, 1) to RAS, mm, of version 1 where its code is not 0.
    """

    dimensions: tuple[int, ...]
    bits: int
    float_type: str
    data_offset: int
    is_placed: bool
    names: dict[str, int]
    version: int = 1
    is_pair: bool = False
    unit_mm: float = 1.0
    sform: NDArray[np.float64] | None = None

    @property
    def file_bytes(self) -> int:
        """Size of the whole file, uncompressed."""
        voxels = 1
        for count in self.dimensions:
            voxels *= max(count, 1)
        return self.data_offset + voxels * self.bits // 8


def read_nifti_header(path: Path) -> NiftiHeader:
    """Read the header, and make sure that the file is as long as it says.

    A compressed file is decompressed to its end, which also checks its CRC.

    Raises:
        ScanError: the file is no NIfTI, is truncated or damaged, too large, or does not say where
            its voxels lie.
    """
    try:
        with _open(path) as file:
            header = _parse(path, file)
            check_budget(path, header.dimensions)
            start = file.tell()
            present, bad = (0, 0) if header.is_pair else _present(file, start, header)
        if header.is_pair:
            with _open(_data_file(path)) as file:
                present, bad = _present(file, 0, header)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ScanError(
            f"{path} is truncated or damaged: its gzip stream breaks off; get the file again"
        ) from error
    except (ValueError, OverflowError) as error:
        raise ScanError(f"{path} has a damaged NIfTI header; get the file again") from error
    except OSError as error:
        raise ScanError(
            f"cannot open {path} ({error.strerror}); pass a file that you may read"
        ) from error
    if present < header.file_bytes:
        raise ScanError(
            f"{path} is truncated: it holds {present} bytes, but its NIfTI header announces "
            f"{header.file_bytes}; get the file again"
        )
    if bad:
        raise ScanError(
            f"{bad} voxels of {path} are NaN or infinite; every voxel must be a number, so mask or "
            "refill them before reading it here"
        )
    if not header.is_placed:
        raise ScanError(
            f"{path} does not say where its voxels lie in the patient (qform_code and sform_code "
            "are both 0), so left and right are unknown; write an sform from the original DICOM"
        )
    return header


def _open(path: Path) -> BufferedIOBase:
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rb")
    return path.open("rb")


def _data_file(path: Path) -> Path:
    """The voxels that belong to a header ``NAME.hdr``."""
    data = path.with_suffix(".img")
    if not data.is_file():
        raise ScanError(f"there is no file {data} beside {path}; put both into one folder")
    return data


def _present(file: BufferedIOBase, start: int, header: NiftiHeader) -> tuple[int, int]:
    """Bytes of the file, and how many of its numbers are not finite."""
    is_aligned = start == header.data_offset
    count, bad = _read_through(file, header.file_bytes, header.float_type if is_aligned else "")
    return start + count, bad


def is_nifti(path: Path) -> bool:
    """Whether a header file is NIfTI's, and not that of the older Analyze 7.5."""
    try:
        with _open(path) as file:
            head = file.read(_NIFTI_2_HEADER_BYTES)
    except (OSError, EOFError, zlib.error):
        return False
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def _parse(path: Path, file: BufferedIOBase) -> NiftiHeader:
    head = file.read(_HEADER_BYTES)
    sizes = {order: struct.unpack(f"{order}i", head[:4].ljust(4))[0] for order in "<>"}
    order = next((order for order, size in sizes.items() if size in _MAGICS), None)
    if order is not None and sizes[order] == _NIFTI_2_HEADER_BYTES:
        head += file.read(_NIFTI_2_HEADER_BYTES - _HEADER_BYTES)
    if order is None or len(head) != sizes[order] or _magic(head) not in _MAGICS[sizes[order]]:
        raise ScanError(
            f"{path} is no NIfTI-1 or NIfTI-2 file although its name says so: it does not start "
            "with such a header; get the file again, or give it the suffix of its true format"
        )
    header = _fields(head, order)
    extension = file.read(min(max(header.data_offset - len(head), 0), _MOST_EXTENSION_BYTES))
    header.names.update(_label_table(extension))
    return header


def _magic(head: bytes) -> bytes:
    return head[4:12] if len(head) == _NIFTI_2_HEADER_BYTES else head[344:348]


def _fields(head: bytes, order: str) -> NiftiHeader:
    def at(offset: int, kind: str) -> tuple[int, ...]:
        return tuple(int(value) for value in struct.unpack_from(order + kind, head, offset))

    version = 2 if len(head) == _NIFTI_2_HEADER_BYTES else 1
    if version == 2:
        (code, bits), (count, *dimensions) = at(12, "2h"), at(16, "8q")
        (offset,), placed, (units,) = at(168, "q"), at(344, "2i"), at(500, "i")
    else:
        (code, bits), (count, *dimensions) = at(70, "2h"), at(40, "8h")
        (offset,), placed, (units,) = at(108, "f"), at(252, "2h"), at(123, "B")
    if not 1 <= count <= 7 or (_BITS | _COLOURS).get(code) != bits:
        raise ValueError("dimensions or datatype")
    float_type = order + _FLOATS[code] if code in _FLOATS else ""
    size = tuple(dimensions[: max(count, 0)])
    is_pair = _magic(head)[1:2] == b"i"
    unit_mm = _UNITS_MM.get(units & 7, 1.0)
    return NiftiHeader(
        size,
        bits,
        float_type,
        offset,
        any(placed),
        {},
        version,
        is_pair,
        unit_mm,
        _sform(head, order, unit_mm) if version == 1 and placed[1] > 0 else None,
    )


def _sform(head: bytes, order: str, unit_mm: float) -> NDArray[np.float64]:
    """From srow_x, srow_y and srow_z."""
    rows = np.array(struct.unpack_from(f"{order}12f", head, 280)).reshape(3, 4)
    return np.vstack([unit_mm * rows, [0.0, 0.0, 0.0, 1.0]])


def _label_table(extension: bytes) -> dict[str, int]:
    found = _LABEL.findall(extension)
    return {
        (cdata or text).decode("utf-8", "replace").strip(): int(key) for key, cdata, text in found
    }


def _read_through(file: BufferedIOBase, most: int, float_type: str) -> tuple[int, int]:
    """Bytes left in the file, and how many of its numbers are not finite.

    Stops soon after `most` bytes, so that no bomb is unpacked.
    """
    count = bad = 0
    while count <= most and (chunk := file.read(_CHUNK_BYTES)):
        count += len(chunk)
        if float_type:
            whole = len(chunk) - len(chunk) % np.dtype(float_type).itemsize
            bad += int(np.count_nonzero(~np.isfinite(np.frombuffer(chunk[:whole], float_type))))
    return count, bad
