"""A phantom of a night's sleep: ECG, airflow and oximetry with apnoeas, laid out as Apnea-ECG.

Penzel T, Moody GB, Mark RG, Goldberger AL, Peter JH. The Apnea-ECG database. Computers in
Cardiology 2000; 27:255-258: one symbol a minute, ``A`` or ``N``, and beat times that a program
found. In a third of the nights the beats lack some, as such programs overlook them.

What ``A`` means is published twice. PhysioNet's page on the annotations says that apnoea was in
progress at the beginning of the minute; its additional-information.txt says that the minute
contains apnoea or hypopnoea. The phantom follows the second: by it the set's minutes were counted,
and it can be judged from the minute's own signals. Events must take at least 5 s of a minute, as
one that hardly reaches into it leaves no trace there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import HalstedError
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.chance import chance
from halsted.imaging_bridge.phantoms.heart_beats import ECG_HZ, draw_beats, electrocardiogram
from halsted.imaging_bridge.phantoms.sleep_breathing import (
    SEVERITIES,
    Breathing,
    Floats,
    breathe,
    draw_events,
    minutes,
    oxygen,
    severity_of,
)
from halsted.imaging_bridge.signals import Annotations, Recording, Signal

FLOW_HZ = 10.0
LEAST_EVENT_S = 5.0
_HOURS = (6.3, 7.8)
_LIMITS_HOURS = (0.25, 12.0)


def sleep(seed: int, hours: float | None = None) -> Patient:
    """The night of a seed.

    Args:
        seed: Not negative.
        hours: Length, cut to whole minutes; None for about seven.

    Returns:
        A patient without images, whose recording has the signals ``ECG`` (mV, 100 Hz), ``airflow``
        (1 at rest, 10 Hz) and ``SpO2`` (%, 1 Hz), and the annotations ``qrs`` (beats, ``N``) and
        ``apn`` (each minute's start, ``A`` or ``N``). The facts tell the events an hour, and the
        severity that follows from them.

    Raises:
        HalstedError: the seed is negative, or the night is not 0.25 to 12 hours long.
    """
    rng = chance(seed, "sleep")
    length = float(rng.uniform(*_HOURS)) if hours is None else hours
    if not _LIMITS_HOURS[0] <= length <= _LIMITS_HOURS[1]:
        raise HalstedError(f"a phantom's night of {length:g} hours was asked for; pass 0.25 to 12")
    count = int(length * 60.0)
    duration_s = 60.0 * count
    aim = str(rng.choice(SEVERITIES))
    events = draw_events(chance(seed, "events"), aim, duration_s)
    breathing = breathe(chance(seed, "breathing"), events, duration_s)
    beats, is_premature = draw_beats(chance(seed, "beats"), events, breathing)
    ecg = electrocardiogram(chance(seed, "ecg"), beats, is_premature, breathing, duration_s)
    ecg, heard = _with_artefacts(chance(seed, "artefacts"), ecg, beats)
    heard &= ~_overlooked(chance(seed, "overlooked"), beats, breathing)
    signals = {
        "ECG": Signal(ecg, ECG_HZ, "mV"),
        "airflow": Signal(_airflow(chance(seed, "airflow"), breathing, duration_s), FLOW_HZ, "1"),
        "SpO2": Signal(
            oxygen(chance(seed, "oxygen"), events, duration_s).astype(np.float32), 1.0, "%"
        ),
    }
    noted = {
        "qrs": Annotations(beats[heard], ("N",) * int(heard.sum())),
        "apn": Annotations(
            60.0 * np.arange(count, dtype=np.float64), minutes(events, count, LEAST_EVENT_S)
        ),
    }
    per_hour = round(len(events.start_s) * 3600.0 / duration_s, 1)
    facts = {
        "phantom": "sleep",
        "seed": str(seed),
        "severity": severity_of(per_hour),
        "events_per_hour": f"{per_hour:.1f}",
    }
    return Patient({}, kind="phantom", facts=facts, recording=Recording(signals, noted))


def _airflow(
    rng: np.random.Generator, breathing: Breathing, duration_s: float
) -> NDArray[np.float32]:
    times = np.arange(0.0, duration_s, 1.0 / FLOW_HZ)
    phase = np.interp(times, breathing.times_s, breathing.phase)
    depth = np.interp(times, breathing.times_s, breathing.flow)
    breaths = depth * (np.sin(phase) + 0.15 * np.sin(2.0 * phase))
    breaths += rng.normal(0.0, 0.03, len(times))
    return np.asarray(breaths, dtype=np.float32)


def _with_artefacts(
    rng: np.random.Generator, ecg: NDArray[np.float32], beats_s: Floats
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Movements drown the ECG now and then; the beats that are still heard."""
    ecg, heard = ecg.copy(), np.ones(len(beats_s), dtype=np.bool_)
    duration_s = len(ecg) / ECG_HZ
    for _ in range(int(rng.poisson(duration_s / 3600.0 * rng.uniform(0.3, 3.0)))):
        start = float(rng.uniform(0.0, duration_s - 30.0))
        stop = start + float(np.clip(rng.lognormal(np.log(4.0), 0.6), 1.0, 15.0))
        cut = slice(int(start * ECG_HZ), int(stop * ECG_HZ))
        ecg[cut] += rng.normal(0.0, 0.6, cut.stop - cut.start)
        heard &= (beats_s < start) | (beats_s > stop)
    return ecg, heard


def _overlooked(
    rng: np.random.Generator, beats_s: Floats, breathing: Breathing
) -> NDArray[np.bool_]:
    """Beats that a program would miss, up to one in seven: those that breathing makes low."""
    moved = np.interp(beats_s, breathing.times_s, breathing.effort * np.sin(breathing.phase))
    share = rng.uniform(0.0, 0.15) if rng.random() < 1 / 3 else 0.0
    return np.asarray(rng.random(len(beats_s)) < share * np.clip(-np.pi * moved, 0.0, 6.0))
