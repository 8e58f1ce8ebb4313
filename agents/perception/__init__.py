"""Segmenters by name, as scenario files name them."""

from __future__ import annotations

from halsted.imaging_bridge import DegradedSegmenter, OracleSegmenter, Segmenter

SEGMENTERS: dict[str, type[OracleSegmenter] | type[DegradedSegmenter]] = {
    "oracle": OracleSegmenter,
    "degraded": DegradedSegmenter,
}


def make_segmenter(name: str) -> Segmenter:
    """The segmenter of this name: one of `SEGMENTERS`, or a trained network by name or folder.

    Raises:
        PerceptionError: there is none.
    """
    if name in SEGMENTERS:
        return SEGMENTERS[name]()
    from halsted.agents.perception.checkpoint import find_trained
    from halsted.agents.perception.segmenter import NetworkSegmenter

    return NetworkSegmenter(find_trained(name))


def identity_of(name: str) -> dict[str, str]:
    """What tells the segmenter of this name from others: its name, and a hash of its weights.

    Raises:
        PerceptionError: there is none.
    """
    if name in SEGMENTERS:
        return {"segmenter": name}
    from halsted.agents.perception.checkpoint import find_trained
    from halsted.agents.perception.segmenter import NetworkSegmenter

    segmenter = NetworkSegmenter(find_trained(name))
    return {"segmenter": segmenter.trained.network.name, "network": segmenter.identity}
