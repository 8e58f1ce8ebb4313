"""NIfTI, NRRD and MetaImage: the same voxels at the same place, and no half-read file."""

from __future__ import annotations

import gzip
import json
import struct

import numpy as np
import pytest
import SimpleITK as sitk

from halsted.imaging_bridge import (
    GeometryError,
    ScanError,
    StructureError,
    read_labels,
    read_volume,
)
from halsted.imaging_bridge.formats.nifti_header import read_nifti_header
from halsted.imaging_bridge.formats.volumes import IMAGE_SUFFIXES

SITK_SUFFIXES = [suffix for suffix in IMAGE_SUFFIXES if suffix not in (".hdr", ".mnc")]


def _image(array, rotation=None, spacing=(0.7, 0.8, 2.5), origin=(-12.0, 33.0, 5.0)):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if rotation is not None:
        image.SetDirection(rotation.ravel().tolist())
    return image


def _write(path, array, compress=False, **more):
    sitk.WriteImage(_image(array, **more), str(path), useCompression=compress)
    return path


def _scan(dtype=np.int16, low=-1000, high=1000):
    return np.random.default_rng(1).integers(low, high, (9, 14, 11)).astype(dtype)


def _labels(*values):
    array = np.zeros((5, 6, 7), np.uint8)
    for number, value in enumerate(values):
        array[number, 1:4, 2:5] = value
    return array


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("suffix", SITK_SUFFIXES)
def test_every_voxel_at_its_place(tmp_path, rotation, suffix, compress):
    array, turned = _scan(), rotation(2)
    image = _image(array, turned)
    volume = read_volume(_write(tmp_path / f"ct{suffix}", array, compress, rotation=turned))
    assert volume.voxels.dtype == np.float32
    for z, y, x in np.random.default_rng(0).integers(0, array.shape, (20, 3)).tolist():
        point = image.TransformIndexToPhysicalPoint((x, y, z))
        index = volume.to_index(point)
        np.testing.assert_allclose(index, (z, y, x), atol=1e-3)
        assert volume.voxels[tuple(np.rint(index).astype(int))] == array[z, y, x]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (_scan(), ("CT", "HU")),
        (_scan(np.float32), ("CT", "HU")),
        (_scan(low=-499), ("OT", "1")),
        (_scan(np.uint16, low=0), ("OT", "1")),
        ((_scan() * 0.123).astype(np.float32) - 600, ("OT", "1")),
    ],
)
def test_modality_is_guessed_by_the_documented_rule(tmp_path, array, expected):
    volume = read_volume(_write(tmp_path / "scan.nii", array))
    assert (volume.modality, volume.unit) == expected


@pytest.mark.parametrize("kept", [0.1, 0.6, 0.95])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_truncated_file_is_refused(tmp_path, suffix, compress, kept):
    path = _write(tmp_path / f"ct{suffix}", _scan(), compress)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    _refused(path, ScanError, "truncated")


@pytest.mark.parametrize("header", ["ct.nhdr", "ct.mhd"])
def test_truncated_or_missing_data_file_is_refused(tmp_path, header):
    path = _write(tmp_path / header, _scan())
    data = next(tmp_path.glob("*raw*"))
    data.write_bytes(data.read_bytes()[:-1])
    _refused(path, ScanError, "truncated")
    data.unlink()
    _refused(path, ScanError, "missing")


def test_compressed_file_with_one_wrong_byte_is_refused(tmp_path):
    path = _write(tmp_path / "ct.nii.gz", _scan())
    spoilt = bytearray(path.read_bytes())
    spoilt[-6] ^= 0xFF  # in the stream's CRC: every voxel still decompresses
    path.write_bytes(spoilt)
    _refused(path, ScanError, "damaged")


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"garbage" * 100])
def test_garbage_is_refused(tmp_path, suffix, content):
    path = tmp_path / f"ct{suffix}"
    path.write_bytes(content)
    _refused(path, ScanError)


def test_wrong_suffix_is_refused(tmp_path):
    path = _write(tmp_path / "ct.nrrd", _scan())
    _refused(path.rename(tmp_path / "ct.mha"), ScanError)
    _refused(_write(tmp_path / "ct.tif", _scan().astype(np.uint8)), ScanError, "suffix", ".nii.gz")


