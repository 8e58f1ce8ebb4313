"""Segmentations: highdicom writes, or has read, the same voxels."""

from __future__ import annotations

import warnings

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.uid import RLELossless, generate_uid

from halsted.imaging_bridge import GeometryError, Grid, ScanError, read_patient, read_scan
from halsted.imaging_bridge.dicom.seg import read_seg

SHAPE = (8, 10, 12)


@pytest.fixture
def scan(tmp_path, write_series, rotation):
    """An oblique CT in a folder of its own."""
    along_x, along_y, _ = rotation(11).T
    return write_series(
        tmp_path / "scan",
        orientation=(*along_x, *along_y),
        edit=lambda dataset, number: setattr(dataset, "SliceThickness", 2.5),
    )


def _mask(seed, share):
    rng = np.random.default_rng(seed)
    mask = rng.random(SHAPE) < share
    mask[3] = False  # a frame that writers leave out
    return mask


def _describe(number, label, kind="MANUAL"):
    algorithm = None
    if kind != "MANUAL":
        algorithm = highdicom.AlgorithmIdentificationSequence(
            name="generated",
            version="1",
            family=codes.DCM.ArtificialIntelligence,
        )
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=codes.SCT.Tissue,
        segmented_property_type=codes.SCT.Tissue,
        algorithm_type=kind,
        algorithm_identification=algorithm,
    )


