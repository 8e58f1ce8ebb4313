"""The joint through which perception is handed to whatever needs eyes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import StructureError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.volume import Volume


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a segmenter saw.

    Attributes:
        labels: The structures.
        probabilities: Per structure, an array (z, y, x) in [0, 1]; empty where there is none.
        instances: Integer voxels (z, y, x) that tell objects of one kind apart, or None.
        provenance: The segmenter's name and whatever is needed to get the same answer again.
        confidence: (z, y, x) probability of the answer given, in [0, 1], or None.
        margins_mm: By structure, how far its true surface may lie outside the one seen, mm, in as
            many cases as the segmenter promises; a structure of which it can promise nothing has
            the largest margin of all. Empty where it promises nothing at all.
        volume_factors: By structure, by how much its true volume may be larger or smaller.
        outlier_p: How often a case like those that the segmenter was made for is as strange as this
            one, or None where it cannot tell.
    """

    labels: LabelMap
    probabilities: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    instances: NDArray[np.integer[Any]] | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    confidence: NDArray[np.float32] | None = None
    margins_mm: Mapping[str, float] = field(default_factory=dict)
    volume_factors: Mapping[str, float] = field(default_factory=dict)
    outlier_p: float | None = None


class Segmenter(Protocol):
    """Anything that turns images into labels.

    Attributes:
        is_oracle: Whether `segment` is to be given the true labels.
    """

    @property
    def is_oracle(self) -> bool:
        """See the class."""
        ...

    def segment(self, images: Mapping[str, Volume], truth: LabelMap | None) -> Segmentation:
        """Label the images; `truth` is None unless the segmenter is an oracle."""
        ...


def _demand_truth(truth: LabelMap | None) -> LabelMap:
    if truth is None:
        raise StructureError(
            "an oracle segmenter repeats the true labels, but this patient has none; give labels "
            "or name another segmenter"
        )
    return truth


@dataclass(frozen=True)
class OracleSegmenter:
    """Perfect perception: the true labels."""

    is_oracle: bool = field(default=True, init=False)

    def segment(self, images: Mapping[str, Volume], truth: LabelMap | None) -> Segmentation:
        """The truth, unchanged."""
        return Segmentation(_demand_truth(truth), provenance={"segmenter": "oracle"})


@dataclass(frozen=True)
class DegradedSegmenter:
    """The truth, displaced and with ragged borders: an error of known size.

    Attributes:
        shift_mm: Displacement of everything perceived, (x, y, z) in LPS, mm.
        noise_mm: Standard deviation of a smooth random displacement of every border, mm.
        seed: Seed of that displacement.
    """

    shift_mm: tuple[float, float, float] = (4.0, 0.0, 0.0)
    noise_mm: float = 1.5
    seed: int = 0
    is_oracle: bool = field(default=True, init=False)

    def segment(self, images: Mapping[str, Volume], truth: LabelMap | None) -> Segmentation:
        """The truth, read at displaced points (nearest voxel)."""
        import SimpleITK as sitk

        labels = _demand_truth(truth)
        rng = np.random.default_rng(self.seed)
        coarse = (6, 6, 6)
        wobble = rng.normal(0.0, self.noise_mm, size=(*coarse, 3))
        displacement = -np.asarray(self.shift_mm) + wobble
        field_image = sitk.GetImageFromArray(displacement, isVector=True)
        reference = labels.to_sitk()
        extent = np.multiply(reference.GetSize(), reference.GetSpacing())
        field_image.SetOrigin(reference.GetOrigin())
        field_image.SetDirection(reference.GetDirection())
        field_image.SetSpacing((extent / (np.array(coarse) - 1)).tolist())
        smooth = sitk.Resample(field_image, reference, sitk.Transform(), sitk.sitkLinear)
        warp = sitk.DisplacementFieldTransform(sitk.Cast(smooth, sitk.sitkVectorFloat64))
        seen = sitk.Resample(reference, reference, warp, sitk.sitkNearestNeighbor)
        return Segmentation(
            replace(labels, voxels=sitk.GetArrayFromImage(seen), provenance="generated"),
            provenance={"segmenter": "degraded", "settings": repr(self)},
        )
