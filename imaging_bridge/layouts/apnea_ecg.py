"""Apnea-ECG: WFDB records with a note of apnoea for every minute, with or without the signals.

Penzel et al. 2000, doi:10.1109/CIC.2000.898505. The 70 nights are of 32 people, and no file tells
who is who. Nights whose age, sex, height and weight in ``additional-information.txt`` are the same
count as one person's where that file is there, and so do c05 and c06, parts of one recording.
Eight nights have respiration and oximetry in a record of their own, NAMEr, which is read with them
(NAMEer, a header over both, is left out).
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.recordings import read_recording
from halsted.imaging_bridge.layouts.source import Layout, Source, files_below
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.signals import Recording

_SAME_PERSON = {"c06": "c05"}
_TABLE = "additional-information.txt"
_COLUMNS = 12
_PERSONAL = slice(8, 12)  # age, sex, height, weight
_RECORD = re.compile(r"[abcx]\d\d")


def _find(folder: Path) -> list[Source]:
    people = _people(folder)
    return [
        Source(one.stem, people.get(one.stem, one.stem), partial(_read, one))
        for one in _nights(folder)
    ]


def _nights(folder: Path) -> list[Path]:
    """Notes of the nights, without those of the same nights' records of respiration."""
    found = {one.with_suffix(""): one for one in files_below(folder, "*.apn")}
    again = {one.with_name(one.name + end) for one in found for end in ("r", "er")}
    return [notes for night, notes in found.items() if night not in again]


def _people(folder: Path) -> dict[str, str]:
    """The first record of the person, by record."""
    people, first = dict(_SAME_PERSON), dict[tuple[str, ...], str]()
    for path in files_below(folder, _TABLE):
        for line in path.read_text(encoding="latin-1").splitlines():
            cells = line.split()
            if len(cells) == _COLUMNS and _RECORD.fullmatch(cells[0]):
                people.setdefault(cells[0], first.setdefault(tuple(cells[_PERSONAL]), cells[0]))
    return people


def _read(notes: Path) -> Patient:
    header = notes.with_suffix(".hea")
    if not header.is_file():
        raise ScanError(
            f"{notes} has no header {header.name} beside it, which gives its sampling rate; get "
            "the whole record"
        )
    recording, slower = read_recording(header), header.with_stem(f"{header.stem}r")
    if slower.is_file() and slower.with_suffix(".dat").is_file():
        signals = {**read_recording(slower).signals, **recording.signals}
        ordered = {name: signals[name] for name in (*recording.signals, *signals)}
        recording = Recording(ordered, recording.annotations)
    return Patient({}, recording=recording)


APNEA_ECG = Layout(
    "apnea-ecg",
    "NAME.apn beside NAME.hea",
    lambda folder: bool(files_below(folder, "*.apn")),
    _find,
)
"""See the module."""
