"""NIfTI-2, pairs, phases, MINC and Analyze: each voxel where another library puts it."""

from __future__ import annotations

import shutil
import struct

import numpy as np
import pytest
import SimpleITK as sitk

from halsted.imaging_bridge import GeometryError, ScanError, read_labels, read_volume

nibabel = pytest.importorskip("nibabel")
h5py = pytest.importorskip("h5py")

SHAPE = (7, 6, 5)  # x, y, z


def _array(dtype=np.int16):
    return np.random.default_rng(1).integers(-1000, 1000, SHAPE).astype(dtype)


def _affine(turn):
    affine = np.eye(4)
    affine[:3, :3] = turn * [0.7, 0.8, 2.5]
    affine[:3, 3] = (-12.0, 33.0, 5.0)
    return affine


def _agrees(volume, array, ras):
    """Whether each voxel of the peer's (x, y, z) array lies at its RAS point in the volume."""
    index = np.argwhere(np.ones(array.shape, bool))
    points = (index @ ras[:3, :3].T + ras[:3, 3]) * [-1.0, -1.0, 1.0]
    found = volume.to_index(points)
    np.testing.assert_allclose(found, np.rint(found), atol=1e-3)
    values = volume.voxels[tuple(np.rint(found).astype(int).T)]
    np.testing.assert_allclose(values, array[tuple(index.T)], rtol=1e-6, atol=1e-4)


def _refused(path, *words, kind=ScanError, read=read_volume, **more):
    with pytest.raises(kind) as error:
        read(path, **more)
    message = str(error.value)
    assert path.stem in message
    assert "\n" not in message
    for word in words:
        assert word in message


# NIfTI.


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", [np.int16, ">f4", np.uint8])
def test_nifti_2(tmp_path, rotation, suffix, dtype):
    array, ras = _array(dtype), _affine(rotation(3))
    path = tmp_path / f"a{suffix}"
    nibabel.save(nibabel.Nifti2Image(array, ras), path)
    _agrees(read_volume(path), array.astype(np.float64), ras)


def test_nifti_2_with_a_slope_four_axes_or_labels(tmp_path):
    image = nibabel.Nifti2Image(_array(), np.eye(4))
    image.header.set_slope_inter(0.5, 3.0)
    nibabel.save(image, tmp_path / "slope.nii")
    np.testing.assert_allclose(
        read_volume(tmp_path / "slope.nii").voxels,
        nibabel.load(tmp_path / "slope.nii").get_fdata().T,
    )
    phases = np.stack([_array(), _array() + 5000], axis=-1).astype(np.int32)
    nibabel.save(nibabel.Nifti2Image(phases, np.eye(4)), tmp_path / "four.nii")
    _refused(tmp_path / "four.nii", "phase=0 to 1")
    assert (read_volume(tmp_path / "four.nii", phase=1).voxels.T == phases[..., 1]).all()
    nibabel.save(nibabel.Nifti2Image(np.ones(SHAPE, np.uint8), np.eye(4)), tmp_path / "seg.nii")
    assert dict(read_labels(tmp_path / "seg.nii", {"liver": 1}).names) == {"liver": 1}


