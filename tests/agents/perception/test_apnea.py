"""From beats and ECG to minutes of apnoea."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from halsted.agents.errors import PerceptionError
from halsted.agents.perception.apnea import (
    MINUTE,
    RATE_HZ,
    UNNOTED,
    beats_of,
    by_minute_logits,
    minutes_of,
    series_of,
)
from halsted.agents.perception.architectures import build
from halsted.agents.perception.catalogue import NETWORKS
from halsted.agents.perception.checkpoint import Trained
from halsted.agents.perception.detector import NetworkDetector
from halsted.imaging_bridge.layouts import find_layout
from halsted.imaging_bridge.phantoms.sleep import sleep
from halsted.imaging_bridge.signals import Annotations, Recording, Signal


@pytest.fixture(scope="module")
def night():
    recording = sleep(11, hours=0.5).recording
    assert recording is not None
    return recording


def _beating(intervals: np.ndarray) -> Recording:
    times = np.cumsum(intervals)
    return Recording({}, {"qrs": Annotations(times, ("N",) * len(times))})


def test_the_heart_rate_is_that_of_the_beats():
    slow_and_fast = np.concatenate([np.full(600, 1.0), np.full(40, 60 / 76), np.full(600, 1.0)])
    rate = series_of(_beating(slow_and_fast))[0]
    middle = rate[int(615 * RATE_HZ)]
    assert middle == pytest.approx((76 - 60) / 8.0, abs=0.05)
    assert np.abs(rate[: int(500 * RATE_HZ)]).max() < 0.05


def test_beats_that_a_detector_missed_are_no_slow_heart():
    intervals = np.full(900, 0.8)
    intervals[400:420] = 1.6  # every other one missed
    assert np.abs(series_of(_beating(intervals))[0]).max() < 0.05


def test_beats_found_in_the_ecg_are_those_that_were_noted(night):
    noted = beats_of(night)
    found = beats_of(Recording(night.signals, {}))
    nearest = np.abs(found[:, None] - noted[None, :]).min(axis=0)
    assert (nearest < 0.1).mean() > 0.95
    assert abs(len(found) - len(noted)) < 0.05 * len(noted)


def test_breathing_shows_in_the_height_of_the_beats(night):
    heights = series_of(night)[1]
    spectrum = np.abs(np.fft.rfft(heights - heights.mean())) ** 2
    hertz = np.fft.rfftfreq(len(heights), 1 / RATE_HZ)
    breathing = (hertz > 0.12) & (hertz < 0.5)
    assert spectrum[breathing].mean() > 2 * spectrum[hertz > 0.55].mean()


def test_minutes_are_marked_as_they_were_noted(night):
    target = minutes_of(night, series_of(night).shape[1])
    noted = night.annotations["apn"].symbols
    assert ["A" if one else "N" for one in target[::MINUTE]][: len(noted)] == list(noted)


def test_a_minutes_logits_are_the_mean_of_its_samples():
    logits = torch.arange(2 * 300, dtype=torch.float32).reshape(2, 300)
    assert by_minute_logits(logits).tolist() == [[59.5, 179.5], [359.5, 479.5]]


def test_a_detector_notes_every_minute(night):
    torch.manual_seed(0)
    network = NETWORKS["apnea"]
    detector = NetworkDetector(Trained(network, [build(network).state_dict()]))
    found = detector.detect(night, None)
    assert found.notes.times_s.tolist() == [60.0 * minute for minute in range(30)]
    assert [one == "A" for one in found.notes.symbols] == (found.probability > 0.5).tolist()
    seen_again = detector.detect(Recording({}, {"qrs": night.annotations["qrs"]}), None)
    assert len(seen_again.notes.symbols) in (29, 30)  # beats alone are enough


def test_what_holds_no_heart_is_refused():
    flat = Recording({"flow": Signal(np.zeros(1000, np.float32), 10.0)}, {})
    with pytest.raises(PerceptionError, match="an ECG or noted beats are needed"):
        series_of(flat)
    with pytest.raises(PerceptionError, match="plausible beat intervals"):
        series_of(_beating(np.full(200, 5.0)))
    with pytest.raises(PerceptionError, match="in a minute or more"):
        series_of(_beating(np.full(80, 0.4)))
    with pytest.raises(PerceptionError, match="0 beats"):
        series_of(Recording({"ECG": Signal(np.zeros(60_000, np.float32), 100.0)}, {}))
    with pytest.raises(PerceptionError, match="no notes of apnoea"):
        minutes_of(_beating(np.full(200, 1.0)), 400)


def test_the_real_night_is_read(data_folder):
    (source,) = find_layout(data_folder / "ecg_apnea").sources(data_folder / "ecg_apnea")
    recording = source.load().recording
    assert recording is not None
    series = series_of(recording)
    assert series.shape[1] == 528 * MINUTE
    assert int(minutes_of(recording, series.shape[1])[::MINUTE].sum()) == 420
    assert not series[1].any()  # there are beat times only


def test_minutes_that_were_not_noted_are_neither():
    notes = Annotations(np.array([0.0, 60.0]), ("N", "A"))
    recording = Recording({}, {**_beating(np.full(240, 1.0)).annotations, "apn": notes})
    target = minutes_of(recording, 4 * MINUTE)[::MINUTE]
    assert target.tolist() == [0, 1, UNNOTED, UNNOTED]
