"""The DICOM loader: right in world coordinates, and loud about every fault."""

from __future__ import annotations

import shutil
import warnings

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import (
    BasicTextSRStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from halsted.imaging_bridge import GeometryError, ScanError
from halsted.imaging_bridge.dicom.series import find_series, read_dicom_series


def test_clean_series_has_the_right_value_at_every_point(tmp_path, write_series):
    written = write_series(tmp_path)
    volume = read_dicom_series(tmp_path)
    assert written.largest_error(volume) == 0.0
    np.testing.assert_allclose(volume.affine, written.affine, atol=1e-9)
    assert (volume.shape, volume.modality, volume.unit) == ((8, 10, 12), "CT", "HU")
    assert volume.voxels.dtype == np.float32
    assert volume.orientation == "SPL"


@pytest.mark.parametrize("seed", range(5))
def test_oblique_series(tmp_path, write_series, rotation, seed):
    along_x, along_y, normal = rotation(seed).T
    written = write_series(tmp_path, orientation=(*along_x, *along_y), modality="MR", intercept=0)
    volume = read_dicom_series(tmp_path)
    assert written.largest_error(volume) == 0.0
    np.testing.assert_allclose(volume.direction[:, 0], normal, atol=1e-6)
    assert (volume.modality, volume.unit) == ("MR", "1")


@pytest.mark.parametrize(
    ("orientation", "letters"),
    [
        ((1, 0, 0, 0, 0, -1), "PIL"),  # coronal
        ((0, 1, 0, 0, 0, -1), "RIP"),  # sagittal
        ((-1, 0, 0, 0, -1, 0), "SAR"),  # prone
    ],
)
def test_planes_other_than_axial(tmp_path, write_series, orientation, letters):
    written = write_series(tmp_path, orientation=orientation)
    volume = read_dicom_series(tmp_path)
    assert written.largest_error(volume) == 0.0
    assert volume.orientation == letters


def test_order_comes_from_positions_alone(tmp_path, write_series):
    shuffled = np.random.default_rng(3).permutation(8)

    def reverse(dataset, number):
        dataset.InstanceNumber = 8 - number
        dataset.SliceThickness = 99.0
        dataset.SliceLocation = -number

    written = write_series(tmp_path, edit=reverse, name=lambda number: f"{shuffled[number]}.dcm")
    assert written.largest_error(read_dicom_series(tmp_path)) == 0.0


def test_slope_of_each_slice(tmp_path, write_series):
    written = write_series(
        tmp_path, slope=lambda number: 1.0 / (number + 1), intercept=0.0, modality="MR"
    )
    assert written.largest_error(read_dicom_series(tmp_path)) < 1e-3


def test_unsigned_values(tmp_path, write_series):
    def unsigned(dataset, number):
        dataset.PixelRepresentation = 0

    written = write_series(tmp_path, edit=unsigned)
    assert written.largest_error(read_dicom_series(tmp_path)) == 0.0


def test_bits_above_those_stored_are_ignored(tmp_path, write_series):
    def overlay(dataset, number):
        values = np.frombuffer(dataset.PixelData, "<u2") & 0x0FFF
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.PixelData = (values | 0x5000).astype("<u2").tobytes()

    written = write_series(tmp_path, edit=overlay)
    assert written.largest_error(read_dicom_series(tmp_path)) == 0.0


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGLSLossless,
        JPEG2000Lossless,
    ],
)
def test_transfer_syntaxes(tmp_path, write_series, syntax):
    written = write_series(tmp_path, shape=(4, 48, 40))
    for path in written.files():
        dataset = pydicom.dcmread(path)
        if syntax.is_encapsulated:
            dataset.compress(syntax, generate_instance_uid=False)
        else:
            if syntax == ExplicitVRBigEndian:
                dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
            dataset.file_meta.TransferSyntaxUID = syntax
        path.unlink()
        # PS3.5 retired big endian, but scanners' archives still hold it
        little = syntax != ExplicitVRBigEndian
        implicit = syntax == ImplicitVRLittleEndian
        pydicom.dcmwrite(
            path,
            dataset,
            little_endian=little,
            implicit_vr=implicit,
            enforce_file_format=True,
        )
    assert written.largest_error(read_dicom_series(tmp_path)) == 0.0


def test_simpleitk_agrees(tmp_path, write_series, rotation):
    along_x, along_y, _ = rotation(7).T
    written = write_series(tmp_path, orientation=(*along_x, *along_y))
    volume = read_dicom_series(tmp_path)
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path)))
    for point in written.points(50):
        index = image.TransformPhysicalPointToIndex(point.tolist())
        z, y, x = np.rint(volume.to_index(point)).astype(int)
        assert image[index] == volume.voxels[z, y, x]


