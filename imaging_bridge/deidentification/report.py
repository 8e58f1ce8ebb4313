"""What de-identification did: in the object, as DICOM asks, and for people; never a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from halsted.imaging_bridge.deidentification.profile import CODES, Option

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True)
class Report:
    """What was written, and what was done to which attributes.

    Attributes:
        written: Number of objects.
        left_out: Number of files by the reason why they were left out.
        tally: How often an attribute, by its keyword, met a fate.
        options: What was retained beyond the basic profile.
        key_is_given: Whether another run with the same key makes the same UIDs and IDs.
    """

    written: int
    left_out: Mapping[str, int]
    tally: Mapping[tuple[str, str], int]
    options: tuple[Option, ...]
    key_is_given: bool

    def as_dict(self) -> dict[str, Any]:
        """The report as what JSON can hold."""
        attributes: dict[str, dict[str, int]] = {}
        for (keyword, fate), count in sorted(self.tally.items()):
            attributes.setdefault(keyword, {})[fate] = count
        return {
            "profile": "DICOM PS3.15 Annex E, Basic Application Level Confidentiality Profile",
            "retained": list(self.options),
            "key": "given" if self.key_is_given else "made for this run and not kept",
            "objects_written": self.written,
            "files_left_out": dict(self.left_out),
            "attributes": attributes,
        }

    def fates(self) -> Counter[str]:
        """How many elements met each fate."""
        counted: Counter[str] = Counter()
        for (_, fate), count in self.tally.items():
            counted[fate] += count
        return counted


def mark(dataset: Dataset, options: frozenset[Option]) -> None:
    """Say in the object that, and how, it was de-identified (PS3.15, E.1.1)."""
    from pydicom import Dataset as Item

    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Halsted, DICOM PS3.15 Annex E"
    dataset.DeidentificationMethodCodeSequence = []
    for name in ("basic", *sorted(options)):
        item = Item()
        item.CodeValue, item.CodeMeaning = CODES[name]
        item.CodingSchemeDesignator = "DCM"
        dataset.DeidentificationMethodCodeSequence.append(item)
    dataset.LongitudinalTemporalInformationModified = _temporal(options)


def _temporal(options: frozenset[Option]) -> str:
    if "shifted-dates" in options:
        return "MODIFIED"
    return "UNMODIFIED" if "dates" in options else "REMOVED"
