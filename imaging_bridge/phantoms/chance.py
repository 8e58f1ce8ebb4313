"""The only source of chance of a phantom: a generator for each seed and purpose."""

from __future__ import annotations

import numpy as np

from halsted.imaging_bridge.errors import HalstedError


def chance(seed: int, purpose: str) -> np.random.Generator:
    """The generator of one purpose of one phantom, the same each time.

    Raises:
        HalstedError: the seed is negative.
    """
    check_seed(seed)
    return np.random.default_rng([seed, *purpose.encode()])


def check_seed(seed: int) -> None:
    """Refuse a negative seed.

    Raises:
        HalstedError: it is one.
    """
    if seed < 0:
        raise HalstedError(f"the seed of a phantom is {seed}; pass a whole number from 0 on")
