"""Segmenters by name, as scenario files name them."""

from __future__ import annotations

from halsted.agents.errors import PolicyError
from halsted.imaging_bridge import DegradedSegmenter, OracleSegmenter, Segmenter

SEGMENTERS: dict[str, type[OracleSegmenter] | type[DegradedSegmenter]] = {
    "oracle": OracleSegmenter,
    "degraded": DegradedSegmenter,
}


def make_segmenter(name: str) -> Segmenter:
    """The segmenter of this name.

    Raises:
        PolicyError: there is none.
    """
    if name not in SEGMENTERS:
        raise PolicyError(
            f"there is no segmenter {name!r}; choose one of: {', '.join(sorted(SEGMENTERS))}"
        )
    return SEGMENTERS[name]()
