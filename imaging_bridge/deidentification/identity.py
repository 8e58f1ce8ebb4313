"""What a file itself says of who the patient is, to be looked for where it should not be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

_NUMBERS = ("PatientID", "OtherPatientIDs", "AccessionNumber")
_CONTACTS = ("PatientAddress", "PatientTelephoneNumbers", "MedicalRecordLocator")
_SHORTEST_PART = 4  # shorter words of Latin letters are parts of other words too often
_SHORTEST_WORD = 2
_BREAKS = re.compile(r"[\^=\\,;\[\]'\s]+")


@dataclass(frozen=True)
class Identity:
    """What names the patient or another person, without case.

    Attributes:
        parts: Looked for anywhere in a text.
        words: Short; looked for as whole words of a text.
    """

    parts: frozenset[str]
    words: frozenset[str]

    def is_in(self, text: str) -> bool:
        """Whether any of it is part of a text."""
        return self._pattern.search(text.casefold()) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        words = "|".join(map(re.escape, self.words))
        whole = [rf"(?<![^\W_])(?:{words})(?![^\W_])"] if words else []
        return re.compile("|".join([*map(re.escape, self.parts), *whole]) or r"(?!)")


def identity_of(dataset: Dataset) -> Identity:
    """Collect names of persons at every depth, and the patient's numbers."""
    told: set[str] = set()
    for element in dataset.iterall():
        if not element.is_empty:
            told |= _told_by(element)
    return Identity(
        frozenset(one for one in told if _is_telling(one)),
        frozenset(one for one in told if not _is_telling(one) and len(one) >= _SHORTEST_WORD),
    )


def _is_telling(text: str) -> bool:
    """Whether a text is found by chance in no other: long, or in letters that mean more each."""
    return len(text) >= _SHORTEST_PART or not text.isascii()


def _told_by(element: DataElement) -> set[str]:
    text = str(element.value)
    if element.VR == "PN":
        return _split(text) | _joined(text)
    if element.keyword in _NUMBERS:
        return _split(text)
    if element.keyword in _CONTACTS:
        return {part for part in _split(text) if _is_telling(part)}
    return set()


def _split(text: str) -> set[str]:
    parts = {text, *_BREAKS.split(text)}
    return {part.strip().casefold() for part in parts} - {""}


def _joined(name: str) -> set[str]:
    """Family and given name without anything between, either first, in each script."""
    groups = [group.split("^") for group in re.split(r"[=\\]", name)]
    pairs = [[part.strip() for part in group[:2] if part.strip()] for group in groups]
    return {
        "".join(order).casefold()
        for pair in pairs
        if len(pair) == 2
        for order in permutations(pair)
    }
