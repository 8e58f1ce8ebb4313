"""Values on a common scale: CT windows, and MR, whose values have no unit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import GeometryError
from halsted.imaging_bridge.volume import Volume

WINDOWS = {
    "brain": (40.0, 80.0),
    "subdural": (75.0, 215.0),
    "lung": (-600.0, 1500.0),
    "mediastinum": (50.0, 350.0),
    "abdomen": (50.0, 400.0),
    "liver": (30.0, 150.0),
    "bone": (400.0, 1800.0),
}
"""Centre and width in HU, as radiologists set them (Radiopaedia, doi:10.53347/rID-52108)."""

# Ends and deciles of the histogram (Nyul et al. 2000, doi:10.1109/42.836373).
_LANDMARKS = (1.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 99.0)
_SCALE = (0.0, 100.0)


def window(volume: Volume, preset: str | tuple[float, float]) -> Volume:
    """CT seen through a window: from 0 at and below its lower end to 1 at and above its upper.

    Args:
        volume: CT in HU.
        preset: One of `WINDOWS`, or centre and width in HU.

    Raises:
        GeometryError: the volume is not in HU, there is no such preset, or the width is not
            positive.
    """
    if volume.unit != "HU":
        raise GeometryError(
            f"a window is in HU, but the unit of this volume is {volume.unit}; pass a CT"
        )
    if isinstance(preset, str) and preset not in WINDOWS:
        raise GeometryError(
            f"there is no window named {preset!r}; choose one of {', '.join(WINDOWS)}, or pass "
            "centre and width"
        )
    centre, width = WINDOWS[preset] if isinstance(preset, str) else preset
    if not width > 0:
        raise GeometryError(f"the width of a window is {width:g} HU; pass one above 0")
    scaled = (volume.voxels.astype(np.float32) - np.float32(centre - width / 2)) / np.float32(width)
    return replace(volume, voxels=np.clip(scaled, 0.0, 1.0), unit="1")


def foreground(volume: Volume) -> NDArray[np.bool_]:
    """(z, y, x) voxels that are body and not air (Otsu 1979, doi:10.1109/TSMC.1979.4310076)."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(volume.voxels.astype(np.float32))
    return np.asarray(sitk.GetArrayFromImage(sitk.OtsuThreshold(image, 0, 1, 200)) > 0)


def standardise(volume: Volume, mask: NDArray[np.bool_] | None = None) -> Volume:
    """Mean 0 and standard deviation 1 inside a mask; all voxels are changed alike.

    Args:
        volume: Usually MR.
        mask: (z, y, x), best of the brain; `foreground` where it is None.

    Raises:
        GeometryError: the mask is empty or of another shape, or all values in it are equal.
    """
    inside = _inside(volume, mask)
    spread = float(inside.std())
    if spread == 0.0:
        raise GeometryError(
            "all voxels in the mask have one value, so there is no scale to bring them to; pass "
            "another mask"
        )
    voxels = (volume.voxels - np.float32(inside.mean())) / np.float32(spread)
    return replace(volume, voxels=voxels.astype(np.float32), unit="1")


def clip_percentiles(
    volume: Volume, low: float = 0.5, high: float = 99.5, mask: NDArray[np.bool_] | None = None
) -> Volume:
    """The volume without outliers: values beyond two percentiles of the mask become these.

    Raises:
        GeometryError: the percentiles are not from 0 to 100 and ascending, or the mask is unusable.
    """
    if not 0.0 <= low < high <= 100.0:
        raise GeometryError(
            f"percentiles {low:g} and {high:g} were given, but 0 <= low < high <= 100 was "
            "expected; pass such ones"
        )
    ends = np.percentile(_inside(volume, mask), (low, high)).astype(np.float32)
    return replace(volume, voxels=np.clip(volume.voxels, *ends).astype(np.float32))


def standard_scale(
    volumes: Iterable[Volume], masks: Iterable[NDArray[np.bool_]] | None = None
) -> NDArray[np.float64]:
    """Landmarks (11,) of a standard scale from 0 to 100, learnt from scans of one sequence.

    Each scan's landmarks are stretched so that its first and last percentile are the ends of the
    scale; the standard is their mean (Nyul et al. 2000).
    """
    given = list(volumes)
    regions = list(masks) if masks is not None else [None] * len(given)
    stretched = []
    for volume, mask in zip(given, regions, strict=True):
        found = _landmarks(volume, mask)
        stretched.append(np.interp(found, (found[0], found[-1]), _SCALE))
    return np.asarray(np.mean(stretched, axis=0))


def to_standard_scale(
    volume: Volume, scale: NDArray[np.float64], mask: NDArray[np.bool_] | None = None
) -> Volume:
    """The volume with its landmarks on those of the scale, and straight lines between and beyond.

    Raises:
        GeometryError: the mask is unusable, or landmarks of the scan coincide.
    """
    found = _landmarks(volume, mask)
    slopes = np.diff(scale) / np.diff(found)
    values = volume.voxels.astype(np.float64)
    scaled = np.interp(values, found, scale)
    scaled = np.where(values < found[0], scale[0] + (values - found[0]) * slopes[0], scaled)
    scaled = np.where(values > found[-1], scale[-1] + (values - found[-1]) * slopes[-1], scaled)
    return replace(volume, voxels=scaled.astype(np.float32), unit="1")


def _landmarks(volume: Volume, mask: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    found = np.percentile(_inside(volume, mask).astype(np.float64), _LANDMARKS)
    if (np.diff(found) <= 0).any():
        raise GeometryError(
            "two percentiles of the values in the mask are equal, so that they cannot be brought "
            "to a scale; pass another mask"
        )
    return np.asarray(found)


def _inside(volume: Volume, mask: NDArray[np.bool_] | None) -> NDArray[np.floating]:
    chosen = foreground(volume) if mask is None else mask
    if chosen.shape != volume.shape or not chosen.any():
        raise GeometryError(
            f"the mask has shape {chosen.shape} with {int(np.count_nonzero(chosen))} voxels in it, "
            f"but voxels of a volume of shape {volume.shape} were expected; pass a mask on its grid"
        )
    return volume.voxels[chosen]
