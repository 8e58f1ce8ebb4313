"""Random textures and blur of pictures, and pictures as volumes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.volume import Volume

Picture = NDArray[np.floating[Any]]

_CHANNELS = ("red", "green", "blue")


def cloud(
    rng: np.random.Generator, size: int, length: float, roughness: float = 3.0
) -> NDArray[np.float32]:
    """A random field of mean 0 and standard deviation 1.

    Args:
        rng: Draws it.
        size: Pixels a side.
        length: Of its largest features, pixels.
        roughness: Power by which amplitudes fall beyond that length; less is rougher.
    """
    spectrum = np.fft.rfft2(rng.standard_normal((size, size), dtype=np.float32))
    spectrum *= (1.0 + (length * _frequency(size, size)) ** 2) ** (-roughness / 2.0)
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, (size, size))
    return np.asarray(field / field.std(), dtype=np.float32)


def ridges(field: Picture, width: float) -> NDArray[np.float32]:
    """1 where a field crosses zero, falling off over `width` of its standard deviations.

    The zero lines of a smooth random field branch and close like a net of strands or vessels.
    """
    return np.asarray(np.exp(-((field / width) ** 2)), dtype=np.float32)


def blur(picture: Picture | NDArray[np.bool_], sigma: float) -> Picture:
    """Gaussian blur of (y, x) or (y, x, channel); the borders are mirrored."""
    if sigma <= 0.0:
        return np.asarray(picture, dtype=np.float32)
    pad = int(np.ceil(3.0 * sigma))
    margins = [(pad, pad), (pad, pad), *[(0, 0)] * (picture.ndim - 2)]
    padded = np.pad(picture, margins, mode="reflect")
    rows, columns = padded.shape[:2]
    gain = np.exp(-2.0 * (np.pi * sigma * _frequency(rows, columns)) ** 2)
    gain = gain.reshape(*gain.shape, *[1] * (picture.ndim - 2))
    spectrum = np.fft.rfft2(padded, axes=(0, 1)) * gain
    smooth = np.fft.irfft2(spectrum, (rows, columns), axes=(0, 1))
    return np.asarray(smooth[pad : rows - pad, pad : columns - pad], dtype=np.float32)


def sample(field: Picture, y: Picture, x: Picture) -> Picture:
    """The field at fractional pixels, bilinear, going on beyond its borders as if tiled."""
    rows, columns = field.shape
    top, left = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    down, right = (y - top).astype(np.float32), (x - left).astype(np.float32)
    top, left = top % rows, left % columns
    bottom, far = (top + 1) % rows, (left + 1) % columns
    upper = field[top, left] * (1.0 - right) + field[top, far] * right
    lower = field[bottom, left] * (1.0 - right) + field[bottom, far] * right
    return np.asarray(upper * (1.0 - down) + lower * down, dtype=np.float32)


def mesh(size: int) -> tuple[Picture, Picture]:
    """Row and column of each pixel, (size, size)."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    return rows, columns


def as_bytes(picture: Picture) -> NDArray[np.uint8]:
    """Values from 0 to 1 as 0 to 255."""
    return np.asarray(np.rint(np.clip(picture, 0.0, 1.0) * 255.0), dtype=np.uint8)


def as_volumes(
    picture: NDArray[np.uint8], modality: str, spacing_mm: float | None
) -> dict[str, Volume]:
    """A colour picture (y, x, 3) as one volume (1, y, x) a channel, as `read_photograph` gives it.

    Args:
        picture: Red, green and blue.
        modality: As DICOM calls the source.
        spacing_mm: Side of a pixel, or None where it is unknown.
    """
    affine = picture_affine(spacing_mm)
    return {
        name: Volume(
            np.ascontiguousarray(picture[np.newaxis, ..., channel]),
            affine,
            modality,
            spacing_known=spacing_mm is not None,
        )
        for channel, name in enumerate(_CHANNELS)
    }


def picture_affine(spacing_mm: float | None) -> NDArray[np.float64]:
    """4x4 from (z, y, x, 1) to (x, y, z, 1) in the picture's plane, mm."""
    side = 1.0 if spacing_mm is None else spacing_mm
    affine = np.zeros((4, 4))
    affine[0, 2], affine[1, 1], affine[2, 0], affine[3, 3] = side, side, 1.0, 1.0
    return affine


def _frequency(rows: int, columns: int) -> NDArray[np.float64]:
    """Cycles a pixel of each coefficient of `numpy.fft.rfft2`."""
    down, across = np.fft.fftfreq(rows), np.fft.rfftfreq(columns)
    return np.asarray(np.hypot(down[:, np.newaxis], across), dtype=np.float64)
