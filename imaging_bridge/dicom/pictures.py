"""Projections and photographs in DICOM: radiographs, ultrasound, captures, endoscopy, skin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.elements import (
    Elements,
    items_of,
    numbers_needed,
    numbers_of,
    text_of,
)
from halsted.imaging_bridge.dicom.files import DicomHeader, read_header
from halsted.imaging_bridge.dicom.kinds import PICTURES
from halsted.imaging_bridge.dicom.pixels import PIXEL_TAGS, Pixels, pixels_of, read_frames
from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.volume import Volume

_TAGS = (
    *PIXEL_TAGS,
    *(
        "Modality PixelSpacing ImagerPixelSpacing NominalScannedPixelSpacing "
        "SequenceOfUltrasoundRegions RescaleSlope RescaleIntercept"
    ).split(),
)
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_COLOURS = ("red", "green", "blue")
# With it the largest 32-bit number is still within float32.
_LARGEST_RESCALE = 1e12
_CENTIMETRES = 3  # of PhysicalUnitsXDirection, PS3.3 C.8.5.5


def read_picture(
    path: Path | str, phase: int | None = None, budget_bytes: int = 2 << 30
) -> dict[str, Volume]:
    """Read one frame of a radiograph, ultrasound image, capture or photograph.

    Args:
        path: The file.
        phase: Index, from 0, of the frame to read where there are several (a cine).
        budget_bytes: Most bytes that the frame may take.

    Returns:
        One volume of shape (1, y, x) named after the modality, or three named ``red``, ``green``
        and ``blue``. Values of one channel go through the modality LUT or the linear rescale if
        there is one, as float32, else they are as stored; colours are as stored. Brighter is
        higher: MONOCHROME1 is mirrored, after that, within the range that the bits stored, or the
        entries of the LUT, can express. Such a picture lies nowhere in the patient: its axes are
        named after the picture's own, and distances are mm only where `spacing_known` says so (on a
        radiograph, at the detector).

    Raises:
        ScanError: the file is no such picture, is too large, or a frame is to be chosen.
    """
    path = Path(path)
    header = read_header(path, _TAGS)
    if header is None or header.sop_class not in PICTURES:
        raise ScanError(f"{path} is no picture in DICOM; pass a radiograph or a photograph")
    pixels = pixels_of(header)
    number = _frame_number(pixels, phase)
    if pixels.frame_values * 4 > budget_bytes:
        raise ScanError(
            f"{path} has {pixels.rows} x {pixels.columns} pixels, over the budget of "
            f"{budget_bytes} bytes; crop it, or raise budget_bytes"
        )
    stored: list[NDArray[Any]] = []
    read_frames([(pixels, number)], lambda _, values: stored.append(values))
    modality = text_of(header.elements, "Modality") or PICTURES[header.sop_class]
    if not modality.isalpha() or len(modality) > 4:  # it names images, so it is not taken on trust
        modality = PICTURES[header.sop_class]
    affine, known = _placed(header)
    if pixels.is_colour:
        named = {name: stored[0][..., channel] for channel, name in enumerate(_COLOURS)}
    else:
        named = {modality.lower(): _measured(header, pixels, stored[0])}
    return {
        name: Volume(np.ascontiguousarray(values)[np.newaxis], affine, modality, "1", known)
        for name, values in named.items()
    }


def _frame_number(pixels: Pixels, phase: int | None) -> int:
    if phase is None and pixels.frames > 1:
        raise ScanError(
            f"{pixels.path} is a cine of {pixels.frames} frames where one picture was expected; "
            f"choose one with phase=NUMBER from 0 to {pixels.frames - 1}"
        )
    if phase is not None and not 0 <= phase < pixels.frames:
        raise ScanError(
            f"{pixels.path} has no frame {phase}; choose one from 0 to {pixels.frames - 1}"
        )
    return phase or 0


def _measured(header: DicomHeader, pixels: Pixels, stored: NDArray[Any]) -> NDArray[Any]:
    """Values of one channel, brighter where they are higher."""
    mirrored = pixels.photometric == "MONOCHROME1"
    if pixels.lut is not None:
        values, entries = pixels.lut.measured(stored), pixels.lut.values
        return entries.min() + entries.max() - values if mirrored else values
    if mirrored:
        stored = _mirrored(pixels, stored)
    slope, intercept = _rescale(header)
    if (slope, intercept) == (1.0, 0.0):
        return stored
    return np.asarray(stored * np.float64(slope) + intercept, dtype=np.float32)


def _mirrored(pixels: Pixels, stored: NDArray[Any]) -> NDArray[Any]:
    """The highest possible value for the lowest, and so on; the same before and after a rescale."""
    if pixels.kind == "i":
        return np.asarray(-1 - stored)
    return np.asarray(stored.dtype.type((1 << pixels.bits_stored) - 1) - stored)


def _rescale(header: DicomHeader) -> tuple[float, float]:
    """Slope and intercept from stored to measured values."""
    if "RescaleSlope" not in header.elements:
        return 1.0, 0.0
    (slope,) = numbers_needed(header.path, header.elements, "RescaleSlope", 1)
    (intercept,) = numbers_needed(header.path, header.elements, "RescaleIntercept", 1)
    if not 0 < abs(slope) <= _LARGEST_RESCALE or abs(intercept) > _LARGEST_RESCALE:
        raise ScanError(
            f"{header.path} states a RescaleSlope or RescaleIntercept that cannot be used (a slope "
            f"of 0, or a number over {_LARGEST_RESCALE:g}); export the picture again"
        )
    return slope, intercept


def _placed(header: DicomHeader) -> tuple[NDArray[np.float64], bool]:
    """The affine of a picture, and whether its spacing is known."""
    spacing = next(
        (
            found
            for tag in _SPACINGS
            if (found := numbers_of(header.elements, tag, 2)) and min(found) > 0
        ),
        None,
    ) or _ultrasound_spacing(header.elements)
    affine = np.zeros((4, 4))
    affine[2, 0] = affine[3, 3] = 1.0
    affine[1, 1], affine[0, 2] = spacing or (1.0, 1.0)
    return affine, spacing is not None


def _ultrasound_spacing(elements: Elements) -> tuple[float, float] | None:
    """Distance in mm between (rows, columns), where the whole picture has one."""
    found = set()
    for region in items_of(elements, "SequenceOfUltrasoundRegions"):
        units = [
            numbers_of(region, f"PhysicalUnits{axis}Direction", 1) == (_CENTIMETRES,)
            for axis in "XY"
        ]
        deltas = [numbers_of(region, f"PhysicalDelta{axis}", 1) for axis in "YX"]
        if all(units) and deltas[0] and deltas[1]:
            found.add((abs(deltas[0][0]) * 10.0, abs(deltas[1][0]) * 10.0))
        else:
            return None  # a Doppler trace, say, whose axis is time
    return found.pop() if len(found) == 1 and min(next(iter(found))) > 0 else None
