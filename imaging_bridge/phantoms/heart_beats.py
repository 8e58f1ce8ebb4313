"""When the heart beats in sleep, and the electrocardiogram of it.

The rhythm adds up respiratory sinus arrhythmia, waves of about 0.1 Hz, 1/f noise, arousals, and the
cyclical variation of heart rate that comes with apnoea: it slows during one and races after it
(Guilleminault C, Connolly S, Winkle R, Melvin K, Tilkian A. Cyclical variation of the heart rate in
sleep apnoea syndrome. Lancet 1984; 1:126-131). A wave of the electrocardiogram is a Gaussian in the
phase of the beat, with the angles, heights and widths of McSharry PE, Clifford GD, Tarassenko L,
Smith LA. A dynamical model for generating synthetic electrocardiogram signals. IEEE Trans Biomed
Eng 2003; 50:289-294; the angle of the P wave is that of the authors' later program ECGSYN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.phantoms.sleep_breathing import (
    GRID_HZ,
    Breathing,
    Events,
    Floats,
    slow_noise,
)

ECG_HZ = 100.0
RR_LIMITS_S = (0.40, 1.90)

# P, Q, R, S and T: angle in degrees, a and b of McSharry et al. 2003, table I; but P is at -60
# degrees there, and at -70 in ECGSYN.
_WAVES = np.array(
    [(-70, 1.2, 0.25), (-15, -5.0, 0.1), (0, 30.0, 0.1), (15, -7.5, 0.1), (90, 0.75, 0.4)]
)
_PREMATURE = np.array([(-8, 9.0, 0.3), (14, -12.0, 0.35), (75, -1.6, 0.4)])  # broad, no P wave
_R_HEIGHT = 30.0 * 0.1**2


def draw_beats(
    rng: np.random.Generator, events: Events, breathing: Breathing
) -> tuple[Floats, NDArray[np.bool_]]:
    """Times (n,) of the R waves, s, and which of them are premature."""
    rr = _interval(rng, events, breathing)
    phase = np.cumsum(1.0 / (rr * GRID_HZ))
    count = int(phase[-1])
    times = np.interp(np.arange(1, count), phase, breathing.times_s)
    times = times + rng.normal(0.0, 0.003, len(times))
    often = rng.choice((0.0, 0.001, 0.01))
    is_premature = np.zeros(len(times), dtype=np.bool_)
    is_premature[1:-1] = rng.random(len(times) - 2) < often
    is_premature[1:] &= ~is_premature[:-1]
    before = np.diff(times, prepend=0.0)
    times = np.where(is_premature, times - 0.35 * before, times)
    return times, is_premature


def _interval(rng: np.random.Generator, events: Events, breathing: Breathing) -> Floats:
    """The RR interval that goes with each moment of the breathing's grid, s."""
    times = breathing.times_s
    base, variable = rng.uniform(0.72, 1.08), rng.lognormal(0.25, 0.45)
    inspired = 1.0 - 0.7 * np.clip(1.0 - breathing.flow, 0.0, 1.0)
    rr = base + variable * rng.uniform(0.010, 0.035) * inspired * np.sin(breathing.phase)
    waves = np.sin(
        2.0 * np.pi * np.cumsum(0.095 * np.exp(0.12 * slow_noise(rng, len(times), 100))) / GRID_HZ
    )
    rr += variable * 0.014 * (1.0 + 0.5 * slow_noise(rng, len(times), 400)) * waves
    rr += variable * 0.022 * slow_noise(rng, len(times), len(times) / 8, 0.6)
    rr += rng.uniform(0.03, 0.08) * slow_noise(rng, len(times), 1200.0 * GRID_HZ, 2.0)
    strength = rng.lognormal(np.log(0.11), 0.5)
    for start, stop, flow, _, arousal in zip(*events, strict=True):
        _answer(rr, times, start, stop, strength * arousal * (1.0 - 0.5 * flow))
    for at in _arousals(rng, times[-1]).tolist():
        _answer(rr, times, at - 1.0, at, strength * rng.uniform(0.3, 1.4))
    return np.clip(rr, *RR_LIMITS_S)


