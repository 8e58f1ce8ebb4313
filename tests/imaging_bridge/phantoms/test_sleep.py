"""A phantom's night agrees with itself: breath, oxygen, heart and the minutes' labels."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from halsted.imaging_bridge.errors import HalstedError
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.heart_beats import draw_beats
from halsted.imaging_bridge.phantoms.sleep import sleep
from halsted.imaging_bridge.phantoms.sleep_breathing import (
    Events,
    breathe,
    draw_events,
    minutes,
    oxygen,
    severity_of,
)
from halsted.imaging_bridge.signals import Recording

SEEDS = range(8)


def recording_of(patient: Patient) -> Recording:
    assert patient.recording is not None
    return patient.recording


@cache
def night(seed: int) -> Patient:
    return sleep(seed, hours=3.0)


def envelope(flow: np.ndarray, seconds: float = 6.0) -> np.ndarray:
    """Depth of the breaths around each sample of 10 Hz: the root mean square, 1 at rest."""
    kernel = np.ones(int(seconds * 10)) / int(seconds * 10)
    return np.sqrt(2.0 * np.convolve(flow.astype(float) ** 2, kernel, "same"))


def test_a_seed_gives_the_same_night_again_and_another_seed_another():
    assert sleep(1, hours=3.0).content_hash == night(1).content_hash
    assert night(2).content_hash != night(1).content_hash


@pytest.mark.parametrize("hours", [0.1, 13.0, float("nan")])
def test_a_night_of_odd_length_is_refused(hours: float):
    with pytest.raises(HalstedError, match=r"pass 0\.25 to 12"):
        sleep(0, hours=hours)


def test_a_whole_night_lasts_about_seven_hours():
    recording = recording_of(sleep(5))
    hours = recording.signals["ECG"].duration_s / 3600.0
    assert 6.0 < hours < 8.0
    assert len(recording.annotations["apn"].symbols) == pytest.approx(60.0 * hours)


def test_beats_come_at_rates_of_sleep():
    for seed in SEEDS:
        intervals = recording_of(night(seed)).annotations["qrs"].intervals_s
        assert 0.6 < np.median(intervals) < 1.25
        assert intervals.min() > 0.22
        assert np.mean((intervals > 0.4) & (intervals < 2.0)) > 0.9


def test_the_ecg_peaks_where_beats_are_noted():
    for seed in SEEDS:
        recording = recording_of(night(seed))
        ecg, noted = recording.signals["ECG"].samples, recording.annotations["qrs"].times_s
        steep = np.convolve(np.abs(np.diff(ecg)), np.ones(8), "same")
        peaks = _peaks(steep, 0.35 * np.quantile(steep, 0.99), apart=25) / 100.0
        nearest = np.abs(peaks[np.clip(np.searchsorted(peaks, noted), 1, len(peaks) - 1)] - noted)
        before = np.abs(peaks[np.clip(np.searchsorted(peaks, noted) - 1, 0, None)] - noted)
        assert np.mean(np.minimum(nearest, before) < 0.08) > 0.97


def _peaks(values: np.ndarray, above: float, apart: int) -> np.ndarray:
    """Samples where `values` is highest within `apart` samples either way, and above a level."""
    padded = np.pad(values, apart, constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * apart + 1)
    candidates = np.flatnonzero(values > above)
    return np.asarray(candidates[values[candidates] >= windows[candidates].max(axis=1)])


def test_events_come_in_cycles_of_20_to_90_seconds_that_last_at_least_10():
    for seed in range(12):
        events = draw_events(np.random.default_rng(seed), "severe", 4 * 3600.0)
        assert (events.stop_s - events.start_s >= 10.0).all()
        cycles = np.diff(events.start_s)
        within = cycles[cycles < 105.0]  # others lie between clusters
        assert (within >= 18.0).all() and len(within) > 50
        assert np.mean((within >= 20.0) & (within <= 90.0)) > 0.95


def test_the_facts_name_the_severity_of_the_index_that_they_give():
    # American Academy of Sleep Medicine, Sleep 1999;22:667-689
    for index, severity in ((4.9, "none"), (5.0, "mild"), (15.0, "moderate"), (30.0, "severe")):
        assert severity_of(index) == severity
    nights = [*(night(seed) for seed in SEEDS), sleep(92)]
    for facts in (one.facts for one in nights):
        index = float(facts["events_per_hour"])
        expected = "none" if index < 5 else "mild" if index < 15 else "moderate"
        assert facts["severity"] == ("severe" if index >= 30 else expected)
    assert len({one.facts["severity"] for one in nights}) == 4


def test_severities_are_aimed_at():
    limits = {"none": (0, 5), "mild": (3, 25), "moderate": (10, 45), "severe": (30, 120)}
    for severity, (least, most) in limits.items():
        found = [
            len(draw_events(np.random.default_rng(seed), severity, 25200.0).start_s) / 7.0
            for seed in range(20)
        ]
        assert least <= np.mean(found) <= most
        assert max(found) < 5.0 or severity != "none"


def test_minutes_are_labelled_by_the_seconds_of_events_in_them():
    start, stop = np.array([56.0, 175.5]), np.array([70.0, 190.0])
    events = Events(start, stop, np.zeros(2), np.full(2, 4.0), np.ones(2))
    # 4 s, 10 s, 4.5 s and 10 s of the first four minutes
    assert minutes(events, 5, 5.0) == ("N", "A", "N", "A", "N")


def test_labels_agree_with_the_airflow():
    for seed in SEEDS:
        recording = recording_of(night(seed))
        flow = recording.signals["airflow"]
        shallow = envelope(flow.samples) < 0.62 * np.median(envelope(flow.samples))
        seconds = shallow.reshape(-1, 600).sum(axis=1) / 10.0
        labels = np.array(recording.annotations["apn"].symbols)
        assert (seconds[labels == "N"] < 13.0).all()
        if (labels == "A").any():
            assert np.mean(seconds[labels == "A"] > 2.0) > 0.9


def test_oxygen_falls_after_each_event_and_not_without():
    start = np.array([300.0, 600.0])
    events = Events(start, start + 30.0, np.zeros(2), np.full(2, 8.0), np.ones(2))
    for seed in range(6):
        spo2 = oxygen(np.random.default_rng(seed), events, 1200.0)
        for stop in events.stop_s.astype(int):
            lowest = stop + int(np.argmin(spo2[stop : stop + 60]))
            assert 8 <= lowest - stop <= 30  # the way from the lungs to the finger
            assert spo2[lowest] < spo2[stop - 30] - 4.0
        assert spo2[:290].min() > 91.0 and spo2.max() <= 100.0


def test_the_heart_slows_during_an_apnoea_and_races_after_it():
    start = np.arange(120.0, 3000.0, 60.0)
    events = Events(start, start + 30.0, np.zeros(48), np.full(48, 5.0), np.ones(48))
    rng = np.random.default_rng(0)
    beats, _ = draw_beats(rng, events, breathe(rng, events, 3120.0))
    middle, rr = (beats[1:] + beats[:-1]) / 2.0, np.diff(beats)
    late = np.mean([rr[(middle > s + 22) & (middle < s + 30)].mean() for s in start])
    after = np.mean([rr[(middle > s + 33) & (middle < s + 41)].mean() for s in start])
    assert late > after + 0.05


def test_the_mean_heart_rate_does_not_tell_the_minutes_of_apnoea():
    means: dict[str, list[float]] = {"A": [], "N": []}
    for seed in SEEDS:
        notes = recording_of(night(seed)).annotations
        beats = notes["qrs"].times_s
        for minute, symbol in enumerate(notes["apn"].symbols):
            inside = beats[(beats >= 60 * minute) & (beats < 60 * minute + 60)]
            if len(inside) > 20:
                means[symbol].append(float(np.median(np.diff(inside))))
    slower = np.subtract.outer(np.array(means["A"]), np.array(means["N"])) > 0
    assert 0.25 < slower.mean() < 0.75  # 0 or 1 would part them
