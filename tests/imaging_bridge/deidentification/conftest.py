"""A file in which an identifier stands in every place there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import DataElement, Dataset, dcmread
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR
from pydicom.dataset import FileDataset
from pydicom.uid import UID

from halsted.imaging_bridge.deidentification import Pseudonyms
from halsted.imaging_bridge.deidentification.profile import rules

MARK = "ZQXPLANTED"
MARK_UID = "1.2.999.424242424242"
MARK_DATE = "19770707"
MARK_TIME = "073113.777"
NAME = "Quackenbush^Wilhelmina"
MARKS = tuple(
    mark.encode()
    for mark in (
        MARK,
        "424242424242",
        MARK_DATE,
        MARK_TIME,
        "Quackenbush",
        "Wilhelmina",
        "77-777-7",
    )
)

_TEXT = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
_OTHERS = {
    "UI": MARK_UID,
    "DA": MARK_DATE,
    "TM": MARK_TIME,
    "DT": MARK_DATE + MARK_TIME,
    "OB": MARK.encode(),
    "UN": MARK.encode(),
}


def marked(tag: int, vr: str) -> DataElement | None:
    """An element that holds a mark, where its kind can hold one."""
    if vr == "PN":  # another mark, because names of persons are looked for everywhere
        return DataElement(tag, vr, NAME)
    if vr in _TEXT:
        return DataElement(tag, vr, MARK)
    if vr == "SQ":
        item = Dataset()
        item.PersonName, item.TextValue, item.ReferencedSOPInstanceUID = NAME, MARK, MARK_UID
        item.InstitutionName, item.StudyDate = MARK, MARK_DATE
        return DataElement(tag, vr, [item])
    return DataElement(tag, vr, _OTHERS[vr]) if vr in _OTHERS else None


def plant(dataset: FileDataset) -> None:
    """Put marks wherever the profile, or the rules for what it does not list, say something."""
    for tag in rules():
        if tag >> 16 <= 2:  # a network's commands; and file meta information, planted apart
            continue
        if (element := marked(tag, dictionary_VR(tag))) is not None:
            dataset[tag] = element
    for tag, (vr, *_) in DicomDictionary.items():
        if vr in ("PN", "LT", "ST", "UT", "AE") and tag >> 16 > 2 and tag not in rules():
            dataset.add_new(tag, vr, NAME if vr == "PN" else MARK)
    _plant_unlisted(dataset)
    _plant_hidden(dataset)


def _plant_unlisted(dataset: FileDataset) -> None:
    """Where the profile says nothing, what names this patient must not stand either."""
    dataset.PatientName, dataset.PatientID = NAME, "77-777-7"
    dataset.ConvolutionKernel = "of Wilhelmina"
    dataset.FilterType = "QUACKENBUSH"
    dataset.BodyPartExamined = "QUACKENBUSH"
    inner, outer = Dataset(), Dataset()
    inner.CodeMeaning = f"{NAME} again"
    outer.PurposeOfReferenceCodeSequence = [inner]
    outer.ReferencedSOPInstanceUID = MARK_UID
    dataset.DerivationCodeSequence = [outer]


def _plant_hidden(dataset: FileDataset) -> None:
    block = dataset.private_block(0x0029, MARK, create=True)
    block.add_new(1, "LO", MARK)
    item = Dataset()
    item.PatientName = NAME
    block.add_new(2, "SQ", [item])
    dataset[0x00189999] = DataElement(0x00189999, "LO", MARK)  # in no dictionary
    dataset[0x00187777] = DataElement(0x00187777, "UN", MARK.encode())
    dataset[0x60000010] = DataElement(0x60000010, "US", 1)
    dataset[0x60001500] = DataElement(0x60001500, "LO", MARK)
    dataset[0x60003000] = DataElement(0x60003000, "OW", MARK.encode())
    dataset[0x50003000] = DataElement(0x50003000, "OW", MARK.encode())
    dataset[0xFFFCFFFC] = DataElement(0xFFFCFFFC, "OB", MARK.encode())
    dataset.PixelData = dataset.PixelData + MARK.encode()
    dataset.preamble = (b"MZ" + MARK.encode()).ljust(128, b"\0")
    dataset.file_meta.SourceApplicationEntityTitle = MARK
    dataset.file_meta.SendingApplicationEntityTitle = MARK
    dataset.file_meta.ImplementationVersionName = MARK
    dataset.file_meta.PrivateInformationCreatorUID = UID(MARK_UID)
    dataset.file_meta.PrivateInformation = MARK.encode()


@pytest.fixture
def planted(write_series: Callable[..., Any], tmp_path: Path) -> Path:
    """A folder with one such file, under names that are marks, too."""
    written = write_series(tmp_path / "clean", shape=(1, 6, 8))
    dataset = dcmread(next(written.folder.iterdir()))
    plant(dataset)
    folder = tmp_path / "planted" / MARK
    folder.mkdir(parents=True)
    dataset.save_as(folder / f"{MARK}.dcm", enforce_file_format=True)
    return folder.parent


@pytest.fixture
def marks() -> tuple[bytes, ...]:
    return MARKS


@pytest.fixture
def secret() -> Pseudonyms:
    return Pseudonyms(b"a key of sixteen bytes or more", is_given=True)
