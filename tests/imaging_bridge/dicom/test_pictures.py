"""Radiographs, ultrasound, captures and photographs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    JPEG2000Lossless,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    VLEndoscopicImageStorage,
    VLPhotographicImageStorage,
)

from halsted.imaging_bridge import ScanError, describe, read_patient, read_scan
from halsted.imaging_bridge.dicom.pictures import read_picture


@pytest.fixture
def write_picture(tmp_path, write_series):
    """Write a picture of some kind from an array, with other elements changed."""

    def write(kind, pixels, **elements):
        source = write_series(tmp_path / "source", shape=(1, 4, 4)).files()[0]
        dataset = pydicom.dcmread(source)
        for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
                    "RescaleSlope", "RescaleIntercept"):  # fmt: skip
            delattr(dataset, tag)
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = kind
        dataset.Modality = elements.pop("Modality", "OT")
        bits = pixels.dtype.itemsize * 8
        dataset.BitsAllocated = dataset.BitsStored = bits
        dataset.HighBit = bits - 1
        dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
        colour = pixels.shape[-1] == 3
        dataset.SamplesPerPixel = 3 if colour else 1
        dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
        if colour:
            dataset.PlanarConfiguration = 0
        dataset.Rows, dataset.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
        syntax = elements.pop("syntax", None)
        for tag, value in elements.items():
            if "PaletteColorLookupTable" in tag:
                vr = "US" if tag.endswith("Descriptor") else "OW"
                dataset.add_new(pydicom.tag.Tag(tag), vr, value)
            else:
                setattr(dataset, tag, value)
        dataset.PixelData = pixels.tobytes()
        if syntax is not None:
            dataset.compress(syntax, generate_instance_uid=False)
        path = tmp_path / "picture.dcm"
        dataset.save_as(path)
        return path

    return write


def _random(shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 200, size=shape).astype(dtype)


def test_radiograph_with_its_size_at_the_detector(write_picture):
    pixels = _random((20, 30), np.uint16)
    path = write_picture(
        ComputedRadiographyImageStorage, pixels, Modality="CR", ImagerPixelSpacing=[0.2, 0.1]
    )
    patient = read_patient(path)
    (volume,) = patient.images.values()
    assert list(patient.images) == ["cr"]
    np.testing.assert_array_equal(volume.voxels[0], pixels)
    assert volume.spacing_known
    np.testing.assert_allclose(volume.spacing[1:], [0.2, 0.1])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_inverted_radiograph(write_picture, dtype):
    pixels = _random((20, 30), dtype)
    path = write_picture(
        ComputedRadiographyImageStorage, pixels, PhotometricInterpretation="MONOCHROME1"
    )
    (volume,) = read_picture(path).values()
    inverted = 255 - pixels if dtype == np.uint8 else -1 - pixels
    np.testing.assert_array_equal(volume.voxels[0], inverted)
    assert not volume.spacing_known


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_rescaled_radiograph(write_picture, photometric):
    pixels = _random((20, 30), np.uint16)
    path = write_picture(
        DigitalXRayImageStorageForPresentation,
        pixels,
        PhotometricInterpretation=photometric,
        RescaleSlope=2,
        RescaleIntercept=5,
    )
    (volume,) = read_picture(path).values()
    brighter = 65535 - pixels.astype(int) if photometric == "MONOCHROME1" else pixels
    assert volume.voxels.dtype == np.float32
    np.testing.assert_array_equal(volume.voxels[0], 2.0 * brighter + 5.0)


def test_rescale_that_changes_nothing_keeps_integers(write_picture):
    pixels = _random((20, 30), np.uint16)
    path = write_picture(
        ComputedRadiographyImageStorage, pixels, RescaleSlope=1, RescaleIntercept=0
    )
    (volume,) = read_picture(path).values()
    assert volume.voxels.dtype == np.uint16
    np.testing.assert_array_equal(volume.voxels[0], pixels)


@pytest.mark.parametrize(("slope", "intercept"), [(0, 5), (2, None), ("1e300", 0)])
def test_rescale_that_cannot_be_used(write_picture, slope, intercept):
    path = write_picture(
        ComputedRadiographyImageStorage,
        _random((20, 30), np.uint16),
        RescaleSlope=slope,
        RescaleIntercept=intercept,
    )
    with pytest.raises(ScanError, match="RescaleIntercept"):
        read_picture(path)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_modality_lut_and_inversion(write_picture, photometric):
    pixels = _random((20, 30), np.uint16) % 4
    table = np.array([10, 20, 40, 100])
    lut = pydicom.Dataset()
    lut.add_new("LUTDescriptor", "US", [4, 0, 16])
    lut.ModalityLUTType = "OD"
    lut.add_new("LUTData", "US", table.tolist())
    path = write_picture(
        ComputedRadiographyImageStorage,
        pixels,
        PhotometricInterpretation=photometric,
        ModalityLUTSequence=[lut],
    )
    (volume,) = read_picture(path).values()
    expected = table[pixels] if photometric == "MONOCHROME2" else 110 - table[pixels]
    np.testing.assert_array_equal(volume.voxels[0], expected)


def test_regions_of_another_type(write_picture):
    path = write_picture(UltrasoundImageStorage, _random((20, 30)), Modality="US")
    dataset = pydicom.dcmread(path)
    dataset.add_new("SequenceOfUltrasoundRegions", "LO", "DOE^JANE")
    dataset.save_as(path)
    (volume,) = read_picture(path).values()
    assert not volume.spacing_known


@pytest.mark.parametrize("syntax", [None, JPEG2000Lossless])
@pytest.mark.parametrize(
    ("kind", "modality"),
    [
        (VLPhotographicImageStorage, "XC"),
        (VLEndoscopicImageStorage, "ES"),
        (SecondaryCaptureImageStorage, "OT"),
    ],
)
def test_colour_is_three_images(write_picture, kind, modality, syntax):
    pixels = _random((40, 48, 3))
    patient = read_patient(write_picture(kind, pixels, Modality=modality, syntax=syntax))
    assert list(patient.images) == ["red", "green", "blue"]
    for channel, volume in enumerate(patient.images.values()):
        np.testing.assert_array_equal(volume.voxels[0], pixels[..., channel])
        assert volume.modality == modality
    with pytest.raises(ScanError, match="3 images"):
        read_scan(write_picture(kind, pixels))


def test_palette_is_looked_up(write_picture):
    pixels = _random((20, 30)) % 4
    table = np.array([0, 100, 200, 250], "<u2") * 256
    elements: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour in ("Red", "Green", "Blue"):
        elements[f"{colour}PaletteColorLookupTableDescriptor"] = [4, 0, 16]
        elements[f"{colour}PaletteColorLookupTableData"] = table.tobytes()
    images = read_picture(write_picture(SecondaryCaptureImageStorage, pixels, **elements))
    np.testing.assert_array_equal(images["green"].voxels[0], table[pixels])


def test_ultrasound_states_its_size_by_region(write_picture):
    region = pydicom.Dataset()
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = 0.012, -0.015
    path = write_picture(
        UltrasoundImageStorage, _random((20, 30)), Modality="US",
        SequenceOfUltrasoundRegions=[region],
    )  # fmt: skip
    (volume,) = read_picture(path).values()
    np.testing.assert_allclose(volume.spacing[1:], [0.15, 0.12])
    assert volume.spacing_known


def test_ultrasound_with_a_doppler_trace_has_no_one_size(write_picture):
    regions = [pydicom.Dataset(), pydicom.Dataset()]
    for region, unit in zip(regions, (3, 4), strict=True):  # cm, s
        region.PhysicalUnitsXDirection, region.PhysicalUnitsYDirection = unit, 3
        region.PhysicalDeltaX = region.PhysicalDeltaY = 0.01
    path = write_picture(
        UltrasoundImageStorage, _random((20, 30)), SequenceOfUltrasoundRegions=regions
    )
    (volume,) = read_picture(path).values()
    assert not volume.spacing_known


def test_a_frame_of_a_cine_is_chosen(write_picture):
    pixels = _random((5, 20, 30))
    path = write_picture(UltrasoundMultiFrameImageStorage, pixels, Modality="US", NumberOfFrames=5)
    with pytest.raises(ScanError, match="cine of 5 frames"):
        read_patient(path)
    np.testing.assert_array_equal(read_scan(path, phase=3).voxels[0], pixels[3])
    with pytest.raises(ScanError, match="no frame 5"):
        read_patient(path, phase=5)


def test_names_do_not_come_from_the_file(write_picture):
    path = write_picture(ComputedRadiographyImageStorage, _random((8, 8)), Modality="SECRET NAME")
    assert list(read_patient(path).images) == ["cr"]


def test_several_pictures_have_to_be_chosen_from(write_picture, tmp_path):
    path = write_picture(ComputedRadiographyImageStorage, _random((8, 8)))
    for name in ("one.dcm", "other.dcm"):
        (tmp_path / "both").mkdir(exist_ok=True)
        (tmp_path / "both" / name).write_bytes(path.read_bytes())
    with pytest.raises(ScanError, match="2 pictures"):
        read_patient(tmp_path / "both")


def test_report_says_that_a_pixel_has_no_known_size(write_picture):
    report = describe(write_picture(VLPhotographicImageStorage, _random((20, 30, 3))))
    assert report.readable
    assert any("does not say how large a pixel is" in problem for problem in report.problems)


@pytest.mark.parametrize(
    "name", ["ExplVR_BigEnd.dcm", "SC_rgb_jpeg_dcmtk.dcm", "image_dfl.dcm", "JPEG2000.dcm"]
)
def test_real_pictures_agree_with_simpleitk(data_folder, name):
    path = data_folder / "dicom_hazards" / "pydicom" / name
    images = read_picture(path)
    other = np.squeeze(sitk.GetArrayFromImage(sitk.ReadImage(str(path))))
    ours = np.stack([volume.voxels[0] for volume in images.values()], axis=-1).squeeze()
    assert ours.shape == other.shape
    # lossy JPEG: two decoders may differ by rounding
    assert np.abs(ours.astype(int) - other).max() <= (3 if "jpeg" in name else 0)