def test_dicom_under_the_suffix_of_an_image_file_is_refused(tmp_path, write_series):
    slice_file = write_series(tmp_path / "dicom").files()[0]
    _refused(slice_file.rename(tmp_path / "ct.mha"), ScanError, "another format")


def test_missing_file_is_refused(tmp_path):
    _refused(tmp_path / "none.nii.gz", ScanError, "no file", "none.nii.gz")


def _refused(path, kind, *words, read=read_volume):
    with pytest.raises(kind) as error:
        read(path)
    message = str(error.value)
    assert path.name in message
    assert "\n" not in message
    assert "ITK" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_four_axes_are_refused(tmp_path, suffix):
    path = tmp_path / f"ct{suffix}"
    sitk.WriteImage(sitk.JoinSeries([_image(_scan()), _image(_scan())]), str(path))
    _refused(path, ScanError, "4 axes", "11 x 14 x 9 x 2")


def test_two_axes_are_refused(tmp_path):
    path = tmp_path / "slice.mha"
    sitk.WriteImage(sitk.GetImageFromArray(_scan()[0]), str(path))
    _refused(path, ScanError, "2 axes")


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_colours_are_refused(tmp_path, suffix):
    path = tmp_path / f"ct{suffix}"
    colours = np.zeros((4, 5, 6, 3), np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(colours, isVector=True), str(path))
    _refused(path, ScanError, "3 values a voxel")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_voxels_that_are_no_numbers_are_refused(tmp_path, bad):
    array = _scan(np.float32)
    array[3, 4, 5] = bad
    _refused(_write(tmp_path / "ct.nrrd", array), GeometryError, "1 voxels", "NaN")


def _patched(path, *patches):
    """An uncompressed NIfTI file with some header fields overwritten."""
    data = bytearray(path.read_bytes())
    for offset, kind, *values in patches:
        struct.pack_into(f"<{kind}", data, offset, *values)
    path.write_bytes(data)
    return path


def test_nifti_that_is_placed_nowhere_is_refused(tmp_path):
    path = _patched(_write(tmp_path / "ct.nii", _scan()), (252, "2h", 0, 0))
    _refused(path, ScanError, "sform_code")


def test_sheared_nifti_is_refused(tmp_path):
    path = _write(tmp_path / "ct.nii", _scan())
    sheared = (1.0, 0.5, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0, 0)
    _refused(_patched(path, (252, "2h", 0, 1), (280, "12f", *sheared)), GeometryError, "perpend")


def _sform(path, rows, codes=(1, 1)):
    return _patched(path, (252, "2h", *codes), (280, "12f", *np.ravel(rows)))


def test_a_sheared_sform_is_refused_although_there_is_a_qform(tmp_path):
    path = _write(tmp_path / "ct.nii", _scan(), spacing=(1, 1, 1), origin=(0, 0, 0))
    sheared = np.eye(4)[:3]
    sheared[0, 1] = 0.3
    _refused(_sform(path, sheared), GeometryError, "perpendicular")
    assert read_volume(_sform(path, sheared, codes=(1, 0)))  # which says: take no notice of it
    _refused(_sform(path, np.zeros((3, 4))), GeometryError, "perpendicular")


def test_a_sform_that_simpleitk_passes_over_is_refused(tmp_path):
    """It takes the qform of a scanner before the sform of an atlas."""
    path = _write(tmp_path / "ct.nii", _scan(), spacing=(1, 1, 1), origin=(0, 0, 0))
    moved = np.diag([-1.0, -1.0, 1.0, 1.0])[:3]
    moved[2, 3] = 9.0
    assert read_volume(_sform(path, moved, codes=(1, 1))).origin[2] == 9.0
    assert read_volume(_sform(path, moved, codes=(0, 4))).origin[2] == 9.0
    for codes in ((1, 2), (1, 4)):
        _refused(_sform(path, moved, codes), GeometryError, "9 mm apart")


def test_header_that_announces_a_huge_scan_is_refused(tmp_path):
    path = tmp_path / "ct.nhdr"
    _write(path, _scan())
    path.write_text(path.read_text().replace("sizes: 11 14 9", "sizes: 30000 30000 30000"))
    _refused(path, ScanError, "budget")


