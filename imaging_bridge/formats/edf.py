"""EDF and EDF+ files of sleep laboratories (Kemp et al. 2003, doi:10.1016/S1388-2457(03)00123-8).

The header is checked here before any sample is read: it is fixed columns of ASCII text, see
https://www.edfplus.info/specs/edf.html.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.channel_names import channel_names
from halsted.imaging_bridge.formats.extras import extra
from halsted.imaging_bridge.signals import Annotations, Recording, Signal

_FIXED_BYTES = 256  # as many again for each signal
_MOST_SIGNALS = 1024
_ANNOTATION_LABEL = "EDF Annotations"

# Texts that EDF+ lists (https://www.edfplus.info/specs/edftexts.html). A technician's own words may
# name the patient, so that no other text leaves the file.
_STANDARD_TEXTS = frozenset(
    [
        *(f"Sleep stage {stage}" for stage in "W 1 2 3 4 R M N N1 N2 N3 ?".split()),
        *("Apnea", "Obstructive apnea", "Central apnea", "Mixed apnea"),
        *("Hypopnea", "Obstructive hypopnea", "Central hypopnea", "Hypoventilation"),
        *("Periodic breathing", "CS breathing", "RERA", "Limb movement", "PLMS"),
        *("EEG arousal", "Arousal", "Sinus Tachycardia", "WC tachycardia", "NC tachycardia"),
        *("Bradycardia", "Asystole", "Atrial fibrillation", "Bruxism", "RBD", "RMD"),
        *("Lights off", "Lights on", "Movement time"),
    ]
)
OTHER_TEXT = "note"
"""What stands for an annotation in words that EDF+ does not list."""


@dataclass(frozen=True)
class _Layout:
    """What the header says about sizes."""

    records: int
    record_s: float
    samples: tuple[int, ...]
    labels: tuple[str, ...]
    person: str
    is_continuous: bool

    @property
    def file_bytes(self) -> int:
        header = _FIXED_BYTES * (1 + len(self.samples))
        return header + 2 * max(self.records, 0) * sum(self.samples)


def read_edf(path: Path, budget_bytes: int) -> Recording:
    """Read all signals in their physical units, and the annotations.

    A label that holds a word of the patient's identification is replaced; see `channel_names`. An
    annotation is kept as its text where EDF+ lists that text, else as `OTHER_TEXT`.

    Raises:
        ScanError: the file is no EDF, truncated, interrupted (EDF+D) or too large.
    """
    layout = _layout(path)
    _check(path, layout, budget_bytes)
    with extra("formats"):
        import edfio
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about dates, which are not taken
            file = edfio.read_edf(path, lazy_load_data=True, header_encoding="latin-1")
            signals = _signals(file, layout.person)
            annotations = _annotations(file) if _ANNOTATION_LABEL in layout.labels else {}
    except ScanError as error:
        raise ScanError(f"{path} cannot be used: {error}") from error
    except Exception as error:  # whatever the parser makes of bytes that nobody has vouched for
        raise _broken(path) from error
    return Recording(signals, annotations)


def _layout(path: Path) -> _Layout:
    try:
        with path.open("rb") as file:
            fixed = file.read(_FIXED_BYTES)
            count = int(fixed[252:256])
            if fixed[:8].strip() != b"0" or not 0 < count <= _MOST_SIGNALS:
                raise ValueError
            fields = file.read(_FIXED_BYTES * count).decode("latin-1")
        samples = [fields[216 * count + 8 * k :][:8] for k in range(count)]
        labels = [fields[16 * k :][:16].strip() for k in range(count)]
        return _Layout(
            int(fixed[236:244]),
            float(fixed[244:252]),
            tuple(int(one) for one in samples),
            tuple(labels),
            fixed[8:88].decode("latin-1"),
            not fixed[192:197].startswith(b"EDF+D"),
        )
    except OSError as error:
        raise ScanError(
            f"cannot open {path} ({error.strerror}); pass a file that you may read"
        ) from error
    except ValueError as error:
        raise _broken(path) from error


def _broken(path: Path) -> ScanError:
    return ScanError(
        f"{path} is no EDF file, or a damaged one: its header does not describe its signals; get "
        "the file again"
    )


def _check(path: Path, layout: _Layout, budget_bytes: int) -> None:
    if not layout.is_continuous:
        raise ScanError(
            f"{path} is an interrupted recording (EDF+D), whose gaps would shift all times; split "
            "it into continuous ones (EDF+C)"
        )
    if layout.records < 1 or min(layout.samples) < 1 or not 0 < layout.record_s < math.inf:
        raise _broken(path)
    present = path.stat().st_size
    if present < layout.file_bytes:
        raise ScanError(
            f"{path} is truncated: it holds {present} bytes, but its header announces "
            f"{layout.file_bytes}; get the file again"
        )
    needed = 4 * layout.records * sum(layout.samples)
    if needed > budget_bytes:
        raise ScanError(
            f"the samples of {path} take {needed / 2**20:.0f} MiB, over the budget of "
            f"{budget_bytes / 2**20:.0f} MiB; cut the recording into parts"
        )


def _signals(file: Any, person: str) -> dict[str, Signal]:
    signals: dict[str, Signal] = {}
    labels = channel_names([signal.label or "signal" for signal in file.signals], person)
    for signal, label in zip(file.signals, labels, strict=True):
        taken = sum(name == label or name.startswith(f"{label}_") for name in signals)
        name = f"{label}_{taken + 1}" if taken else label
        samples = signal.data.astype(np.float32)
        signals[name] = Signal(
            samples, float(signal.sampling_frequency), signal.physical_dimension or "1"
        )
    return signals


def _annotations(file: Any) -> dict[str, Annotations]:
    found = sorted(file.annotations, key=lambda one: float(one.onset))
    if not found:
        return {}
    texts = [str(one.text).strip() for one in found]
    durations = [math.nan if one.duration is None else float(one.duration) for one in found]
    return {
        "edf": Annotations(
            np.array([float(one.onset) for one in found]),
            tuple(text if text in _STANDARD_TEXTS else OTHER_TEXT for text in texts),
            np.array(durations),
        )
    }
