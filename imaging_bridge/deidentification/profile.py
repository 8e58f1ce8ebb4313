"""The Basic Application Level Confidentiality Profile of DICOM PS3.15, Annex E, as data.

``profile.csv`` is Table E.1-1 of the edition 2024b, with the attributes added until 2026c that
pydicom knows. Its columns: tag, keyword, action, and the options with which the value is kept. The
rules for whole groups (private, curves, overlays) are in `cleaning`.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple, get_args

Option = Literal["dates", "shifted-dates", "uids", "device", "institution", "patient"]
OPTIONS: tuple[Option, ...] = get_args(Option)
"""What can be retained, beyond the basic profile."""

CODES: dict[str, tuple[str, str]] = {
    "basic": ("113100", "Basic Application Confidentiality Profile"),
    "dates": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "shifted-dates": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "patient": ("113108", "Retain Patient Characteristics Option"),
    "device": ("113109", "Retain Device Identity Option"),
    "uids": ("113110", "Retain UIDs Option"),
    "institution": ("113112", "Retain Institution Identity Option"),
}
"""Code value and meaning of the profile and of each option (PS3.16, CID 7050)."""


class Rule(NamedTuple):
    """What the profile says of one attribute.

    Attributes:
        action: ``X`` remove, ``Z`` empty, ``D`` replace by a dummy, ``U`` replace the UID; several
            with ``/`` where it depends on whether the object is valid without.
        kept_with: Options with which it is kept; ``dates`` is also shifted with ``shifted-dates``.
    """

    action: str
    kept_with: frozenset[str]


@cache
def rules() -> dict[int, Rule]:
    """The rule of each attribute by its tag."""
    table = files(__package__).joinpath("profile.csv").read_text(encoding="utf-8")
    return {
        int(row["tag"], 16): Rule(row["action"], frozenset(row["kept_with"].split()))
        for row in csv.DictReader(table.splitlines())
    }