def test_highdicom_agrees(tmp_path, write_series, rotation):
    along_x, along_y, _ = rotation(8).T
    written = write_series(tmp_path, orientation=(*along_x, *along_y))
    volume = read_dicom_series(tmp_path)
    other = highdicom.get_volume_from_series([pydicom.dcmread(path) for path in written.files()])
    points = written.points(50)
    ours = np.rint(volume.to_index(points)).astype(int)
    theirs = np.rint(other.map_reference_to_indices(points)).astype(int)
    np.testing.assert_array_equal(volume.voxels[tuple(ours.T)], other.array[tuple(theirs.T)])


def test_other_files_in_the_folder_are_passed_over(tmp_path, write_series, write_rtstruct):
    written = write_series(tmp_path)
    write_rtstruct(tmp_path / "rs.dcm", {"Liver": []})
    (tmp_path / "notes.txt").write_text("not DICOM")
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    assert read_dicom_series(tmp_path).shape == written.shape


def test_rescale_type_names_the_unit(tmp_path, write_series):
    write_series(tmp_path, edit=lambda dataset, number: setattr(dataset, "RescaleType", "Z_EFF"))
    assert read_dicom_series(tmp_path).unit == "Z_EFF"


# Faults, one at a time.


def _sentence(error: pytest.ExceptionInfo[BaseException]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert "Secret" not in message
    assert "MRN-12345" not in message
    return message


def _refused(folder, kind, *words):
    with pytest.raises(kind) as error:
        read_dicom_series(folder)
    message = _sentence(error)
    for word in words:
        assert word in message


def test_missing_slice_names_its_position(tmp_path, write_series):
    written = write_series(tmp_path)
    written.files()[3].unlink()
    _refused(tmp_path, GeometryError, "missing", "slice002.dcm", "slice004.dcm", "47.50 mm")


def test_several_missing_slices(tmp_path, write_series):
    written = write_series(tmp_path)
    for path in written.files()[3:5]:
        path.unlink()
    _refused(tmp_path, GeometryError, "2 slice(s) are missing", "47.50, 50.00 mm")


def _shift_slice(which, by):
    def edit(dataset, number):
        if number == which:
            dataset.ImagePositionPatient = [
                a + b for a, b in zip(dataset.ImagePositionPatient, by, strict=True)
            ]

    return edit


def test_uneven_spacing(tmp_path, write_series):
    write_series(tmp_path, edit=_shift_slice(4, (0, 0, 0.7)))
    _refused(tmp_path, GeometryError, "not uniform", "3.20 mm", "slice004.dcm", "2.50 mm")


def test_spacing_that_drifts_within_the_tolerance_of_each_step(tmp_path, write_series):
    def drift(dataset, number):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, z + 0.04 * max(number - 8, 0)]

    write_series(tmp_path, shape=(16, 4, 4), edit=drift)
    _refused(tmp_path, GeometryError, "evenly spaced")


def test_rounded_positions_are_no_fault(tmp_path, write_series):
    def rounded(dataset, number):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, round(float(z), 2)]

    write_series(tmp_path, shape=(20, 4, 4), spacing=(0.625, 1, 1), edit=rounded)
    assert read_dicom_series(tmp_path).spacing[0] == pytest.approx(0.625, abs=1e-3)


def test_doubled_position(tmp_path, write_series):
    written = write_series(tmp_path)
    shutil.copy(written.files()[2], tmp_path / "copy.dcm")
    _refused(tmp_path, GeometryError, "same position", "copy.dcm", "45.00 mm")


def test_gantry_tilt(tmp_path, write_series):
    def tilt(dataset, number):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y + number * 2.5 * np.tan(np.radians(15)), z]

    write_series(tmp_path, edit=tilt)
    _refused(tmp_path, GeometryError, "tilt", "15.0 degrees")


def test_one_slice(tmp_path, write_series):
    write_series(tmp_path, shape=(1, 4, 4))
    _refused(tmp_path, GeometryError, "only slice", "slice000.dcm")


def _smaller(dataset):
    dataset.Rows = 5
    dataset.PixelData = dataset.PixelData[: 5 * 12 * 2]


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (_smaller, "Rows x Columns 5 x 12"),
        (
            lambda dataset: setattr(dataset, "ImageOrientationPatient", [1, 0, 0, 0, 0, -1]),
            "ImageOrientationPatient",
        ),
        (lambda dataset: setattr(dataset, "PixelSpacing", [0.8, 0.7]), "PixelSpacing 0.8 x 0.7"),
        (
            lambda dataset: setattr(dataset, "FrameOfReferenceUID", generate_uid()),
            "FrameOfReferenceUID",
        ),
    ],
)
def test_one_slice_that_differs(tmp_path, write_series, spoil, field):
    write_series(tmp_path, edit=lambda dataset, number: spoil(dataset) if number == 5 else None)
    _refused(tmp_path, GeometryError, "slice005.dcm", field)


