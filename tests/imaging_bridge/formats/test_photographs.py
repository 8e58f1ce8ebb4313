"""Pictures in PNG, JPEG and TIFF files against what wrote them, and masks against their counts."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest

from halsted.imaging_bridge import ScanError, StructureError
from halsted.imaging_bridge.formats.masks import read_instances, read_mask
from halsted.imaging_bridge.formats.photographs import read_photograph

pillow = pytest.importorskip("PIL.Image")
tifffile = pytest.importorskip("tifffile")
imagecodecs = pytest.importorskip("imagecodecs")


def _picture(shape, dtype=np.uint8, seed=0):
    """A smooth picture, so that lossy codecs keep it."""
    y, x = np.indices(shape[:2])
    waves = [np.sin(y / 9 + k) + np.cos(x / (7 + k)) + 2 for k in range(max((*shape[2:], 1)))]
    top = np.iinfo(dtype).max
    array = (np.stack(waves, axis=-1) / 4 * top).astype(dtype)
    return array if len(shape) == 3 else array[..., 0]


def _stack(channels):
    assert all(one.shape[0] == 1 for one in channels.values())
    return np.stack([one.voxels[0] for one in channels.values()], axis=-1)


def _refused(path, *words, read=read_photograph, kind=ScanError, **more):
    with pytest.raises(kind) as error:
        read(path, **more)
    message = str(error.value)
    assert path.name in message
    assert "\n" not in message
    for word in words:
        assert word in message


# PNG and JPEG.


@pytest.mark.parametrize("shape", [(30, 41), (30, 41, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_is_read_as_stored(tmp_path, shape, dtype):
    array = _picture(shape, dtype)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(array))
    found = read_photograph(tmp_path / "a.png", modality="DMS")
    assert list(found) == (["grey"] if len(shape) == 2 else ["red", "green", "blue"])
    one = next(iter(found.values()))
    assert (one.modality, one.unit, one.voxels.dtype, one.spacing_known) == (
        "DMS",
        "1",
        dtype,
        False,
    )
    np.testing.assert_array_equal(np.squeeze(_stack(found)), array)
    assert one.to_patient((0, 2, 3)).tolist() == [3.0, 2.0, 0.0]  # columns along x, rows along y


def test_palette_and_opaque_pictures_are_colours(tmp_path):
    array = _picture((20, 30, 3))
    opaque = np.dstack([array, np.full((20, 30), 255, np.uint8)])
    pillow.fromarray(opaque).save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(_stack(read_photograph(tmp_path / "rgba.png")), array)
    picture = pillow.fromarray(array).quantize(16)
    picture.save(tmp_path / "palette.png")
    expected = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(_stack(read_photograph(tmp_path / "palette.png")), expected)


def test_a_transparent_picture_is_refused(tmp_path):
    pillow.fromarray(_picture((20, 30, 4))).save(tmp_path / "a.png")
    _refused(tmp_path / "a.png", "transparent")


@pytest.mark.parametrize(("shape", "colour"), [((20, 30, 3), (0, 0, 0)), ((20, 30), 0)])
def test_a_picture_with_a_colour_that_stands_for_none_is_refused(tmp_path, shape, colour):
    pillow.fromarray(_picture(shape)).save(tmp_path / "a.png", transparency=colour)
    _refused(tmp_path / "a.png", "transparent")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_is_upright_and_loses_where_it_was_taken(tmp_path, orientation):
    from PIL import ImageOps

    picture = pillow.fromarray(_picture((24, 40, 3)))
    exif = picture.getexif()
    exif[0x0112] = orientation
    exif[0x010E] = "Secret Person"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    picture.save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = read_photograph(tmp_path / "a.jpg")
    with pillow.open(tmp_path / "a.jpg") as stored:
        peer = np.asarray(ImageOps.exif_transpose(stored))
    np.testing.assert_array_equal(_stack(found), peer)
    assert "Secret" not in repr(found)


def test_print_colours_are_refused(tmp_path):
    pillow.fromarray(_picture((20, 30, 4)), "CMYK").save(tmp_path / "a.jpg")
    _refused(tmp_path / "a.jpg", "CMYK")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
def test_a_truncated_picture_is_refused(tmp_path, suffix, kept):
    path = tmp_path / f"a{suffix}"
    pillow.fromarray(_picture((200, 300, 3))).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    _refused(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".svs"])
@pytest.mark.parametrize("content", [b"", b"garbage" * 100, b"GIF89a" + bytes(100)])
def test_garbage_is_refused(tmp_path, suffix, content):
    (tmp_path / f"a{suffix}").write_bytes(content)
    _refused(tmp_path / f"a{suffix}")


def _png_bomb(path, side):
    """A PNG of a few kilobytes that says it has this many rows and columns."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(4 << 20), 9)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )
    return path


