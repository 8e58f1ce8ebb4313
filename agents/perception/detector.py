"""A trained network of minutes as a detector of apnoea."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from torch import nn

from halsted.agents.errors import PerceptionError
from halsted.agents.perception.apnea import series_of
from halsted.agents.perception.checkpoint import Trained
from halsted.agents.perception.inference import mean_logits, probabilities
from halsted.agents.perception.outliers import outlier_p
from halsted.imaging_bridge.detector import Detection
from halsted.imaging_bridge.signals import Annotations, Recording


class NetworkDetector:
    """Finds minutes of apnoea by a trained network.

    Attributes:
        is_oracle: False: it is never shown the truth.
    """

    is_oracle = False

    def __init__(self, trained: Trained, samples: int = 0) -> None:
        """Detect by this network.

        Args:
            trained: The network.
            samples: Passes of Monte-Carlo dropout; 0 for one pass without.

        Raises:
            PerceptionError: the network is none of minutes.
        """
        if trained.network.task != "minutes":
            raise PerceptionError(
                f"the network {trained.network.name} looks at images and notes no minutes; choose "
                "one of recordings, such as apnea"
            )
        self.trained, self.samples = trained, samples

    def detect(self, recording: Recording, truth: Annotations | None) -> Detection:
        """``A`` or ``N`` at the start of every whole minute.

        Raises:
            PerceptionError: the recording has neither beats nor an ECG.
        """
        network = self.trained.network
        temperature = float(self.trained.reliability.get("temperature", 1.0))
        series = series_of(recording)
        logits = mean_logits(network, self._modules, series, self.samples)
        found = probabilities(network, logits, temperature)[1]
        symbols = tuple("A" if value > 0.5 else "N" for value in found.tolist())
        starts = np.arange(0.0, 60.0 * len(symbols), 60.0, dtype=np.float64)
        length, raw = np.log([float(series.shape[1])]), probabilities(network, logits)
        outlier = outlier_p(self.trained, self._modules[0], series, length, raw)
        told = {"detector": network.name, "samples": str(self.samples)}
        return Detection(Annotations(starts, symbols), found, told, outlier)

    @cached_property
    def _modules(self) -> list[nn.Module]:
        return self.trained.modules()
