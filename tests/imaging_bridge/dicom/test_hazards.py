"""What real series get wrong, one hazard a test, checked at points in the patient.

docs/dicom-hazards.md names these tests.
"""

from __future__ import annotations

import shutil
import subprocess
import time
import warnings
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import generate_uid

from halsted.imaging_bridge import GeometryError, ScanError, read_patient, read_scan
from halsted.imaging_bridge.dicom.series import find_phases, find_series, read_dicom_series
from halsted.imaging_bridge.volume import affine_from_sitk


def _inner_error(volume, known_value, count=2000):
    """Greatest difference from the known field at random points inside the volume."""
    index = np.random.default_rng(1).uniform(1, np.array(volume.shape) - 2, size=(count, 3))
    image = volume.to_sitk()
    errors = []
    for point in volume.to_patient(index):
        value = image.EvaluateAtPhysicalPoint(point.tolist(), sitk.sitkLinear)
        errors.append(abs(value - known_value(point)))
    return max(errors)


def _moved(dataset, by):
    position = [a + b for a, b in zip(dataset.ImagePositionPatient, by, strict=True)]
    dataset.ImagePositionPatient = [round(float(one), 9) for one in position]


# Missing, doubled, uneven, tilted: refused unless a repair is allowed.


def test_missing_slices_are_interpolated_on_request(tmp_path, write_series, known_value):
    written = write_series(tmp_path)
    for number in (3, 5):
        sorted(tmp_path.glob("*.dcm"))[number].unlink()
    with pytest.raises(GeometryError, match="repair=interpolate-slices"):
        read_dicom_series(tmp_path)
    series = find_series(tmp_path, repairs=["interpolate-slices"])
    volume = series.read()
    assert volume.shape == written.shape
    np.testing.assert_allclose(volume.affine, written.affine, atol=1e-6)
    assert _inner_error(volume, known_value) <= 1.0  # the values are rounded
    assert any(note.startswith("interpolate-slices: 6 slices") for note in series.notes)


def test_a_gap_too_wide_to_interpolate(tmp_path, write_series):
    files = write_series(tmp_path).files()
    for path in files[2:6]:
        path.unlink()
    with pytest.raises(GeometryError, match="too wide to interpolate"):
        read_dicom_series(tmp_path, repairs=["interpolate-slices"])


def test_uneven_spacing_is_evened_on_request(tmp_path, write_series, known_value):
    written = write_series(tmp_path, shape=(16, 10, 12))
    for number in (4, 7, 8, 12):  # leaves steps of 2.5, 5 and 7.5 mm
        written.files()[0]
        (tmp_path / f"slice{number:03d}.dcm").unlink()
    volume = read_dicom_series(tmp_path, repairs=["interpolate-slices"])
    assert volume.shape == written.shape
    assert _inner_error(volume, known_value) <= 1.0


def test_spacing_that_is_no_multiple(tmp_path, write_series, known_value):
    def edit(dataset, number):
        # the field is linear, so a slice moved by dz must hold values that are 7 dz higher
        dz = (0, 0.5, 0, 0.9, 0, 0, 0.3, 0)[number]
        _moved(dataset, (0, 0, dz))
        stored = np.frombuffer(dataset.PixelData, "<i2") + round(7 * dz)
        dataset.PixelData = stored.astype("<i2").tobytes()

    write_series(tmp_path, edit=edit)
    volume = read_dicom_series(tmp_path, repairs=["interpolate-slices"])
    assert (
        np.ptp(np.diff(volume.to_patient([[z, 0, 0] for z in range(volume.shape[0])])[:, 2])) < 1e-9
    )
    assert _inner_error(volume, known_value) <= 1.5


