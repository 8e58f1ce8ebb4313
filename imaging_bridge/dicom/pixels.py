"""The stored values of frames: read in place where they are uncompressed, else decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.decoding import Encoding, Job, decode
from halsted.imaging_bridge.dicom.elements import Elements, numbers_of, term_of, whole_number_of
from halsted.imaging_bridge.dicom.files import DicomHeader
from halsted.imaging_bridge.dicom.kinds import PHOTOMETRIC
from halsted.imaging_bridge.dicom.modality_lut import ModalityLut, as_stored, lut_of
from halsted.imaging_bridge.errors import ScanError

PIXEL_TAGS = tuple(
    (
        "Rows Columns NumberOfFrames SamplesPerPixel PhotometricInterpretation PlanarConfiguration "
        "PixelRepresentation BitsAllocated BitsStored HighBit PixelPaddingValue "
        "PixelPaddingRangeLimit ModalityLUTSequence"
    ).split()
)
"""Elements that `pixels_of` needs."""

# No decoder makes more of a file than this, but for frames of one value, which are small.
_MOST_EXPANSION = 1000
_ALWAYS_ALLOWED_BYTES = 64 << 20

Take = Callable[[int, NDArray[Any]], None]


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
    if not header.pixel_keyword:
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
        bits_stored=_bits_stored(header, bits),
        kind=_kind(header),
        order="<" if header.syntax.is_little_endian else ">",
        start=header.pixels_at if native else None,
        encoded=None if native else _encoding(header, bits),
        photometric=_photometric(elements),
        padding=_padding(elements, bits),
        lut=lut_of(header, bits),
    )
    _check_length(pixels, header)
    return pixels


def _encoding(header: DicomHeader, bits: int) -> Encoding:
    elements = header.elements
    photometric = _photometric(elements)
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
            "planar_configuration": whole_number_of(elements, "PlanarConfiguration") or 0,
            "pixel_representation": whole_number_of(elements, "PixelRepresentation") or 0,
            "bits_allocated": bits,
            "bits_stored": _bits_stored(header, bits),
            "pixel_keyword": header.pixel_keyword,
        },
    )


def _count(header: DicomHeader, tag: str, default: int | None = None) -> int:
    if default is not None and header.elements.get(tag) in (None, ""):
        return default
    stated = whole_number_of(header.elements, tag)
    if stated is None or not 1 <= stated < 1 << 31:
        what = "Rows x Columns" if tag in ("Rows", "Columns") else tag
        raise ScanError(
            f"{header.path} states {what} that cannot be used ({tag} must be a whole number of at "
            "least 1); get the file again from where it came"
        )
    return stated


def _bits_allocated(header: DicomHeader) -> int:
    stated = whole_number_of(header.elements, "BitsAllocated")
    if stated is None or stated not in (1, 8, 16, 32, 64):
        raise ScanError(
            f"{header.path} states no BitsAllocated of 1, 8, 16, 32 or 64; export the original "
            "series"
        )
    return stated


def _bits_stored(header: DicomHeader, bits: int) -> int:
    """Bits that hold the value, the lowest of those allocated."""
    if header.pixel_keyword != "PixelData":
        return bits
    stored = whole_number_of(header.elements, "BitsStored")
    high = whole_number_of(header.elements, "HighBit")
    if stored is None or not 1 <= stored <= bits or high not in (None, stored - 1):
        raise ScanError(
            f"{header.path} states BitsStored and HighBit that do not fit BitsAllocated of {bits} "
            "(1 to that, and one less); export the original series"
        )
    return stored


def _kind(header: DicomHeader) -> str:
    if header.pixel_keyword != "PixelData":
        return "f"
    signed = whole_number_of(header.elements, "PixelRepresentation")
    if signed not in (0, 1):
        raise ScanError(
            f"{header.path} does not state whether its values are signed (PixelRepresentation must "
            "be 0 or 1); export the original series"
        )
    return "i" if signed else "u"


def _photometric(elements: Elements) -> str:
    return term_of(elements, "PhotometricInterpretation", PHOTOMETRIC) or "MONOCHROME2"


def _padding(elements: Elements, bits: int) -> tuple[float, float] | None:
    first = numbers_of(elements, "PixelPaddingValue", 1)
    if first is None:
        return None
    last = numbers_of(elements, "PixelPaddingRangeLimit", 1) or first
    ends = [as_stored(elements, one, bits) for one in (*first, *last)]
    return min(ends), max(ends)


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

    return Job(
        pixels.path,
        pixels.encoded,
        sorted(places),
        pixels.frame_bytes,
        checked,
        pixels.frames * pixels.frame_bytes,
    )


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
