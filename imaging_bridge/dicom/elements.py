"""Values of DICOM elements that nobody has vouched for.

Any element may be missing, of another type than the standard says, or hold what identifies a person
where a term or a UID belongs. What is asked for here is of the right type, and but for `text_of` it
can be told to anyone.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.structures import role_of

if TYPE_CHECKING:
    from pydicom import Dataset

Elements = Mapping[str, Any]
"""Values of DICOM elements by keyword."""

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_MOST_UID_LETTERS = 64


def elements_of(dataset: Dataset) -> Elements:
    """The values of a data set and all in it; pydicom converts, and finds damage, on access."""
    elements = {}
    for element in dataset:
        elements[element.keyword] = element.value
        if element.VR == "SQ":
            for item in element.value:
                for _ in item.iterall():
                    pass
    return elements


def text_of(elements: Elements | Dataset, tag: str) -> str:
    """An element as one line that can be printed; empty where there is none.

    It may name a person, so it is for comparing, and for names that a user works with.
    """
    value = elements.get(tag)
    stated = "" if value is None else str(value).strip()
    if stated.isprintable():
        return stated
    return "".join(letter if letter.isprintable() else "?" for letter in stated)


def term_of(elements: Elements | Dataset, tag: str, known: Container[str]) -> str:
    """An element that holds one of the `known` terms; empty where it holds anything else."""
    stated = text_of(elements, tag)
    return stated if stated in known else ""


def is_uid(text: str) -> bool:
    """Whether a text is a DICOM unique identifier: digits and dots, 64 at most."""
    return len(text) <= _MOST_UID_LETTERS and _UID.fullmatch(text) is not None


def uid_of(elements: Elements | Dataset, tag: str) -> str:
    """A UID; empty where there is none, and a short hash where the element holds anything else."""
    stated = text_of(elements, tag)
    if not stated or is_uid(stated):
        return stated
    return f"invalid-{hashlib.sha256(stated.encode()).hexdigest()[:8]}"


def numbers_of(elements: Elements | Dataset, tag: str, count: int) -> tuple[float, ...] | None:
    """The finite numbers, `count` of them, that an element holds; else None."""
    value = elements.get(tag)
    try:
        several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        values: Sequence[Any] = value if several else (value,)  # type: ignore[assignment]
        numbers = tuple(float(one) for one in values)
    except (TypeError, ValueError, OverflowError):  # missing, None, or no number
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def whole_number_of(elements: Elements | Dataset, tag: str) -> int | None:
    """The one whole number, of 32 bits at most, that an element holds; else None."""
    numbers = numbers_of(elements, tag, 1)
    if numbers is None or numbers[0] != int(numbers[0]) or abs(numbers[0]) >= 1 << 32:
        return None
    return int(numbers[0])


def numbers_needed(
    path: Path, elements: Elements | Dataset, tag: str, count: int
) -> tuple[float, ...]:
    """As `numbers_of`.

    Raises:
        ScanError: the element does not hold such numbers.
    """
    numbers = numbers_of(elements, tag, count)
    if numbers is None:
        raise ScanError(
            f"{path} states no usable {tag} ({count} finite numbers were expected); export the "
            "series again with complete headers"
        )
    return numbers


def items_of(elements: Elements | Dataset, tag: str) -> list[Elements]:
    """The items of a sequence; none where the element is missing, or holds no data sets."""
    from pydicom import Dataset

    value = elements.get(tag)
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return []
    if not all(isinstance(item, Dataset) for item in value):
        return []
    return [elements_of(item) for item in value]


IDENTITY_TAGS = ("PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames")
"""What `name_of_structure` compares with."""

_SHORTEST_WORD = 3


def name_of_structure(stated: str, elements: Elements | Dataset, instead: str) -> str:
    """A structure's name, unless it holds a word of the same file's patient name or number.

    Args:
        stated: The name in the file.
        elements: Of the file, with `IDENTITY_TAGS`.
        instead: What it is called where it has no name, or one that identifies.
    """
    told = " ".join(text_of(elements, tag) for tag in IDENTITY_TAGS).casefold()
    words = {
        word
        for word in re.split(r"[\W_]+", told)
        # a phantom's "name" may well be Liver
        if len(word) >= _SHORTEST_WORD and role_of(word) == "other"
    }
    parts = set(re.split(r"[\W_]+", stated.casefold()))
    return instead if not stated or words & parts else stated