@pytest.mark.parametrize("angle", [-15, 7, 20])
def test_gantry_tilt_is_corrected_on_request(tmp_path, write_series, known_value, angle):
    shift = 2.5 * np.tan(np.radians(angle))

    def tilt(dataset, number):
        _moved(dataset, (0, number * shift, 0))
        stored = np.frombuffer(dataset.PixelData, "<i2") + round(-5 * number * shift)
        dataset.PixelData = stored.astype("<i2").tobytes()

    write_series(tmp_path, shape=(8, 40, 12), edit=tilt)
    with pytest.raises(GeometryError, match="repair=correct-tilt"):
        read_dicom_series(tmp_path)
    series = find_series(tmp_path, repairs=["correct-tilt"])
    volume = series.read()
    direction = volume.direction
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-9)
    rows = np.argwhere((volume.voxels > -1000).all(axis=(0, 2)))[:, 0]  # covered in every slice
    inner = np.array([[z, y, 5] for z in range(8) for y in rows[1:-1]])
    values = volume.voxels[tuple(inner.T)]
    np.testing.assert_allclose(values, known_value(volume.to_patient(inner)), atol=1.6)
    assert len(rows) > 20
    assert any(note.startswith("correct-tilt") for note in series.notes)


def test_real_tilt_and_gaps_agree_with_dcm2niix(data_folder, tmp_path):
    """GE head CT: our repair and dcm2niix's, two programs, within the noise of interpolation."""
    if shutil.which("dcm2niix") is None:
        pytest.skip("dcm2niix is not installed")
    folder = data_folder / "dicom_hazards" / "dcm_qa_ct_GE"
    with pytest.raises(GeometryError):
        read_dicom_series(folder)
    ours = read_dicom_series(folder, repairs=["interpolate-slices", "correct-tilt"])
    subprocess.run(
        ["dcm2niix", "-o", tmp_path, "-f", "out", folder], check=True, capture_output=True
    )
    peers = [path for path in tmp_path.glob("*.nii") if "Tilt" in path.name or "Eq" in path.name]
    best = min(_difference(ours, sitk.ReadImage(str(path))) for path in peers)
    assert best < 10.0  # 5.6 when measured; without the repairs dcm2niix itself differs by 399


def _difference(ours, image):
    """Mean |HU| between two scans at random points of ours that lie in soft tissue and bone."""
    rng = np.random.default_rng(0)
    index = rng.integers(2, np.array(ours.shape) - 2, size=(60_000, 3))
    index = index[ours.voxels[tuple(index.T)] > -200][:4000]
    differences = []
    for point, value in zip(ours.to_patient(index), ours.voxels[tuple(index.T)], strict=True):
        try:
            other = image.EvaluateAtPhysicalPoint(point.tolist(), sitk.sitkLinear)
        except RuntimeError:
            continue
        differences.append(abs(other - value))
    return np.mean(differences) if len(differences) > 1000 else np.inf


def test_copies_are_dropped_on_request(tmp_path, write_series):
    written = write_series(tmp_path)
    shutil.copy(written.files()[2], tmp_path / "copy.dcm")
    with pytest.raises(GeometryError, match=r"same position .*repair=drop-duplicates"):
        read_dicom_series(tmp_path)
    assert written.largest_error(read_dicom_series(tmp_path, repairs=["drop-duplicates"])) == 0.0


def test_two_different_images_at_one_place_are_never_dropped(tmp_path, write_series):
    written = write_series(tmp_path)
    dataset = pydicom.dcmread(written.files()[2])
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.save_as(tmp_path / "other.dcm")
    with pytest.raises(GeometryError, match="same position"):
        read_dicom_series(tmp_path, repairs=["drop-duplicates"])


def test_overlapping_slices_keep_the_distance_of_their_positions(tmp_path, write_series):
    written = write_series(
        tmp_path, edit=lambda dataset, n: setattr(dataset, "SliceThickness", 5.0)
    )
    volume = read_dicom_series(tmp_path)
    assert volume.spacing[0] == pytest.approx(2.5)
    assert written.largest_error(volume) == 0.0


