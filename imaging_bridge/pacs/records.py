"""What is asked of a PACS and what it lists, and the interface that both protocols fill."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from halsted.imaging_bridge.dicom import elements
from halsted.imaging_bridge.errors import PacsError

if TYPE_CHECKING:
    from pydicom import Dataset

Progress = Callable[[int, int], None]
"""Called with how many instances are done, and of how many."""

_CODE = re.compile(r"[A-Z0-9_]{1,16}")
_PATIENT_ID = re.compile(r"[^\\\x00-\x1f]{1,64}")
_DATE = re.compile(r"[0-9]{8}|[0-9]{8}-|-[0-9]{8}|[0-9]{8}-[0-9]{8}")


def is_uid(text: str) -> bool:
    """Whether this is a UID of two numbers or more (PS3.5, 9.1), and not any number."""
    return "." in text and elements.is_uid(text)


def check_uid(text: str, what: str) -> str:
    """`text`, which must be a UID, because files are named after it.

    Raises:
        PacsError: it is none.
    """
    if not is_uid(text):
        raise PacsError(
            f"the {what} is no DICOM UID; a UID is made of digits and dots, such as 1.2.840.1"
        )
    return text


class NotOffered(PacsError):
    """The PACS does not offer the service that is asked for."""


@dataclass(frozen=True)
class Query:
    """Which series to find; what is None matches all.

    Attributes:
        study: StudyInstanceUID.
        patient_id: PatientID; ``*`` and ``?`` are wildcards.
        date: StudyDate, ``YYYYMMDD`` or ``YYYYMMDD-YYYYMMDD``, either end open.
        modality: Modality, e.g. ``CT``.
        limit: Studies at most.
    """

    study: str | None = None
    patient_id: str | None = None
    date: str | None = None
    modality: str | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        if self.study is not None:
            check_uid(self.study, "study UID")
        check_date(self.date)
        check_modality(self.modality)
        if self.patient_id is not None and not _PATIENT_ID.fullmatch(self.patient_id):
            raise PacsError("the patient ID is none; it has 1 to 64 characters and no backslash")


def check_date(date: str | None) -> None:
    """Refuse what is no date or range of dates as DICOM matches them (PS3.4, C.2.2.2.5)."""
    if date is not None and not _DATE.fullmatch(date):
        raise PacsError(f"the date is {date!r}; write YYYYMMDD or YYYYMMDD-YYYYMMDD")


def check_modality(modality: str | None) -> None:
    """Refuse what is no code (PS3.5, table 6.2-1, CS)."""
    if modality is not None and not _CODE.fullmatch(modality):
        raise PacsError(f"the modality is {modality!r}; write a code in capitals, such as CT")


@dataclass(frozen=True)
class Series:
    """A series that a PACS lists, without anything that tells whose it is.

    Attributes:
        study: StudyInstanceUID.
        uid: SeriesInstanceUID.
        modality: Modality, or an empty text.
        date: StudyDate as ``YYYYMMDD``, or an empty text.
        instances: Number of instances, where the PACS tells it.
    """

    study: str
    uid: str
    modality: str = ""
    date: str = ""
    instances: int | None = None


@dataclass(frozen=True)
class Instance:
    """One instance: its three UIDs, and its SOP class where that is known."""

    study: str
    series: str
    uid: str
    sop_class: str = ""


@dataclass(frozen=True)
class Outgoing:
    """A DICOM file to be sent, with its size in bytes."""

    path: Path
    instance: Instance
    transfer_syntax: str
    size: int


Keep = Callable[["Dataset", Callable[[Path], object]], bool]
"""Takes a received data set and what writes it to a path; tells whether it was asked for."""
Sent = Callable[[Outgoing, str], None]
"""Called for each file that was sent, with the reason why it was refused, or an empty text."""


class Pacs(Protocol):
    """A PACS, by whichever protocol. Every method raises `PacsError` where it cannot do its job."""

    def echo(self) -> None:
        """Return if the PACS answers and lets us in."""

    def find(self, query: Query) -> list[Series]:
        """The series that match, sorted by study and series UID."""

    def instances(self, study: str, series: str | None = None) -> list[Instance]:
        """All instances of a study, or of one of its series."""

    def fetch(self, wanted: Sequence[Instance], whole_series: bool, keep: Keep) -> None:
        """Hand each wanted instance, all of one series, to `keep`.

        With `whole_series` they are all that the PACS lists of it, so it may be asked for at once.
        Returning early, with instances missing, is no error here: the caller counts.
        """

    def send(self, files: Sequence[Outgoing], sent: Sent) -> None:
        """Send these files, in the transfer syntax they are stored in."""
