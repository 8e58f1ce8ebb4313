"""Labels and doses that lie beside a series: which of them are its own."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from halsted.imaging_bridge import ScanError, read_patient


def _square(written, z):
    corner = written.affine[:3, 3] + [0, 0, z * 2.5]
    return corner + np.array([[1, 1, 0], [4, 1, 0], [4, 4, 0], [1, 4, 0]])


def _referring(images, series=None):
    """An edit of a structure set that names the images it was drawn on."""

    def edit(dataset):
        for drawn in dataset.ROIContourSequence:
            for contour, path in zip(drawn.ContourSequence, images, strict=True):
                item = pydicom.Dataset()
                item.ReferencedSOPInstanceUID = pydicom.dcmread(path).SOPInstanceUID
                contour.ContourImageSequence = [item]
        if series is not None:
            frame, study, one = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
            one.SeriesInstanceUID = series
            study.RTReferencedSeriesSequence = [one]
            frame.RTReferencedStudySequence = [study]
            frame.FrameOfReferenceUID = pydicom.dcmread(images[0]).FrameOfReferenceUID
            dataset.ReferencedFrameOfReferenceSequence = [frame]

    return edit


@pytest.fixture
def two_phases(tmp_path, write_series):
    """Two phases of one series; the second is 1000 higher."""
    series = generate_uid()
    phases = []
    for number in range(2):

        def edit(dataset, _, number=number):
            dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = series, "1.2.3"
            dataset.TemporalPositionIdentifier = number + 1
            stored = np.frombuffer(dataset.PixelData, "<i2") + 1000 * number
            dataset.PixelData = stored.astype("<i2").tobytes()

        folder = tmp_path / "scan" / str(number)
        phases.append(write_series(folder, edit=edit, modality="MR", intercept=0))
    return tmp_path / "scan", phases


@pytest.mark.parametrize("phase", [0, 1])
def test_labels_go_onto_their_phase(two_phases, write_rtstruct, phase):
    folder, phases = two_phases
    written = phases[phase]
    images = written.files()[2:4]
    contours = [_square(written, 2), _square(written, 3)]
    write_rtstruct(folder / "rs.dcm", {"Liver": contours}, "1.2.3", edit=_referring(images))
    patient = read_patient(folder)
    assert next(iter(patient.images)).endswith(f"={phase + 1}")
    assert len(patient.images) == 2
    assert patient.labels is not None
    assert patient.labels.mask("Liver").any()
    alone = read_patient(folder, phase=1 - phase)
    assert alone.labels is None
    assert "left out" in alone.facts["notes"]


def test_labels_of_another_series_are_left_out(tmp_path, write_series, write_rtstruct):
    ours = write_series(tmp_path / "a")
    other = write_series(tmp_path / "b", modality="MR", intercept=0)
    for name, written in (("ours", ours), ("other", other)):
        write_rtstruct(
            tmp_path / f"{name}.dcm",
            {name: [_square(written, 2)]},
            edit=_referring(written.files()[2:3], written.series),
        )
    patient = read_patient(tmp_path, series=ours.series)
    assert patient.labels is not None
    assert list(patient.labels.names) == ["ours"]
    assert "1 structure set(s) or segmentation(s) of another series" in patient.facts["notes"]


def test_labels_can_be_declined(tmp_path, write_series, write_rtstruct):
    written = write_series(tmp_path)
    for name in ("one", "two"):
        write_rtstruct(tmp_path / f"{name}.dcm", {name: [_square(written, 2)]})
    with pytest.raises(ScanError, match="labels=none"):
        read_patient(tmp_path)
    assert read_patient(tmp_path, "none").labels is None
