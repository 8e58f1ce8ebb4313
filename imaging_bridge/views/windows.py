"""Which values are shown from black to white."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from halsted.imaging_bridge.errors import HalstedError
from halsted.imaging_bridge.volume import Volume

Window = tuple[float, float]
"""The values that are black and white."""

# Centre and width in HU as radiologists set them.
PRESETS: dict[str, Window] = {
    "soft": (40 - 200, 40 + 200),
    "lung": (-600 - 750, -600 + 750),
    "bone": (400 - 900, 400 + 900),
    "brain": (40 - 40, 40 + 40),
}
"""Windows for CT by name, HU."""

_LUNG_HU = (-950.0, -500.0)
_LUNG_PART = 0.3
_NEIGHBOURHOOD_MM = 40.0
_PERCENTILES = (1.0, 99.5)


def window_of(volume: Volume, point: ArrayLike, wanted: str | None = None) -> Window:
    """The window to show a volume with.

    Args:
        volume: The volume.
        point: LPS point, mm, that is looked at: a CT that is aerated around it is shown for lungs.
        wanted: One of `PRESETS`, or ``LOW,HIGH``; None chooses.

    Raises:
        HalstedError: `wanted` is neither, or a preset for a volume that is not in HU.
    """
    if wanted is not None:
        return _parsed(wanted, volume)
    if volume.unit == "HU":
        return PRESETS["lung" if _is_aerated(volume, point) else "soft"]
    shown = volume.voxels[volume.voxels != volume.voxels.min()]  # without the empty background
    low, high = np.percentile(shown if shown.size else volume.voxels, _PERCENTILES)
    return float(low), float(max(high, low + 1e-6))


def _parsed(wanted: str, volume: Volume) -> Window:
    if wanted in PRESETS and volume.unit == "HU":
        return PRESETS[wanted]
    try:
        low, high = (float(part) for part in wanted.split(","))
    except ValueError:
        low, high = 0.0, 0.0
    if not (low < high and np.isfinite([low, high]).all()):
        raise HalstedError(
            f"the window {wanted!r} is neither LOW,HIGH in {volume.unit} with LOW below HIGH nor, "
            f"for a scan in HU, one of {', '.join(PRESETS)}; pass one of these"
        )
    return low, high


def _is_aerated(volume: Volume, point: ArrayLike) -> bool:
    index = np.rint(volume.to_index(point)).astype(int)
    reach = np.ceil(_NEIGHBOURHOOD_MM / volume.spacing).astype(int)
    around = volume.voxels[
        tuple(
            slice(max(middle - far, 0), middle + far + 1)
            for middle, far in zip(index, reach, strict=True)
        )
    ]
    aerated = (around > _LUNG_HU[0]) & (around < _LUNG_HU[1])
    return bool(aerated.mean() > _LUNG_PART)
