"""Apnoea minute by minute from beats: heart rate, and breathing where the ECG tells of it.

Heart rate falls while breath stops and leaps when it returns, once in 20 to 60 s (cyclic variation
of heart rate, Guilleminault et al. 1984, doi:10.1016/S0140-6736(84)90062-X); the height of the R
wave follows the chest's movement (ECG-derived respiration, Moody et al. 1985).
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import avg_pool1d, cross_entropy

from halsted.agents.errors import PerceptionError
from halsted.imaging_bridge.signals import Recording

RATE_HZ = 2.0
"""Of the series that a network sees: enough for breathing at up to 60 a minute."""
MINUTE = int(60 * RATE_HZ)
BEATS = "qrs"
MINUTES = "apn"

_LOCAL_S = 300.0
_SHORTEST_RR_S, _LONGEST_RR_S = 0.3, 2.0
_USUAL_BEATS = 121
_PLAUSIBLE_CHANGE = 0.45
_SPREAD_BPM = 8.0
_LEAST_BEATS = 30
_BEAT_SYMBOLS = frozenset("NLRBAaJSVrFejnE/fQ?")
"""PhysioNet's annotation codes of beats (archive.physionet.org/physiobank/annotations.shtml)."""
_LEADS = re.compile(r"ECG.*|ML?I{1,3}|I{1,3}|V\d|aV[RLF]", re.IGNORECASE)
UNNOTED = 255
"""Target of samples of which nothing was noted."""


def series_of(recording: Recording) -> NDArray[np.float32]:
    """(2, n) at `RATE_HZ`: heart rate, and height of the R waves, each less its local median.

    Heart rate in units of 8 beats a minute. Heights are in units of their spread, and zero where
    the recording has no ECG.

    Raises:
        PerceptionError: the recording has neither beats nor an ECG to find them in.
    """
    beats = beats_of(recording)
    if len(beats) < _LEAST_BEATS or _duration_s(recording, beats) < 60.0:
        raise PerceptionError(
            f"this recording has {len(beats)} beats in {_duration_s(recording, beats):.0f} s, but "
            f"{_LEAST_BEATS} in a minute or more are needed; check that its ECG is one"
        )
    intervals = np.diff(beats)
    good = (intervals > _SHORTEST_RR_S) & (intervals < _LONGEST_RR_S)
    # Detectors miss every other beat for a while where the wave is low: that is no slow heart.
    usual = _running_median(intervals, _USUAL_BEATS)
    good &= np.abs(np.log(np.maximum(intervals, 0.01) / usual)) < _PLAUSIBLE_CHANGE
    if np.count_nonzero(good) < _LEAST_BEATS - 1:
        raise PerceptionError(
            f"this recording has {np.count_nonzero(good)} plausible beat intervals, but "
            f"{_LEAST_BEATS - 1} are needed; check that its ECG is one"
        )
    length = int(_duration_s(recording, beats) * RATE_HZ)
    times = np.arange(length) / RATE_HZ
    rate = np.interp(times, beats[1:][good], 60.0 / intervals[good])
    rate = (rate - _running_median(rate, int(_LOCAL_S * RATE_HZ))) / _SPREAD_BPM
    heights = _heights(recording, beats, times)
    return np.clip(np.stack([rate, heights]), -4.0, 4.0).astype(np.float32)


def beats_of(recording: Recording) -> NDArray[np.float64]:
    """(n,) times of beats, s: those noted with the recording, else found in its ECG.

    Raises:
        PerceptionError: there are neither.
    """
    for name in (BEATS, "atr"):
        if name in recording.annotations:
            noted = recording.annotations[name]
            return np.array(
                [t for t, s in zip(noted.times_s, noted.symbols, strict=True)
                 if s in _BEAT_SYMBOLS]
            )  # fmt: skip
    channel = _lead(recording)
    if channel is None:
        raise PerceptionError(
            f"this recording has the channels {', '.join(recording.signals) or 'none'} and no beat "
            "times, but an ECG or noted beats are needed; pass a recording with either"
        )
    from wfdb.processing import gqrs_detect

    signal = recording.signals[channel]
    found: Any = gqrs_detect(np.nan_to_num(signal.samples.astype(np.float64)), fs=signal.rate_hz)
    return np.asarray(found, np.float64) / signal.rate_hz


def minutes_of(recording: Recording, length: int) -> NDArray[np.uint8]:
    """(length,) 1 in minutes of apnoea, 0 in others, `UNNOTED` where the recording does not say.

    Raises:
        PerceptionError: nothing was noted.
    """
    if MINUTES not in recording.annotations or not recording.annotations[MINUTES].symbols:
        raise PerceptionError(
            f"this recording has no notes of apnoea by the minute ({MINUTES}); give one that has"
        )
    noted = recording.annotations[MINUTES]
    target = np.full(length, UNNOTED, np.uint8)
    for time, symbol in zip(noted.times_s, noted.symbols, strict=True):
        start = round(time * RATE_HZ)
        target[start : start + MINUTE] = symbol == "A"
    return target


def minute_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross entropy of minutes, whose logits are the means of their samples'.

    Args:
        logits: (batch, 2, n), whole minutes.
        targets: (batch, 1, n).
    """
    return cross_entropy(
        avg_pool1d(logits, MINUTE), targets[:, 0, ::MINUTE].long(), ignore_index=UNNOTED
    )


def by_minute_logits(logits: torch.Tensor) -> torch.Tensor:
    """(2, minute) logits of (2, n), every whole minute."""
    return avg_pool1d(logits[None], MINUTE)[0]


def _lead(recording: Recording) -> str | None:
    """The first channel that is named as a lead of an ECG."""
    return next((name for name in recording.signals if _LEADS.fullmatch(name)), None)


def _duration_s(recording: Recording, beats: NDArray[np.float64]) -> float:
    lengths = [one.duration_s for one in recording.signals.values()]
    if MINUTES in recording.annotations and recording.annotations[MINUTES].symbols:
        lengths.append(float(recording.annotations[MINUTES].times_s[-1]) + 60.0)
    return max(lengths or beats[-1:].tolist(), default=0.0)


def _heights(
    recording: Recording, beats: NDArray[np.float64], times: NDArray[np.float64]
) -> NDArray[np.float64]:
    channel = _lead(recording)
    if channel is None:
        return np.zeros(len(times))
    signal = recording.signals[channel]
    samples = np.nan_to_num(signal.samples.astype(np.float64))
    reach = max(1, int(0.05 * signal.rate_hz))
    places = np.clip(np.rint(beats * signal.rate_hz).astype(int), reach, len(samples) - reach - 1)
    around = samples[places[:, None] + np.arange(-reach, reach + 1)]
    heights = np.interp(times, beats, around.max(axis=1) - around.min(axis=1))
    heights -= _running_median(heights, int(60 * RATE_HZ))
    spread = float(np.percentile(np.abs(heights), 75)) * 1.5
    return np.asarray(heights / spread if spread > 0 else heights)


def _running_median(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Median over a sliding window; of long ones over every tenth value, and interpolated."""
    from scipy.ndimage import median_filter

    every = max(1, width // 60)
    coarse = median_filter(values[::every], size=max(3, width // every), mode="nearest")
    places = np.arange(len(values))
    return np.asarray(np.interp(places, places[::every], coarse), np.float64)
