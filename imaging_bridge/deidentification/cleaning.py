"""One object de-identified: every element, at every depth, by its rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from halsted.imaging_bridge.deidentification.dates import shifted
from halsted.imaging_bridge.deidentification.identity import Identity, identity_of
from halsted.imaging_bridge.deidentification.names import safe_structure_name
from halsted.imaging_bridge.deidentification.profile import Option, Rule, rules
from halsted.imaging_bridge.deidentification.pseudonyms import Pseudonyms
from halsted.imaging_bridge.deidentification.terms import TERMS
from halsted.imaging_bridge.dicom.elements import is_uid

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

Tally = Counter[tuple[str, str]]
"""How often an attribute (keyword) met a fate (removed, emptied, replaced, ...)."""

_DUMMIES = {
    "AS": "000Y",
    "DA": "19000101",
    "DT": "19000101000000",
    "TM": "000000",
    "DS": "0",
    "IS": "0",
    "UR": "http://removed.invalid",
}
_TEXT = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_FREE_TEXT = frozenset({"LT", "ST", "UT", "PN"})
# Whole days are moved, so the time of day stays.
_MOVED = {"DA": "shifted", "DT": "shifted", "TM": "kept"}
_DICOM_ROOT = "1.2.840.10008."
# Words in the keywords of UIDs that name a kind of thing, not a thing.
_KINDS = ("SOPClass", "CodingScheme", "Context", "MappingResource", "TransferSyntax")
_STRUCTURE_NAMES = {"ROIName": "ROINumber", "SegmentLabel": "SegmentNumber"}
_PADDING, _COLOUR_PROFILE = 0xFFFCFFFC, 0x00282000


@dataclass
class Cleaner:
    """De-identifies objects in place, and counts what it does.

    Attributes:
        pseudonyms: Makes new UIDs, patient IDs and date shifts.
        options: What is retained beyond the basic profile.
        tally: What was done so far.
    """

    pseudonyms: Pseudonyms
    options: frozenset[Option] = frozenset()
    tally: Tally = field(default_factory=Counter)

    def clean(self, dataset: Dataset, person: str) -> None:
        """De-identify an object and everything nested in it; its pixels stay.

        Args:
            dataset: The object.
            person: What stands for its patient, the same in all his objects.
        """
        identity = identity_of(dataset)
        for keyword in ("PatientID", "PatientName"):
            if keyword in dataset:
                delattr(dataset, keyword)
                self.tally[keyword, "replaced by a pseudonym"] += 1
        self._clean_level(dataset, self.pseudonyms.shift_days(person))
        self._clear_remains(dataset, identity)
        dataset.PatientID = self.pseudonyms.patient(person)
        dataset.PatientName = f"{dataset.PatientID}^"

    def _clean_level(self, dataset: Dataset, days: int) -> None:
        for tag in list(dataset.keys()):
            element = dataset[tag]
            fate = self._fate(element)
            if fate == "kept":
                if element.VR == "SQ":
                    for item in element.value:
                        self._clean_level(item, days)
                continue
            self._apply(fate, element, dataset, days)

    def _fate(self, element: DataElement) -> str:
        """What is to be done with an element: one word, as the report has it."""
        rule = _rule_of(element)
        if rule is None:
            return "kept"
        if element.keyword in _STRUCTURE_NAMES:
            return "named"
        if "dates" in rule.kept_with and "shifted-dates" in self.options:
            if element.VR in _MOVED:
                return _MOVED[element.VR]
        if rule.kept_with & self.options:
            return "kept" if _holds_uids_if_any(element) else "remapped"
        if element.VR == "SQ":
            if "U" in rule.action:
                return "kept"
            return "removed" if "X" in rule.action else "emptied"
        last = rule.action.rpartition("/")[2][0]
        if last in "DU" and element.is_empty:
            return "kept"  # there is nothing to replace
        if last == "D" and element.VR == "UI":
            return "remapped"
        return {"X": "removed", "Z": "emptied", "D": "replaced", "U": "remapped"}[last]

    def _apply(self, fate: str, element: DataElement, dataset: Dataset, days: int) -> None:
        from pydicom import DataElement

        if fate == "removed":
            del dataset[element.tag]
        else:
            value = self._replacement(fate, element, dataset, days)
            if fate == "named" and value == str(element.value):
                return
            dataset[element.tag] = DataElement(element.tag, element.VR, value)
        self.tally[_called(element), "replaced" if fate == "named" else fate] += 1

    def _replacement(self, fate: str, element: DataElement, dataset: Dataset, days: int) -> Any:
        if fate == "remapped":
            return [self.pseudonyms.uid(uid) for uid in _texts(element)]
        if fate == "shifted":
            return [shifted(date, days) for date in _texts(element)]
        if fate == "named":
            number = dataset.get(_STRUCTURE_NAMES[element.keyword])
            return safe_structure_name(str(element.value), number)
        if fate == "replaced":
            return _dummy(element.VR)
        return [] if element.VR == "SQ" else None

    def _clear_remains(self, dataset: Dataset, identity: Identity) -> None:
        """Empty what is left of text in which the person is still named."""
        for level, element in _elements(dataset):
            if element.VR not in _TEXT:
                continue
            terms = TERMS.get(element.keyword, frozenset())
            values = _texts(element)
            kept = [one if one in terms or not identity.is_in(one) else "" for one in values]
            if kept != values:
                level[element.tag].value = kept if any(kept) else ""
                self.tally[_called(element), "emptied"] += 1


_REMOVED, _EMPTIED = Rule("X", frozenset()), Rule("Z", frozenset())


def _rule_of(element: DataElement) -> Rule | None:
    """The profile's rule; for what it does not list, the rule of this house; None keeps it."""
    from pydicom.datadict import dictionary_has_tag

    tag = element.tag
    if tag.is_private or not dictionary_has_tag(tag) or element.VR == "UN":
        return _REMOVED
    if tag in (_PADDING, _COLOUR_PROFILE):  # both hold bytes of any kind
        return _REMOVED
    if tag.group <= 2 or tag.group & 0xFF00 in (0x5000, 0x6000):  # commands, curves, overlays
        return _REMOVED
    if tag in rules():
        return rules()[tag]
    if element.keyword in _STRUCTURE_NAMES or element.VR in _FREE_TEXT or element.VR == "AE":
        return _EMPTIED
    if element.VR in ("DA", "DT", "TM"):
        return Rule("Z", frozenset({"dates"}))
    if element.VR == "UI" and not _names_a_kind(element):
        return Rule("U", frozenset({"uids"}))
    return None