def test_unknown_repair(tmp_path, write_series):
    write_series(tmp_path)
    with pytest.raises(ScanError, match="no repair 'guess'"):
        read_dicom_series(tmp_path, repairs=["guess"])


# Images that do not belong to the stack.


def _scout(written, path, localizer):
    dataset = pydicom.dcmread(written.files()[0])
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    dataset.SOPInstanceUID = generate_uid()
    if localizer:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    dataset.save_as(path)


def test_scout_in_the_series(tmp_path, write_series):
    written = write_series(tmp_path)
    _scout(written, tmp_path / "scout.dcm", localizer=True)
    series = find_series(tmp_path)
    assert series.read().shape == written.shape
    assert "1 localizer(s) were left out" in series.notes


def test_unmarked_scout_is_refused_or_left_out_on_request(tmp_path, write_series):
    written = write_series(tmp_path)
    _scout(written, tmp_path / "scout.dcm", localizer=False)
    with pytest.raises(GeometryError, match=r"ImageOrientationPatient .*repair=largest-stack"):
        read_dicom_series(tmp_path)
    volume = read_dicom_series(tmp_path, repairs=["largest-stack"])
    assert volume.shape == written.shape


def test_a_series_of_scouts_is_no_second_choice(tmp_path, write_series):
    written = write_series(tmp_path / "a")
    scouts = write_series(tmp_path / "b", shape=(2, 10, 12))
    for path in scouts.files():
        dataset = pydicom.dcmread(path)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        dataset.save_as(path)
    assert read_dicom_series(tmp_path).shape == written.shape


def test_mixed_matrix_on_request(tmp_path, write_series):
    def smaller(dataset, number):
        if number == 7:
            dataset.Rows = 5
            dataset.PixelData = dataset.PixelData[: 5 * 12 * 2]

    write_series(tmp_path, edit=smaller)
    with pytest.raises(GeometryError, match="Rows x Columns"):
        read_dicom_series(tmp_path)
    assert read_dicom_series(tmp_path, repairs=["largest-stack"]).shape == (7, 10, 12)


# Phases: several images at every place.


def _phases(tmp_path, write_series, values, mark):
    """One series that holds a stack a value, each stack 1000 above the last."""
    series = generate_uid()
    for number, value in enumerate(values):

        def edit(dataset, _, number=number, value=value):
            dataset.SeriesInstanceUID = series
            dataset.FrameOfReferenceUID = "1.2.3"
            stored = np.frombuffer(dataset.PixelData, "<i2") + 1000 * number
            dataset.PixelData = stored.astype("<i2").tobytes()
            mark(dataset, value)

        written = write_series(
            tmp_path / str(number), edit=edit, modality="MR", intercept=0, shape=(4, 10, 12)
        )
    return written


@pytest.mark.parametrize(
    ("tag", "values"),
    [
        ("TemporalPositionIdentifier", [1, 2, 3]),
        ("TriggerTime", [0.0, 90.5, 1000.0]),
        ("EchoTime", [4.6, 9.2]),
        ("DiffusionBValue", [0, 50, 1000]),
        ("AcquisitionNumber", [1, 2]),
    ],
)
def test_phases_are_told_apart(tmp_path, write_series, tag, values):
    written = _phases(tmp_path, write_series, values, lambda d, value: setattr(d, tag, value))
    with pytest.raises(ScanError, match=rf"{len(values)} phases .*0: {tag}={values[0]}"):
        read_scan(tmp_path)
    patient = read_patient(tmp_path)
    assert len(patient.images) == len(values)
    for number, (name, volume) in enumerate(patient.images.items()):
        assert f"{tag}=" in name
        assert volume.shape == (4, 10, 12)
        shifted = type(volume)(volume.voxels - 1000.0 * number, volume.affine, "MR")
        assert written.largest_error(shifted) == 0.0
    assert np.array_equal(
        read_scan(tmp_path, phase=1).voxels, list(patient.images.values())[1].voxels
    )
    with pytest.raises(ScanError, match=f"no phase {len(values)}"):
        read_scan(tmp_path, phase=len(values))


