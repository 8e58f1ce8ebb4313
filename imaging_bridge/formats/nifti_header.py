"""What SimpleITK does not tell about a NIfTI file: is it whole, is it placed, are its labels named.

SimpleITK reads a truncated NIfTI file as zeros from where it ends, and a voxel that is no number as
zero, both without an error.
Field offsets: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h.
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

from halsted.imaging_bridge.errors import ScanError

_HEADER_BYTES = 348
_NIFTI_2_HEADER_BYTES = 540
_CHUNK_BYTES = 1 << 20
_FLOATS = {16: "f4", 64: "f8"}  # codes of the header's datatype
_MOST_EXTENSION_BYTES = 4 << 20

# Caret's label table, which TotalSegmentator, nnU-Net and Connectome Workbench write. A pattern and
# no XML parser, so that nothing in the file can make one expand entities.
_LABEL = re.compile(rb'<Label\s+Key="(\d+)"[^>]*>\s*(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))\s*</Label>')


@dataclass(frozen=True)
class NiftiHeader:
    """The parts of a NIfTI header that are checked here.

    Attributes:
        dimensions: Voxels along (x, y, z, ...), as many as the header counts.
        bits: Of one voxel.
        float_type: NumPy's name of a voxel's type, with byte order, where it is a float; else "".
        data_offset: Byte at which the voxels start.
        is_placed: Whether the header says where the voxels lie in the patient.
        names: Voxel values by name, from a label table in the header's extension; or empty.
    """

    dimensions: tuple[int, ...]
    bits: int
    float_type: str
    data_offset: int
    is_placed: bool
    names: dict[str, int]

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
        ScanError: the file is no single-file NIfTI, is truncated or damaged, or does not say where
            its voxels lie.
    """
    try:
        with _open(path) as file:
            header = _parse(path, file)
            start = file.tell()
            is_aligned = start == header.data_offset
            count, bad = _read_through(
                file, header.file_bytes, header.float_type if is_aligned else ""
            )
            present = start + count
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ScanError(
            f"{path} is truncated or damaged: its gzip stream breaks off; get the file again"
        ) from error
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


def _parse(path: Path, file: BufferedIOBase) -> NiftiHeader:
    head = file.read(_HEADER_BYTES)
    sizes = {order: struct.unpack(f"{order}i", head[:4].ljust(4))[0] for order in "<>"}
    if _NIFTI_2_HEADER_BYTES in sizes.values():
        raise ScanError(
            f"{path} is a NIfTI-2 file, of which only NIfTI-1 is read here; convert it (with "
            "nibabel, say) to NIfTI-1"
        )
    order = next((order for order, size in sizes.items() if size == _HEADER_BYTES), None)
    if order is None or head[344:348] != b"n+1\0":
        raise ScanError(
            f"{path} is no NIfTI-1 file although its name says so: it does not start with such "
            "a header; get the file again, or give it the suffix of its true format"
        )
    header = _fields(head, order)
    extension = file.read(min(max(header.data_offset - len(head), 0), _MOST_EXTENSION_BYTES))
    header.names.update(_label_table(extension))
    return header


def _fields(head: bytes, order: str) -> NiftiHeader:
    def at(offset: int, kind: str) -> tuple[int, ...]:
        return tuple(int(value) for value in struct.unpack_from(order + kind, head, offset))

    count, *dimensions = at(40, "8h")
    (code, bits), (offset,), placed = at(70, "2h"), at(108, "f"), at(252, "2h")
    float_type = order + _FLOATS[code] if code in _FLOATS else ""
    size = tuple(dimensions[: max(count, 0)])
    return NiftiHeader(size, bits, float_type, offset, any(placed), {})


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
