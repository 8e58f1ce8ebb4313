"""A study UID in place of a path: the cache, and the command line over it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import generate_uid

from halsted.imaging_bridge.pacs import node
from halsted.imaging_bridge.pacs.connect import open_pacs
from halsted.imaging_bridge.pacs.push import push
from halsted.imaging_bridge.pacs.studies import fetch_study


@pytest.fixture
def sent(orthanc: Any, write_series: Callable[..., Any], tmp_path: Path) -> Any:
    written = write_series(tmp_path / "sent")
    push(open_pacs(orthanc.address), [written.folder])
    return written


def study_of(written: Any) -> str:
    return str(pydicom.dcmread(written.files()[0]).StudyInstanceUID)


def test_a_study_is_transferred_once_and_anew_when_it_has_changed(
    orthanc: Any, sent: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALSTED_CACHE", str(tmp_path / "cache"))
    study = study_of(sent)
    steps: list[tuple[int, int]] = []
    first = fetch_study(study, orthanc.address, lambda *step: steps.append(step))
    assert len(steps) == 9
    assert fetch_study(study, orthanc.web, lambda *step: steps.append(step)) == first
    assert steps[9:] == [(8, 8)]
    assert first.stat().st_mode & 0o077 == 0, "others may read the patient's files"

    more = pydicom.dcmread(sent.files()[0])
    more.SeriesInstanceUID, more.SOPInstanceUID = generate_uid(), generate_uid()
    more.file_meta.MediaStorageSOPInstanceUID = more.SOPInstanceUID
    more.save_as(tmp_path / "more.dcm")
    push(open_pacs(orthanc.address), [tmp_path / "more.dcm"])
    second = fetch_study(study, orthanc.address)
    assert second != first and len(list(first.rglob("*.dcm"))) == 8
    assert sorted(path.name for path in second.iterdir()) == sorted(
        [sent.series, more.SeriesInstanceUID]
    )


def test_room_is_made_for_a_study(
    orthanc: Any, sent: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALSTED_CACHE", str(tmp_path / "cache"))
    unused = tmp_path / "cache" / "study-1.2.3-unused"
    unused.mkdir(parents=True)
    (unused / "1.dcm").write_bytes(bytes(1000))
    os.utime(unused, (1, 1))
    monkeypatch.setenv("HALSTED_CACHE_GB", "0.000001")
    folder = fetch_study(study_of(sent), orthanc.address)
    assert list((tmp_path / "cache").iterdir()) == [folder]
    os.utime(folder, (1, 1))
    assert fetch_study(study_of(sent), orthanc.address) == folder
    assert time.time() - folder.stat().st_mtime < 60, "its use was not noted"


def halsted(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "halsted", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd)


def name(dataset: Any) -> None:
    dataset.SpecificCharacterSet, dataset.PatientID = "ISO_IR 192", "MRN-Ö7"


def test_the_commands(
    orthanc: Any,
    write_series: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(node.ADDRESS, orthanc.address)
    written = write_series(tmp_path / "sent", edit=lambda one, _: name(one))
    study = study_of(written)
    (written.folder / "notes.txt").write_text("no DICOM")
    done = [
        halsted("pacs", "echo"),
        halsted("pacs", "push", written.folder),
        halsted("pacs", "push", written.folder, "--pacs", orthanc.web),
        halsted("pacs", "find", "--patient-id", "MRN-Ö7", "--modality", "CT"),
        halsted("pacs", "find", "--study", study, "--json"),
        halsted("pacs", "pull", study, cwd=tmp_path),
        halsted("pacs", "pull", study, "--via", "move", "--out", "moved", cwd=tmp_path),
        halsted("pacs", "pull", study, "--out", "a[/b]", cwd=tmp_path),
        halsted("pacs", "worklist", "--modality", "XX"),
    ]
    for one in done:
        assert one.returncode == 0, one.stderr
        assert "Secret" not in one.stdout + one.stderr and "MRN" not in one.stdout + one.stderr
    assert done[1].stdout == "8 instances sent, 0 already there, 1 other files left out\n"
    assert done[2].stdout == "0 instances sent, 8 already there, 1 other files left out\n"
    assert study in done[3].stdout and written.series in done[3].stdout
    (found,) = json.loads(done[4].stdout)
    assert (found["uid"], found["modality"], found["instances"]) == (written.series, "CT", 8)
    assert "8/8" in done[5].stderr, "no progress bar"
    assert done[7].stdout == "a[/b]: 8 instances (8 fetched now)\n"
    for folder in (study, "moved", "a[/b]"):
        assert len(list((tmp_path / folder / written.series).glob("*.dcm"))) == 8


def test_a_study_uid_is_as_good_as_a_path(orthanc: Any, sent: Any, tmp_path: Path) -> None:
    done = halsted("scan", study_of(sent), "--pacs", orthanc.address, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["readable"] is True