def test_diffusion_directions(tmp_path, write_series):
    def mark(dataset, value):
        dataset.DiffusionBValue, dataset.DiffusionGradientOrientation = value

    values = [(0.0, [0, 0, 0]), (1000.0, [1, 0, 0]), (1000.0, [0, 1, 0])]
    _phases(tmp_path, write_series, values, mark)
    phases = find_phases(tmp_path)
    assert [one.phase for one in phases] == [
        "DiffusionBValue=0 along 0.000, 0.000, 0.000",
        "DiffusionBValue=1000 along 0.000, 1.000, 0.000",
        "DiffusionBValue=1000 along 1.000, 0.000, 0.000",
    ]
    base, along_y, along_x = (one.read().voxels for one in phases)
    assert np.ptp(along_x - base) == np.ptp(along_y - base) == 0
    assert (along_x - base).max() == 1000  # as written: the second, then the third
    assert (along_y - base).max() == 2000


def test_echoes_by_kind_of_image(tmp_path, write_series):
    def mark(dataset, value):
        dataset.EchoTime, kind = value
        dataset.ImageType = ["DERIVED", "PRIMARY", kind]

    values = [(4.6, "M"), (4.6, "P"), (9.2, "M"), (9.2, "P")]
    _phases(tmp_path, write_series, values, mark)
    assert len(find_phases(tmp_path)) == 4


def test_a_phase_that_lacks_a_slice(tmp_path, write_series):
    _phases(
        tmp_path, write_series, [1, 2], lambda d, v: setattr(d, "TemporalPositionIdentifier", v)
    )
    sorted((tmp_path / "1").glob("*.dcm"))[3].unlink()
    with pytest.raises(GeometryError, match="slices of one are missing"):
        read_patient(tmp_path)


# Values.


def test_pet_slopes_of_each_slice_keep_their_fractions(tmp_path, write_series):
    written = write_series(
        tmp_path, slope=lambda number: 0.0371 * (number + 1), intercept=0.0, modality="PT",
        edit=lambda dataset, number: setattr(dataset, "Units", "CNTS"),
    )  # fmt: skip
    volume = read_dicom_series(tmp_path)
    truth = np.stack(
        [
            pydicom.dcmread(path).pixel_array * np.float64(0.0371 * (number + 1))
            for number, path in enumerate(written.files())
        ]
    )
    np.testing.assert_allclose(volume.voxels, truth, rtol=1e-6)
    assert volume.unit == "CNTS"


def test_ct_without_rescale_is_refused(tmp_path, write_series):
    write_series(tmp_path, edit=lambda dataset, number: dataset.pop("RescaleSlope"))
    with pytest.raises(ScanError, match="RescaleSlope"):
        read_dicom_series(tmp_path)


def test_modality_lut(tmp_path, write_series):
    def lut(dataset, number):
        table = pydicom.Dataset()
        table.LUTDescriptor = [4, 10, 16]
        table.ModalityLUTType = "HU"
        table.LUTData = np.array([100, 200, 400, 800], "<u2").tobytes()
        dataset.ModalityLUTSequence = [table]
        del dataset.RescaleSlope, dataset.RescaleIntercept
        dataset.PixelRepresentation = 0
        stored = np.tile([8, 10, 11, 12, 13, 14], 20).astype("<u2")
        dataset.PixelData = stored.tobytes()

    write_series(tmp_path, edit=lut)
    first = read_dicom_series(tmp_path).voxels[0].ravel()[:6]
    assert first.tolist() == [100, 100, 200, 400, 800, 800]


