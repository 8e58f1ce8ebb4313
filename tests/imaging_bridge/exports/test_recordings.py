"""A night written as WFDB is the same night to WFDB's own reader, asked for nothing special."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wfdb

from halsted.imaging_bridge.errors import OutputError
from halsted.imaging_bridge.exports.recordings import write_wfdb
from halsted.imaging_bridge.formats.recordings import read_recording
from halsted.imaging_bridge.signals import Annotations, Recording, Signal

SECONDS = 120


def night() -> Recording:
    """An ECG of 9 Hz, which a mean over a second would take away, and slower signals."""
    times = np.arange(SECONDS * 100) / 100
    flow = np.sin(2 * np.pi * 0.3 * np.arange(SECONDS * 10) / 10)
    saturation = np.linspace(98.0, 81.0, SECONDS)
    return Recording(
        {
            "ECG": Signal(np.sin(2 * np.pi * 9 * times).astype(np.float32), 100.0, "mV"),
            "airflow": Signal(flow.astype(np.float32), 10.0, "1"),
            "SpO2": Signal(saturation.astype(np.float32), 1.0, "%"),
        },
        {"apn": Annotations(np.array([0.0, 60.0]), ("N", "A"))},
    )


def test_wfdb_reads_every_signal_at_its_rate(tmp_path: Path) -> None:
    written = write_wfdb(night(), tmp_path, "n1")
    assert [one.name for one in written] == ["n1.apn", "n1.dat", "n1.hea", "n1r.dat", "n1r.hea"]
    signals = night().signals
    fast, slow = (wfdb.rdrecord(str(tmp_path / name)) for name in ("n1", "n1r"))
    assert (fast.fs, fast.sig_name, fast.units) == (100, ["ECG"], ["mV"])
    assert np.allclose(fast.p_signal[:, 0], signals["ECG"].samples, atol=1e-4)
    assert (slow.fs, slow.sig_name) == (10, ["airflow", "SpO2"])
    assert np.allclose(slow.p_signal[:, 0], signals["airflow"].samples, atol=1e-4)
    assert np.allclose(slow.p_signal[::10, 1], signals["SpO2"].samples, atol=1e-3)
    assert np.array_equal(slow.p_signal[::10, 1], slow.p_signal[9::10, 1])
    minutes = wfdb.rdann(str(tmp_path / "n1"), "apn")
    assert (minutes.sample / fast.fs).tolist() == [0.0, 60.0]
    assert minutes.symbol == ["N", "A"]


def test_samples_that_are_missing_stay_so(tmp_path: Path) -> None:
    samples = np.linspace(0.0, 1.0, 300, dtype=np.float32)
    samples[100:120] = np.nan
    write_wfdb(Recording({"ECG": Signal(samples, 100.0, "mV")}), tmp_path, "gap")
    again = read_recording(tmp_path / "gap.hea").signals["ECG"].samples
    assert np.array_equal(np.isnan(again), np.isnan(samples))


def test_slow_rates_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    signals = {f"at {rate:g}": Signal(np.zeros(50, np.float32), rate, "1") for rate in (100, 10, 4)}
    with pytest.raises(OutputError, match="10 is no multiple of 4 Hz"):
        write_wfdb(Recording(signals), tmp_path, "odd")