# Labels.


@pytest.mark.parametrize("suffix", SITK_SUFFIXES)
def test_labels_without_names_are_numbered(tmp_path, suffix):
    array = _labels(3, 7)
    labels = read_labels(_write(tmp_path / f"seg{suffix}", array))
    assert dict(labels.names) == {"label_3": 3, "label_7": 7}
    assert labels.provenance == "unknown"
    np.testing.assert_array_equal(labels.voxels, array)
    assert labels.spacing == pytest.approx((2.5, 0.8, 0.7))


@pytest.mark.parametrize(
    ("dtype", "top", "smallest"),
    [(np.int32, 255, np.uint8), (np.float64, 256, np.uint16), (np.uint32, 65535, np.uint16)],
)
def test_label_voxels_take_the_smallest_type(tmp_path, dtype, top, smallest):
    array = _labels(1).astype(dtype)
    array[4, 4, 4] = top
    labels = read_labels(_write(tmp_path / "seg.nrrd", array))
    assert labels.voxels.dtype == smallest
    assert labels.voxels[4, 4, 4] == top


@pytest.mark.parametrize("bad", [0.5, np.nan, -1.0, 65536.0])
def test_voxels_that_are_no_labels_are_refused(tmp_path, bad):
    array = _labels(1).astype(np.float32)
    array[2, 2, 2] = bad
    _refused(_write(tmp_path / "seg.nrrd", array), ScanError, "label", read=read_labels)


def test_names_given_as_a_mapping_are_kept_whole(tmp_path):
    path = _write(tmp_path / "seg.nii.gz", _labels(1, 2))
    names = {"liver": 1, "cyst": 2, "never_found": 3}
    assert dict(read_labels(path, names, "manual").names) == names
    assert read_labels(path, names, "manual").provenance == "manual"


def test_background_is_no_structure(tmp_path):
    path = _write(tmp_path / "seg.nii.gz", _labels(1))
    assert dict(read_labels(path, {"background": 0, "liver": 1}).names) == {"liver": 1}
    (tmp_path / "seg.json").write_text('{"background": 0, "liver": 1}')
    assert dict(read_labels(path).names) == {"liver": 1}


def test_names_of_a_scheme_are_those_present(tmp_path):
    path = _write(tmp_path / "seg.nii.gz", _labels(5, 51, 52))
    names = read_labels(path, "totalsegmentator-v2").names
    assert dict(names) == {"liver": 5, "heart": 51, "aorta": 52}


def test_names_from_a_json_file(tmp_path):
    path = _write(tmp_path / "seg.nii.gz", _labels(1))
    (tmp_path / "names.json").write_text('{"liver": 1}')
    assert dict(read_labels(path, tmp_path / "names.json").names) == {"liver": 1}
    (tmp_path / "names.json").write_text('{"1": "liver"}')
    with pytest.raises(ScanError, match=r"names\.json is no JSON object"):
        read_labels(path, tmp_path / "names.json")
    with pytest.raises(ScanError, match="'totalsegmentor' are neither a naming scheme"):
        read_labels(path, "totalsegmentor")


def test_value_without_a_name_is_refused(tmp_path):
    path = _write(tmp_path / "seg.nii.gz", _labels(1, 200))
    with pytest.raises(StructureError, match=r"\[200\] of .*seg\.nii\.gz"):
        read_labels(path, "totalsegmentator-v2")


def _slicer_file(path):
    image = _image(_labels(4, 9))
    for number, (name, value) in enumerate({"Liver": 4, "Portal vein": 9}.items()):
        image.SetMetaData(f"Segment{number}_Name", name)
        image.SetMetaData(f"Segment{number}_LabelValue", str(value))
    sitk.WriteImage(image, str(path))
    return path


def test_names_from_slicer(tmp_path):
    path = _slicer_file(tmp_path / "scene.seg.nrrd")
    assert dict(read_labels(path).names) == {"Liver": 4, "Portal vein": 9}