@pytest.mark.parametrize("side", [10_000, 13_000, 60_000])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, side):
    path = _png_bomb(tmp_path / "a.png", side)
    tracemalloc.start()
    try:
        _refused(path, "pixels", budget_bytes=200 << 20)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


# TIFF.


@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "jpeg2000"])
@pytest.mark.parametrize("tile", [None, (64, 48)])
@pytest.mark.parametrize("shape", [(150, 170), (150, 170, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_region_of_a_tiff_is_that_of_the_picture(tmp_path, compression, tile, shape, dtype):
    array = _picture(shape, dtype)
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        array,
        compression=compression,
        tile=tile,
        rowsperstrip=None if tile else 40,
        photometric="rgb" if len(shape) == 3 else "minisblack",
        compressionargs={"reversible": True, "level": 0} if compression == "jpeg2000" else None,
    )
    np.testing.assert_array_equal(np.squeeze(_stack(read_photograph(path))), array)
    part = read_photograph(path, region=(60, 40, 71, 130))
    np.testing.assert_array_equal(np.squeeze(_stack(part)), array[60:131, 40:170])
    one = next(iter(part.values()))
    assert one.origin.tolist() == [40.0, 60.0, 0.0]


@pytest.mark.parametrize("region", [(-1, 0, 5, 5), (0, 0, 0, 5), (100, 0, 51, 5), (0, 166, 5, 5)])
def test_a_region_beyond_the_picture_is_refused(tmp_path, region):
    tifffile.imwrite(tmp_path / "a.tif", _picture((150, 170)), tile=(64, 64))
    _refused(tmp_path / "a.tif", "150 x 170", region=region)


def test_jpeg_tiles_agree_with_tifffile(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, _picture((150, 170, 3)), tile=(64, 64), compression="jpeg", photometric="rgb"
    )
    np.testing.assert_array_equal(_stack(read_photograph(path)), tifffile.imread(path))


def test_planar_palette_and_inverted_tiffs(tmp_path):
    array = _picture((40, 50, 3))
    tifffile.imwrite(
        tmp_path / "planar.tif",
        np.moveaxis(array, -1, 0),
        planarconfig="separate",
        photometric="rgb",
    )
    np.testing.assert_array_equal(_stack(read_photograph(tmp_path / "planar.tif")), array)
    picture = pillow.fromarray(array).quantize(16)
    picture.save(tmp_path / "palette.tif")
    expected = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(_stack(read_photograph(tmp_path / "palette.tif")), expected)
    tifffile.imwrite(tmp_path / "white.tif", array[..., 0], photometric="miniswhite")
    found = read_photograph(tmp_path / "white.tif")["grey"]
    np.testing.assert_array_equal(found.voxels[0], 255 - array[..., 0])


def _slide(path):
    """A pyramid of three levels in sub-directories, as OME writes it."""
    finest = _picture((512, 768, 3))
    keep = {"photometric": "rgb", "tile": (128, 128), "compression": "deflate", "metadata": None}
    with tifffile.TiffWriter(path) as file:
        file.write(finest, subifds=2, **keep)
        for step in (2, 4):
            file.write(finest[::step, ::step], subfiletype=1, **keep)
    return finest


def _aperio(path):
    """Pages as a slide scanner of Aperio writes them: levels, a thumbnail, a label, an overview."""
    finest = _picture((1024, 1536, 3))
    text = "Aperio Image Library v12.0.15\r\n1536x1024 [0,0 1536x1024] (128x128) J2K"
    levels = {"photometric": "rgb", "tile": (128, 128), "compression": "deflate", "metadata": None}
    others = {"photometric": "rgb", "metadata": None}
    with tifffile.TiffWriter(path) as file:
        file.write(finest, description=f"{text}|AppMag = 40|MPP = 0.25", **levels)
        file.write(finest[::8, ::8], description=text, **others)
        for step in (4, 8):
            file.write(finest[::step, ::step], description=text, **levels)
        file.write(
            _picture((60, 50, 3)), description=f"{text}\nlabel 50x60", subfiletype=1, **others
        )
        file.write(
            _picture((40, 90, 3)), description=f"{text}\nmacro 90x40", subfiletype=9, **others
        )
    return finest


def test_levels_of_a_slide_lie_on_each_other(tmp_path):
    path = tmp_path / "slide.svs"
    finest = _aperio(path)
    whole = read_photograph(path, modality="SM")["red"]
    assert whole.shape == (1, 1024, 1536)
    assert whole.spacing_known
    assert whole.spacing[1:] == pytest.approx(0.00025)
    coarse = read_photograph(path, level=1, region=(10, 20, 30, 40))["red"]
    np.testing.assert_array_equal(coarse.voxels[0], finest[::4, ::4, 0][10:40, 20:60])
    assert coarse.spacing[1:] == pytest.approx(0.001)
    # A coarse pixel is where its 4 x 4 fine ones are.
    middle = whole.to_patient((0, 4 * 10 + 1.5, 4 * 20 + 1.5))
    np.testing.assert_allclose(coarse.to_patient((0, 0, 0)), middle, atol=1e-12)
    _refused(path, "3 levels", level=3)


def test_a_slide_too_large_for_the_budget_is_read_by_region(tmp_path):
    path = tmp_path / "slide.tif"
    _slide(path)
    _refused(path, "budget", budget_bytes=1 << 20)
    assert read_photograph(path, region=(0, 0, 100, 100), budget_bytes=1 << 20)
    coarse = read_photograph(path, level=1, budget_bytes=1 << 20)["red"]
    assert not coarse.spacing_known
    assert coarse.spacing[1:].tolist() == [2.0, 2.0]  # pixels of the finest level


def test_levels_of_a_slide_stored_by_colour(tmp_path):
    path = tmp_path / "slide.tif"
    finest = np.moveaxis(_picture((512, 768, 3)), -1, 0)
    keep = {"photometric": "rgb", "planarconfig": "separate", "tile": (128, 128), "metadata": None}
    with tifffile.TiffWriter(path) as file:
        file.write(finest, subifds=1, **keep)
        file.write(finest[:, ::4, ::4], subfiletype=1, **keep)
    coarse = read_photograph(path, level=1)
    np.testing.assert_array_equal(_stack(coarse), np.moveaxis(finest[:, ::4, ::4], 0, -1))
    assert coarse["red"].spacing[1:].tolist() == [4.0, 4.0]
    assert coarse["red"].origin.tolist() == [1.5, 1.5, 0.0]


def test_colour_differences_are_refused_where_nothing_turns_them_into_colours(tmp_path):
    array, more = _picture((64, 64, 3)), {"photometric": "ycbcr", "metadata": None}
    tifffile.imwrite(tmp_path / "zlib.tif", array, compression="zlib", **more)
    _refused(tmp_path / "zlib.tif", "YCbCr")
    stored = pillow.fromarray(array).convert("YCbCr")
    stored.save(tmp_path / "raw.tif")
    _refused(tmp_path / "raw.tif", "YCbCr")
    stored.save(tmp_path / "jpeg.tif", compression="jpeg", quality=95)
    with tifffile.TiffFile(tmp_path / "jpeg.tif") as file:
        assert file.pages[0].photometric == 6
    found = _stack(read_photograph(tmp_path / "jpeg.tif")).astype(int)
    assert np.abs(found - array).mean() < 2


def test_size_of_a_pixel_is_taken_only_where_it_is_credible(tmp_path):
    array = _picture((40, 50))
    ome = '<OME><Pixels PhysicalSizeX="0.5" PhysicalSizeXUnit="µm" PhysicalSizeY="600" ' + (
        'PhysicalSizeYUnit="nm"/></OME>'
    )
    cases: dict[str, Any] = {
        "ome": ({"description": ome.encode()}, (0.0006, 0.0005)),
        "microscope": (
            {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"},
            (5e-4, 5e-4),
        ),
        "print": ({"resolution": (300, 300), "resolutionunit": "INCH"}, None),
        "none": ({}, None),
    }
    for name, (more, expected) in cases.items():
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, array, metadata=None, **more)
        found = read_photograph(path)["grey"]
        assert found.spacing_known == (expected is not None)
        assert tuple(found.spacing[1:]) == pytest.approx(expected or (1.0, 1.0))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 40, 50), np.uint8), "4 pages"),
        (np.zeros((40, 50), np.float32), "float32"),
        (np.zeros((40, 50), np.int32), "int32"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path, array, words):
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack")
    _refused(tmp_path / "a.tif", words)


