"""PET as standardised uptake value, against the sum done by hand."""

from __future__ import annotations

import pydicom
import pytest

from halsted.imaging_bridge.dicom.series import find_series


def _pet(dataset, **changes):
    """70 kg; 370 MBq of F-18 (half-life 6586.2 s) injected 3600 s before the series."""
    dataset.Units, dataset.CorrectedImage = "BQML", ["DECY", "ATTN", "SCAT"]
    dataset.DecayCorrection, dataset.PatientWeight = "START", 70.0
    dataset.SeriesDate = dataset.AcquisitionDate = "20200102"
    dataset.SeriesTime, dataset.AcquisitionTime = "120000.00", "120030"
    injection = pydicom.Dataset()
    injection.RadionuclideTotalDose, injection.RadionuclideHalfLife = 370e6, 6586.2
    injection.RadiopharmaceuticalStartTime = "110000"
    dataset.RadiopharmaceuticalInformationSequence = [injection]
    for tag, value in changes.items():
        setattr(injection if tag.startswith("Radio") else dataset, tag, value)


def _write(write_series, folder, **changes):
    write_series(
        folder, modality="PT", slope=lambda n: 2.0, intercept=0.0,
        edit=lambda dataset, n: _pet(dataset, **changes),
    )  # fmt: skip
    return find_series(folder)


# 70,000 g / (370e6 Bq x 2^(-3600 / 6586.2)) = 2.76337e-4 g/ml per Bq/ml
BY_HAND = 70_000 / (370e6 * 0.684633)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"RadiopharmaceuticalStartDateTime": "20200102110000.000000"},
        {
            "SeriesTime": "003000",
            "AcquisitionTime": "003000",
            "RadiopharmaceuticalStartTime": "233000",
        },
    ],
    ids=["time of day", "date and time", "over midnight"],
)
def test_activity_becomes_suv(tmp_path, write_series, changes):
    series = _write(write_series, tmp_path, **changes)
    assert series.slices[0].unit == "g/ml"
    assert series.slices[0].slope == pytest.approx(2.0 * BY_HAND, rel=1e-5)
    assert "Bq/ml were converted to SUV by body weight" in series.notes


def test_dose_that_is_decayed_to_the_injection(tmp_path, write_series):
    series = _write(write_series, tmp_path, DecayCorrection="ADMIN")
    assert series.slices[0].slope == pytest.approx(2.0 * 70_000 / 370e6)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"PatientWeight": None}, "weight"),
        ({"Units": "CNTS"}, "CNTS"),
        ({"CorrectedImage": ["ATTN"]}, "corrected"),
        ({"RadionuclideTotalDose": None}, "dose"),
        ({"DecayCorrection": "NONE"}, "DecayCorrection"),
        ({"AcquisitionTime": "110000"}, "derived"),
        ({"RadiopharmaceuticalStartTime": ""}, "injection"),
        ({"RadiopharmaceuticalStartDateTime": "20191201110000"}, "injection"),
    ],
)
def test_without_the_facts_the_values_stay_and_the_reason_is_told(
    tmp_path, write_series, changes, reason
):
    series = _write(write_series, tmp_path, **changes)
    assert series.slices[0].unit == changes.get("Units", "BQML")
    assert series.slices[0].slope == 2.0
    assert any(note.startswith("no SUV") and reason in note for note in series.notes)
