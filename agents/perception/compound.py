"""Several segmenters that look at the same image, each for what it sees best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from halsted.agents.errors import PerceptionError
from halsted.imaging_bridge import LabelMap, Segmentation, Segmenter, Volume


@dataclass(frozen=True)
class CompoundSegmenter:
    """Paints what later segmenters see over what earlier ones see.

    A structure that several of them know is taken from the last alone; where an earlier one saw it,
    the tissue that lies nearest is put in its place.

    Attributes:
        parts: The segmenters, none of them an oracle.
        is_oracle: False.
    """

    parts: Sequence[Segmenter]
    is_oracle: bool = False

    def __post_init__(self) -> None:
        if any(one.is_oracle for one in self.parts):
            raise PerceptionError(
                "an oracle knows every structure, so nothing can be painted over it; name networks"
            )

    def segment(self, images: Mapping[str, Volume], truth: LabelMap | None) -> Segmentation:
        """See `Segmenter`.

        Raises:
            PerceptionError: they do not label the same grid.
        """
        first, *others = (one.segment(images, None) for one in self.parts)
        seen = first
        for other in others:
            seen = _painted(seen, other)
        return seen


def _painted(under: Segmentation, over: Segmentation) -> Segmentation:
    if not under.labels.same_geometry(over.labels):
        raise PerceptionError(
            "two networks label grids that differ, so that one cannot be painted over the other; "
            "use networks that look at the same image first"
        )
    labels = _without(under.labels, set(over.labels.names))
    for name, value in over.labels.names.items():
        labels = labels.with_structure(name, over.labels.voxels == value, "model")
    outliers = [one.outlier_p for one in (under, over) if one.outlier_p is not None]
    return replace(
        under,
        labels=labels,
        probabilities={**under.probabilities, **over.probabilities},
        provenance=_told(under.provenance, over.provenance),
        confidence=_least_sure(under, over),
        margins_mm={**under.margins_mm, **over.margins_mm},
        volume_factors={**under.volume_factors, **over.volume_factors},
        outlier_p=min(outliers, default=None),
    )


def _without(labels: LabelMap, names: set[str]) -> LabelMap:
    """The labels in which voxels of some structures belong to whatever else lies nearest."""
    from scipy.ndimage import distance_transform_edt

    known = sorted(names & set(labels.names))
    mask = labels.mask(*known)
    voxels = labels.voxels
    if mask.any() and not mask.all():
        nearest = distance_transform_edt(
            mask, sampling=labels.spacing, return_distances=False, return_indices=True
        )
        voxels = voxels[tuple(nearest)]
    kept = {name: value for name, value in labels.names.items() if name not in known}
    return replace(labels, voxels=voxels, names=kept)


def _told(under: Mapping[str, str], over: Mapping[str, str]) -> dict[str, str]:
    return {
        key: "+".join(one[key] for one in (under, over) if key in one) for key in {**under, **over}
    }


def _least_sure(under: Segmentation, over: Segmentation) -> NDArray[np.float32] | None:
    if under.confidence is None or over.confidence is None:
        return None
    return np.minimum(under.confidence, over.confidence)