def _names_a_kind(element: DataElement) -> bool:
    if not _holds_uids_if_any(element):
        return False
    if any(word in element.keyword for word in _KINDS):
        return True
    return all(uid.startswith(_DICOM_ROOT) for uid in _texts(element))


def _holds_uids_if_any(element: DataElement) -> bool:
    return element.VR != "UI" or all(map(is_uid, _texts(element)))


def _dummy(vr: str) -> Any:
    if vr in _DUMMIES:
        return _DUMMIES[vr]
    if vr in _TEXT:
        return "REMOVED"
    return b"\0\0" if vr in ("OB", "OW", "UN") else 0


def _texts(element: DataElement) -> list[str]:
    """The values of an element, as text."""
    if element.is_empty:
        return []
    many = element.VM > 1 and not isinstance(element.value, str)
    return [str(one) for one in (element.value if many else [element.value])]


def _elements(dataset: Dataset) -> Iterator[tuple[Dataset, DataElement]]:
    """Every element at every depth, with the data set that holds it."""
    for tag in list(dataset.keys()):
        element = dataset[tag]
        yield dataset, element
        if element.VR == "SQ":
            for item in element.value:
                yield from _elements(item)


def _called(element: DataElement) -> str:
    """A name for the report, which says nothing that the file made up."""
    if element.tag.is_private:
        return "(private)"
    return element.keyword or "(unknown)"
