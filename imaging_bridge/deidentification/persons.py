"""Whose an object is, though its files may write the patient's number in several ways."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from halsted.imaging_bridge.dicom.elements import Elements, text_of
from halsted.imaging_bridge.dicom.files import read_header

if TYPE_CHECKING:
    from pydicom import Dataset

_ASKED = ("StudyInstanceUID", "PatientID")


@dataclass(frozen=True)
class Persons:
    """The patients' numbers, without case and blanks around, of the studies of a folder.

    Attributes:
        of_study: The numbers in the files of a study, by its StudyInstanceUID.
    """

    of_study: dict[str, frozenset[str]]

    def disagree(self, dataset: Dataset) -> bool:
        """Whether the study of an object has several patients."""
        return len(self._numbers(dataset)) > 1

    def whose(self, dataset: Dataset) -> str:
        """What stands for the patient of an object: a number, else the UID of study or object."""
        number = next(iter(self._numbers(dataset)), "")
        study, own = text_of(dataset, "StudyInstanceUID"), text_of(dataset, "SOPInstanceUID")
        return number or study or own

    def _numbers(self, dataset: Dataset) -> frozenset[str]:
        study = text_of(dataset, "StudyInstanceUID")
        if study in self.of_study:
            return self.of_study[study]
        return frozenset({_number(dataset)} - {""})


def persons_in(paths: Iterable[Path]) -> Persons:
    """Look through the headers of files; those that are no DICOM are passed over.

    Raises:
        ScanError: a file is damaged.
    """
    found: dict[str, set[str]] = {}
    for path in paths:
        header = read_header(path, _ASKED)
        study = "" if header is None else text_of(header.elements, "StudyInstanceUID")
        if header is not None and study:
            found.setdefault(study, set()).add(_number(header.elements))
    return Persons({study: frozenset(numbers - {""}) for study, numbers in found.items()})


def _number(elements: Elements | Dataset) -> str:
    return text_of(elements, "PatientID").casefold()
