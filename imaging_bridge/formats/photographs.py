"""Photographs and microscopy: dermoscopy, endoscopy and slides in PNG, JPEG and TIFF files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.pixels import PIXEL_BUDGET_BYTES, Pixels, Region, read_pixels
from halsted.imaging_bridge.formats.tiff import TIFF_SUFFIXES, read_tiff
from halsted.imaging_bridge.volume import Volume

PHOTOGRAPH_SUFFIXES = (".png", ".jpg", ".jpeg", *TIFF_SUFFIXES)
"""File name endings that are read here."""

_CHANNELS = {1: ("grey",), 3: ("red", "green", "blue")}


def read_photograph(
    path: Path | str,
    *,
    level: int = 0,
    region: Region | None = None,
    modality: str = "XC",
    budget_bytes: int = PIXEL_BUDGET_BYTES,
) -> dict[str, Volume]:
    """Read a picture as one volume a channel, each of shape (1, y, x) and of the stored type.

    A picture has no place in the patient: the affine puts its columns along x and its rows along y,
    in mm where the file states the size of a pixel credibly (Aperio's MPP, OME-XML, or a resolution
    of a TIFF or PNG finer than any print), else one pixel a millimetre with ``spacing_known``
    False. Nothing else that the file says about camera, place or person is taken.

    Args:
        path: PNG, JPEG or TIFF file of 8 or 16 bits, grey or colour.
        level: Of a whole-slide TIFF; 0 is the finest.
        region: First row, first column, rows and columns in pixels of that level; of TIFF only.
        modality: What DICOM calls the source: ``XC`` photograph, ``DMS`` dermoscopy, ``ES``
            endoscopy, ``SM`` slide microscopy, ``GM`` other microscopy.
        budget_bytes: Most bytes that the pixels may take; checked before any is decoded.

    Returns:
        ``red``, ``green`` and ``blue``, or ``grey``.

    Raises:
        ScanError: the file is missing, truncated, of another format, or too large; it is in print
            colours, animated, partly transparent or a stack; or there is no such level or region.
    """
    pixels = pixels_of(Path(path), level, region, budget_bytes)
    affine = affine_of(pixels)
    return {
        name: Volume(
            np.ascontiguousarray(pixels.samples[np.newaxis, ..., channel]),
            affine,
            modality,
            "1",
            spacing_known=pixels.is_spacing_known,
        )
        for channel, name in enumerate(_CHANNELS[pixels.samples.shape[2]])
    }


def pixels_of(path: Path, level: int, region: Region | None, budget_bytes: int) -> Pixels:
    """Decode by the file name's ending.

    Raises:
        ScanError: see `read_photograph`.
    """
    suffix = path.suffix.lower()
    if suffix not in PHOTOGRAPH_SUFFIXES:
        raise ScanError(
            f"{path} has no suffix of a picture that is read here; pass one of "
            f"{', '.join(PHOTOGRAPH_SUFFIXES)}"
        )
    if not path.is_file():
        raise ScanError(f"there is no file {path}; check the path")
    if suffix in TIFF_SUFFIXES:
        return read_tiff(path, level, region, budget_bytes)
    if level or region is not None:
        raise ScanError(
            f"{path} has neither levels nor regions, which only TIFF files have here; read it whole"
        )
    return read_pixels(path, budget_bytes)


def affine_of(pixels: Pixels) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """4x4 from (z, y, x, 1) to (x, y, z, 1) in the plane of the picture, mm."""
    down, across = pixels.spacing_mm
    affine = np.zeros((4, 4))
    affine[0, 2], affine[1, 1], affine[2, 0], affine[3, 3] = across, down, 1.0, 1.0
    affine[0, 3], affine[1, 3] = pixels.origin_mm[::-1]
    return affine


def same_size(path: Path, shape: tuple[int, ...], reference: Mapping[str, Volume]) -> Volume:
    """A channel of the picture that a mask belongs to.

    Raises:
        ScanError: mask and picture have not as many rows and columns.
    """
    volume = next(iter(reference.values()))
    if volume.shape[1:] != shape:
        raise ScanError(
            f"the mask {path} has {shape[0]} x {shape[1]} pixels, but its picture "
            f"{volume.shape[1]} x {volume.shape[2]}; pass the mask of this picture"
        )
    return volume