def test_a_tiff_that_announces_huge_tiles_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, _picture((100, 100)), tile=(64, 64), compression="deflate")
    with tifffile.TiffFile(path, mode="r+b") as file:
        for tag in ("TileWidth", "TileLength"):
            file.pages[0].tags[tag].overwrite(1 << 16)
    _refused(path)


# Masks.


def test_overlapping_layers_are_refused(tmp_path):
    layers = np.zeros((2, 20, 30), np.uint8)
    layers[0, 5:10], layers[1, 8:12] = 255, 255
    tifffile.imwrite(tmp_path / "m.tif", layers, photometric="minisblack")
    _refused(tmp_path / "m.tif", "60 pixels", read=read_mask, kind=StructureError, names=("a", "b"))
    _refused(tmp_path / "m.tif", "2 layers", read=read_mask, names=("a", "b", "c"))


def test_numbers_are_not_taken_for_black_and_white(tmp_path):
    array = np.zeros((20, 30), np.uint8)
    array[2:5], array[8:12] = 3, 7
    pillow.fromarray(array).save(tmp_path / "m.png")
    _refused(tmp_path / "m.png", "brightest at 7", read=read_mask)
    found = read_instances(tmp_path / "m.png", "cell")
    assert dict(found.names) == {"cell_3": 3, "cell_7": 7}
    pillow.fromarray((array > 0).astype(np.uint8)).save(tmp_path / "one.png")
    assert np.count_nonzero(read_mask(tmp_path / "one.png").voxels) == 210
    colours = np.zeros((20, 30, 3), np.uint8)
    colours[..., 0] = 255
    pillow.fromarray(colours).save(tmp_path / "red.png")
    _refused(tmp_path / "red.png", "coloured", read=read_mask)


