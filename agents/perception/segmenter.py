"""A trained network as a segmenter, handed to environments and to the command line alike."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from halsted.agents.errors import PerceptionError
from halsted.agents.perception.checkpoint import Trained
from halsted.agents.perception.framing import Framed, frame, geometry_of, onto_original
from halsted.agents.perception.inference import mean_logits, probabilities
from halsted.agents.perception.nuclei import find_nuclei
from halsted.agents.perception.outliers import outlier_p
from halsted.imaging_bridge import LabelMap, Segmentation, Volume
from halsted.imaging_bridge.cache import cache_key, cached_arrays

_VERSION = 2  # raise when the answer of the same network to the same image changes

Answer = dict[str, NDArray[Any]]


class NetworkSegmenter:
    """Sees by a trained network.

    An answer is kept in the cache by the content of weights and images, so that the same image is
    looked at once.

    Attributes:
        is_oracle: False: it is never shown the truth.
    """

    is_oracle = False

    def __init__(self, trained: Trained, samples: int = 0) -> None:
        """See by this network.

        Args:
            trained: The network.
            samples: Passes of Monte-Carlo dropout; 0 for one pass without.

        Raises:
            PerceptionError: the network is none that labels images.
        """
        if trained.network.task not in ("segmentation", "instances"):
            raise PerceptionError(
                f"the network {trained.network.name} gives a {trained.network.task} and labels no "
                "image; choose one that segments"
            )
        self.trained, self.samples = trained, samples

    def segment(self, images: Mapping[str, Volume], truth: LabelMap | None) -> Segmentation:
        """Label the images on the grid of the first that the network needs.

        Raises:
            PerceptionError: the images are not those that the network looks at.
        """
        framed = frame(self.trained.network, images)
        parts = [(name, images[name].content_hash) for name in sorted(images)]
        key = cache_key("seen", _VERSION, self.identity, self.samples, parts)
        answer = cached_arrays(key, lambda: self._look(framed))
        return Segmentation(
            self._labels(framed, answer),
            probabilities={
                name.removeprefix("probability_"): np.asarray(array, np.float32)
                for name, array in answer.items()
                if name.startswith("probability_")
            },
            instances=answer.get("instances"),
            provenance={
                "segmenter": self.trained.network.name,
                "network": self.identity,
                "temperature": str(self.trained.reliability.get("temperature", 1.0)),
                "samples": str(self.samples),
            },
            confidence=np.asarray(answer["confidence"], np.float32),
            margins_mm=self._margins(),
            volume_factors={
                name: bound
                for name, bound in self._promises("volume_factors").items()
                if bound is not None
            },
            outlier_p=float(answer["outlier_p"]) if "outlier_p" in answer else None,
        )

    def __getstate__(self) -> dict[str, Any]:
        """Without the modules, which every process makes for itself."""
        return {name: value for name, value in vars(self).items() if name != "_modules"}

    @cached_property
    def _modules(self) -> list[nn.Module]:
        return self.trained.modules()

    @cached_property
    def identity(self) -> str:
        """SHA-256 of what is seen, the weights and the temperature."""
        digest = hashlib.sha256(self.trained.network.content_hash.encode())
        for state in self.trained.members:
            for name in sorted(state):
                digest.update(name.encode())
                digest.update(np.ascontiguousarray(state[name].cpu().numpy()).tobytes())
        digest.update(str(sorted(map(str, self.trained.reliability.items()))).encode())
        return digest.hexdigest()

    def _promises(self, what: str) -> Mapping[str, float | None]:
        """Bounds by class; none where dropout is at work otherwise than when they were found."""
        promised: Mapping[str, float | None] = self.trained.reliability.get(what, {})
        return promised if self.samples == 0 else {}

    def _margins(self) -> dict[str, float]:
        """Margins by class; one that is missed too often for a bound gets the largest of all."""
        margins = self._promises("margins_mm")
        largest = max((one for one in margins.values() if one is not None), default=None)
        if largest is None:
            return {}
        return {name: largest if one is None else one for name, one in margins.items()}

    def _look(self, framed: Framed) -> Answer:
        network = self.trained.network
        temperature = float(self.trained.reliability.get("temperature", 1.0))
        logits = mean_logits(network, self._modules, framed.array, self.samples)
        raw, found = (probabilities(network, logits, heat) for heat in (1.0, temperature))
        if network.task == "instances":
            answer = self._nuclei(raw, found)
        else:
            answer = self._structures(framed, found)
        geometry = geometry_of(network, framed.original)
        p = outlier_p(self.trained, self._modules[0], framed.array, geometry, raw)
        if p is not None:
            answer["outlier_p"] = np.array(p)
        return answer

    def _structures(self, framed: Framed, found: NDArray[np.float32]) -> Answer:
        """Class by class, so that no more than two of them need memory at once."""
        best = onto_original(framed, found[0]).copy()
        labels = np.zeros(best.shape, np.uint8)
        answer: Answer = {}
        for name, value in self.trained.network.values.items():
            own = onto_original(framed, found[value])
            labels[own > best] = value
            np.maximum(best, own, out=best)
            if name in self.trained.network.lesions:
                answer[f"probability_{name}"] = own.astype(np.float16)
        return {**answer, "labels": labels, "confidence": best.astype(np.float16)}

    def _nuclei(self, raw: NDArray[np.float32], found: NDArray[np.float32]) -> Answer:
        """The temperature makes confidence honest, and has no say in what is a nucleus."""
        nuclei = find_nuclei(raw)
        confidence = np.maximum(found[0], 1.0 - found[0])
        return {
            "labels": nuclei.instances[None],
            "instances": nuclei.instances[None],
            "classes": nuclei.classes,
            "confidence": confidence[None].astype(np.float16),
        }

    def _labels(self, framed: Framed, answer: Mapping[str, NDArray[Any]]) -> LabelMap:
        names = dict(self.trained.network.values)
        if "classes" in answer:
            kinds = list(self.trained.network.classes)
            classes = answer["classes"].tolist()
            names = {f"{kinds[kind - 1]}_{n}": n for n, kind in enumerate(classes, start=1)}
        return LabelMap(answer["labels"], framed.original.affine, names, "model")