def test_real_modality_lut(data_folder):
    path = data_folder / "dicom_hazards" / "pydicom-data" / "mlut_18.dcm"
    (volume,) = read_patient(path).images.values()
    dataset = pydicom.dcmread(path)
    table = dataset.ModalityLUTSequence[0]
    first = table.LUTDescriptor[1]
    data = (
        np.frombuffer(table.LUTData, "<u2") if isinstance(table.LUTData, bytes) else table.LUTData
    )
    expected = np.asarray(data)[np.clip(dataset.pixel_array.astype(int) - first, 0, len(data) - 1)]
    np.testing.assert_array_equal(volume.voxels[0], expected)


@pytest.mark.parametrize("signed", [True, False])
def test_padding_becomes_air(tmp_path, write_series, signed):
    padding = -2000 if signed else 63536

    def pad(dataset, number):
        dataset.PixelRepresentation = int(signed)
        dataset.PixelPaddingValue = padding
        stored = np.frombuffer(dataset.PixelData, "<i2").copy().reshape(10, 12)
        stored[0] = np.array(padding, np.int64).astype("<i2")
        dataset.PixelData = stored.tobytes()

    write_series(tmp_path, edit=pad)
    volume = read_dicom_series(tmp_path)
    assert (volume.voxels[:, 0] == -1024.0).all()
    assert volume.voxels[:, 1:].min() > -1024.0


def test_padding_range(tmp_path, write_series):
    def pad(dataset, number):
        dataset.PixelPaddingValue, dataset.PixelPaddingRangeLimit = -3000, -2000
        stored = np.frombuffer(dataset.PixelData, "<i2").copy().reshape(10, 12)
        stored[0] = np.linspace(-3000, -2000, 12)
        dataset.PixelData = stored.tobytes()

    write_series(tmp_path, edit=pad)
    assert (read_dicom_series(tmp_path).voxels[:, 0] == -1024.0).all()


def test_real_file_whose_codestream_contradicts_its_sign(data_folder):
    """A signed JPEG 2000 stream under an unsigned header; SimpleITK is the second opinion."""
    path = data_folder / "dicom_hazards" / "pydicom" / "J2K_pixelrep_mismatch.dcm"
    (volume,) = read_patient(path).images.values()
    other = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    np.testing.assert_array_equal(volume.voxels, other.reshape(volume.shape))


def test_one_image_in_four_encodings(data_folder):
    folder = data_folder / "dicom_hazards" / "pydicom"
    volumes = [
        next(iter(read_patient(folder / name).images.values()))
        for name in (
            "MR_small_RLE.dcm",
            "MR_small_jp2klossless.dcm",
            "MR_small_jpeg_ls_lossless.dcm",
        )
    ]
    peer = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "MR_small_RLE.dcm")))
    for volume in volumes:
        np.testing.assert_array_equal(volume.voxels, peer.reshape(volume.shape))


def test_one_slice_takes_its_thickness(tmp_path, write_series):
    written = write_series(
        tmp_path, shape=(1, 10, 12), edit=lambda dataset, n: setattr(dataset, "SliceThickness", 2.5)
    )
    series = find_series(tmp_path)
    volume = series.read()
    np.testing.assert_allclose(volume.affine, written.affine, atol=1e-9)
    assert any(note.startswith("single slice") for note in series.notes)


# Enhanced multi-frame.


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_enhanced_is_its_classic_series(tmp_path, write_series, rotation, to_enhanced, modality):
    along_x, along_y, _ = rotation(4).T
    written = write_series(
        tmp_path / "classic", orientation=(*along_x, *along_y), modality=modality,
        slope=lambda number: 1.0 / (number + 1),
    )  # fmt: skip
    (tmp_path / "enhanced").mkdir()
    to_enhanced(written.folder, tmp_path / "enhanced" / "all.dcm")
    volume = read_dicom_series(tmp_path / "enhanced")
    classic = read_dicom_series(written.folder)
    np.testing.assert_allclose(volume.affine, classic.affine, atol=1e-4)
    np.testing.assert_array_equal(volume.voxels, classic.voxels)
    assert volume.modality == modality
    assert read_scan(tmp_path / "enhanced" / "all.dcm").content_hash == volume.content_hash


