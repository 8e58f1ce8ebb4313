"""Which images labels say that they were drawn on; highdicom and our exports say it."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from halsted.imaging_bridge import read_scan
from halsted.imaging_bridge.dicom.references import referenced_instances, referenced_series
from halsted.imaging_bridge.exports.convert import Conversion, convert


@pytest.fixture
def scan(tmp_path, write_series):
    return write_series(
        tmp_path / "scan", edit=lambda dataset, n: setattr(dataset, "SliceThickness", 2.5)
    )


@pytest.fixture
def drawn(tmp_path, scan):
    """Labels on slices 2 to 4, as SEG or RTSTRUCT."""

    def draw(to):
        volume = read_scan(scan.folder)
        voxels = np.zeros(volume.shape, np.uint8)
        voxels[2:5, 3:6, 4:8] = 1
        image = sitk.GetImageFromArray(voxels)
        image.CopyInformation(volume.to_sitk())
        sitk.WriteImage(image, str(tmp_path / "labels.nrrd"))
        path = tmp_path / f"{to}.dcm"
        convert(Conversion(scan.folder, to, path, tmp_path / "labels.nrrd"))
        return path

    return draw


def _instances(paths):
    return {str(pydicom.dcmread(path).SOPInstanceUID) for path in paths}


@pytest.mark.parametrize("to", ["seg", "rtstruct"])
def test_series_and_images_that_labels_were_drawn_on(scan, drawn, to):
    path = drawn(to)
    assert referenced_series(path) == {scan.series}
    assert referenced_instances(path) == _instances(scan.files()[2:5])


def test_images_of_the_series_where_no_contour_names_its_own(scan, drawn):
    path = drawn("rtstruct")
    dataset = pydicom.dcmread(path)
    for item in dataset.ROIContourSequence:
        for contour in item.ContourSequence:
            del contour.ContourImageSequence
    dataset.save_as(path)
    assert referenced_instances(path) == _instances(scan.files())


def test_file_that_refers_to_nothing(tmp_path, write_rtstruct, scan):
    path = write_rtstruct(tmp_path / "rs.dcm", {"Liver": []})
    assert referenced_series(path) == referenced_instances(path) == set()
    assert referenced_series(scan.files()[0]) == set()
    (tmp_path / "note.txt").write_text("nothing")
    assert referenced_series(tmp_path / "note.txt") == set()


@pytest.mark.parametrize(("vr", "value"), [("UL", 7), ("LO", "DOE^JANE")])
def test_references_of_another_type_are_none(drawn, vr, value):
    path = drawn("rtstruct")
    dataset = pydicom.dcmread(path)
    (frame,) = dataset.ReferencedFrameOfReferenceSequence
    del frame.RTReferencedStudySequence
    frame.add_new("RTReferencedStudySequence", vr, value)
    dataset.save_as(path)
    assert referenced_series(path) == set()


def test_a_name_where_a_uid_belongs_is_not_told(drawn):
    path = drawn("rtstruct")
    dataset = pydicom.dcmread(path)
    study = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    study.RTReferencedSeriesSequence[0].add_new("SeriesInstanceUID", "LO", "DOE^JANE")
    dataset.save_as(path)
    assert referenced_series(path) == set()


def test_real_references(data_folder):
    folder = data_folder / "lung_nodule" / "4D-Lung_113"
    images = [pydicom.dcmread(one, stop_before_pixels=True) for one in folder.glob("*.dcm")]
    scan = [one for one in images if one.Modality == "CT"]
    path = folder / "RTSTRUCT.dcm"
    assert referenced_series(path) == {str(scan[0].SeriesInstanceUID)}
    assert referenced_instances(path) <= {str(one.SOPInstanceUID) for one in scan}
    assert referenced_instances(path)
