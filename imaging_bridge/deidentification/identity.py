"""What a file itself says of who the patient is, to be looked for where it should not be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset

_IDS = (
    "PatientID OtherPatientIDs AccessionNumber PatientAddress PatientTelephoneNumbers "
    "MedicalRecordLocator"
).split()
_SHORTEST = 4  # shorter words are parts of other words too often


@dataclass(frozen=True)
class Identity:
    """Words, in lower case, that name the patient or another person."""

    words: frozenset[str]

    def is_in(self, text: str) -> bool:
        """Whether any of the words is part of a text."""
        lowered = text.lower()
        return any(word in lowered for word in self.words)


def identity_of(dataset: Dataset) -> Identity:
    """Collect names of persons at every depth, and the patient's numbers."""
    words: set[str] = set()
    for element in dataset.iterall():
        if not element.is_empty and (element.VR == "PN" or element.keyword in _IDS):
            words.update(_words(str(element.value)))
    return Identity(frozenset(words))


def _words(text: str) -> set[str]:
    parts = {text, *re.split(r"[\^=\\,;\[\]'\s]+", text)}
    return {part.strip().lower() for part in parts if len(part.strip()) >= _SHORTEST}