def test_real_enhanced_ct_agrees_with_highdicom(data_folder):
    path = data_folder / "dicom_hazards" / "pydicom-data" / "eCT_Supplemental.dcm"
    ours = read_scan(path)
    theirs = highdicom.imread(path).get_volume()
    index = np.random.default_rng(0).integers(0, ours.shape, size=(500, 3))
    other = np.rint(theirs.map_reference_to_indices(ours.to_patient(index))).astype(int)
    np.testing.assert_allclose(ours.voxels[tuple(index.T)], theirs.array[tuple(other.T)], atol=1e-3)


def test_frames_without_a_place_are_refused(data_folder):
    path = data_folder / "dicom_hazards" / "pydicom-data" / "emri_small.dcm"
    with pytest.raises(ScanError, match="does not say where each lies"):
        read_scan(path)


# Peers agree on clean series.


def _clean_series(data_folder: Path):
    yield data_folder / "lung_nodule" / "4D-Lung_113"
    yield data_folder / "dicom_hazards" / "rt-utils" / "mock_data"
    yield data_folder / "dicom_hazards" / "rt-utils" / "oriented_data"


def test_peers_agree_on_clean_real_series(data_folder, tmp_path):
    for number, folder in enumerate(_clean_series(data_folder)):
        series = find_series(folder)
        ours = series.read()
        names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series.uid)
        image = sitk.ReadImage(names, sitk.sitkFloat32)
        np.testing.assert_allclose(ours.affine, affine_from_sitk(image), atol=1e-4)
        _check_same_as(ours, image)
        if shutil.which("dcm2niix"):
            out = tmp_path / str(number)
            out.mkdir()
            source = out / "source"
            source.mkdir()
            for one in series.slices:
                shutil.copy(one.path, source)
            subprocess.run(
                ["dcm2niix", "-o", out, "-f", "out", source], check=True, capture_output=True
            )
            (found,) = out.glob("*.nii")
            _check_same_as(ours, sitk.ReadImage(str(found), sitk.sitkFloat32))
        if "rt-utils" in folder.parts:
            continue  # these lack what highdicom insists on
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = highdicom.get_volume_from_series(
                [pydicom.dcmread(one.path) for one in series.slices]
            )
        index = np.random.default_rng(0).integers(0, ours.shape, size=(500, 3))
        place = theirs.map_reference_to_indices(ours.to_patient(index))
        other = np.rint(place).astype(int)
        assert np.abs(place - other).max() < 1e-4
        np.testing.assert_allclose(
            ours.voxels[tuple(index.T)], theirs.array[tuple(other.T)].clip(-1024), atol=1e-3
        )


def _check_same_as(ours, image):
    """Every corner within 1e-3 mm of a voxel of `image`, and equal voxels at 2,000 points."""
    index = np.random.default_rng(2).integers(0, ours.shape, size=(2000, 3))
    for one, point in zip(index, ours.to_patient(index), strict=True):
        place = np.array(image.TransformPhysicalPointToContinuousIndex(point.tolist()))
        nearest = np.rint(place)
        assert np.abs(place - nearest).max() < 1e-4 * max(ours.shape)  # dcm2niix turns the rows
        value = image[[int(n) for n in nearest]]
        value = max(value, -1024.0)  # below is padding, which only we set to air
        assert value == pytest.approx(ours.voxels[tuple(one)], abs=1e-3)


# Headers that contradict themselves or each other.


def test_rescale_in_some_slices_only(tmp_path, write_series):
    def edit(dataset, number):
        if number >= 4:
            del dataset.RescaleSlope, dataset.RescaleIntercept

    write_series(tmp_path, modality="MR", slope=lambda n: 2.0, intercept=0, edit=edit)
    with pytest.raises(GeometryError, match=r"has rescale none, but other slices .* rescale"):
        read_dicom_series(tmp_path)


