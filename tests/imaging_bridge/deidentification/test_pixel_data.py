"""What is not pixels is cut from them, and they decode as before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import DataElement, dcmread
from pydicom.uid import MPEG2MPML, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from halsted.imaging_bridge.deidentification import Pseudonyms, deidentify
from halsted.imaging_bridge.deidentification.codestreams import (
    jpeg_2000_without_remarks,
    jpeg_without_remarks,
    rle_without_remarks,
)
from halsted.imaging_bridge.errors import ScanError

MARK = b"ZQXPLANTED"
CODINGS = [RLELossless, JPEGBaseline8Bit, JPEGLSLossless, JPEG2000Lossless]
Compress = Callable[..., Any]


@pytest.fixture
def image(write_series: Callable[..., Any], tmp_path: Path) -> Path:
    """One slice, of 6 by 8 pixels."""
    written = write_series(tmp_path / "image", shape=(1, 6, 8))
    return Path(next(written.folder.iterdir()))


def edited(path: Path, edit: Callable[[Any], Any]) -> Any:
    dataset = dcmread(path)
    told = edit(dataset)
    dataset.save_as(path)
    return told


def cleaned(path: Path, secret: Pseudonyms) -> Any:
    out = path.parent.parent / "out"
    deidentify(path, out, secret)
    (written,) = out.iterdir()
    assert MARK not in written.read_bytes()
    return dcmread(written)


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("coding", CODINGS, ids=lambda coding: coding.keyword)
def test_remarks_are_cut_from_every_frame(
    image: Path,
    secret: Pseudonyms,
    compress: Compress,
    frames_of: Compress,
    coding: Any,
    frames: int,
) -> None:
    before = edited(image, lambda dataset: compress(dataset, coding, MARK, frames))
    assert image.read_bytes().count(MARK) > frames
    np.testing.assert_array_equal(frames_of(cleaned(image, secret), before), before)


def test_an_extended_offset_table_goes(
    image: Path, secret: Pseudonyms, compress: Compress, frames_of: Compress
) -> None:
    def edit(dataset: Any) -> Any:
        pixels = compress(dataset, JPEG2000Lossless, MARK)
        length = int.from_bytes(dataset.PixelData[16:20], "little")
        dataset.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0" + dataset.PixelData[12:]
        dataset.ExtendedOffsetTable = (0).to_bytes(8, "little")
        dataset.ExtendedOffsetTableLengths = length.to_bytes(8, "little")
        return pixels

    before = edited(image, edit)
    after = cleaned(image, secret)
    assert "ExtendedOffsetTable" not in after
    np.testing.assert_array_equal(frames_of(after, before), before)


@pytest.mark.parametrize(
    ("keyword", "kind"), [("FloatPixelData", "f4"), ("DoubleFloatPixelData", "f8")]
)
def test_floats_end_with_the_last_pixel(
    image: Path, secret: Pseudonyms, keyword: str, kind: str
) -> None:
    pixels = np.arange(48, dtype=kind).tobytes()

    def edit(dataset: Any) -> None:
        del dataset.PixelData
        setattr(dataset, keyword, pixels + MARK)

    edited(image, edit)
    assert cleaned(image, secret)[keyword].value == pixels


def test_a_colour_profile_goes(image: Path, secret: Pseudonyms) -> None:
    edited(image, lambda dataset: dataset.add(DataElement(0x00282000, "OB", MARK)))
    assert "ICCProfile" not in cleaned(image, secret)


def test_fewer_frames_than_stated_are_refused(
    image: Path, secret: Pseudonyms, compress: Compress
) -> None:
    def edit(dataset: Any) -> None:
        compress(dataset, RLELossless, MARK)
        dataset.NumberOfFrames = 5

    edited(image, edit)
    with pytest.raises(ScanError, match="cannot be understood"):
        cleaned(image, secret)


def test_a_coding_with_places_nobody_knows_is_refused(
    image: Path, secret: Pseudonyms, compress: Compress
) -> None:
    def edit(dataset: Any) -> None:
        compress(dataset, JPEGBaseline8Bit, MARK)
        dataset.file_meta.TransferSyntaxUID = MPEG2MPML

    edited(image, edit)
    with pytest.raises(ScanError, match=r"coding of its pixels.*--skip-refused"):
        cleaned(image, secret)


@pytest.mark.parametrize("clean", [jpeg_without_remarks, jpeg_2000_without_remarks])
@pytest.mark.parametrize(
    "frame",
    [
        b"",
        MARK,
        b"\xff\xd8",
        b"\xff\xd8\xff\xda\0\x08",
        b"\xff\x4f\xff\x51\0\x04",
        b"\xff\xd8\xff\xf1\0\2",
    ],
)
def test_what_is_no_stream_is_refused(clean: Callable[[bytes], bytes], frame: bytes) -> None:
    with pytest.raises((ValueError, EOFError)):
        clean(frame)


def test_a_run_ends_with_the_last_pixel() -> None:
    header = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + b"\0" * 56
    assert rle_without_remarks(header + b"\x04abcde", 3)[64:] == b"\x02abc"
    assert rle_without_remarks(header + b"\xf0a" + MARK, 3)[64:] == b"\xf0a"
    with pytest.raises(ValueError, match="cut short"):
        rle_without_remarks(header + b"\x00a", 3)
