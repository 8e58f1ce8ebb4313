"""`halsted deidentify` as it is run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom import dcmread

KEY = {"HALSTED_DEID_KEY": "correct horse battery staple"}


def deidentify(*arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "halsted", "deidentify", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, **env}
    )


@pytest.fixture
def scan(data_folder: Path, tmp_path: Path) -> Path:
    """A few slices of a real series."""
    folder = tmp_path / "scan"
    folder.mkdir()
    for path in sorted((data_folder / "lung_nodule" / "4D-Lung_113").glob("1-0*.dcm"))[:4]:
        shutil.copy(path, folder)
    return folder


def test_a_scan_is_written_with_a_report(scan: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "clean", tmp_path / "report.json"
    done = deidentify(scan, "--out", out, "--report", report, "--json", **KEY)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads(report.read_text())
    assert told["key"] == "given"
    assert told["objects_written"] == len(list(out.iterdir()))
    assert told["attributes"]["SOPInstanceUID"] == {"remapped": told["objects_written"]}
    for path in out.iterdir():
        assert dcmread(path, stop_before_pixels=True).PatientIdentityRemoved == "YES"


def test_the_table_is_for_people(scan: Path, tmp_path: Path) -> None:
    done = deidentify(scan, "--out", tmp_path / "clean")
    assert done.returncode == 0, done.stderr
    assert "PatientBirthDate" in done.stdout
    assert "made for this run" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--retain-dates", "--shift-dates"), "choose one"),
        (("--key-file", "no-such-file"), "cannot read the key file"),
    ],
)
def test_a_contradiction_is_one_sentence(
    scan: Path, tmp_path: Path, arguments: tuple[str, ...], word: str
) -> None:
    done = deidentify(scan, "--out", tmp_path / "clean", *arguments)
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["scan"]


@pytest.mark.parametrize("report", ["key.txt/report.json", "folder"])
def test_a_report_that_cannot_be_written_is_found_first(
    scan: Path, tmp_path: Path, report: str
) -> None:
    (tmp_path / "key.txt").write_text("no folder")
    (tmp_path / "folder").mkdir()
    done = deidentify(scan, "--out", tmp_path / "clean", "--report", tmp_path / report)
    assert done.returncode == 2
    assert "cannot write the report" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "clean").exists()
