"""Breathing through a night with obstructive apnoeas and hypopnoeas, and the oxygen that follows.

An apnoea is at least 10 s of next to no airflow, a hypopnoea at least 10 s of less; the index of
both counts them by the hour: below 5 none, to 15 mild, to 30 moderate, above severe (American
Academy of Sleep Medicine Task Force, Sleep 1999; 22:667-689). The other numbers are typical.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GRID_HZ = 4.0
SEVERITIES = ("none", "mild", "moderate", "severe")
_LEAST_OF_SEVERITY = (5.0, 15.0, 30.0)  # events an hour from which on it is mild and so on
_SHARE_OF_NIGHT = {"none": 0.0, "mild": 0.12, "moderate": 0.33, "severe": 0.75}
_LEAST_S = 10.0
_CLUSTER_MIN = (4.0, 45.0)


def severity_of(events_per_hour: float) -> str:
    """What the American Academy of Sleep Medicine calls so many events an hour."""
    return SEVERITIES[int(np.searchsorted(_LEAST_OF_SEVERITY, events_per_hour, side="right"))]


class Events(NamedTuple):
    """Apnoeas and hypopnoeas, ascending; (n,) each.

    Attributes:
        start_s, stop_s: Seconds from the start of the night.
        flow: Share of the airflow that is left: an apnoea's below 0.1, a hypopnoea's more.
        depth: Desaturation, points of SpO2.
        arousal: How strongly the heart answers, about 1.
    """

    start_s: Floats
    stop_s: Floats
    flow: Floats
    depth: Floats
    arousal: Floats


class Breathing(NamedTuple):
    """Breathing every quarter of a second; (n,) each.

    Attributes:
        times_s: From the start of the night.
        phase: Radians; a breath is 2 pi.
        flow: Depth of the airflow, 1 at rest.
        effort: Depth of the movement of the chest, which goes on against a closed throat.
    """

    times_s: Floats
    phase: Floats
    flow: Floats
    effort: Floats


def draw_events(rng: np.random.Generator, severity: str, duration_s: float) -> Events:
    """Clusters of events, one every 20 to 90 s, in as much of the night as the severity aims at."""
    share = _SHARE_OF_NIGHT[severity]
    at = float(rng.uniform(3.0, 20.0)) * 60.0
    apnoeas = rng.uniform(0.4, 0.95)  # the others are hypopnoeas
    events: list[tuple[float, ...]] = []
    while at < duration_s - 120.0:
        if share > 0.0:
            length = 60.0 * rng.uniform(*_CLUSTER_MIN)
            events += _cluster(rng, at, min(at + length, duration_s - 60.0), apnoeas)
            at += length
            at += length * (1.0 / share - 1.0) * rng.uniform(0.4, 1.6)
        else:
            events += _cluster(rng, at, at + 1.0, apnoeas)  # a single one
            at += 60.0 * rng.uniform(30.0, 150.0)
    return Events(*np.array(events).reshape(-1, 5).T)


def _cluster(
    rng: np.random.Generator, start_s: float, stop_s: float, apnoeas: float
) -> list[tuple[float, ...]]:
    usual, rest = rng.uniform(14.0, 38.0), rng.uniform(12.0, 32.0)
    events: list[tuple[float, ...]] = []
    at = start_s
    while at < stop_s:
        length = float(np.clip(usual * rng.lognormal(0.0, 0.22), _LEAST_S, 60.0))
        is_apnoea = rng.random() < apnoeas
        flow = rng.uniform(0.0, 0.08) if is_apnoea else rng.uniform(0.2, 0.6)
        depth = (1.0 - 0.5 * flow) * (2.0 + 0.22 * (length - _LEAST_S)) * rng.lognormal(0.2, 0.25)
        events.append((at, at + length, flow, min(depth, 25.0), rng.lognormal(0.0, 0.3)))
        at += length + float(np.clip(rest * rng.lognormal(0.0, 0.2), 8.0, 45.0))
    return events


def breathe(rng: np.random.Generator, events: Events, duration_s: float) -> Breathing:
    """Breaths of a changing rate and depth through the night."""
    times = np.arange(0.0, duration_s, 1.0 / GRID_HZ)
    rate_hz = rng.uniform(0.20, 0.30) * np.exp(0.05 * slow_noise(rng, len(times), 30.0))
    phase = 2.0 * np.pi * np.cumsum(rate_hz) / GRID_HZ
    flow = np.exp(0.12 * slow_noise(rng, len(times), 20.0))
    effort = flow.copy()
    for start, stop, left, _, arousal in zip(*events, strict=True):
        during = slice(*np.searchsorted(times, (start, stop)).tolist())
        flow[during] *= left
        growing = np.linspace(0.35, 1.1, during.stop - during.start)  # against the closed throat
        effort[during] *= np.maximum(growing, left)
        after = slice(*np.searchsorted(times, (stop, stop + 12.0)).tolist())
        deeper = 1.0 + (0.4 + 0.3 * min(arousal, 2.0)) * np.exp(-(times[after] - stop) / 6.0)
        flow[after] *= deeper
        effort[after] *= deeper
    return Breathing(times, phase, flow, effort)


def oxygen(rng: np.random.Generator, events: Events, duration_s: float) -> Floats:
    """SpO2 at a finger, percent, once a second: it falls a circulation time after each event."""
    times = np.arange(0.0, duration_s, 1.0)
    delay, base = rng.uniform(12.0, 22.0), rng.uniform(94.5, 97.5)
    lost = np.zeros(len(times))
    for start, stop, _, depth, _ in zip(*events, strict=True):
        # Falls from 5 s into the event to its end, then recovers; all seen at the finger later.
        near = slice(*np.searchsorted(times, (start + delay, stop + delay + 60.0)).tolist())
        at = times[near] - delay
        falling = np.clip((at - start - 5.0) / (stop - start - 5.0), 0.0, 1.0)
        rising = np.exp(-np.clip(at - stop, 0.0, None) / 8.0)
        lost[near] = np.maximum(lost[near], depth * falling * rising)
    measured = base - lost + 0.5 * slow_noise(rng, len(times), 200.0)
    return np.clip(np.rint(measured + rng.normal(0.0, 0.25, len(times))), 50.0, 100.0)


def minutes(events: Events, count: int, least_s: float) -> tuple[str, ...]:
    """A for each of `count` minutes of which events take at least `least_s` seconds, else N."""
    edges = 60.0 * np.arange(count + 1)
    overlap = np.zeros(count)
    for start, stop in zip(events.start_s, events.stop_s, strict=True):
        overlap += np.clip(np.minimum(stop, edges[1:]) - np.maximum(start, edges[:-1]), 0.0, None)
    return tuple(np.where(overlap >= least_s, "A", "N").tolist())


def slow_noise(rng: np.random.Generator, count: int, length: float, power: float = 1.0) -> Floats:
    """Noise of mean 0 and deviation 1 whose amplitude falls beyond periods of `length` samples."""
    padded = 1 << (count - 1).bit_length()  # a night's length may be a bad one to transform
    spectrum = np.fft.rfft(rng.standard_normal(padded))
    spectrum *= (1.0 + length * np.fft.rfftfreq(padded)) ** -power
    spectrum[0] = 0.0
    noise = np.fft.irfft(spectrum, padded)[:count]
    return np.asarray((noise - noise.mean()) / noise.std(), dtype=np.float64)
