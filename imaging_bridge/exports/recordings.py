"""Recordings as WFDB records: header, signals, and a file of annotations each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import OutputError
from halsted.imaging_bridge.files import make_folder
from halsted.imaging_bridge.formats.extras import extra
from halsted.imaging_bridge.signals import Annotations, Recording, Signal

_FULL_SCALE = 32000  # of the 16 bits; the lowest number means that there is no sample
_MISSING = -32768


def write_wfdb(recording: Recording, folder: Path, name: str) -> list[Path]:
    """Write ``NAME.hea``, ``NAME.dat`` and a file for each kind of annotation.

    Samples are stored in 16 bits over the range of their signal. All signals' rates must be
    multiples of the slowest one's. The header tells no date.

    Raises:
        OutputError: the rates do not fit together, or a file cannot be written.
        HalstedError: the package wfdb is not installed.
    """
    with extra("formats"):
        import wfdb

    make_folder(folder)
    frame_hz = min((one.rate_hz for one in recording.signals.values()), default=100.0)
    tick_hz = max((one.rate_hz for one in recording.signals.values()), default=100.0)
    try:
        if recording.signals:
            _record(wfdb, recording, name, frame_hz).wrsamp(write_dir=str(folder), expanded=True)
        for ending, noted in recording.annotations.items():
            _write_annotations(wfdb, noted, name, ending, tick_hz, folder)
    except OSError as error:
        raise OutputError(
            f"cannot write the record {name} to {folder} ({error.strerror}); make room there or "
            "choose another output folder"
        ) from error
    return sorted(folder.glob(f"{name}.*"))


def _record(wfdb: Any, recording: Recording, name: str, frame_hz: float) -> Any:
    signals = list(recording.signals.values())
    per_frame = [_samples_per_frame(one, frame_hz) for one in signals]
    frames = min(len(one.samples) // many for one, many in zip(signals, per_frame, strict=True))
    scales = [_scale(one.samples) for one in signals]
    digital = [
        _digital(one.samples[: frames * many], gain, baseline)
        for one, many, (gain, baseline) in zip(signals, per_frame, scales, strict=True)
    ]
    record = wfdb.Record(
        record_name=name,
        n_sig=len(signals),
        fs=frame_hz,
        sig_len=frames,
        e_d_signal=digital,
        samps_per_frame=per_frame,
        fmt=["16"] * len(signals),
        adc_gain=[gain for gain, _ in scales],
        baseline=[baseline for _, baseline in scales],
        units=[one.unit for one in signals],
        sig_name=list(recording.signals),
        file_name=[f"{name}.dat"] * len(signals),
        adc_res=[16] * len(signals),
        adc_zero=[0] * len(signals),
        block_size=[0] * len(signals),
    )
    record.init_value = [int(one[0]) for one in digital]
    record.checksum = [int(one.astype(np.int64).sum()) % 65536 for one in digital]
    return record


def _samples_per_frame(signal: Signal, frame_hz: float) -> int:
    many = signal.rate_hz / frame_hz
    if abs(many - round(many)) > 1e-6:
        raise OutputError(
            f"a WFDB record's rates are multiples of one another, but these are {frame_hz:g} and "
            f"{signal.rate_hz:g} Hz; resample the signals first"
        )
    return round(many)


def _scale(samples: NDArray[np.float32]) -> tuple[float, int]:
    """Steps a unit, and the step of zero, so that the range fills 16 bits."""
    low, high = float(np.nanmin(samples)), float(np.nanmax(samples))
    # Four digits are what the header is sure to keep.
    gain = float(f"{2 * _FULL_SCALE / max(high - low, 1e-3) * 0.99:.3e}")
    return gain, -round(gain * (low + high) / 2)


def _digital(samples: NDArray[np.float32], gain: float, baseline: int) -> NDArray[np.int64]:
    steps = np.rint(samples.astype(np.float64) * gain + baseline)
    return np.where(np.isnan(steps), _MISSING, steps).astype(np.int64)


def _write_annotations(
    wfdb: Any, noted: Annotations, name: str, ending: str, tick_hz: float, folder: Path
) -> None:
    ticks = np.rint(noted.times_s * tick_hz).astype(np.int64)
    wfdb.wrann(name, ending, ticks, symbol=list(noted.symbols), fs=tick_hz, write_dir=str(folder))
