"""Apnea-ECG: WFDB records with a note of apnoea for every minute, with or without the signals.

Penzel et al. 2000, doi:10.1109/CIC.2000.898505. The 70 nights are of 32 people, and no file tells
who is who. Nights whose age, sex, height and weight in ``additional-information.txt`` are the same
count as one person's where that file is there, and so do c05 and c06, parts of one recording.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.recordings import read_recording
from halsted.imaging_bridge.layouts.source import Layout, Source, files_below
from halsted.imaging_bridge.patient import Patient

_SAME_PERSON = {"c06": "c05"}
_TABLE = "additional-information.txt"
_COLUMNS = 12
_PERSONAL = slice(8, 12)  # age, sex, height, weight
_RECORD = re.compile(r"[abcx]\d\d")


def _find(folder: Path) -> list[Source]:
    people = _people(folder)
    return [
        Source(one.stem, people.get(one.stem, one.stem), partial(_read, one))
        for one in files_below(folder, "*.apn")
    ]


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
    return Patient({}, recording=read_recording(header))


APNEA_ECG = Layout(
    "apnea-ecg",
    "NAME.apn beside NAME.hea",
    lambda folder: bool(files_below(folder, "*.apn")),
    _find,
)
"""See the module."""