@pytest.mark.parametrize("image", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize(("unit", "mm"), [("meter", 1000), ("mm", 1), ("micron", 0.001), (0, 1)])
def test_nifti_places_are_brought_to_millimetres(tmp_path, rotation, image, unit, mm):
    array, ras = _array(), _affine(rotation(4))
    file = image(array, ras)
    file.header.set_xyzt_units(unit)
    nibabel.save(file, tmp_path / "a.nii")
    volume = read_volume(tmp_path / "a.nii")
    np.testing.assert_allclose(volume.spacing, np.array([2.5, 0.8, 0.7]) * mm, rtol=1e-6)
    ras[:3] *= mm
    _agrees(volume, array, ras)


def test_a_broken_nifti_2_is_refused(tmp_path):
    path = tmp_path / "a.nii"
    nibabel.save(nibabel.Nifti2Image(_array(), _affine(np.eye(3))), path)
    whole = path.read_bytes()
    for kept in (100, 400, 545, len(whole) - 1):
        path.write_bytes(whole[:kept])
        _refused(path)
    nowhere = bytearray(whole)
    struct.pack_into("<2i", nowhere, 344, 0, 0)
    path.write_bytes(nowhere)
    _refused(path, "sform_code")
    huge = bytearray(whole)
    struct.pack_into("<3q", huge, 24, 1 << 40, 1 << 40, 1 << 40)
    path.write_bytes(huge)
    _refused(path, "budget")
    sheared = _affine(np.eye(3))
    sheared[0, 1] = 0.4
    image = nibabel.Nifti2Image(_array(), None)
    image.set_sform(sheared, 1)
    nibabel.save(image, path)
    _refused(path, "perpendicular", kind=GeometryError)


def test_a_nifti_pair(tmp_path, rotation):
    array, ras = _array(), _affine(rotation(5))
    path = tmp_path / "a.hdr"
    nibabel.save(nibabel.Nifti1Pair(array, ras), path)
    _agrees(read_volume(path), array, ras)
    data = path.with_suffix(".img")
    data.write_bytes(data.read_bytes()[:-1])
    _refused(path, "truncated")
    data.unlink()
    _refused(path, "a.img")


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_phase_of_four_axes(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    phases = [sitk.GetImageFromArray(_array() + 3000 * k) for k in range(3)]
    for phase in phases:
        phase.SetSpacing((0.7, 0.8, 2.5))
        phase.SetOrigin((-12.0, 33.0, 5.0))
    sitk.WriteImage(sitk.JoinSeries(phases), str(path))
    _refused(path, "phase=0 to 2")
    _refused(path, "phase 3", phase=3)
    for number, phase in enumerate(phases):
        found = read_volume(path, phase=number)
        np.testing.assert_array_equal(found.voxels, sitk.GetArrayFromImage(phase))
        assert found.spacing == pytest.approx((2.5, 0.8, 0.7))
        assert found.origin == pytest.approx((-12.0, 33.0, 5.0))


def test_a_phase_of_three_axes_is_refused(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(_array()), str(tmp_path / "a.nii"))
    _refused(tmp_path / "a.nii", "four", phase=0)


# MetaImage and NRRD.


@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr"])
@pytest.mark.parametrize("other", ["../secret.raw", "/etc/passwd", "LIST", "slice%03d.raw 1 5 1"])
def test_voxels_outside_the_folder_are_never_read(tmp_path, name, other):
    folder = tmp_path / "scan"
    folder.mkdir()
    path = folder / name
    sitk.WriteImage(sitk.GetImageFromArray(_array()), str(path))
    raw = next(folder.glob("*raw*"))
    shutil.copy(raw, tmp_path / "secret.raw")
    path.write_text(path.read_text().replace(raw.name, other))
    _refused(path)


def _with_field(path, line, old=None):
    """A file that SimpleITK wrote, with a line more in its header or in place of others."""
    image = sitk.GetImageFromArray(_array())
    image.SetOrigin((5, 6, 7))
    sitk.WriteImage(image, str(path))
    data = path.read_bytes()
    old = old or (b"NDims = 3" if path.suffix == ".mha" else b"dimension: 3")
    start = data.index(old)
    end = data.index(b"\n", start) + 1
    kept = data[start:end] if old.endswith(b"3") else b""
    path.write_bytes(data[:start] + kept + line + data[end:])
    return path


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"ElementToIntensityFunctionSlope = 2\n", "ElementToIntensityFunctionSlope"),
        (b"ElementToIntensityFunctionOffset = -1024\n", "ElementToIntensityFunctionOffset"),
        (b"ElementToIntensityFunctionSlope = nan\n", "ElementToIntensityFunctionSlope"),
        (b"ElementToIntensityFunctionSlope = two\n", "damaged"),
        (b"DistanceUnits = um\n", "DistanceUnits"),
    ],
)
def test_metaimage_fields_that_would_be_passed_over_are_refused(tmp_path, line, words):
    _refused(_with_field(tmp_path / "a.mha", line), words)


def test_metaimage_fields_that_change_nothing(tmp_path):
    lines = b"ElementToIntensityFunctionSlope = 1\nElementToIntensityFunctionOffset = 0.0\n"
    path = _with_field(tmp_path / "a.mha", lines + b"DistanceUnits = mm\n")
    assert (read_volume(path).voxels == _array()).all()


def test_a_metaimage_without_a_place_lies_at_the_origin(tmp_path):
    path = _with_field(tmp_path / "a.mha", b"", old=b"TransformMatrix")
    assert read_volume(path).orientation == "SPL"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"Offset = 5 6 7\n", b""))
    assert read_volume(path).origin.tolist() == [0, 0, 0]
    path.write_bytes(data.replace(b"Orientation = RAI", b"Orientation = LPI"))
    _refused(path, "AnatomicalOrientation")


