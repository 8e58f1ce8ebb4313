"""Benign or malignant: from the whole picture, or from what a segmentation cut out of it.

The two ways are compared as the founding skin pipeline compares them. A network of this kind sees a
picture of one size; for the cut-out one, what lies outside the lesion is blanked and the lesion
fills the picture.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from halsted.agents.errors import PerceptionError
from halsted.agents.perception.specification import Network
from halsted.imaging_bridge import Patient

FACT = "diagnosis"
_MARGIN = 0.15


def diagnosis_target(network: Network, patient: Patient) -> NDArray[np.uint8]:
    """(1, 1): 1 for malignant, 0 for benign.

    Raises:
        PerceptionError: the patient's facts do not tell.
    """
    told = patient.facts.get(FACT)
    if told not in ("benign", "malignant"):
        raise PerceptionError(
            f"a case's facts tell the {FACT} {told!r}, but {network.name} learns from benign and "
            "malignant ones; give pictures with a diagnosis"
        )
    return np.array([[told == "malignant"]], np.uint8)


def cut_out(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The picture (channel, y, x) of the lesion alone, as large as before, all else 0.

    A mask (y, x) that is empty leaves the picture whole: nothing was found to cut out.
    """
    if not mask.any():
        return image
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    half = (0.5 + _MARGIN) * max(rows[-1] - rows[0], columns[-1] - columns[0], 8)
    middle = (rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2
    size = image.shape[1:]
    low = [max(0, int(place - half)) for place in middle]
    high = [min(count, int(place + half) + 1) for place, count in zip(middle, size, strict=True)]
    window = (slice(None), slice(low[0], high[0]), slice(low[1], high[1]))
    alone = torch.from_numpy(np.where(mask, image, np.float32(0.0))[window])[None]
    resized = torch.nn.functional.interpolate(alone, size, mode="bilinear", antialias=True)
    return np.asarray(resized[0])
