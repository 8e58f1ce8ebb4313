"""Whole studies: links between objects, refusals, and never half a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import SecondaryCaptureImageStorage

from halsted.imaging_bridge.deidentification import Pseudonyms, deidentify, pseudonyms
from halsted.imaging_bridge.dicom.series import find_series, read_dicom_series
from halsted.imaging_bridge.errors import HalstedError, OutputError, ScanError
from halsted.imaging_bridge.exports import read_source, write_rtstruct, write_seg
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.read import read_patient

Edit = Callable[[Any, int], Any]


@pytest.fixture
def study(write_series: Callable[..., Any], tmp_path: Path) -> Path:
    """A series, a structure set and a segmentation that refer to it."""
    written = write_series(tmp_path / "study")
    volume = read_dicom_series(written.folder)
    voxels = np.zeros(volume.shape, np.uint8)
    voxels[2:5, 3:7, 3:8] = 1
    labels = LabelMap(voxels, volume.affine, {"liver": 1}, "manual")
    source = read_source(find_series(written.folder))
    write_rtstruct(labels, source, written.folder / "rs.dcm")
    write_seg(labels, source, written.folder / "seg.dcm")
    folder: Path = written.folder
    return folder


def of_modality(folder: Path, modality: str) -> list[Any]:
    found = [dcmread(path) for path in sorted(folder.iterdir())]
    return [one for one in found if one.Modality == modality]


def test_the_scan_is_read_as_before(study: Path, secret: Pseudonyms, tmp_path: Path) -> None:
    before, out = read_dicom_series(study), tmp_path / "out"
    assert deidentify(study, out, secret).written == 10
    after = read_dicom_series(out)
    np.testing.assert_array_equal(after.voxels, before.voxels)
    np.testing.assert_array_equal(after.affine, before.affine)


def test_links_between_objects_stay(study: Path, secret: Pseudonyms, tmp_path: Path) -> None:
    out = tmp_path / "out"
    deidentify(study, out, secret)
    images = {one.SOPInstanceUID for one in of_modality(out, "CT")}
    frame = of_modality(out, "CT")[0].FrameOfReferenceUID
    (structures,), (segments,) = of_modality(out, "RTSTRUCT"), of_modality(out, "SEG")
    referenced = structures.ReferencedFrameOfReferenceSequence[0]
    assert referenced.FrameOfReferenceUID == frame == segments.FrameOfReferenceUID
    contour = structures.ROIContourSequence[0].ContourSequence[0]
    assert contour.ContourImageSequence[0].ReferencedSOPInstanceUID in images
    source = segments.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert {one.ReferencedSOPInstanceUID for one in source} <= images
    assert len({one.StudyInstanceUID for one in (structures, segments)}) == 1


@pytest.mark.parametrize("kind", ["RTSTRUCT", "SEG"])
def test_labels_still_fit(study: Path, secret: Pseudonyms, tmp_path: Path, kind: str) -> None:
    deidentify(study, tmp_path / "out", secret)
    (one,) = (
        path
        for path in (tmp_path / "out").iterdir()
        if dcmread(path, stop_before_pixels=True).Modality == kind
    )
    labels = read_patient(tmp_path / "out", one).labels
    assert labels is not None
    assert int((labels.voxels > 0).sum()) == 3 * 4 * 5


def test_the_same_key_gives_the_same_uids(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALSTED_DEID_KEY", "0123456789abcdef")
    for name in ("one", "two"):
        assert deidentify(study, tmp_path / name, pseudonyms()).key_is_given
    monkeypatch.delenv("HALSTED_DEID_KEY")
    assert not deidentify(study, tmp_path / "three", pseudonyms()).key_is_given
    one, two, three = (
        {path.name for path in (tmp_path / name).iterdir()} for name in ("one", "two", "three")
    )
    assert one == two
    assert not one & three


def test_a_guessable_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALSTED_DEID_KEY", "secret")
    with pytest.raises(HalstedError, match="16 are needed"):
        pseudonyms()
    with pytest.raises(HalstedError, match="cannot read the key file"):
        pseudonyms(tmp_path / "no such file")


def test_a_key_may_be_any_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environb, b"HALSTED_DEID_KEY", b" \xff\xfe and fourteen more ")
    assert pseudonyms().key == b"\xff\xfe and fourteen more"


def test_uids_are_valid_and_tell_nothing(secret: Pseudonyms) -> None:
    made = {secret.uid(f"1.2.3.{number}") for number in range(500)}
    assert len(made) == 500
    assert all(uid.startswith("2.25.") and len(uid) <= 44 for uid in made)


def edit_first(**values: Any) -> Edit:
    def edit(dataset: Any, number: int) -> None:
        if number == 0:
            for keyword, value in values.items():
                setattr(dataset, keyword, value)

    return edit


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"BurnedInAnnotation": "YES"}, "burnt into"),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, "secondary capture"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1"}, "ultrasound"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"}, "structured report"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}, "encapsulated document"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "picture of a screen"),
    ],
)
def test_what_cannot_be_cleaned_is_refused(
    write_series: Callable[..., Any],
    secret: Pseudonyms,
    tmp_path: Path,
    values: dict[str, Any],
    word: str,
) -> None:
    scan = write_series(tmp_path / "scan", shape=(3, 4, 4), edit=edit_first(**values)).folder
    with pytest.raises(ScanError, match=word):
        deidentify(scan, tmp_path / "out", secret)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scan"]
    report = deidentify(scan, tmp_path / "out", secret, skip_refused=True)
    assert report.written == 2
    assert sum(report.left_out.values()) == 1


def test_pixels_that_say_nothing_pass_on_request(
    write_series: Callable[..., Any], secret: Pseudonyms, tmp_path: Path
) -> None:
    edit = edit_first(SOPClassUID=SecondaryCaptureImageStorage)
    scan = write_series(tmp_path / "scan", shape=(3, 4, 4), edit=edit).folder
    report = deidentify(scan, tmp_path / "out", secret, allow_unknown_pixels=True)
    assert report.written == 3


def test_an_overlay_in_the_pixels_is_refused(
    write_series: Callable[..., Any], secret: Pseudonyms, tmp_path: Path
) -> None:
    def edit(dataset: Any, number: int) -> None:
        dataset.add_new(0x60000100, "US", 16)
        dataset.add_new(0x60000102, "US", 12)

    scan = write_series(tmp_path / "scan", shape=(1, 4, 4), edit=edit).folder
    with pytest.raises(ScanError, match="unused bits"):
        deidentify(scan, tmp_path / "out", secret)


def test_a_damaged_file_leaves_nothing_behind(
    study: Path, secret: Pseudonyms, tmp_path: Path
) -> None:
    last = sorted(study.glob("slice*.dcm"))[-1]
    last.write_bytes(last.read_bytes()[:700])
    with pytest.raises(ScanError):
        deidentify(study, tmp_path / "out", secret)
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


def test_other_files_are_left_out_and_counted(
    study: Path, secret: Pseudonyms, tmp_path: Path
) -> None:
    (study / "letter to Mr Secret.txt").write_text("Dear Mr Secret")
    report = deidentify(study, tmp_path / "out", secret)
    assert report.as_dict()["files_left_out"] == {"it is no DICOM file": 1}
    assert all(path.suffix == ".dcm" for path in (tmp_path / "out").iterdir())


def test_an_archive_is_a_folder(study: Path, secret: Pseudonyms, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "study"), "zip", study)
    assert deidentify(archive, tmp_path / "out", secret).written == 10


def test_a_copy_is_written_once_and_a_double_refused(
    study: Path, secret: Pseudonyms, tmp_path: Path
) -> None:
    shutil.copy(study / "slice000.dcm", study / "again.dcm")
    report = deidentify(study, tmp_path / "out", secret)
    assert (report.written, dict(report.left_out)) == (10, {"it is a copy of another file": 1})
    other = dcmread(study / "slice000.dcm")
    other.RescaleIntercept = 5
    other.save_as(study / "other.dcm")
    with pytest.raises(ScanError, match="says something else"):
        deidentify(study, tmp_path / "second", secret)


def test_no_output_is_overwritten_or_mixed(study: Path, secret: Pseudonyms, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    deidentify(study, tmp_path / "out", secret)
    with pytest.raises(OutputError, match="exists already"):
        deidentify(study, tmp_path / "out", secret)
    with pytest.raises(OutputError, match="in the scan"):
        deidentify(study, study / "out", secret)


def validator_errors(path: Path) -> Counter[str]:
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, timeout=60)
    lines = (done.stdout + done.stderr).splitlines()
    return Counter(line for line in lines if line.startswith("Error"))


def test_a_real_study_is_no_less_valid_than_before(
    data_folder: Path, secret: Pseudonyms, tmp_path: Path
) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian: dicom3tools)")
    scan = data_folder / "lung_nodule" / "4D-Lung_113"
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    structures = [path for path in scan.iterdir() if dcmread(path).Modality == "RTSTRUCT"]
    for path in [*sorted(scan.glob("1-0*.dcm"))[:3], *structures]:
        shutil.copy(path, chosen)
    before = sum((validator_errors(path) for path in chosen.iterdir()), Counter())
    deidentify(chosen, tmp_path / "out", secret)
    after = sum((validator_errors(path) for path in (tmp_path / "out").iterdir()), Counter())
    assert not after - before


@pytest.mark.parametrize(
    "name",
    [
        "pydicom/MR_small_RLE.dcm",
        "pydicom/SC_rgb_jpeg_dcmtk.dcm",
        "pydicom-data/bad_sequence.dcm",
        "pydicom-data/emri_small_jpeg_2k_lossless.dcm",
        "pydicom/MR_small_jpeg_ls_lossless.dcm",
        "pydicom/MR_small_jp2klossless.dcm",
        "pydicom-data/emri_small_RLE.dcm",
        "pydicom-data/eCT_Supplemental.dcm",
        "highdicom/seg_image_ct_binary.dcm",
    ],
)
def test_pixels_stay_as_they_are(
    data_folder: Path, secret: Pseudonyms, tmp_path: Path, name: str
) -> None:
    path = data_folder / "dicom_hazards" / name
    deidentify(path, tmp_path / "out", secret, allow_unknown_pixels=True)
    before, after = dcmread(path), dcmread(next((tmp_path / "out").iterdir()))
    np.testing.assert_array_equal(after.pixel_array, before.pixel_array)
    assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
