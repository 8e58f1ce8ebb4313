"""The stored values of frames: read in place where they are uncompressed, else decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.decoding import Encoding, Job, decode
from halsted.imaging_bridge.dicom.files import (
    DicomHeader,
    Elements,
    elements_of,
    numbers_of,
    text_of,
)
from halsted.imaging_bridge.errors import ScanError

PIXEL_TAGS = tuple(
    (
        "Rows Columns NumberOfFrames SamplesPerPixel PhotometricInterpretation PlanarConfiguration "
        "PixelRepresentation BitsAllocated BitsStored PixelPaddingValue PixelPaddingRangeLimit "
        "ModalityLUTSequence"
    ).split()
)
"""Elements that `pixels_of` needs."""

# No decoder makes more of a file than this, but for frames of one value, which are small.
_MOST_EXPANSION = 1000
_ALWAYS_ALLOWED_BYTES = 64 << 20

Take = Callable[[int, NDArray[Any]], None]


@dataclass(frozen=True)
class ModalityLut:
    """A table from stored to measured values (PS3.3 C.11.1).

    Attributes:
        first: Stored value of the first entry; smaller ones take it too, larger ones the last.
        values: The entries.
    """

    first: int
    values: NDArray[np.float32]

    def measured(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """The measured values of stored ones, of the same shape."""
        index = stored.astype(np.int64) - self.first
        return np.asarray(self.values[np.clip(index, 0, self.values.size - 1)])


@dataclass(frozen=True)
class Pixels:
    """How the frames of one file are stored.

    Attributes:
        path: The file.
        rows: Of a frame.
        columns: Of a frame.
        samples: Values a pixel: 1, or 3 for colours.
        frames: How many.
        bits: Allocated for one value.
        bits_stored: Of them, those that hold the value; the rest may hold an overlay.
        kind: NumPy's letter of the stored values: ``i``, ``u`` or ``f``.
        order: Byte order of uncompressed values, ``<`` or ``>``.
        start: Byte of the file at which uncompressed values start; None where they are to be
            decoded.
        encoded: How and where they are encoded; None where `start` is given.
        photometric: PhotometricInterpretation.
        padding: Lowest and highest stored value that means "nothing measured here", or None.
        lut: Table from stored to measured values, or None.
    """

    path: Path
    rows: int
    columns: int
    samples: int
    frames: int
    bits: int
    bits_stored: int
    kind: str
    order: str
    start: int | None
    encoded: Encoding | None
    photometric: str
    padding: tuple[float, float] | None
    lut: ModalityLut | None

    @property
    def is_colour(self) -> bool:
        """Whether a pixel has red, green and blue."""
        return self.samples > 1 or self.photometric == "PALETTE COLOR"

    @property
    def frame_values(self) -> int:
        """Values of one frame."""
        return self.rows * self.columns * self.samples

    @property
    def frame_bytes(self) -> int:
        """Size of one uncompressed frame."""
        return (self.frame_values * self.bits + 7) // 8


def pixels_of(header: DicomHeader) -> Pixels:
    """How a file says that its frames are stored.

    Raises:
        ScanError: the header contradicts itself, or the file is shorter than it announces.
    """
    elements, path = header.elements, header.path
    rows, columns = _count(header, "Rows"), _count(header, "Columns")
    if not header.has_pixels:
        raise ScanError(
            f"{path} has no PixelData where {rows} x {columns} voxels were expected, so it is "
            "truncated; get the file again from where it came"
        )
    bits = _bits_allocated(header)
    # Of big-endian bytes nobody knows whether they were swapped in pairs; pydicom does.
    native = not header.syntax.is_compressed and (header.syntax.is_little_endian or bits > 8)
    pixels = Pixels(
        path=path,
        rows=rows,
        columns=columns,
        samples=_count(header, "SamplesPerPixel", 1),
        frames=_count(header, "NumberOfFrames", 1),
        bits=bits,
        bits_stored=int((numbers_of(elements, "BitsStored", 1) or (bits,))[0]),
        kind=_kind(elements, bits),
        order="<" if header.syntax.is_little_endian else ">",
        start=header.pixels_at if native else None,
        encoded=None if native else _encoding(header, bits),
        photometric=text_of(elements, "PhotometricInterpretation"),
        padding=_padding(elements),
        lut=_lut(header),
    )
    _check_length(pixels, header)
    return pixels


def _encoding(header: DicomHeader, bits: int) -> Encoding:
    elements = header.elements
    photometric = text_of(elements, "PhotometricInterpretation")
    sought = header.syntax.is_encapsulated and photometric != "PALETTE COLOR"
    return Encoding(
        syntax=str(header.syntax),
        start=header.pixels_at if sought else None,  # palettes lie elsewhere in the file
        options={
            "rows": _count(header, "Rows"),
            "columns": _count(header, "Columns"),
            "number_of_frames": _count(header, "NumberOfFrames", 1),
            "samples_per_pixel": _count(header, "SamplesPerPixel", 1),
            "photometric_interpretation": photometric,
            "planar_configuration": int(elements.get("PlanarConfiguration") or 0),
            "pixel_representation": int(elements.get("PixelRepresentation") or 0),
            "bits_allocated": bits,
            "bits_stored": int((numbers_of(elements, "BitsStored", 1) or (bits,))[0]),
            "pixel_keyword": "PixelData",
        },
    )


def _count(header: DicomHeader, tag: str, default: int | None = None) -> int:
    if default is not None and header.elements.get(tag) in (None, ""):
        return default
    stated = numbers_of(header.elements, tag, 1)
    if stated is None or stated[0] < 1 or stated[0] != int(stated[0]):
        what = "Rows x Columns" if tag in ("Rows", "Columns") else tag
        raise ScanError(
            f"{header.path} states {what} that cannot be used ({tag} must be a whole number of at "
            "least 1); get the file again from where it came"
        )
    return int(stated[0])


def _bits_allocated(header: DicomHeader) -> int:
    stated = numbers_of(header.elements, "BitsAllocated", 1)
    if stated is None or stated[0] not in (1, 8, 16, 32, 64):
        raise ScanError(
            f"{header.path} states no BitsAllocated of 1, 8, 16, 32 or 64; export the original "
            "series"
        )
    return int(stated[0])


def _kind(elements: Elements, bits: int) -> str:
    if "BitsStored" not in elements and bits in (32, 64):
        return "f"  # of Float and Double Float Pixel Data only the size is stated
    return "i" if elements.get("PixelRepresentation") == 1 else "u"


def _padding(elements: Elements) -> tuple[float, float] | None:
    first = numbers_of(elements, "PixelPaddingValue", 1)
    if first is None:
        return None
    last = numbers_of(elements, "PixelPaddingRangeLimit", 1) or first
    return min(first[0], last[0]), max(first[0], last[0])


def _lut(header: DicomHeader) -> ModalityLut | None:
    sequence = header.elements.get("ModalityLUTSequence")
    if not sequence:
        return None
    table = elements_of(sequence[0])
    described = numbers_of(table, "LUTDescriptor", 3)
    data = table.get("LUTData")
    if isinstance(data, bytes):  # 16 bits a value, in the byte order of the file
        order = "<" if header.syntax.is_little_endian else ">"
        data = np.frombuffer(data[: len(data) // 2 * 2], f"{order}u2")
    values = np.asarray(data if data is not None else [], dtype=np.float32).ravel()
    if described is None or not values.size or (described[0] or 65536) != values.size:
        raise ScanError(
            f"{header.path} has a ModalityLUTSequence whose table is not as long as it says; "
            "export the original series"
        )
    return ModalityLut(int(described[1]), values)


def _check_length(pixels: Pixels, header: DicomHeader) -> None:
    """Refuse a file that cannot hold what it announces, before anything is allocated."""
    needed = (pixels.frame_values * pixels.frames * pixels.bits + 7) // 8
    if pixels.start is not None and header.pixel_bytes < needed:
        raise ScanError(
            f"{pixels.path} is truncated: its PixelData has {header.pixel_bytes} bytes, but Rows x "
            f"Columns x BitsAllocated need {needed}; get the file again from where it came"
        )
    most = max(_MOST_EXPANSION * header.file_bytes, _ALWAYS_ALLOWED_BYTES)
    if needed > most:
        raise ScanError(
            f"{pixels.path} announces {pixels.frames} x {pixels.rows} x {pixels.columns} pixels, "
            f"which {header.file_bytes} bytes cannot hold, so its header is damaged; get the file "
            "again from where it came"
        )


def read_frames(wanted: Sequence[tuple[Pixels, int]], take: Take) -> None:
    """Hand the stored values of frames to `take`.

    Args:
        wanted: File and index in it of each frame.
        take: Called once for each, maybe from several threads at once, with its place in `wanted`
            and its values, of shape (rows, columns), or (rows, columns, 3) for colours.

    Raises:
        ScanError: a file is truncated, or cannot be decoded.
    """
    encoded: dict[Path, dict[int, list[int]]] = {}
    for place, (pixels, number) in enumerate(wanted):
        if pixels.start is None or pixels.is_colour:
            encoded.setdefault(pixels.path, {}).setdefault(number, []).append(place)
        else:
            take(place, _stored(pixels, number))
    files = {pixels.path: pixels for pixels, _ in wanted}
    decode(_job(files[path], places, take) for path, places in encoded.items())


def _job(pixels: Pixels, places: dict[int, list[int]], take: Take) -> Job:
    def checked(number: int, values: NDArray[Any]) -> None:
        expected: tuple[int, ...] = (pixels.rows, pixels.columns)
        if pixels.is_colour:
            expected = (*expected, 3)
        if values.shape != expected or values.dtype.kind not in "iuf":
            raise ScanError(
                f"{pixels.path} decodes to shape {values.shape}, but its header announces "
                f"{expected}; get the file again from where it came"
            )
        for place in places[number]:
            take(place, values)

    return Job(pixels.path, pixels.encoded, sorted(places), pixels.frame_bytes, checked)


def _stored(pixels: Pixels, number: int) -> NDArray[Any]:
    """One uncompressed frame, read from its place in the file."""
    if pixels.bits == 1:
        return _stored_bits(pixels, number)
    assert pixels.start is not None
    kind = np.dtype(f"{pixels.order}{pixels.kind}{pixels.bits // 8}")
    offset = pixels.start + number * pixels.frame_bytes
    values = np.fromfile(pixels.path, kind, pixels.frame_values, offset=offset)
    if values.size != pixels.frame_values:
        raise ScanError(f"{pixels.path} was shortened while it was read; read it again")
    unused = pixels.bits - pixels.bits_stored
    if 0 < unused < pixels.bits and pixels.kind != "f":
        # Bits above BitsStored may hold an overlay, and the sign has to be carried into them.
        values = (values << unused) >> unused
    return values.reshape(pixels.rows, pixels.columns)


def _stored_bits(pixels: Pixels, number: int) -> NDArray[np.uint8]:
    """One frame of a bit a pixel; frames follow each other without regard to bytes."""
    assert pixels.start is not None
    first = number * pixels.frame_values
    start, stop = first // 8, (first + pixels.frame_values + 7) // 8
    packed = np.fromfile(pixels.path, np.uint8, stop - start, offset=pixels.start + start)
    bits = np.unpackbits(packed, bitorder="little")[first % 8 :][: pixels.frame_values]
    if bits.size != pixels.frame_values:
        raise ScanError(f"{pixels.path} was shortened while it was read; read it again")
    return np.asarray(bits.reshape(pixels.rows, pixels.columns), dtype=np.uint8)
