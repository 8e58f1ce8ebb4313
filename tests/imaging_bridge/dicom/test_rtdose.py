"""Dose in gray, where it lies."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.uid import RTDoseStorage, generate_uid

from halsted.imaging_bridge import GeometryError, ScanError, read_patient
from halsted.imaging_bridge.dicom.rtdose import read_rtdose


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
    _dose(tmp_path, written, [0.0, 2.5], FrameOfReferenceUID=generate_uid())
    with pytest.raises(GeometryError, match="frame of reference"):
        read_patient(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"GridFrameOffsetVector": [0.0, 2.0, 5.0]}, "uneven distances"),
        ({"GridFrameOffsetVector": [0.0, 2.0]}, "GridFrameOffsetVector"),
        ({"DoseUnits": "CGY"}, "DoseUnits"),
        ({"DoseGridScaling": 0}, "DoseGridScaling"),
        ({"DoseGridScaling": None}, "DoseGridScaling"),
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