def test_two_series_are_listed_and_one_can_be_chosen(tmp_path, write_series):
    first = write_series(tmp_path)
    second = write_series(
        tmp_path, shape=(4, 6, 6), name=lambda number: f"b{number}.dcm", modality="MR"
    )
    _refused(
        tmp_path,
        ScanError,
        f"{first.series} (CT, 8 files)",
        f"{second.series} (MR, 4 files)",
        "series=UID",
    )
    assert second.largest_error(read_dicom_series(tmp_path, second.series)) == 0.0
    assert read_dicom_series(tmp_path, first.series).shape == (8, 10, 12)
    with pytest.raises(ScanError, match=r"no series of slices .* 1\.2\.3"):
        read_dicom_series(tmp_path, "1.2.3")


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_truncated_file(tmp_path, write_series, kept):
    path = write_series(tmp_path, shape=(4, 40, 40)).files()[2]
    whole = path.read_bytes()
    path.write_bytes(whole[: max(int(len(whole) * kept), 140)])
    with pytest.raises(ScanError) as error:
        read_dicom_series(tmp_path)
    assert "slice002.dcm" in _sentence(error)
    assert "truncated" in _sentence(error)


def test_file_without_pixels(tmp_path, write_series):
    write_series(tmp_path, edit=lambda dataset, number: dataset.pop("PixelData"))
    _refused(tmp_path, ScanError, "PixelData")


def test_folder_without_dicom(tmp_path):
    (tmp_path / "readme.txt").write_text("nothing here")
    _refused(tmp_path, ScanError, str(tmp_path), "no DICOM file")


def test_folder_that_is_not_there(tmp_path):
    _refused(tmp_path / "nowhere", ScanError, "nowhere")


def _becomes_a_report(dataset, number):
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage


def test_unsupported_class_is_named(tmp_path, write_series):
    write_series(tmp_path, edit=_becomes_a_report)
    _refused(tmp_path, ScanError, "8 x Basic Text SR Storage", "not supported")


@pytest.mark.parametrize(
    ("tag", "value", "word"),
    [
        ("NumberOfFrames", 3, "truncated"),
        ("SamplesPerPixel", 3, "truncated"),
        ("NumberOfFrames", -1, "NumberOfFrames"),
        ("Rows", 0, "Rows x Columns"),
        ("PixelSpacing", [0.0, 0.6], "PixelSpacing"),
        ("PixelSpacing", None, "PixelSpacing"),
        ("RescaleIntercept", None, "RescaleIntercept"),
        ("ImagePositionPatient", [1.0, 2.0], "ImagePositionPatient"),
        ("ImageOrientationPatient", [1, 0, 0, 1, 0, 0], "ImageOrientationPatient"),
        ("BitsAllocated", 12, "BitsAllocated"),
    ],
)
def test_header_that_cannot_be_used(tmp_path, write_series, tag, value, word):
    write_series(tmp_path, edit=lambda dataset, number: setattr(dataset, tag, value))
    _refused(tmp_path, (ScanError, GeometryError), word, "slice00")


def test_size_is_checked_before_voxels_are_touched(tmp_path, write_series):
    def claims_to_be_huge(dataset, number):
        dataset.Rows = dataset.Columns = 65535

    write_series(tmp_path, edit=claims_to_be_huge)
    _refused(tmp_path, ScanError, "truncated", "8589672450")


def test_budget_may_be_set(tmp_path, write_series):
    write_series(tmp_path)
    needed = 8 * 10 * 12 * 4
    assert find_series(tmp_path, budget_bytes=needed).uid
    with pytest.raises(ScanError, match="budget"):
        find_series(tmp_path, budget_bytes=needed - 1)


def test_garbage_behind_the_magic(tmp_path, write_series):
    write_series(tmp_path)
    (tmp_path / "bad.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\x02\x00garbage" * 50)
    _refused(tmp_path, ScanError, "bad.dcm", "TransferSyntaxUID")


# Real data.


def test_real_ct_agrees_with_simpleitk(data_folder):
    folder = data_folder / "lung_nodule" / "4D-Lung_113"
    series = find_series(folder)
    volume = series.read()
    assert volume.shape == (99, 512, 512)
    assert volume.orientation == "SPL"
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series.uid)
    image = sitk.ReadImage(names)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image), volume.voxels)
    corner = image.TransformIndexToPhysicalPoint((511, 511, 98))
    np.testing.assert_allclose(volume.to_patient((98, 511, 511)), corner, atol=1e-2)


def test_real_tilted_series_with_gaps(data_folder):
    _refused(data_folder / "dicom_hazards" / "dcm_qa_ct_GE", GeometryError, "not uniform", "14.dcm")


def test_real_truncated_file(data_folder, tmp_path):
    source = data_folder / "dicom_hazards" / "pydicom" / "MR_truncated.dcm"
    for number in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(source)
        dataset.ImagePositionPatient = [0, 0, number]
        dataset.save_as(tmp_path / f"{number}.dcm")
    _refused(tmp_path, ScanError, "truncated", "8192")
