"""Phantoms to train, calibrate and test networks on, each a person of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from halsted.agents.perception.examples import Source
from halsted.agents.perception.specification import Network
from halsted.imaging_bridge import Patient

Split = Literal["train", "validation", "calibration", "test"]

FIRST_SEEDS: Mapping[Split, int] = {
    "train": 100_000,
    "validation": 200_000,
    "calibration": 300_000,
    "test": 400_000,
}
"""Far from the seeds of the scenarios' patients, whom no network may have seen."""

_VERSION = 3  # raise when phantoms of the same seed change


def phantom_sources(network: Network, split: Split, count: int) -> list[Source]:
    """So many phantoms of a split, the network's kinds in turn."""
    sources = []
    for number in range(count):
        kind = network.phantoms[number % len(network.phantoms)]
        seed = FIRST_SEEDS[split] + number
        make = _MAKERS.get(kind, partial(_phantom, kind))
        key = f"phantom {_VERSION} {kind} {seed}"
        sources.append(Source(f"{kind}-{seed}", f"phantom {kind} {seed}", partial(make, seed), key))
    return sources


def _phantom(kind: str, seed: int) -> Patient:
    from halsted.imaging_bridge.phantoms.kinds import make_phantom

    return make_phantom(kind, seed)


def _colon_frame(seed: int) -> Patient:
    """One picture from inside a colon."""
    from halsted.imaging_bridge.phantoms.colon import frames

    return frames(seed, 1)[0]


def _fluorescence(seed: int) -> Patient:
    from halsted.imaging_bridge.phantoms.slide import slide

    return slide(seed, stain="fluorescence")


def _ring_scene(seed: int) -> Patient:
    from halsted.agents.perception.bench_pictures import ring_scene

    return ring_scene(seed)


_MAKERS: Mapping[str, Callable[[int], Patient]] = {
    "colon": _colon_frame,
    "slide-fluorescence": _fluorescence,
    "ring-transfer": _ring_scene,
}