def _write(path, scan, pixels, kind, descriptions, **more):
    sources = [pydicom.dcmread(one) for one in scan.files()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seg = highdicom.seg.Segmentation(
            source_images=sources,
            pixel_array=pixels,
            segmentation_type=kind,
            segment_descriptions=descriptions,
            series_instance_uid=generate_uid(),
            series_number=3,
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer="none",
            manufacturer_model_name="none",
            software_versions="1",
            device_serial_number="1",
            **more,
        )
    seg.save_as(path)
    return path


@pytest.mark.parametrize("syntax", [None, RLELossless])
def test_binary_segments_that_overlap(tmp_path, scan, syntax):
    large, small = _mask(1, 0.5), _mask(2, 0.1)
    small[large.argmax() // 120, 0, 0] = True
    more = {} if syntax is None else {"transfer_syntax_uid": syntax}
    if syntax is not None:
        pytest.importorskip("rle")
    path = _write(
        tmp_path / "seg.dcm",
        scan,
        np.stack([large, small], axis=-1).astype(np.uint8),
        "BINARY" if syntax is None else "FRACTIONAL",
        [_describe(1, "Liver"), _describe(2, "Tumour")],
        **more,
    )
    volume = read_scan(scan.folder)
    labels = read_seg(path, volume)
    assert dict(labels.names) == {"Liver": 1, "Tumour": 2}
    np.testing.assert_array_equal(labels.mask("Tumour"), small)
    np.testing.assert_array_equal(labels.mask("Liver"), large & ~small)
    assert labels.provenance == "manual"
    np.testing.assert_allclose(labels.affine, volume.affine)


@pytest.mark.parametrize("kind", ["FRACTIONAL", "LABELMAP"])
def test_other_kinds(tmp_path, scan, kind):
    mask = _mask(5, 0.4)
    pixels = mask.astype(np.uint8) if kind == "LABELMAP" else np.where(mask, 0.75, 0.25)
    path = _write(tmp_path / "seg.dcm", scan, pixels, kind, [_describe(1, "Liver", "AUTOMATIC")])
    labels = read_seg(path, read_scan(scan.folder))
    np.testing.assert_array_equal(labels.mask("Liver"), mask)
    assert labels.provenance == "generated"


def test_a_segmentation_beside_its_scan_is_taken(tmp_path, scan):
    mask = _mask(1, 0.3)
    _write(scan.folder / "seg.dcm", scan, mask.astype(np.uint8), "BINARY", [_describe(1, "Liver")])
    patient = read_patient(scan.folder)
    assert patient.labels is not None
    np.testing.assert_array_equal(patient.labels.mask("Liver"), mask)


def test_frames_on_a_flipped_and_turned_grid(tmp_path, scan):
    """The same scan, its array axes turned: every voxel is found where it lies in the patient."""
    mask = _mask(4, 0.3)
    path = _write(
        tmp_path / "seg.dcm", scan, mask.astype(np.uint8), "BINARY", [_describe(1, "Liver")]
    )
    volume = read_scan(scan.folder)
    turned = np.transpose(volume.voxels, (0, 2, 1))[::-1, :, ::-1]
    affine = volume.affine[:, [0, 2, 1, 3]].copy()
    for axis in (0, 2):
        affine[:3, 3] += affine[:3, axis] * (turned.shape[axis] - 1)
        affine[:3, axis] *= -1
    labels = read_seg(path, Grid(turned, affine))
    expected = np.transpose(mask, (0, 2, 1))[::-1, :, ::-1]
    np.testing.assert_array_equal(labels.mask("Liver"), expected)


def test_refusals(tmp_path, scan, write_series):
    mask = _mask(1, 0.3)
    path = _write(
        tmp_path / "seg.dcm", scan, mask.astype(np.uint8), "BINARY", [_describe(1, "Liver")]
    )
    volume = read_scan(scan.folder)
    with pytest.raises(GeometryError, match="frame of reference"):
        read_seg(path, volume, "1.2.3")
    moved = volume.affine.copy()
    moved[:3, 3] += 0.4 * moved[:3, 1]
    with pytest.raises(GeometryError, match="does not lie on the voxels"):
        read_seg(path, Grid(volume.voxels, moved))
    with pytest.raises(GeometryError, match="does not lie on the voxels"):
        read_seg(path, Grid(volume.voxels[:4], volume.affine))
    with pytest.raises(ScanError, match="needs the scan"):
        read_patient(path)
    with pytest.raises(ScanError, match="no DICOM Segmentation"):
        read_seg(scan.files()[0], volume)


def _flat(path, scan, rows, columns, orientation, spacing, position):
    """A segmentation of one frame that lies as it is told, all of it inside."""
    _write(path, scan, _mask(1, 0.3).astype(np.uint8), "BINARY", [_describe(1, "Liver")])
    dataset = pydicom.dcmread(path)
    (shared,) = dataset.SharedFunctionalGroupsSequence
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [float(n) for n in orientation]
    shared.PixelMeasuresSequence[0].PixelSpacing = list(spacing)
    dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[:1]
    (frame,) = dataset.PerFrameFunctionalGroupsSequence
    frame.PlanePositionSequence[0].ImagePositionPatient = [float(n) for n in position]
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = rows, columns, 1
    dataset.PixelData = b"\xff" * 16
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("across", ["x", "y", "z"])
@pytest.mark.parametrize("is_column", [True, False])
def test_frames_of_one_row_or_column(tmp_path, write_series, across, is_column):
    scan = write_series(
        tmp_path / "scan", edit=lambda dataset, n: setattr(dataset, "SliceThickness", 2.5)
    )
    volume = read_scan(scan.folder)
    axis = "zyx".index(across)
    count = SHAPE[axis] - 2
    along, aside = np.eye(3)["xyz".index(across)], np.eye(3)["yzx".index(across)]
    directions = (aside, along) if is_column else (along, aside)
    spacing = (volume.spacing[axis], 1.0) if is_column else (1.0, volume.spacing[axis])
    path = _flat(
        tmp_path / "seg.dcm", scan,
        count if is_column else 1, 1 if is_column else count,
        np.concatenate(directions), spacing, volume.to_patient((1, 1, 1)),
    )  # fmt: skip
    expected = np.zeros(SHAPE, bool)
    line: list[int | slice] = [1, 1, 1]
    line[axis] = slice(1, 1 + count)
    expected[tuple(line)] = True
    np.testing.assert_array_equal(read_seg(path, volume).mask("Liver"), expected)


def test_frame_along_a_diagonal_of_the_scan_is_refused(tmp_path, write_series):
    """It starts and ends on voxels, but has others in between."""
    scan = write_series(
        tmp_path / "scan", edit=lambda dataset, n: setattr(dataset, "SliceThickness", 2.5)
    )
    volume = read_scan(scan.folder)
    path = _flat(
        tmp_path / "seg.dcm", scan, 1, 3,
        (0.6, 0.8, 0.0, 0.8, -0.6, 0.0), (1.0, 0.5), volume.to_patient((1, 1, 1)),
    )  # fmt: skip
    with pytest.raises(GeometryError, match="does not lie on the voxels"):
        read_seg(path, volume)


@pytest.mark.parametrize(
    ("tag", "vr", "value", "words"),
    [
        ("SegmentSequence", "UL", 7, "lists no segment"),
        ("SegmentSequence", "LO", "DOE^JANE", "lists no segment"),
        ("SegmentationType", "CS", "DOE JANE", "SegmentationType"),
        ("SegmentationType", "CS", "FRACTIONAL", "MaximumFractionalValue"),
    ],
)
def test_elements_that_say_nothing_are_refused(tmp_path, scan, tag, vr, value, words):
    mask = _mask(1, 0.3).astype(np.uint8)
    path = _write(tmp_path / "seg.dcm", scan, mask, "BINARY", [_describe(1, "Liver")])
    dataset = pydicom.dcmread(path)
    del dataset[tag]
    dataset.add_new(tag, vr, value)
    dataset.save_as(path)
    with pytest.raises(ScanError, match=words) as error:
        read_seg(path, read_scan(scan.folder))
    assert "DOE" not in str(error.value)


def test_an_automatic_tool_in_a_persons_hand_is_manual(tmp_path, scan):
    mask = _mask(1, 0.3).astype(np.uint8)
    path = _write(
        tmp_path / "seg.dcm", scan, mask, "BINARY", [_describe(1, "Liver", "SEMIAUTOMATIC")]
    )
    dataset = pydicom.dcmread(path)
    dataset.SegmentSequence[0].SegmentAlgorithmName = "SlicerEditor"
    dataset.save_as(path)
    assert read_seg(path, read_scan(scan.folder)).provenance == "manual"


@pytest.mark.parametrize("name", ["liver.dcm", "liver_nonbyte_aligned.dcm"])
def test_real_segmentation_agrees_with_highdicom(data_folder, name):
    path = data_folder / "dicom_hazards" / "pydicom-data" / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = highdicom.seg.segread(path).get_volume(combine_segments=True)
    affine = theirs.affine.copy()
    labels = read_seg(path, Grid(np.zeros(theirs.spatial_shape, np.uint8), affine))
    np.testing.assert_array_equal(labels.voxels > 0, theirs.array > 0)
    assert (labels.voxels > 0).sum() > 1000
