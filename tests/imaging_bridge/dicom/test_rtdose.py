"""Dose in gray, where it lies."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.uid import RTDoseStorage, generate_uid

from halsted.imaging_bridge import GeometryError, ScanError, read_patient
from halsted.imaging_bridge.dicom.rtdose import dose_notes, read_rtdose


def _dose(folder, written, offsets, **changes):
    """A dose of 32-bit integers whose value at plane k, row i, column j is known."""
    dataset = pydicom.dcmread(written.files()[0])
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = RTDoseStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.Modality = "RTDOSE"
    planes = len(offsets)
    stored = (np.arange(planes * 120, dtype=np.int64) * 30_000_000) % 2**32
    dataset.NumberOfFrames = planes
    dataset.BitsAllocated = dataset.BitsStored = 32
    dataset.HighBit, dataset.PixelRepresentation = 31, 0
    dataset.GridFrameOffsetVector = list(offsets)
    dataset.DoseUnits, dataset.DoseGridScaling = "GY", 1.5e-8
    dataset.PixelData = stored.astype("<u4").tobytes()
    for tag, value in changes.items():
        setattr(dataset, tag, value)
    path = folder / "dose.dcm"
    dataset.save_as(path)
    return path, stored.reshape(planes, 10, 12) * 1.5e-8


@pytest.mark.parametrize("step", [3.0, -3.0])
def test_planes_lie_where_their_offsets_say(tmp_path, write_series, step):
    written = write_series(tmp_path / "scan")
    path, gray = _dose(tmp_path, written, [n * step for n in range(4)])
    dose = read_rtdose(path)
    assert (dose.unit, dose.modality) == ("Gy", "RTDOSE")
    assert dose.orientation == "SPL"
    for plane in range(4):
        point = written.affine[:3, 3] + [0, 0, plane * step]
        z, y, x = np.rint(dose.to_index(point)).astype(int)
        assert dose.voxels[z, y, x] == pytest.approx(gray[plane, 0, 0], rel=1e-6)
    # no digit is lost before the scaling: 32-bit integers do not fit into float32
    assert np.abs(np.sort(dose.voxels.ravel()) - np.sort(gray.ravel())).max() < 4e-6


def test_dose_beside_its_scan(tmp_path, write_series):
    written = write_series(tmp_path)
    _dose(tmp_path, written, [0.0, 2.5, 5.0])
    patient = read_patient(tmp_path)
    assert list(patient.images) == ["ct", "rtdose"]
    assert patient.image.modality == "CT"


def test_dose_in_another_frame_of_reference(tmp_path, write_series):
    written = write_series(tmp_path)
    path, _ = _dose(tmp_path, written, [0.0, 2.5], FrameOfReferenceUID=generate_uid())
    with pytest.raises(GeometryError, match="frame of reference"):
        read_rtdose(path, written.frame_of_reference)


@pytest.mark.parametrize("normal", [1.0, -1.0])
@pytest.mark.parametrize("step", [3.0, -3.0])
def test_planes_at_absolute_z(tmp_path, write_series, normal, step):
    """Offsets that start with the first plane's z are z of each plane (PS3.3 C.8.8.3.2)."""
    written = write_series(tmp_path / "scan", orientation=(1, 0, 0, 0, normal, 0))
    first = written.affine[:3, 3]
    path, gray = _dose(tmp_path, written, [first[2] + n * step for n in range(4)])
    dose = read_rtdose(path)
    for plane in range(4):
        z, y, x = np.rint(dose.to_index(first + np.array([0, 0, plane * step]))).astype(int)
        assert dose.voxels[z, y, x] == pytest.approx(gray[plane, 0, 0], rel=1e-6)


def test_planes_relative_to_a_normal_that_points_down(tmp_path, write_series):
    written = write_series(tmp_path / "scan", orientation=(1, 0, 0, 0, -1, 0))
    path, gray = _dose(tmp_path, written, [0.0, 3.0, 6.0])
    dose = read_rtdose(path)
    z, y, x = np.rint(dose.to_index(written.affine[:3, 3] - [0, 0, 6.0])).astype(int)
    assert dose.voxels[z, y, x] == pytest.approx(gray[2, 0, 0], rel=1e-6)


def test_offsets_that_say_nothing_are_refused(tmp_path, write_series, rotation):
    written = write_series(tmp_path / "scan")
    path, _ = _dose(tmp_path, written, [10.0, 13.0, 16.0])
    with pytest.raises(GeometryError, match="starts neither with 0 nor"):
        read_rtdose(path)
    along_x, along_y, _ = rotation(3).T
    oblique = write_series(tmp_path / "oblique", orientation=(*along_x, *along_y))
    first = float(oblique.affine[2, 3])
    path, _ = _dose(tmp_path, oblique, [first, first + 3.0, first + 6.0])
    with pytest.raises(GeometryError, match="starts neither with 0 nor"):
        read_rtdose(path)


def test_what_a_dose_is_the_sum_of(tmp_path, write_series):
    written = write_series(tmp_path / "scan")

    def notes(**stated):
        path, _ = _dose(tmp_path, written, [0.0, 3.0], **stated)
        read_rtdose(path)
        return dose_notes(path)

    assert notes(DoseType="PHYSICAL", DoseSummationType="PLAN") == ()
    (beam,) = notes(DoseType="PHYSICAL", DoseSummationType="BEAM")
    assert "one or several beams of a plan only" in beam
    (effective,) = notes(DoseType="EFFECTIVE", DoseSummationType="PLAN")
    assert "biological effect" in effective
    strange = notes(DoseSummationType="DOE JANE")
    assert len(strange) == 2
    assert "DOE" not in "".join(strange)


def test_integers_that_do_not_say_how_many_bits_they_store(tmp_path, write_series):
    """Not taken for floating-point numbers, of which whole numbers look like next to nothing."""
    written = write_series(tmp_path / "scan")
    path, _ = _dose(tmp_path, written, [0.0, 3.0])
    dataset = pydicom.dcmread(path)
    del dataset.BitsStored
    dataset.save_as(path)
    with pytest.raises(ScanError, match="BitsStored"):
        read_rtdose(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"GridFrameOffsetVector": [0.0, 2.0, 5.0]}, "uneven distances"),
        ({"GridFrameOffsetVector": [0.0, 2.0]}, "GridFrameOffsetVector"),
        ({"DoseUnits": "CGY"}, "DoseUnits"),
        ({"DoseGridScaling": 0}, "DoseGridScaling"),
        ({"DoseGridScaling": None}, "DoseGridScaling"),
        ({"DoseGridScaling": 1e300}, "DoseGridScaling"),
        ({"DoseType": "ERROR"}, "DoseType ERROR"),
        ({"NumberOfFrames": 30}, "truncated"),
    ],
)
def test_refusals(tmp_path, write_series, changes, words):
    written = write_series(tmp_path / "scan")
    path, _ = _dose(tmp_path, written, [0.0, 3.0, 6.0], **changes)
    with pytest.raises((ScanError, GeometryError), match=words):
        read_rtdose(path)


def test_real_dose(data_folder):
    path = data_folder / "dicom_hazards" / "pydicom" / "rtdose.dcm"
    dose = read_rtdose(path)
    dataset = pydicom.dcmread(path)
    expected = dataset.pixel_array * float(dataset.DoseGridScaling)
    np.testing.assert_allclose(dose.voxels, expected, rtol=1e-6)
    assert dose.unit == "1"  # the file says that it is relative
    assert dose_notes(path) == (
        "the dose is that of one or several beams of a plan only (DoseSummationType BEAM)",
    )
