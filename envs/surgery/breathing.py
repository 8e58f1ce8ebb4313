"""Breathing as a displacement of the inner organs along the body.

Lujan et al. (1999), "A method for incorporating organ motion due to breathing into 3D dose
calculations", Medical Physics 26(5), 715-720, doi:10.1118/1.598577: the organ rests at end
exhale and moves by the even power of a cosine. All inner organs move as one, the skin rests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_POWER = 4  # 2n of the paper, n = 2


@dataclass(frozen=True)
class Breathing:
    """A patient's breathing.

    Attributes:
        amplitude_mm: Displacement towards the feet at end inhale; 0 is a held breath.
        period_s: Time of one breath, s.
        phase: Share of a breath that has passed at time 0; 0 is end exhale.
    """

    amplitude_mm: float = 0.0
    period_s: float = 4.0
    phase: float = 0.0

    def shift_m(self, time_s: float) -> float:
        """Displacement towards the feet at this time, m."""
        angle = np.pi * (time_s / self.period_s + self.phase)
        return float(1e-3 * self.amplitude_mm * np.sin(angle) ** _POWER)
