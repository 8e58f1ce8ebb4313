"""Files made to harm their decoder: refused, by a process that may die."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from halsted.imaging_bridge import ScanError, child_process, children
from halsted.imaging_bridge.dicom.decoding import Job, decode
from halsted.imaging_bridge.dicom.series import find_series, read_dicom_series


@pytest.fixture
def compressed(tmp_path, write_series):
    """A series in some transfer syntax, one of whose files may be spoiled."""

    def make(syntax=RLELossless, spoil=lambda dataset: None):
        written = write_series(tmp_path / "scan", shape=(4, 48, 40))
        for number, path in enumerate(written.files()):
            dataset = pydicom.dcmread(path)
            dataset.compress(syntax, generate_instance_uid=False)
            if number == 2:
                spoil(dataset)
            dataset.save_as(path)
        return written

    return make


def _peak_mb():
    usage = [
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    return max(usage) / 1024


def test_false_size_is_refused_before_it_is_allocated(compressed):
    def huge(dataset):
        dataset.Rows = dataset.Columns = 20_000

    written = compressed(spoil=huge)
    before = _peak_mb()
    with pytest.raises(ScanError, match="cannot hold"):
        read_dicom_series(written.folder)
    assert _peak_mb() - before < 64


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_damaged_stream(compressed, syntax):
    def flip(dataset):
        content = bytearray(dataset.PixelData)
        content[60:] = bytes(255 - one for one in content[60:])
        dataset.PixelData = bytes(content)

    written = compressed(syntax, flip)
    with pytest.raises(ScanError) as error:
        read_dicom_series(written.folder)
    assert "slice002.dcm" in str(error.value)
    assert "Secret" not in str(error.value)


def test_the_next_series_is_read_after_a_failure(compressed, tmp_path, write_series):
    with pytest.raises(ScanError):
        read_dicom_series(
            compressed(spoil=lambda d: setattr(d, "PixelData", encapsulate([b"no"]))).folder
        )
    written = write_series(tmp_path / "good", shape=(4, 48, 40))
    for path in written.files():
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(path)
    assert written.largest_error(read_dicom_series(written.folder)) == 0.0


def test_a_decoder_that_crashes_takes_nothing_with_it(compressed, decoder_pids):
    """The child is killed in the middle of its work, as a crash would end it."""
    written = compressed()
    files = written.files()

    def kill(number, values):
        for child in decoder_pids():
            os.kill(child, signal.SIGKILL)

    with pytest.raises(ScanError, match="crashes its decoder"):
        decode([Job(files[0], None, [0] * 500, 48 * 40 * 2, kill)])
    assert written.largest_error(read_dicom_series(written.folder)) == 0.0


def test_a_decoder_that_hangs_is_given_up(compressed, monkeypatch, decoder_pids):
    written = compressed()
    read_dicom_series(written.folder)  # children are up
    monkeypatch.setattr(child_process, "SECONDS_FOR_AN_ARRAY", 0.5)
    for child in decoder_pids():
        os.kill(child, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(ScanError, match=r"takes it more than 0.5 s"):
        read_dicom_series(written.folder)
    assert time.monotonic() - began < 5
    assert written.largest_error(read_dicom_series(written.folder)) == 0.0


def test_a_relative_path_is_that_of_the_reader(tmp_path, write_series, monkeypatch):
    """Two patients in folders of the same name: each is read under its own header."""
    for patient in ("a", "b"):
        for path in write_series(tmp_path / patient / "scan", shape=(4, 48, 40)).files():
            dataset = pydicom.dcmread(path)
            dataset.PixelData = bytes([ord(patient)]) * len(dataset.PixelData)
            dataset.compress(RLELossless, generate_instance_uid=False)
            dataset.save_as(path)
    children.end_children()
    found = []
    for patient in ("a", "b"):
        monkeypatch.chdir(tmp_path / patient)
        found.append(read_dicom_series(Path("scan")).voxels)
    assert (found[0] != found[1]).all()


@pytest.fixture
def deflated(tmp_path, write_series):
    """150 frames of 512 x 512 in one deflated file, the last of which is 7."""
    dataset = pydicom.dcmread(write_series(tmp_path).files()[0])
    dataset.Rows = dataset.Columns = 512
    dataset.NumberOfFrames = 150
    dataset.PixelData = bytes(149 * 2 * 512 * 512) + b"\7\0" * (512 * 512)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "deflated.dcm")
    return tmp_path / "deflated.dcm"


def test_deflated_frames_may_take_as_much_as_the_file_announces(deflated):
    found: dict[int, Any] = {}
    size = 2 * 512 * 512
    decode([Job(deflated, None, [0, 149], size, found.__setitem__, 150 * size)])
    assert (int(found[0].max()), int(found[149].min())) == (0, 7)


def test_deflated_frames_may_take_no_more_than_announced(deflated):
    with pytest.raises(ScanError, match="MemoryError"):
        decode([Job(deflated, None, [0, 149], 2 * 512 * 512, lambda *_: None)])


def test_deflate_bomb(tmp_path, write_series):
    """A few hundred kilobytes that inflate to 300 MB, of which nothing is an image."""
    path = write_series(tmp_path).files()[0]
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    whole = path.read_bytes()
    start = 144 + dataset.file_meta.FileMetaInformationGroupLength
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # a private element of 300 MB, before the pixels
    bomb = deflate.compress(b"\x09\x00\x10\x10OB\x00\x00" + (300 << 20).to_bytes(4, "little"))
    for _ in range(300):
        bomb += deflate.compress(bytes(1 << 20))
    path.write_bytes(whole[:start] + bomb + deflate.flush())
    assert path.stat().st_size < 1 << 20
    before = _peak_mb()
    with pytest.raises(ScanError):
        read_dicom_series(tmp_path)
    assert _peak_mb() - before < 200


def test_scripts_without_a_main_guard_may_read(compressed, tmp_path):
    """The children are no re-imported copies of the caller's script."""
    written = compressed()
    script = tmp_path / "script.py"
    script.write_text(
        "print('once')\n"
        "from halsted.imaging_bridge import read_dicom_series\n"
        f"print(read_dicom_series({str(written.folder)!r}).shape)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n")[:2] == ["once", "(4, 48, 40)"], done.stderr
    assert done.stderr == ""


def test_values_of_a_decoded_series_equal_the_uncompressed(compressed, tmp_path, write_series):
    written = compressed(JPEG2000Lossless)
    raw = write_series(tmp_path / "raw", shape=(4, 48, 40))
    np.testing.assert_array_equal(
        find_series(written.folder).read().voxels, read_dicom_series(raw.folder).voxels
    )