@pytest.mark.parametrize(
    ("old", "line", "words"),
    [
        (b"space: ", b"", "no space"),
        (b"space: ", b"space dimension: 3\n", "no space"),
        (b"space: ", b"space: scanner-xyz\n", "no space"),
        (b"space: ", b"space: 3D-right-handed\n", "no space"),
        (b"space directions", b"", "no space directions"),
        (b"space directions", b"spacings: 1 1 2\n", "no space directions"),
        (b"space origin", b"", "no space origin"),
        (None, b'space units: "um" "um" "um"\n', "space units"),
        (None, b'space units: "mm" "mm" "cm"\n', "space units"),
    ],
)
def test_an_nrrd_whose_place_is_not_sure_is_refused(tmp_path, old, line, words):
    path = _with_field(tmp_path / "a.nrrd", b"")
    assert read_volume(path)
    _refused(_with_field(path, line, old), words)


@pytest.mark.parametrize(
    ("space", "origin"),
    [
        ("left-posterior-superior", (5, 6, 7)),
        ("LPS", (5, 6, 7)),
        ("right-anterior-superior", (-5, -6, 7)),
        ("RAS", (-5, -6, 7)),
        ("Left-Anterior-Superior", (5, -6, 7)),
    ],
)
def test_frames_of_nrrd(tmp_path, space, origin):
    lines = f'space: {space}\nspace units: "mm" "mm" "mm"\n'.encode()
    volume = read_volume(_with_field(tmp_path / "a.nrrd", lines, old=b"space: "))
    assert volume.origin.tolist() == list(origin)


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
@pytest.mark.parametrize("compress", [False, True])
def test_a_truncated_file_is_refused_in_silence(tmp_path, capfd, suffix, compress):
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(_array()), str(path), useCompression=compress)
    path.write_bytes(path.read_bytes()[:-20])
    _refused(path, "truncated")
    assert capfd.readouterr().err == ""


# MINC.


def _minc_2(path, ras):
    """A MINC 2 file as the MINC tools write it: slices of short numbers, each with its own scale.

    Returns the real values, (z, y, x).
    """
    stored = np.random.default_rng(2).integers(0, 4096, SHAPE[::-1]).astype(np.uint16)
    low, high = np.linspace(-5, 0, SHAPE[2]), np.linspace(50, 90, SHAPE[2])
    steps = ras[:3, :3] / np.linalg.norm(ras[:3, :3], axis=0)
    start = np.linalg.solve(steps, ras[:3, 3])
    with h5py.File(path, "w") as file:
        root = file.create_group("minc-2.0")
        for axis, name in enumerate(("xspace", "yspace", "zspace")):
            one = root.create_dataset(f"dimensions/{name}", data=np.int32(0))
            one.attrs["length"] = np.int32(SHAPE[axis])
            one.attrs["start"] = float(start[axis])
            one.attrs["step"] = float(np.linalg.norm(ras[:3, axis]))
            one.attrs["direction_cosines"] = steps[:, axis]
            one.attrs["spacing"] = np.bytes_(b"regular__")
        image = root.create_dataset("image/0/image", data=stored)
        image.attrs["dimorder"] = np.bytes_(b"zspace,yspace,xspace")
        image.attrs["valid_range"] = np.array([0.0, 4095.0])
        for name, values in (("image-min", low), ("image-max", high)):
            one = root.create_dataset(f"image/0/{name}", data=values)
            one.attrs["dimorder"] = np.bytes_(b"zspace")
    return low[:, None, None] + stored / 4095.0 * (high - low)[:, None, None]


def test_minc_2_gives_real_values_at_their_place(tmp_path, rotation):
    path, ras = tmp_path / "a.mnc", _affine(rotation(8))
    values = _minc_2(path, ras)
    volume = read_volume(path)
    assert volume.shape == values.shape
    _agrees(volume, values.transpose(), ras)


