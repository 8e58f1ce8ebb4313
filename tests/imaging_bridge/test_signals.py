"""Signals and annotations: read-only, checked, and known by their content."""

import numpy as np
import pytest

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.signals import Annotations, Recording, Signal


def test_a_signal_is_read_only_and_lasts_as_long_as_it_has_samples():
    signal = Signal(np.arange(500, dtype=np.float32), 250.0, "mV")
    assert signal.samples.dtype == np.float32
    assert signal.duration_s == 2.0
    with pytest.raises(ValueError, match="read-only"):
        signal.samples[0] = 1.0


@pytest.mark.parametrize(
    ("samples", "rate"),
    [([[1.0]], 1.0), ([], 1.0), ([1.0], 0.0), ([1.0], np.nan), ([1.0, np.inf], 1.0)],
)
def test_what_is_no_signal_is_refused(samples, rate):
    with pytest.raises(ScanError):
        Signal(np.array(samples), rate)


def test_a_gap_of_the_sensor_is_kept_as_one():
    assert np.isnan(Signal(np.array([1.0, np.nan]), 1.0).samples[1])


def test_annotations_have_a_symbol_a_time_and_ascend():
    beats = Annotations(np.array([0.5, 1.25, 2.0]), ("N", "V", "N"))
    np.testing.assert_allclose(beats.intervals_s, [0.75, 0.75])
    assert beats.only("N").times_s.tolist() == [0.5, 2.0]
    with pytest.raises(ScanError, match="ascend"):
        Annotations(np.array([2.0, 1.0]), ("N", "N"))
    with pytest.raises(ScanError, match="as many"):
        Annotations(np.array([2.0]), ("N", "N"))


def test_content_tells_recordings_apart():
    def made(value=1.0, rate=250.0, unit="mV", symbol="N", name="II"):
        signal = Signal(np.array([0.0, value]), rate, unit)
        return Recording({name: signal}, {"atr": Annotations(np.array([0.1]), (symbol,))})

    first = made().content_hash
    assert made().content_hash == first
    others = [made(2.0), made(rate=100.0), made(unit="uV"), made(symbol="V"), made(name="V1")]
    assert len({first, *(one.content_hash for one in others)}) == 6
