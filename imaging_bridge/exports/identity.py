"""UIDs and dates that follow from a text, for files that are the same whenever they are written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset

_EPOCH = datetime(2000, 1, 1, 8)
_YEARS = 20
_STATED = (
    ("InstanceCreationDate", "InstanceCreationTime"),
    ("ContentDate", "ContentTime"),
    ("SeriesDate", "SeriesTime"),
)


@dataclass(frozen=True)
class SeededIdentity:
    """What an object that no scanner made is called, and when it says that it was made.

    Attributes:
        text: Of the study: what its UIDs and its dates are derived from, e.g. ``thorax 7``.
        series: What the object belongs to, where a study has several of its kind: its UIDs are
            derived from this too, its dates are not.
    """

    text: str
    series: str = ""

    def uid(self, *parts: object) -> str:
        """The UID of a part: 2.25 and 128 bits of a hash, after PS3.5, B.2."""
        whose = (self.text, self.series) if self.series else (self.text,)
        digest = hashlib.sha256("\n".join((*whose, *map(str, parts))).encode()).digest()
        return f"2.25.{int.from_bytes(digest[:16], 'big')}"

    @cached_property
    def moment(self) -> datetime:
        """A made-up time of the day in the years from 2000 on."""
        number = int.from_bytes(hashlib.sha256(f"{self.text}\nmoment".encode()).digest()[:8], "big")
        day, second = number % (_YEARS * 365), number // (_YEARS * 365) % (10 * 3600)
        return _EPOCH + timedelta(days=day, seconds=second)

    @property
    def date(self) -> str:
        """As DICOM writes a day."""
        return self.moment.strftime("%Y%m%d")

    @property
    def time(self) -> str:
        """As DICOM writes a time of the day."""
        return self.moment.strftime("%H%M%S")

    def replace_in(self, made: Dataset) -> None:
        """Replace the dates, and the UIDs of the frames' order, that a library has made up."""
        for date, time in _STATED:
            if date in made:
                setattr(made, date, self.date)
            if time in made:
                setattr(made, time, self.time)
        for item in made.get("ContributingEquipmentSequence", ()):
            if "ContributionDateTime" in item:
                item.ContributionDateTime = self.date + self.time
        for sequence in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
            for item in made.get(sequence, ()):
                if "DimensionOrganizationUID" in item:
                    item.DimensionOrganizationUID = self.uid("dimensions")
