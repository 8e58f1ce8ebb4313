"""The table is the standard's, and objects say what was done to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.datadict import dictionary_has_tag, tag_for_keyword

from halsted.imaging_bridge.deidentification import Option, Pseudonyms, deidentify
from halsted.imaging_bridge.deidentification.dates import shifted
from halsted.imaging_bridge.deidentification.names import safe_structure_name
from halsted.imaging_bridge.deidentification.profile import OPTIONS, rules

Edit = Callable[[Any, int], Any]


def test_the_table_is_whole() -> None:
    actions = Counter(rule.action for rule in rules().values())
    # Table E.1-1 of 2024b has 617 attributes beside groups; ten more came until 2026c.
    assert sum(actions.values()) == 627
    assert set(actions) == {"X", "Z", "D", "U", "X/Z", "X/D", "Z/D", "X/Z/D", "X/Z/U*"}
    assert all(dictionary_has_tag(tag) for tag in rules())
    kept = {option for rule in rules().values() for option in rule.kept_with}
    assert kept == set(OPTIONS) - {"shifted-dates"}


@pytest.mark.parametrize(
    ("keyword", "action", "kept_with"),
    [
        ("PatientName", "Z", set()),
        ("PatientID", "Z/D", set()),
        ("StudyInstanceUID", "U", {"uids"}),
        ("StudyDate", "Z", {"dates"}),
        ("AcquisitionDateTime", "X/Z/D", {"dates"}),
        ("PatientSex", "Z", {"patient"}),
        ("InstitutionName", "X/Z/D", {"institution"}),
        ("DeviceSerialNumber", "X/Z/D", {"device"}),
        ("DigitalSignaturesSequence", "X", set()),
        ("SourceImageSequence", "X/Z/U*", {"uids"}),
        ("OriginalAttributesSequence", "X", set()),
    ],
)
def test_the_table_says_what_the_standard_says(
    keyword: str, action: str, kept_with: set[str]
) -> None:
    rule = rules()[tag_for_keyword(keyword) or 0]
    assert (rule.action, set(rule.kept_with)) == (action, kept_with)


@pytest.fixture
def dated(write_series: Callable[..., Any], tmp_path: Path) -> Path:
    def edit(dataset: Any, number: int) -> None:
        dataset.StudyDate, dataset.StudyTime = "20240229", "101112"
        dataset.AcquisitionDateTime = "20240301101112.5"
        dataset.InstitutionName, dataset.DeviceSerialNumber = "A Hospital", "SN-1"
        dataset.PatientSex, dataset.PatientAge = "F", "044Y"

    folder: Path = write_series(tmp_path / "dated", shape=(2, 4, 4), edit=edit).folder
    return folder


def cleaned(scan: Path, secret: Pseudonyms, *options: Option) -> Any:
    out = scan.parent / "-".join(("out", *options))
    deidentify(scan, out, secret, options)
    return dcmread(next(out.iterdir()))


def test_the_basic_profile_is_stated(dated: Path, secret: Pseudonyms) -> None:
    made = cleaned(dated, secret)
    assert made.PatientIdentityRemoved == "YES"
    assert [one.CodeValue for one in made.DeidentificationMethodCodeSequence] == ["113100"]
    assert made.LongitudinalTemporalInformationModified == "REMOVED"
    assert made.StudyDate == ""
    assert made.PatientSex == ""
    assert "PatientAge" not in made
    assert made.InstitutionName == "REMOVED"
    assert made.file_meta.ImplementationVersionName == "HALSTED"
    assert made.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID
    assert made.preamble == b"\0" * 128


@pytest.mark.parametrize(
    ("option", "code", "kept"),
    [
        ("dates", "113106", {"StudyDate": "20240229", "StudyTime": "101112"}),
        ("patient", "113108", {"PatientSex": "F", "PatientAge": "044Y"}),
        ("device", "113109", {"DeviceSerialNumber": "SN-1"}),
        ("institution", "113112", {"InstitutionName": "A Hospital"}),
    ],
)
def test_an_option_keeps_what_it_names(
    dated: Path, secret: Pseudonyms, option: Option, code: str, kept: dict[str, str]
) -> None:
    made, plain = cleaned(dated, secret, option), cleaned(dated, secret)
    assert [one.CodeValue for one in made.DeidentificationMethodCodeSequence] == ["113100", code]
    for keyword, value in kept.items():
        assert made[keyword].value == value
        assert plain.get(keyword, "") != value


def test_uids_are_kept_with_their_option(dated: Path, secret: Pseudonyms) -> None:
    before = dcmread(next(dated.iterdir()))
    after = cleaned(dated, secret, "uids")
    assert after.StudyInstanceUID == before.StudyInstanceUID
    assert after.PatientID != before.PatientID


def test_dates_move_together(dated: Path, secret: Pseudonyms) -> None:
    made = cleaned(dated, secret, "shifted-dates")
    days = secret.shift_days("mrn-12345")
    assert made.StudyDate == shifted("20240229", days) != "20240229"
    assert made.AcquisitionDateTime == shifted("20240301", days) + "101112.5"
    assert made.StudyTime == "101112"
    assert made.LongitudinalTemporalInformationModified == "MODIFIED"


@pytest.mark.parametrize(
    ("value", "days", "expected"),
    [
        ("20240301", 1, "20240229"),
        ("20240301123000.25+0100", 366, "20230301123000.25+0100"),
        ("2024", 1, ""),
        ("20249999", 1, ""),
        ("00010101", 5, ""),
        ("no date", 5, ""),
        ("", 5, ""),
    ],
)
def test_a_date_is_moved_or_emptied(value: str, days: int, expected: str) -> None:
    assert shifted(value, days) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kidney_left", "kidney_left"),
        ("GTV 1", "GTV 1"),
        ("vertebrae_L5", "vertebrae_L5"),
        ("GTV Smith", "structure_7"),
        ("19770707", "structure_7"),
        ("", "structure_7"),
    ],
)
def test_a_structure_keeps_a_name_of_anatomy_only(name: str, expected: str) -> None:
    assert safe_structure_name(name, 7) == expected
