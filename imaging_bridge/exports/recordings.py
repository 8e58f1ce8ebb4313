"""Recordings as WFDB records: header, signals, and a file of annotations each."""

from __future__ import annotations

from collections.abc import Mapping
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
_USUAL_HZ = 100.0


def write_wfdb(recording: Recording, folder: Path, name: str) -> list[Path]:
    """Write the record ``NAME`` and, for signals of lower rates, ``NAMEr`` beside it.

    As in Apnea-ECG: the signals of the highest rate are in ``NAME``, with a file for each kind of
    annotation; slower ones, such as respiration, are in ``NAMEr``, where each sample of the slowest
    stands as often as the rate of the others asks for. So each record has one rate, because
    readers of records with several average all signals down to the lowest. Samples are stored in
    16 bits over the range of their signal. Headers tell no date.

    Raises:
        OutputError: the rates do not fit together, or a file cannot be written.
        HalstedError: the package wfdb is not installed.
    """
    with extra("formats"):
        import wfdb

    make_folder(folder)
    tick_hz = _highest(recording.signals)
    fast = {key: one for key, one in recording.signals.items() if one.rate_hz == tick_hz}
    slow = {key: one for key, one in recording.signals.items() if key not in fast}
    try:
        for signals, record in ((fast, name), (slow, f"{name}r")):
            if signals:
                _record(wfdb, signals, record).wrsamp(write_dir=str(folder))
        for ending, noted in recording.annotations.items():
            _write_annotations(wfdb, noted, name, ending, tick_hz, folder)
    except OSError as error:
        raise OutputError(
            f"cannot write the record {name} to {folder} ({error.strerror}); make room there or "
            "choose another output folder"
        ) from error
    return sorted([*folder.glob(f"{name}.*"), *folder.glob(f"{name}r.*")])


def _highest(signals: Mapping[str, Signal]) -> float:
    return max((one.rate_hz for one in signals.values()), default=_USUAL_HZ)


def _record(wfdb: Any, signals: Mapping[str, Signal], name: str) -> Any:
    rate_hz = _highest(signals)
    held = [np.repeat(one.samples, _times(one, rate_hz)) for one in signals.values()]
    length = min(len(one) for one in held)
    scales = [_scale(one) for one in held]
    digital = [
        _digital(one[:length], gain, baseline)
        for one, (gain, baseline) in zip(held, scales, strict=True)
    ]
    record = wfdb.Record(
        record_name=name,
        n_sig=len(signals),
        fs=rate_hz,
        sig_len=length,
        d_signal=np.stack(digital, axis=1),
        fmt=["16"] * len(signals),
        adc_gain=[gain for gain, _ in scales],
        baseline=[baseline for _, baseline in scales],
        units=[one.unit for one in signals.values()],
        sig_name=list(signals),
        file_name=[f"{name}.dat"] * len(signals),
        adc_res=[16] * len(signals),
        adc_zero=[0] * len(signals),
        block_size=[0] * len(signals),
    )
    record.init_value = [int(one[0]) for one in digital]
    record.checksum = [int(one.sum()) % 65536 for one in digital]
    return record


def _times(signal: Signal, rate_hz: float) -> int:
    """How often each sample stands in a record of this rate."""
    many = rate_hz / signal.rate_hz
    if abs(many - round(many)) > 1e-6:
        raise OutputError(
            f"the slower signals of a WFDB record are brought to one rate by repeating samples, "
            f"but {rate_hz:g} is no multiple of {signal.rate_hz:g} Hz; resample the signals first"
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
