"""Who drew the structures of a file."""

from __future__ import annotations

from collections.abc import Collection
from typing import get_args

from halsted.imaging_bridge.labels import Provenance

_WORDS: dict[str, Provenance] = {word: word for word in get_args(Provenance)}


def drawn_by(algorithm: str, description: str) -> Provenance:
    """Who drew one structure.

    A person who uses a semi-automatic tool decides what it outlines, so that counts as manual.

    Args:
        algorithm: ROIGenerationAlgorithm or SegmentAlgorithmType: ``MANUAL``, ``SEMIAUTOMATIC``,
            ``AUTOMATIC`` or anything else.
        description: ROIGenerationDescription or SegmentAlgorithmName. Our exports write one of the
            words of `Provenance` there, which then decides, but for what was drawn by hand.
    """
    if algorithm == "MANUAL":
        return "manual"
    stated = _WORDS.get(description.lower())
    if stated is not None:
        return stated
    if algorithm == "SEMIAUTOMATIC":
        return "manual"
    return "model" if algorithm == "AUTOMATIC" else "unknown"


def drawn_alike(each: Collection[Provenance]) -> Provenance:
    """Who drew all structures, where that is the same for each; else unknown."""
    return next(iter(each)) if len(set(each)) == 1 else "unknown"
