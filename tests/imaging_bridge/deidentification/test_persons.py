"""One patient is one, however his files write it, and one name is found, however short."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from halsted.imaging_bridge.deidentification import Pseudonyms, deidentify
from halsted.imaging_bridge.deidentification.identity import identity_of
from halsted.imaging_bridge.errors import ScanError

Scan = Callable[..., Path]


@pytest.fixture
def scan(write_series: Callable[..., Any], tmp_path: Path) -> Scan:
    """Writes a series with a value of one element for each slice."""

    def write(keyword: str, *values: Any) -> Path:
        def edit(dataset: Any, number: int) -> None:
            dataset.StudyDate = "20240229"
            setattr(dataset, keyword, values[number])

        shape = (len(values), 4, 4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a UID that is none is what some tests are about
            folder: Path = write_series(tmp_path / "scan", shape=shape, edit=edit).folder
        return folder

    return write


def written(scan: Path, secret: Pseudonyms, *options: Any) -> list[Any]:
    out = scan.parent / "out"
    deidentify(scan, out, secret, options)
    return [dcmread(path) for path in out.iterdir()]


@pytest.mark.parametrize("numbers", [("MRN12345", "", " mrn12345"), ("", "", "")])
def test_a_study_has_one_patient(scan: Scan, secret: Pseudonyms, numbers: Any) -> None:
    made = written(scan("PatientID", *numbers), secret, "shifted-dates")
    assert len({(one.PatientID, one.PatientName, one.StudyDate) for one in made}) == 1


def test_two_patients_in_a_study_are_refused(
    scan: Scan, secret: Pseudonyms, tmp_path: Path
) -> None:
    with pytest.raises(ScanError, match="several PatientIDs") as caught:
        written(scan("PatientID", "MRN12345", "MRN99999"), secret)
    assert "MRN" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("uid", ["../evil", "{folder}/abs_SMITH", "1.2.3-SMITH"])
def test_a_name_for_a_uid_is_never_kept(
    scan: Scan, secret: Pseudonyms, tmp_path: Path, uid: str
) -> None:
    source = scan("SOPInstanceUID", uid.format(folder=tmp_path), "1.2.999.2")
    made = written(source, secret, "uids")
    assert "1.2.999.2" in {one.SOPInstanceUID for one in made}
    assert len(made) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "scan"]
    assert all(b"SMITH" not in path.read_bytes() for path in (tmp_path / "out").iterdir())


def told(name: str, number: str) -> Dataset:
    dataset = Dataset()
    dataset.PatientName, dataset.PatientID = name, number
    return dataset


@pytest.mark.parametrize(
    "text", ["Li", "*tse LI_2", "for Wu, again", "series of liwu", "WuLi1", "王", "see 小明 there",
             "王小明", "A17", "id a17."],
)  # fmt: skip
def test_short_names_and_numbers_are_found(text: str) -> None:
    assert identity_of(told("Li^Wu=王^小明", "A17")).is_in(text)


@pytest.mark.parametrize("text", ["Liver", "Wurst", "CA17X", "A171", "B"])
def test_parts_of_other_words_are_not(text: str) -> None:
    assert not identity_of(told("Li^Wu^B", "A17")).is_in(text)


def test_a_short_name_goes_from_every_text(scan: Scan, secret: Pseudonyms, tmp_path: Path) -> None:
    source = scan("SequenceName", "of A17")
    (path,) = source.iterdir()
    dataset, code = dcmread(path), Dataset()
    code.CodeMeaning = "Li"
    dataset.PatientName, dataset.PatientID = "Li^Wu", "A17"
    dataset.AnatomicRegionSequence = [code]
    dataset.save_as(path)
    (made,) = written(source, secret)
    assert made.SequenceName == ""
    assert made.AnatomicRegionSequence[0].CodeMeaning == ""


def test_terms_of_the_standard_stay(scan: Scan, secret: Pseudonyms) -> None:
    source = scan("ImageType", ["ORIGINAL", "PRIMARY", "AXIAL", "MONO LISA"])
    (path,) = source.iterdir()
    dataset = dcmread(path)
    dataset.PatientName, dataset.PatientID = "Mono^Axial^CT^100^HFS", "MONO"
    dataset.SpecificCharacterSet, dataset.PatientPosition = "ISO_IR 100", "HFS"
    dataset.BodyPartExamined = "MONO"
    dataset.save_as(path)
    (made,) = written(source, secret)
    assert (made.PhotometricInterpretation, made.Modality) == ("MONOCHROME2", "CT")
    assert (made.SpecificCharacterSet, made.PatientPosition) == ("ISO_IR 100", "HFS")
    assert list(made.ImageType) == ["ORIGINAL", "PRIMARY", "AXIAL", ""]
    assert made.BodyPartExamined == ""
