"""Pixels as they are, and nothing behind, between or beside them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from halsted.imaging_bridge.deidentification.codestreams import (
    jpeg_2000_without_remarks,
    jpeg_without_remarks,
    rle_without_remarks,
)

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData", "PixelDataProviderURL")
_FLOAT_BITS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}
_OFFSETS = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")

_CODINGS = "1.2.840.10008.1.2."
_RLE = f"{_CODINGS}5"
_JPEG = frozenset(f"{_CODINGS}4.{number}" for number in (50, 51, 53, 55, 57, 70, 80, 81))
_JPEG_2000 = frozenset(
    f"{_CODINGS}4.{number}" for number in (90, 91, 92, 93, 201, 202, 203)
)  # fmt: skip


def can_be_cleaned(dataset: Dataset, syntax: UID) -> bool:
    """Whether it is known where remarks can stand in pixels of this coding."""
    if "PixelData" not in dataset or not syntax.is_encapsulated:
        return True
    return syntax == _RLE or syntax in _JPEG | _JPEG_2000


def cut_remarks(dataset: Dataset, syntax: UID) -> list[str]:
    """Drop in place what stands in an image's pixels but does not decode to one.

    Returns:
        Keywords of the elements that were changed.

    Raises:
        EOFError: there are fewer pixels than the image says.
        ValueError: the pixels cannot be split into the frames that the image says.
    """
    is_image = "Rows" in dataset or "Image Storage" in dataset.SOPClassUID.name
    if is_image and not any(keyword in dataset for keyword in _PIXELS):
        raise EOFError
    present = [keyword for keyword in _PIXELS[:3] if keyword in dataset]
    cut = []
    for keyword in present:
        is_encapsulated = keyword == "PixelData" and syntax.is_encapsulated
        clean = _encapsulated(dataset, syntax) if is_encapsulated else _native(dataset, keyword)
        if clean != dataset[keyword].value:
            dataset[keyword].value = clean
            cut.append(keyword)
    return cut


def _frames(dataset: Dataset) -> int:
    return int(dataset.get("NumberOfFrames") or 1)


def _native(dataset: Dataset, keyword: str) -> bytes:
    """Uncompressed pixels up to the last one, padded to an even length."""
    if dataset[keyword].is_undefined_length:
        raise ValueError("pixels of an unknown coding")
    samples = int(dataset.get("SamplesPerPixel") or 1)
    depth = _FLOAT_BITS.get(keyword) or dataset.BitsAllocated
    bits = dataset.Rows * dataset.Columns * _frames(dataset) * samples * depth
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits * 2 // 3
    size = -(-bits // 8)
    pixels: bytes = dataset[keyword].value
    if len(pixels) < size:
        raise EOFError
    return pixels if len(pixels) == size else pixels[:size] + b"\0" * (size % 2)


def _encapsulated(dataset: Dataset, syntax: UID) -> bytes:
    """Compressed pixels, made again from the frames that the image says it has."""
    from pydicom.encaps import encapsulate

    if not dataset["PixelData"].is_undefined_length:
        raise ValueError("compressed pixels that are not encapsulated")
    clean = _coding(dataset, syntax)
    frames = [clean(frame) for frame in _split(dataset, syntax)]
    if len(frames) != _frames(dataset):
        raise EOFError
    for keyword in _OFFSETS:  # the basic table is made anew and suffices
        dataset.pop(keyword, None)
    return bytes(encapsulate([frame + b"\0" * (len(frame) % 2) for frame in frames]))


def _coding(dataset: Dataset, syntax: UID) -> Callable[[bytes], bytes]:
    if syntax == _RLE:
        pixels = int(dataset.Rows * dataset.Columns)
        return lambda frame: rle_without_remarks(frame, pixels)
    return jpeg_without_remarks if syntax in _JPEG else jpeg_2000_without_remarks


def _split(dataset: Dataset, syntax: UID) -> list[bytes]:
    """As many frames as the image says, or fewer."""
    from pydicom.encaps import generate_fragmented_frames, generate_fragments, parse_basic_offsets

    pixels, count = dataset.PixelData, _frames(dataset)
    extended = tuple(dataset[keyword].value for keyword in _OFFSETS if keyword in dataset)
    is_listed = len(extended) == len(_OFFSETS)
    if syntax == _RLE and not is_listed and not parse_basic_offsets(pixels):
        fragments = generate_fragments(pixels[8:])  # behind the empty table
        return list(islice(fragments, count))
    frames = generate_fragmented_frames(
        pixels,
        number_of_frames=count,
        extended_offsets=(extended[0], extended[1]) if is_listed else None,
    )
    # A frame in RLE is one fragment (PS3.5, A.4.2).
    used = 1 if syntax == _RLE else None
    return [b"".join(fragments[:used]) for fragments in islice(frames, count)]