@pytest.mark.parametrize("name", ["m.png", "m.tif"])
def test_many_numbers_are_not_cut_in_the_middle(tmp_path, name):
    cells = np.arange(201, dtype=np.uint8).reshape(3, 67)
    pillow.fromarray(cells).save(tmp_path / name)
    _refused(tmp_path / name, "read_instances", read=read_mask)
    assert len(read_instances(tmp_path / name).names) == 200
    pillow.fromarray(cells // 200 * 200).save(tmp_path / name)
    assert np.count_nonzero(read_mask(tmp_path / name).voxels) == 1


def test_noise_of_a_jpeg_mask_is_no_structure(tmp_path):
    drawn = np.zeros((64, 64), np.uint8)
    drawn[13:37, 20:51] = 255
    pillow.fromarray(drawn).save(tmp_path / "m.jpg", quality=90)
    assert len(np.unique(np.asarray(pillow.open(tmp_path / "m.jpg")))) > 2
    np.testing.assert_array_equal(read_mask(tmp_path / "m.jpg").voxels[0] > 0, drawn > 0)


def test_skin_lesion(data_folder):
    folder = data_folder / "skin_lesion"
    picture = read_photograph(folder / "ISIC_0000000.jpg", modality="DMS")
    mask = read_mask(folder / "ISIC_0000000_segmentation.png", ("lesion",), picture)
    assert picture["red"].shape == mask.shape == (1, 767, 1022)
    lesion = mask.mask("lesion")
    green = picture["green"].voxels
    assert green[lesion].mean() < green[~lesion].mean() - 20  # a mole is darker than skin


def test_polyps(data_folder):
    folder = data_folder / "colon_polyp" / "kvasir"
    parts = []
    for path in sorted((folder / "masks").glob("*.jpg")):
        picture = read_photograph(folder / "images" / path.name, modality="ES")
        mask = read_mask(path, ("polyp",), picture, provenance="manual")
        assert mask.provenance == "manual"
        parts.append(float(mask.mask("polyp").mean()))
    assert parts == pytest.approx([0.2828, 0.2706, 0.3188], abs=1e-4)


def test_endoscopy_mask_of_five_layers(data_folder):
    folder = data_folder / "endoscopy"
    names = ("Instrument", "Specularity", "Artefact", "Bubbles", "Saturation")
    picture = read_photograph(folder / "0000600.jpg", modality="ES")
    mask = read_mask(folder / "0000600_mask.tif", names, picture)
    counts = {name: int(mask.mask(name).sum()) for name in names}
    assert (counts["Instrument"], counts["Saturation"]) == (25443, 7329)
    assert picture["red"].voxels[mask.mask("Saturation")].mean() > 200


@pytest.mark.parametrize(
    ("name", "count"), [("fluo_0", 27), ("fluo_1", 36), ("he_0", 70), ("he_1", 86)]
)
def test_nuclei_of_a_folder(data_folder, name, count):
    folder = data_folder / "microscopy_nuclei" / f"dsb2018_{name}"
    picture = read_photograph(folder / "image.png", modality="GM")
    nuclei = read_instances(folder / "masks", reference=picture, provenance="manual")
    assert len(nuclei.names) == count
    bright = picture["red"].voxels[nuclei.voxels > 0].mean()
    dark = picture["red"].voxels[nuclei.voxels == 0].mean()
    assert bright > 2 * dark if "fluo" in name else bright < 0.8 * dark


def test_nuclei_of_an_instance_picture(data_folder):
    folder = data_folder / "microscopy_nuclei"
    picture = read_photograph(folder / "img2d.tif", modality="GM")
    nuclei = read_instances(folder / "mask2d.tif", reference=picture)
    assert picture["grey"].voxels.dtype == np.uint16
    assert len(nuclei.names) == 125
    np.testing.assert_array_equal(nuclei.voxels[0], tifffile.imread(folder / "mask2d.tif"))


def test_every_picture_at_hand_agrees_with_pillow(data_folder):
    paths = [
        path
        for path in sorted(data_folder.rglob("*"))
        if path.suffix in (".png", ".jpg") and path.parent.name != "masks"
    ]
    assert len(paths) >= 14
    for path in paths:
        with pillow.open(path) as stored:
            peer = np.atleast_3d(np.asarray(stored))
        found = _stack(read_photograph(path))
        np.testing.assert_array_equal(found, peer[..., : found.shape[2]])
