"""What `halsted convert` writes as DICOM is stored in a PACS, fetched, and read back equal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from halsted.imaging_bridge import Volume, read_patient, read_scan
from halsted.imaging_bridge.exports.convert import Conversion, convert
from halsted.imaging_bridge.pacs.pull import pull
from halsted.imaging_bridge.pacs.push import push


def _write(image: Volume, voxels: Any, path: Path) -> Path:
    written = sitk.GetImageFromArray(voxels)
    written.CopyInformation(image.to_sitk())
    sitk.WriteImage(written, str(path))
    return path


@pytest.fixture
def scan(write_series: Callable[..., Any], rotation: Callable[..., Any], tmp_path: Path) -> Any:
    """An oblique CT series, each slice with its thickness."""
    along_x, along_y, _ = rotation(3).T
    return write_series(
        tmp_path / "scan",
        shape=(8, 32, 28),
        orientation=(*along_x, *along_y),
        edit=lambda dataset, number: setattr(dataset, "SliceThickness", 2.5),
    )


def _round_trip(orthanc: Any, way: str, sent: Path, scan: Any, tmp_path: Path) -> Path:
    """Store the export with its scan, fetch the study by the same way, and find it again."""
    pushed = push(orthanc.open(way), [scan.folder, sent])
    assert (pushed.sent, pushed.refused.total()) == (9, 0)
    study = str(pydicom.dcmread(scan.files()[0], stop_before_pixels=True).StudyInstanceUID)
    pull(orthanc.open(way), study, tmp_path / "back")
    return tmp_path / "back"


@pytest.mark.parametrize("way", ["get", "web"])
@pytest.mark.parametrize("to", ["seg", "rtstruct"])
def test_labels(orthanc: Any, scan: Any, tmp_path: Path, way: str, to: str) -> None:
    image = read_scan(scan.folder)
    drawn = (np.random.default_rng(0).random(image.shape) < 0.4).astype(np.uint8)
    drawn[2:5, 8:20, 8:20] = 2
    labels = _write(image, drawn, tmp_path / "labels.nrrd")
    sent = tmp_path / "export.dcm"
    convert(Conversion(scan.folder, to, sent, labels, {"liver": 1, "tumour": 2}))  # type: ignore[arg-type]
    patient = read_patient(_round_trip(orthanc, way, sent, scan, tmp_path))
    assert patient.labels is not None
    np.testing.assert_array_equal(patient.labels.mask("liver"), drawn == 1)
    np.testing.assert_array_equal(patient.labels.mask("tumour"), drawn == 2)
    np.testing.assert_array_equal(patient.image.voxels, image.voxels)


@pytest.mark.parametrize("way", ["get", "web"])
def test_dose(orthanc: Any, scan: Any, tmp_path: Path, way: str) -> None:
    image = read_scan(scan.folder)
    gray = np.random.default_rng(1).uniform(0, 70, image.shape).astype(np.float32)
    path = _write(image, gray, tmp_path / "dose.nrrd")
    sent = tmp_path / "export.dcm"
    convert(Conversion(path, "rtdose", sent, reference=scan.folder, unit="Gy"))
    patient = read_patient(_round_trip(orthanc, way, sent, scan, tmp_path))
    dose = patient.images["rtdose"]
    assert dose.unit == "Gy"
    np.testing.assert_allclose(dose.affine, image.affine, atol=1e-3)
    np.testing.assert_allclose(dose.voxels, gray, atol=1e-5)