def test_minc_1_gives_real_values_at_their_place(tmp_path, rotation):
    netcdf = pytest.importorskip("scipy.io").netcdf_file
    path, ras = tmp_path / "a.mnc", _affine(rotation(9))
    stored = np.random.default_rng(3).integers(0, 4096, SHAPE[::-1]).astype(">i2")
    steps = ras[:3, :3] / np.linalg.norm(ras[:3, :3], axis=0)
    start = np.linalg.solve(steps, ras[:3, 3])
    with netcdf(path, "w") as file:
        for axis, name in ((2, "zspace"), (1, "yspace"), (0, "xspace")):
            file.createDimension(name, SHAPE[axis])
            one = file.createVariable(name, "i", ())
            one.spacing, one.direction_cosines = b"regular__", steps[:, axis]
            one.start, one.step = float(start[axis]), float(np.linalg.norm(ras[:3, axis]))
        image = file.createVariable("image", "h", ("zspace", "yspace", "xspace"))
        image[:] = stored
        image.valid_range, image.signtype = np.array([0.0, 4095.0]), b"signed__"
        for name, value in (("image-min", -2.0), ("image-max", 71.0)):
            one = file.createVariable(name, "d", ("zspace",))
            one[:] = value
    _agrees(read_volume(path), (-2.0 + stored / 4095.0 * 73.0).transpose(), ras)


@pytest.mark.parametrize("name", ["a.mnc", "a.nii"])
def test_voxels_are_read_by_a_child(tmp_path, name, monkeypatch):
    def refuse(*arguments, **more):
        raise AssertionError("parsed in the process of the caller")

    path = tmp_path / name
    if name == "a.mnc":
        _minc_2(path, _affine(np.eye(3)))
    else:
        nibabel.Nifti2Image(_array(), np.eye(4)).to_filename(path)
    monkeypatch.setattr(nibabel.spatialimages.SpatialImage, "from_filename", refuse)
    monkeypatch.setattr(nibabel.arrayproxy.ArrayProxy, "__array__", refuse)
    monkeypatch.setattr(h5py, "File", refuse)
    assert read_volume(path).voxels.std() > 0


def test_a_broken_minc_is_refused(tmp_path):
    path = tmp_path / "a.mnc"
    _minc_2(path, _affine(np.eye(3)))
    whole = path.read_bytes()
    for content in (
        b"",
        b"garbage" * 100,
        b"CDF\x01" + bytes(50),
        whole[:100],
        whole[: len(whole) // 2],
    ):
        path.write_bytes(content)
        _refused(path)


def test_a_minc_that_points_to_another_file_is_refused(tmp_path):
    path, other = tmp_path / "a.mnc", tmp_path / "other.mnc"
    _minc_2(other, _affine(np.eye(3)))
    shutil.copy(other, path)
    with h5py.File(path, "r+") as file:
        del file["minc-2.0/image/0/image"]
        file["minc-2.0/image/0/image"] = h5py.ExternalLink("other.mnc", "minc-2.0/image/0/image")
    _refused(path, "another file")


def test_a_minc_of_absurd_size_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.mnc"
    _minc_2(path, _affine(np.eye(3)))
    with h5py.File(path, "r+") as file:
        old = file["minc-2.0/image/0/image"]
        attributes = dict(old.attrs)
        del file["minc-2.0/image/0/image"]
        new = file.create_dataset(
            "minc-2.0/image/0/image", (3000, 3000, 3000), np.uint16, chunks=(1, 3000, 3000)
        )
        new.attrs.update(attributes)
    assert path.stat().st_size < 1 << 20
    _refused(path, "budget")


# Analyze.


def test_analyze_is_read_only_with_an_orientation(tmp_path):
    path, array = tmp_path / "a.hdr", _array()
    nibabel.save(nibabel.AnalyzeImage(array, np.diag([2.0, 3.0, 4.0, 1.0])), path)
    _refused(path, "left and right")
    volume = read_volume(path, orientation="LAS")
    assert volume.orientation == "SAL"  # array axes are z, y, x
    assert volume.spacing.tolist() == [4.0, 3.0, 2.0]
    np.testing.assert_array_equal(volume.voxels, array.T)
    assert read_volume(path, orientation="RPI").to_patient((1, 1, 1)).tolist() == [-2.0, 3.0, -4.0]
    for wrong in ("LRS", "L", "XYZ", "las"):
        with pytest.raises(ScanError, match="three letters"):
            read_volume(path, orientation=wrong)
    data = path.with_suffix(".img")
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(ScanError, match="truncated"):
        read_volume(path, orientation="LAS")


def test_an_orientation_for_a_file_that_says_its_own_is_refused(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(_array()), str(tmp_path / "a.nii"))
    _refused(tmp_path / "a.nii", "says itself", orientation="LAS")
