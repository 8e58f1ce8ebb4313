"""No identifier that stands anywhere in a file is in what is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from halsted.imaging_bridge.deidentification import Option, Pseudonyms, deidentify

SYNTAXES = [None, ImplicitVRLittleEndian, ExplicitVRBigEndian]


def content(folder: Path) -> bytes:
    """All bytes of all files, and their names."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return b"".join(str(path.relative_to(folder)).encode() + path.read_bytes() for path in files)


def test_the_file_is_full_of_identifiers(planted: Path, marks: tuple[bytes, ...]) -> None:
    assert all(mark in content(planted) for mark in marks)
    assert content(planted).count(b"ZQXPLANTED") > 500


@pytest.mark.parametrize("syntax", SYNTAXES, ids=["explicit", "implicit", "big endian"])
def test_none_is_left(
    planted: Path, secret: Pseudonyms, marks: tuple[bytes, ...], tmp_path: Path, syntax: Any
) -> None:
    if syntax is not None:
        _encode_again(next(planted.rglob("*.dcm")), syntax)
    report = deidentify(planted, tmp_path / "out", secret)
    written = content(tmp_path / "out")
    assert [mark for mark in marks if mark in written] == []
    told = json.dumps(report.as_dict()).encode()
    assert [mark for mark in marks if mark in told] == []


@pytest.mark.parametrize(
    "coding",
    [RLELossless, JPEGBaseline8Bit, JPEGLSLossless, JPEG2000Lossless],
    ids=lambda coding: coding.keyword,
)
def test_none_is_left_in_compressed_pixels(
    planted: Path,
    secret: Pseudonyms,
    marks: tuple[bytes, ...],
    compress: Callable[..., Any],
    tmp_path: Path,
    coding: Any,
) -> None:
    path = next(planted.rglob("*.dcm"))
    dataset = dcmread(path)
    compress(dataset, coding, b" ".join(marks))
    dataset.save_as(path)
    deidentify(planted, tmp_path / "out", secret)
    written = content(tmp_path / "out")
    assert [mark for mark in marks if mark in written] == []


def _encode_again(path: Path, syntax: Any) -> None:
    dataset = dcmread(path)
    if not syntax.is_little_endian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").byteswap().tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    implicit, little = syntax.is_implicit_VR, syntax.is_little_endian
    dcmwrite(path, dataset, implicit_vr=implicit, little_endian=little, enforce_file_format=True)


@pytest.mark.parametrize("option", ["shifted-dates", "institution", "device", "patient"])
def test_an_option_keeps_no_name(
    planted: Path, secret: Pseudonyms, tmp_path: Path, option: Option
) -> None:
    deidentify(planted, tmp_path / "out", secret, [option])
    written = content(tmp_path / "out")
    assert b"Quackenbush" not in written
    assert b"77-777-7" not in written
    if option == "shifted-dates":
        assert b"19770707" not in written


def test_the_pixels_stay_bit_for_bit(
    write_series: Callable[..., Any], planted: Path, secret: Pseudonyms, tmp_path: Path
) -> None:
    deidentify(planted, tmp_path / "out", secret)
    before = dcmread(next((tmp_path / "clean").iterdir()))
    after = dcmread(next((tmp_path / "out").iterdir()))
    assert after.PixelData == before.PixelData
    for keyword in ("Rows", "Columns", "RescaleIntercept", "ImagePositionPatient", "PixelSpacing"):
        assert after[keyword].value == before[keyword].value


def test_the_report_counts_by_keyword(planted: Path, secret: Pseudonyms, tmp_path: Path) -> None:
    report = deidentify(planted, tmp_path / "out", secret).as_dict()
    assert report["objects_written"] == 1
    assert report["attributes"]["PatientBirthDate"] == {"emptied": 1}
    assert report["attributes"]["PatientName"] == {"replaced by a pseudonym": 1}
    assert report["attributes"]["(private)"]["removed"] >= 2
    assert report["attributes"]["ReferencedSOPInstanceUID"]["remapped"] >= 1
    assert report["attributes"]["PixelData"] == {"cut to the pixels": 1}


def test_nothing_is_said_on_the_way(
    planted: Path, secret: Pseudonyms, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    deidentify(planted, tmp_path / "out", secret)
    said = capfd.readouterr()
    assert said.out + said.err == ""
