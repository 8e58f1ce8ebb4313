"""Signals over time: ECG, breathing and sleep recordings, and what was noted in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import ScanError


@dataclass(frozen=True, eq=False)
class Signal:
    """One channel, sampled evenly from the start of its recording.

    Attributes:
        samples: float32 (n,) in `unit`, read-only; NaN where the sensor gave no value.
        rate_hz: Samples a second.
        unit: As the file writes it, e.g. ``mV``; ``1`` where it has none.

    Raises:
        ScanError: the samples are not one row of numbers, one is infinite, or the rate is not
            positive.
    """

    samples: NDArray[np.float32]
    rate_hz: float
    unit: str = "1"

    def __post_init__(self) -> None:
        samples = np.asarray(self.samples, dtype=np.float32).view()
        if samples.ndim != 1 or not samples.size:
            raise ScanError(
                f"a signal is one row of samples, but this array's shape is {samples.shape}; pass "
                "one channel at a time"
            )
        if not (np.isfinite(self.rate_hz) and self.rate_hz > 0):
            raise ScanError(
                f"the sampling rate of this signal is {self.rate_hz:g} Hz, but it must be above "
                "0; repair the header of its file"
            )
        if np.isinf(samples).any():
            raise ScanError(
                "a sample of this signal is infinite; a sample must be a number, or NaN where the "
                "sensor gave none"
            )
        samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of samples, rate and unit."""
        digest = hashlib.sha256(json.dumps([len(self.samples), self.rate_hz, self.unit]).encode())
        digest.update(np.ascontiguousarray(self.samples).data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Annotations:
    """What a person or a program noted along a recording: beats, minutes of apnoea, sleep stages.

    Attributes:
        times_s: float64 (n,) seconds from the start of the recording, ascending; read-only.
        symbols: What was noted, one a time, e.g. WFDB's ``N`` for a normal beat.
        durations_s: float64 (n,) seconds that each lasted; NaN where the file does not say.

    Raises:
        ScanError: there are not as many times as symbols and durations, or the times do not ascend.
    """

    times_s: NDArray[np.float64]
    symbols: tuple[str, ...]
    durations_s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        times = np.asarray(self.times_s, dtype=np.float64).view()
        durations = np.asarray(self.durations_s, dtype=np.float64).view()
        if not durations.size:
            durations = np.full(len(self.symbols), np.nan)
        if not times.shape == durations.shape == (len(self.symbols),):
            raise ScanError(
                f"annotations have a symbol and a duration for each time, but there are "
                f"{len(self.symbols)} symbols, times of shape {times.shape} and durations of shape "
                f"{durations.shape}; pass as many"
            )
        if not np.isfinite(times).all() or (np.diff(times) < 0).any():
            raise ScanError(
                "the times of these annotations do not ascend; sort them, with their symbols"
            )
        times.flags.writeable = durations.flags.writeable = False
        object.__setattr__(self, "times_s", times)
        object.__setattr__(self, "durations_s", durations)

    def only(self, *symbols: str) -> Annotations:
        """Those of some symbols."""
        kept = [number for number, symbol in enumerate(self.symbols) if symbol in symbols]
        symbols_kept = tuple(self.symbols[number] for number in kept)
        return Annotations(self.times_s[kept], symbols_kept, self.durations_s[kept])

    @property
    def intervals_s(self) -> NDArray[np.float64]:
        """(n - 1,) seconds between neighbours: of beats, the RR intervals."""
        return np.diff(self.times_s)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of times and durations (rounded to a microsecond) and symbols."""
        digest = hashlib.sha256(json.dumps(self.symbols).encode())
        digest.update(np.round([self.times_s, self.durations_s], 6).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Recording:
    """Signals that were recorded together, and annotations of them.

    Dates, names and free text of the files are not here.

    Attributes:
        signals: By channel name, e.g. ``MLII``; empty where only annotations are at hand.
        annotations: By what noted them, e.g. the file ending ``atr``, ``apn`` or ``qrs``.
    """

    signals: Mapping[str, Signal] = field(default_factory=dict)
    annotations: Mapping[str, Annotations] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "signals", MappingProxyType(dict(self.signals)))
        object.__setattr__(self, "annotations", MappingProxyType(dict(self.annotations)))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of all signals and annotations with their names."""
        parts = [
            sorted((name, one.content_hash) for name, one in group.items())
            for group in (self.signals, self.annotations)
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
