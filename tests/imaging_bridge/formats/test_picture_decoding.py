"""Pictures made to harm their decoder, and what is logged of those that are read."""

from __future__ import annotations

import logging
import os
import signal

import numpy as np
import pytest

from halsted.imaging_bridge import ScanError, child_process, children
from halsted.imaging_bridge.formats.photographs import read_photograph
from halsted.imaging_bridge.formats.quiet import quiet

pillow = pytest.importorskip("PIL.Image")
tifffile = pytest.importorskip("tifffile")
imagecodecs = pytest.importorskip("imagecodecs")

SECRET = "SecretPerson"
KINDS = ["a.png", "deep.png", "a.jpg", "a.tif"]


def _noise(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 255, shape).astype(dtype)


@pytest.fixture
def picture(tmp_path):
    """Writes a picture of each kind, with a name wherever the format has a place for one."""

    def write(name):
        path = tmp_path / name
        exif = pillow.Exif()
        exif[0x010E] = exif[0x013B] = SECRET
        if name == "deep.png":
            path.write_bytes(imagecodecs.png_encode(_noise(30, 40, 3, dtype=np.uint16)))
        elif name == "a.tif":
            tifffile.imwrite(
                path, _noise(90, 70, 3), tile=(32, 32), compression="jpeg", description=SECRET
            )
        else:
            from PIL.PngImagePlugin import PngInfo

            text = PngInfo()
            text.add_text("Author", SECRET)
            pillow.fromarray(_noise(30, 40, 3)).save(path, exif=exif, pnginfo=text)
        return path

    return write


def _refuse(*arguments, **more):
    raise AssertionError("decoded in the process of the caller")


@pytest.mark.parametrize("name", KINDS)
def test_pixels_are_decoded_by_a_child(picture, name, monkeypatch):
    from PIL import ImageFile

    path = picture(name)
    monkeypatch.setattr(ImageFile.ImageFile, "load", _refuse)
    monkeypatch.setattr(tifffile.TiffPage, "decode", property(_refuse))
    monkeypatch.setattr(imagecodecs, "png_decode", _refuse)
    assert read_photograph(path)["red"].voxels.std() > 10


@pytest.mark.parametrize("name", KINDS)
def test_a_decoder_that_hangs_is_given_up(picture, name, monkeypatch, decoder_pids):
    path = picture(name)
    read_photograph(path)  # a child is up
    monkeypatch.setattr(child_process, "SECONDS_FOR_AN_ARRAY", 0.5)
    for child in decoder_pids():
        os.kill(child, signal.SIGSTOP)
    with pytest.raises(ScanError, match=r"takes it more than 0\.5 s") as error:
        read_photograph(path)
    assert name in str(error.value)
    assert read_photograph(path)


@pytest.mark.parametrize("name", KINDS)
def test_a_child_that_was_killed_is_replaced(picture, name, decoder_pids):
    path = picture(name)
    before = read_photograph(path)["red"].voxels
    for child in decoder_pids():
        os.kill(child, signal.SIGKILL)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    np.testing.assert_array_equal(read_photograph(path)["red"].voxels, before)


def test_a_tile_that_is_larger_than_announced_takes_no_memory(tmp_path, decoder_pids):
    """A tile of 64 x 64 pixels that is a JPEG of 12,000 x 12,000."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, _noise(64, 64, 3), tile=(64, 64), compression="jpeg")
    huge = imagecodecs.jpeg8_encode(np.zeros((12_000, 12_000, 3), np.uint8))
    with tifffile.TiffFile(path, mode="r+b") as file:
        end = file.filehandle.size
        file.pages[0].tags["TileOffsets"].overwrite(end)
        file.pages[0].tags["TileByteCounts"].overwrite(len(huge))
    with path.open("ab") as file:
        file.write(huge)
    children.end_children()
    with pytest.raises(ScanError, match=r"a\.tif"):
        read_photograph(path)
    (child,) = decoder_pids()
    with open(f"/proc/{child}/status", encoding="ascii") as status:
        (peak,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    assert peak / 1024 < 200


def test_a_strip_over_the_budget_is_refused(tmp_path):
    """Strips are decoded whole, however small the region."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, _noise(1000, 1000), rowsperstrip=1000, compression="deflate")
    assert read_photograph(path, region=(0, 0, 9, 9))
    with pytest.raises(ScanError, match="budget"):
        read_photograph(path, region=(0, 0, 9, 9), budget_bytes=100_000)


@pytest.mark.parametrize("name", KINDS)
def test_what_a_picture_says_is_not_logged(picture, name, caplog):
    path = picture(name)
    loggers = [logging.getLogger(name) for name in ("PIL", "PIL.PngImagePlugin", "tifffile")]
    for logger in loggers:
        caplog.set_level(logging.DEBUG, logger.name)
    with pillow.open(path) as stored:  # it would be
        stored.load()
        stored.getexif()
    assert SECRET in caplog.text or name == "deep.png"
    caplog.clear()
    read_photograph(path)
    assert caplog.text == ""
    assert all(logger.level == logging.DEBUG for logger in loggers)


def test_logs_stay_quiet_until_the_last_reader_is_done():
    logger = logging.getLogger("PIL")
    level = logger.level
    first, second = quiet(), quiet()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not logger.isEnabledFor(logging.ERROR)
    second.__exit__(None, None, None)
    assert logger.level == level
