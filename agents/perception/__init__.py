"""Segmenters by name, as scenario files name them."""

from __future__ import annotations

from halsted.imaging_bridge import DegradedSegmenter, OracleSegmenter, Segmenter

SEGMENTERS: dict[str, type[OracleSegmenter] | type[DegradedSegmenter]] = {
    "oracle": OracleSegmenter,
    "degraded": DegradedSegmenter,
}


def make_segmenter(name: str) -> Segmenter:
    """The segmenter of this name.

    Args:
        name: One of `SEGMENTERS`; a trained network by its name or folder; or several networks
            joined by ``+``, of which later ones are painted over earlier ones.

    Raises:
        PerceptionError: there is none.
    """
    if name in SEGMENTERS:
        return SEGMENTERS[name]()
    from halsted.agents.perception.checkpoint import find_trained
    from halsted.agents.perception.compound import CompoundSegmenter
    from halsted.agents.perception.segmenter import NetworkSegmenter

    parts = [NetworkSegmenter(find_trained(one)) for one in name.split("+")]
    return parts[0] if len(parts) == 1 else CompoundSegmenter(parts)


def identity_of(name: str) -> dict[str, str]:
    """What tells the segmenter of this name from others: its name, and a hash of its weights.

    Raises:
        PerceptionError: there is none.
    """
    if name in SEGMENTERS:
        return {"segmenter": name}
    from halsted.agents.perception.checkpoint import find_trained
    from halsted.agents.perception.segmenter import NetworkSegmenter

    parts = [NetworkSegmenter(find_trained(one)) for one in name.split("+")]
    return {
        "segmenter": "+".join(one.trained.network.name for one in parts),
        "network": "+".join(one.identity for one in parts),
    }