def test_copies_are_compared_by_what_their_values_mean(tmp_path, write_series):
    written = write_series(tmp_path)
    dataset = pydicom.dcmread(written.files()[3])
    dataset.RescaleIntercept = -24
    dataset.save_as(tmp_path / "a_copy.dcm")
    with pytest.raises(GeometryError, match="same position"):
        read_dicom_series(tmp_path, repairs=["drop-duplicates"])


def test_repairs_of_every_phase_are_told(tmp_path, write_series):
    _phases(
        tmp_path, write_series, [1, 2], lambda d, v: setattr(d, "TemporalPositionIdentifier", v)
    )
    sorted((tmp_path / "1").glob("*.dcm"))[2].unlink()
    patient = read_patient(tmp_path, repairs=["interpolate-slices"])
    assert "TemporalPositionIdentifier=2: interpolate-slices: 3 slices" in patient.facts["notes"]


@pytest.mark.parametrize(
    ("tag", "value", "words"),
    [
        ("PixelRepresentation", None, "PixelRepresentation must be 0 or 1"),
        ("PixelRepresentation", [1, 1], "PixelRepresentation must be 0 or 1"),
        ("BitsStored", 0, "BitsStored"),
        ("BitsStored", 99, "BitsStored"),
        ("BitsStored", None, "BitsStored"),
        ("HighBit", 13, "HighBit"),
    ],
)
def test_sign_and_bits_are_never_guessed(tmp_path, write_series, tag, value, words):
    def edit(dataset, number):
        if number == 2:
            setattr(dataset, tag, value)

    write_series(tmp_path, edit=edit)
    with pytest.raises(ScanError, match=words):
        read_dicom_series(tmp_path)


def test_float_pixels(tmp_path, write_series):
    def edit(dataset, number):
        values = np.frombuffer(dataset.PixelData, "<i2").astype("<f4") + 0.25
        del dataset.PixelData, dataset.PixelRepresentation, dataset.HighBit
        dataset.BitsAllocated = 32
        dataset.FloatPixelData = values.tobytes()

    written = write_series(tmp_path, edit=edit)
    volume = read_dicom_series(tmp_path)
    assert volume.voxels[0, 0, 0] % 1 == 0.25
    whole = type(volume)(volume.voxels - 0.25, volume.affine, "CT", "HU")
    assert written.largest_error(whole) == 0.0


def test_padding_written_as_unsigned_in_a_signed_image(tmp_path, write_series):
    def pad(dataset, number):
        dataset.add_new(pydicom.tag.Tag("PixelPaddingValue"), "US", 63536)  # -2000
        stored = np.frombuffer(dataset.PixelData, "<i2").copy().reshape(10, 12)
        stored[0] = -2000
        dataset.PixelData = stored.tobytes()

    write_series(tmp_path, edit=pad)
    assert (read_dicom_series(tmp_path).voxels[:, 0] == -1024.0).all()


def test_lut_whose_first_value_is_written_as_unsigned(tmp_path, write_series):
    def lut(dataset, number):
        table = pydicom.Dataset()
        table.add_new(pydicom.tag.Tag("LUTDescriptor"), "US", [4, 65534, 16])  # from -2 on
        table.LUTData = np.array([100, 200, 400, 800], "<u2").tobytes()
        dataset.ModalityLUTSequence = [table]
        del dataset.RescaleSlope, dataset.RescaleIntercept
        dataset.PixelData = np.tile([-9, -2, -1, 0, 1, 9], 20).astype("<i2").tobytes()

    write_series(tmp_path, edit=lut)
    first = read_dicom_series(tmp_path).voxels[0].ravel()[:6]
    assert first.tolist() == [100, 100, 200, 400, 800, 800]