def test_order_in_which_names_are_looked_for(tmp_path):
    path = _slicer_file(tmp_path / "scene.seg.nrrd")
    (tmp_path / "scene.seg.json").write_text('{"a": 4, "b": 9}')
    assert "Liver" in read_labels(path).names
    assert dict(read_labels(path, {"c": 4, "d": 9}).names) == {"c": 4, "d": 9}
    plain = _write(tmp_path / "plain.nii.gz", _labels(4))
    (tmp_path / "plain.json").write_text('{"a": 4}')
    assert dict(read_labels(plain).names) == {"a": 4}


@pytest.mark.parametrize("content", [{"Manual": True}, {"1": "liver"}, ["liver"], "no JSON"])
def test_sidecar_that_holds_no_names_is_passed_over(tmp_path, content):
    path = _write(tmp_path / "seg.nii.gz", _labels(4))
    (tmp_path / "seg.json").write_text(content if content == "no JSON" else json.dumps(content))
    assert dict(read_labels(path).names) == {"label_4": 4}


def _with_label_table(path, table):
    """Insert a header extension, as TotalSegmentator writes it, into an uncompressed NIfTI."""
    plain = path.read_bytes()
    text = b"<CaretExtension><LabelTable>"
    for name, value in table.items():
        text += f'\n<Label Key="{value}" Red="0.0"><![CDATA[{name}]]></Label>'.encode()
    text += b"\n</LabelTable></CaretExtension>"
    text += b"\0" * (-(len(text) + 8) % 16)
    extension = struct.pack("<ii", len(text) + 8, 0) + text
    data = plain[:348] + b"\1\0\0\0" + extension + plain[352:]
    path.write_bytes(data)
    return _patched(path, (108, "f", float(352 + len(extension))))


@pytest.mark.parametrize("compressed", [False, True])
def test_names_from_the_nifti_header(tmp_path, compressed):
    path = _write(tmp_path / "seg.nii", _labels(4, 9))
    _with_label_table(path, {"liver": 4, "stomach": 6, "aorta": 9})
    if compressed:
        packed = tmp_path / "packed.nii.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    labels = read_labels(path)
    assert dict(labels.names) == {"liver": 4, "aorta": 9}
    np.testing.assert_array_equal(labels.voxels, _labels(4, 9))


def test_big_endian_header(tmp_path):
    header = bytearray(352)
    struct.pack_into(">i", header, 0, 348)
    struct.pack_into(">8h", header, 40, 3, 7, 6, 5, 1, 1, 1, 1)
    struct.pack_into(">2h", header, 70, 2, 8)
    struct.pack_into(">8f", header, 76, 1, 1, 1, 1, 0, 0, 0, 0)
    struct.pack_into(">f", header, 108, 352.0)
    struct.pack_into(">2h", header, 252, 0, 1)
    struct.pack_into(">12f", header, 280, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
    header[344:348] = b"n+1\0"
    path = tmp_path / "seg.nii"
    path.write_bytes(header + _labels(4, 9).tobytes())
    assert read_nifti_header(path).file_bytes == path.stat().st_size
    np.testing.assert_array_equal(read_labels(path).voxels, _labels(4, 9))


# Real data.


def test_real_label_map_names_itself(data_folder):
    path = data_folder / "abdomen_organs" / "example_seg.nii.gz"
    labels = read_labels(path)
    assert labels.names["liver"] == 5
    assert labels.names == read_labels(path, "totalsegmentator-v2").names
    scan = read_volume(path.with_name("example_ct_sm.nii.gz"))
    assert scan.modality == "CT"
    assert labels.same_geometry(scan)
    liver = scan.voxels[labels.mask("liver")]
    assert 0 < np.median(liver) < 200  # HU, which it is only if both lie at the same place


@pytest.mark.parametrize(
    ("name", "modality"),
    [("abdomen_organs/example_mr_sm.nii.gz", "OT"), ("brain_tumour/brain1_image.nrrd", "OT")],
)
def test_real_files_agree_with_simpleitk(data_folder, name, modality):
    volume = read_volume(data_folder / name)
    image = sitk.ReadImage(str(data_folder / name))
    assert volume.modality == modality
    np.testing.assert_array_equal(volume.voxels, sitk.GetArrayFromImage(image))
    last = [count - 1 for count in image.GetSize()]
    point = image.TransformIndexToPhysicalPoint(last)
    np.testing.assert_allclose(volume.to_patient(last[::-1]), point, atol=1e-6)
