"""Reading UIDs and codes from data sets of unknown quality, without converting anything else.

pydicom warns about elements that break the standard and quotes their values. Nothing that is read
here is converted by pydicom, so that no value of a patient's can reach a log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from halsted.imaging_bridge.pacs.records import Instance, is_uid

if TYPE_CHECKING:
    from pydicom import Dataset


def text_in(dataset: Dataset, keyword: str) -> str:
    """An element of ASCII text as it stands; empty where there is none, or where it is not text."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    if tag is None or tag not in dataset:
        return ""
    value = dataset.get_item(tag).value
    if isinstance(value, bytes):
        value = value.decode("ascii", errors="replace")
    return str(value or "").strip(" \0")


def uid_in(dataset: Dataset, keyword: str) -> str:
    """A UID element; empty where there is none, or where it is no UID."""
    text = text_in(dataset, keyword)
    return text if is_uid(text) else ""


def code_in(dataset: Dataset, keyword: str) -> str:
    """A code, date, time or number; see `as_code`."""
    return as_code(text_in(dataset, keyword))


def as_code(text: str) -> str:
    """The letters, digits, and ``_ . -`` of a text: what may be printed as it came."""
    return "".join(one for one in text[:64] if one.isascii() and (one.isalnum() or one in "_.-"))


def json_items(dataset: dict[str, Any], tag: str) -> list[Any]:
    """The values of an element of a DICOM JSON model (PS3.18, F.2)."""
    return (dataset.get(tag) or {}).get("Value") or []


def json_text(dataset: dict[str, Any], tag: str) -> str:
    """The first value of an element of a DICOM JSON model; empty without one."""
    values = json_items(dataset, tag) or [""]
    return str(values[0] or "").strip(" \0")


def json_uid(dataset: dict[str, Any], tag: str) -> str:
    """A UID element of a DICOM JSON model; empty where there is none, or where it is no UID."""
    text = json_text(dataset, tag)
    return text if is_uid(text) else ""


def instance_in(dataset: Dataset) -> Instance:
    """The UIDs by which a data set names itself; empty where it does not."""
    return Instance(
        uid_in(dataset, "StudyInstanceUID"),
        uid_in(dataset, "SeriesInstanceUID"),
        uid_in(dataset, "SOPInstanceUID"),
        uid_in(dataset, "SOPClassUID"),
    )
