"""The ABCD rule of dermoscopy, and lesions drawn by it.

Stolz W, Riemann A, Cognetta AB, et al. ABCD rule of dermatoscopy: a new practical method for early
recognition of malignant melanoma. Eur J Dermatol 1994; 4:521-527.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Diagnosis = Literal["benign", "malignant"]

BENIGN_BELOW = 4.75
MALIGNANT_ABOVE = 5.45
COLOURS = ("light_brown", "dark_brown", "black", "blue_grey", "red", "white")
STRUCTURES = ("network", "structureless", "dots", "globules", "streaks")

# How often benign and malignant lesions get each score; typical, no source is claimed.
_ASYMMETRY = {"benign": (0.6, 0.35, 0.05), "malignant": (0.05, 0.25, 0.7)}
_COMMON = {
    "benign": (0.95, 0.75, 0.12, 0.08, 0.2, 0.1),
    "malignant": (0.85, 0.95, 0.6, 0.7, 0.4, 0.5),
}
_FOUND = {"benign": (0.75, 0.4, 0.3, 0.35, 0.05), "malignant": (0.75, 0.85, 0.6, 0.5, 0.6)}
_BORDER = {"benign": 2.0, "malignant": 4.5}


@dataclass(frozen=True)
class Scores:
    """What a dermatologist would count in a lesion.

    Attributes:
        asymmetry: 0 to 2, of how many of two perpendicular axes the halves differ in contour,
            colours or structures.
        sharp: Which of eight equal sectors end abruptly at the border, anticlockwise from the
            picture's right.
        colours: Those present, of `COLOURS`.
        structures: Those present, of `STRUCTURES`.
    """

    asymmetry: int
    sharp: tuple[bool, ...]
    colours: tuple[str, ...]
    structures: tuple[str, ...]

    @property
    def total(self) -> float:
        """The total dermoscopy score, from 1.0 to 8.9."""
        border = 0.1 * sum(self.sharp)
        return 1.3 * self.asymmetry + border + 0.5 * (len(self.colours) + len(self.structures))

    @property
    def diagnosis(self) -> Diagnosis | None:
        """What the total says; None between 4.75 and 5.45, where the rule only calls for care."""
        if self.total > MALIGNANT_ABOVE:
            return "malignant"
        return "benign" if self.total < BENIGN_BELOW else None

    def facts(self) -> dict[str, str]:
        """The scores as a report may print them."""
        return {
            "diagnosis": self.diagnosis or "suspicious",
            "asymmetry": str(self.asymmetry),
            "border": str(sum(self.sharp)),
            "colours": " ".join(self.colours),
            "structures": " ".join(self.structures),
            "total_dermoscopy_score": f"{self.total:.1f}",
        }


def draw_scores(rng: np.random.Generator) -> Scores:
    """Scores of a benign or a malignant lesion, equally often; never of a doubtful one."""
    wanted: Diagnosis = "malignant" if rng.random() < 0.5 else "benign"
    while True:
        scores = _draw(rng, wanted)
        if scores.diagnosis == wanted:
            return scores


def _draw(rng: np.random.Generator, wanted: Diagnosis) -> Scores:
    asymmetry = int(rng.choice(3, p=_ASYMMETRY[wanted]))
    abrupt = int(np.clip(rng.normal(_BORDER[wanted], 1.5), 0, 8))
    sharp = np.zeros(8, bool)
    sharp[(np.arange(abrupt) + rng.integers(8)) % 8] = True  # neighbours, as a lesion grows
    colours = _some(rng, COLOURS, _COMMON[wanted])
    structures = _some(rng, STRUCTURES, _FOUND[wanted])
    return Scores(
        asymmetry,
        tuple(sharp.tolist()),
        colours or COLOURS[:1],
        structures or STRUCTURES[1:2],
    )


def _some(
    rng: np.random.Generator, names: tuple[str, ...], chances: tuple[float, ...]
) -> tuple[str, ...]:
    kept = rng.random(len(names)) < np.array(chances)
    return tuple(name for name, keep in zip(names, kept.tolist(), strict=True) if keep)