def test_empty_files_are_told(tmp_path, write_series):
    written = write_series(tmp_path)
    written.files()[-1].write_bytes(b"")
    series = find_series(tmp_path)
    assert series.read().shape == (7, 10, 12)
    assert "1 empty or unreadable file(s) were passed over" in series.notes


def test_a_slice_far_away_is_refused_before_memory_is_taken(tmp_path, write_series):
    write_series(tmp_path, edit=lambda d, n: _moved(d, (9e4 * (n == 3), 9e4 * (n == 3), 0)))
    with pytest.raises(ScanError, match="over the budget"):
        read_dicom_series(tmp_path, repairs=["correct-tilt"])


def test_a_position_beyond_any_room(tmp_path, write_series):
    write_series(tmp_path, edit=lambda d, n: setattr(d, "ImagePositionPatient", [1e300, 0, n]))
    with pytest.raises(ScanError, match="100 m away") as error:
        read_dicom_series(tmp_path)
    assert len(str(error.value)) < 300


def test_many_kinds_of_image_in_one_series_are_refused_soon(tmp_path, write_series, to_enhanced):
    written = write_series(tmp_path / "classic", shape=(400, 2, 2))
    path = to_enhanced(written.folder, tmp_path / "all.dcm")
    dataset = pydicom.dcmread(path)
    for number, item in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        measures = pydicom.Dataset()
        measures.PixelSpacing = [1 + number, 1 + number]
        item.PixelMeasuresSequence = [measures]
    dataset.save_as(path)
    began = time.process_time()
    with pytest.raises(GeometryError, match="PixelSpacing"):
        read_dicom_series(path)
    assert time.process_time() - began < 5.0


def test_time_by_echo_by_kind(tmp_path, write_series):
    def mark(dataset, value):
        dataset.TemporalPositionIdentifier, dataset.EchoTime, kind = value
        dataset.ImageType = ["DERIVED", "PRIMARY", kind]

    values = [(time, echo, kind) for time in (1, 2) for echo in (4.6, 9.2) for kind in "MP"]
    _phases(tmp_path, write_series, values, mark)
    assert len(find_phases(tmp_path)) == 8


def test_enhanced_diffusion_directions(tmp_path, write_series, to_enhanced):
    """Two directions at one b-value: their volumes are not exchanged."""
    frames = []
    for number in range(2):

        def edit(dataset, _, number=number):
            stored = np.frombuffer(dataset.PixelData, "<i2") + 1000 * number
            dataset.PixelData = stored.astype("<i2").tobytes()

        folder = tmp_path / str(number)
        write_series(folder, modality="MR", intercept=0, shape=(4, 10, 12), edit=edit)
        frames.append(pydicom.dcmread(to_enhanced(folder, tmp_path / f"{number}.dcm")))
    whole = frames[0]
    for number, part in enumerate(frames):
        for item in part.PerFrameFunctionalGroupsSequence:
            diffusion, gradient = pydicom.Dataset(), pydicom.Dataset()
            gradient.DiffusionGradientOrientation = [1.0 - number, float(number), 0.0]
            diffusion.DiffusionBValue = 1000.0
            diffusion.DiffusionGradientDirectionSequence = [gradient]
            item.MRDiffusionSequence = [diffusion]
    whole.PerFrameFunctionalGroupsSequence.extend(frames[1].PerFrameFunctionalGroupsSequence)
    whole.PixelData += frames[1].PixelData
    whole.NumberOfFrames = 8
    (tmp_path / "both").mkdir()
    whole.save_as(tmp_path / "both" / "all.dcm")
    phases = find_phases(tmp_path / "both")
    assert [one.phase for one in phases] == [
        "DiffusionBValue=1000 along 0.000, 1.000, 0.000",
        "DiffusionBValue=1000 along 1.000, 0.000, 0.000",
    ]
    second, first = (one.read().voxels for one in phases)
    np.testing.assert_array_equal(second - first, np.full((4, 10, 12), 1000.0))
