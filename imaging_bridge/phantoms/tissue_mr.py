"""What tissues of the head measure on MR: relaxation times, and the signal that follows of them.

Tissues of the healthy head are BrainWeb's at 1.5 T; grey and white matter are drawn between those
and the ones measured at 3 T. Diseased tissues vary too much between patients for one source: their
values are typical ones, and every value is drawn around the table's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

BRAINWEB = "Kwan, Evans and Pike, IEEE Trans Med Imaging 1999;18(11):1085-1097 (BrainWeb, 1.5 T)"
STANISZ = "Stanisz et al., Magn Reson Med 2005;54(3):507-512 (3 T)"
ROONEY = "Rooney et al., Magn Reson Med 2007;57(2):308-318"
TYPICAL = "typical; scatters widely between patients"

# Uptakes are such that T1 falls by about 850 ms in enhancing tumour and by 125 ms in oedema.
# Measured in 33 glioblastomas: 838 (SD 210) and 123 (SD 74) ms, "Quantitative T1 mapping indicates
# tumor infiltration beyond the enhancing part of glioblastomas", document 57191 (2020) of the
# university library of Frankfurt, publikationen.ub.uni-frankfurt.de.
#
# Relaxivity of gadopentetate in plasma at 1.5 T, per second and mmol/l: Rohrer et al.,
# Invest Radiol 2005;40(11):715-724.
RELAXIVITY = 4.1


@dataclass(frozen=True)
class Relaxation:
    """How a tissue answers to a pulse.

    Attributes:
        t1_ms, t2_ms: Relaxation times, ms.
        density: Protons per volume over those of water.
        uptake_mmol: Concentration of contrast agent minutes after the injection, mmol/l.
        source: Where the first three are from; uptakes are typical ones.
    """

    t1_ms: float
    t2_ms: float
    density: float
    uptake_mmol: float
    source: str


TISSUES: Mapping[str, Relaxation] = MappingProxyType(
    {
        "csf": Relaxation(4300.0, 329.0, 1.0, 0.0, f"T1 {ROONEY}; else {BRAINWEB}"),
        "grey_matter": Relaxation(833.0, 83.0, 0.86, 0.02, BRAINWEB),
        "white_matter": Relaxation(500.0, 70.0, 0.77, 0.01, BRAINWEB),
        "fat": Relaxation(350.0, 70.0, 1.0, 0.0, BRAINWEB),
        "muscle": Relaxation(900.0, 47.0, 1.0, 0.08, BRAINWEB),
        "bone": Relaxation(500.0, 20.0, 0.06, 0.0, "typical; cortical bone is nearly silent"),
        "marrow": Relaxation(380.0, 60.0, 0.55, 0.02, TYPICAL),
        "blood": Relaxation(1932.0, 275.0, 0.25, 1.2, f"{STANISZ}; density cut by flow void"),
        "oedema": Relaxation(1300.0, 150.0, 0.83, 0.02, TYPICAL),
        "tumour": Relaxation(1350.0, 135.0, 0.84, 0.04, TYPICAL),
        "enhancing": Relaxation(1200.0, 115.0, 0.86, 0.5, TYPICAL),
        "necrosis": Relaxation(1900.0, 210.0, 0.95, 0.04, TYPICAL),
    }
)
# What grey and white matter are at 3 T.
_AT_3T = {"grey_matter": (1820.0, 99.0), "white_matter": (1084.0, 69.0)}  # STANISZ


@dataclass(frozen=True)
class Protocol:
    """Times of the spin-echo sequences, ms.

    Attributes:
        t1_tr, t1_te: Of the T1-weighted one, without and with contrast agent.
        t2_tr, t2_te: Of the T2-weighted one.
        flair_tr, flair_te: Of the fluid-attenuated one.
        nulling: Its inversion time over the one at which the signal of the fluid is nought.
    """

    t1_tr: float
    t1_te: float
    t2_tr: float
    t2_te: float
    flair_tr: float
    flair_te: float
    nulling: float


def draw_tissues(rng: np.random.Generator) -> dict[str, Relaxation]:
    """The tissues of one person in one magnet."""
    field = rng.uniform(0.0, 1.0)  # 0 is 1.5 T, 1 is 3 T
    drawn = {}
    for name, tissue in TISSUES.items():
        high_t1, high_t2 = _AT_3T.get(name, (tissue.t1_ms, tissue.t2_ms))
        t1 = tissue.t1_ms + field * (high_t1 - tissue.t1_ms)
        t2 = tissue.t2_ms + field * (high_t2 - tissue.t2_ms)
        healthy = tissue.source != TYPICAL
        spread = np.exp(np.clip(rng.normal(0.0, 1.0, 3), -2.0, 2.0) * (0.03 if healthy else 0.06))
        drawn[name] = Relaxation(
            float(t1 * spread[0]),
            float(t2 * spread[1]),
            tissue.density,
            float(tissue.uptake_mmol * spread[2] ** 2),
            tissue.source,
        )
    return drawn


def draw_protocol(rng: np.random.Generator) -> Protocol:
    """Typical times of clinical spin-echo sequences."""
    return Protocol(
        t1_tr=rng.uniform(450.0, 700.0),
        t1_te=rng.uniform(8.0, 17.0),
        t2_tr=rng.uniform(3500.0, 6500.0),
        t2_te=rng.uniform(80.0, 115.0),
        flair_tr=rng.uniform(8000.0, 11000.0),
        flair_te=rng.uniform(90.0, 130.0),
        nulling=rng.uniform(0.96, 1.04),
    )


def spin_echo(tissue: Relaxation, tr_ms: float, te_ms: float) -> float:
    """Signal of a spin echo: density (1 - exp(-TR / T1)) exp(-TE / T2)."""
    recovered = 1.0 - math.exp(-tr_ms / tissue.t1_ms)
    return tissue.density * recovered * math.exp(-te_ms / tissue.t2_ms)


def inversion_recovery(tissue: Relaxation, tr_ms: float, te_ms: float, ti_ms: float) -> float:
    """Magnitude of an echo `ti_ms` after an inversion.

    density |1 - 2 exp(-TI / T1) + exp(-TR / T1)| exp(-TE / T2).
    """
    recovered = 1.0 - 2.0 * math.exp(-ti_ms / tissue.t1_ms) + math.exp(-tr_ms / tissue.t1_ms)
    return tissue.density * abs(recovered) * math.exp(-te_ms / tissue.t2_ms)


def nulling_time(tissue: Relaxation, tr_ms: float) -> float:
    """The inversion time, ms, at which a tissue gives no signal."""
    return tissue.t1_ms * (math.log(2.0) - math.log1p(math.exp(-tr_ms / tissue.t1_ms)))


def with_contrast(tissue: Relaxation) -> Relaxation:
    """The tissue with the contrast agent that it takes up: 1/T1 grows by relaxivity times that."""
    rate = 1000.0 / tissue.t1_ms + RELAXIVITY * tissue.uptake_mmol
    return Relaxation(1000.0 / rate, tissue.t2_ms, tissue.density, 0.0, tissue.source)


def signals(tissues: Mapping[str, Relaxation], protocol: Protocol) -> dict[str, dict[str, float]]:
    """Signal of each tissue in ``t1c``, ``t1``, ``t2`` and ``flair``."""
    inversion = protocol.nulling * nulling_time(tissues["csf"], protocol.flair_tr)
    times = (protocol.flair_tr, protocol.flair_te, inversion)
    return {
        name: {
            "t1c": spin_echo(with_contrast(tissue), protocol.t1_tr, protocol.t1_te),
            "t1": spin_echo(tissue, protocol.t1_tr, protocol.t1_te),
            "t2": spin_echo(tissue, protocol.t2_tr, protocol.t2_te),
            "flair": inversion_recovery(tissue, *times),
        }
        for name, tissue in tissues.items()
    }