def _answer(rr: Floats, times: Floats, start: float, stop: float, size: float) -> None:
    """Slow the heart evenly from `start` to `stop`, race it for some 10 s, then let it settle."""
    first, last, end = np.searchsorted(times, (start, stop, stop + 40.0)).tolist()
    share = min((stop - start) / 20.0, 1.3)
    rr[first:last] += size * share * np.linspace(-0.2, 1.0, last - first)
    after = times[last:end] - stop
    slowed = size * share * np.exp(-after / 1.5)
    raced = 1.1 * size * (after / 4.0) * np.exp(1.0 - after / 4.0)
    rr[last:end] += slowed - raced


def _arousals(rng: np.random.Generator, duration_s: float) -> Floats:
    """Times of arousals that have nothing to do with breathing, s; 4 to 20 an hour."""
    count = rng.poisson(duration_s / 3600.0 * rng.uniform(4.0, 20.0))
    return np.sort(rng.uniform(30.0, duration_s - 60.0, count))


def electrocardiogram(
    rng: np.random.Generator,
    beats_s: Floats,
    is_premature: NDArray[np.bool_],
    breathing: Breathing,
    duration_s: float,
) -> NDArray[np.float32]:
    """The ECG, mV at 100 Hz: its height follows the chest's movement, its baseline wanders."""
    count = int(duration_s * ECG_HZ)
    height = rng.uniform(0.7, 1.6) * (-1.0 if rng.random() < 0.1 else 1.0)
    moved = breathing.effort * np.sin(breathing.phase)
    moved_at_beat = np.interp(beats_s, breathing.times_s, moved)
    heights = height * (1.0 + rng.uniform(0.04, 0.14) * moved_at_beat)
    shape = _WAVES * np.array((1.0, 1.0, 1.0)) * (1.0 + rng.normal(0.0, 0.1, (5, 3)))
    ecg = np.zeros(count)
    _add_waves(ecg, beats_s, heights, shape, ~is_premature)
    _add_waves(ecg, beats_s, heights, _PREMATURE, is_premature)
    times = np.arange(count) / ECG_HZ
    ecg += rng.uniform(0.02, 0.10) * np.interp(times, breathing.times_s, moved)
    coarse = rng.uniform(0.03, 0.12) * slow_noise(rng, len(breathing.times_s), 20.0, 1.5)
    ecg += np.interp(times, breathing.times_s, coarse)
    return (ecg + rng.uniform(0.01, 0.05) * rng.standard_normal(count)).astype(np.float32)


def _add_waves(
    ecg: Floats, beats_s: Floats, heights: Floats, shape: Floats, which: NDArray[np.bool_]
) -> None:
    """Add the Gaussian waves of some beats; angles become time by the square root of RR."""
    intervals = np.diff(beats_s, append=beats_s[-1] + 0.9)
    second = np.sqrt(np.clip(intervals, *RR_LIMITS_S))[which] / (2.0 * np.pi)
    for degrees, a, b in shape.tolist():
        middle = beats_s[which] + np.radians(degrees) * second
        half = int(np.ceil(3.5 * b * float(second.max(initial=0.15)) * ECG_HZ))
        index = np.rint(middle * ECG_HZ).astype(int)[:, np.newaxis] + np.arange(-half, half + 1)
        off = (index / ECG_HZ - middle[:, np.newaxis]) / (b * second[:, np.newaxis])
        value = (a * b * b / _R_HEIGHT) * heights[which][:, np.newaxis] * np.exp(-0.5 * off * off)
        inside = (index >= 0) & (index < len(ecg))
        ecg += np.bincount(index[inside], value[inside], len(ecg))
