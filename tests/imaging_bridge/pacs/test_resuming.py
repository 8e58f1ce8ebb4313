"""A server that is killed leaves nothing half, and the same call goes on from there."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from halsted.imaging_bridge.errors import OutputError, PacsError
from halsted.imaging_bridge.pacs import node
from halsted.imaging_bridge.pacs.connect import open_pacs
from halsted.imaging_bridge.pacs.pull import pull
from halsted.imaging_bridge.pacs.push import push
from halsted.imaging_bridge.pacs.records import Query

COUNT = 60
KILLED_AT = 5


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(node.USER, "halsted")
    monkeypatch.setenv(node.PASSWORD, "correct horse")


@pytest.fixture
def series(write_series: Callable[..., Any], tmp_path: Path) -> Any:
    # 15 MiB: more than the 10 that the buffers of a connection may hold after its server is gone.
    return write_series(tmp_path / "sent", shape=(COUNT, 256, 512))


def voxels(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    files = (pydicom.dcmread(path) for path in folder.rglob("*.dcm"))
    return {str(one.SOPInstanceUID): one.pixel_array for one in files}


@pytest.mark.parametrize("way", ["get", "move", "web"])
def test_a_pull_goes_on_after_the_server_was_killed(
    make_orthanc: Callable[..., Any], password: None, series: Any, tmp_path: Path, way: str
) -> None:
    server = make_orthanc()
    push(open_pacs(server.web), [series.folder])
    pacs = server.open(way)
    study = str(pydicom.dcmread(series.files()[0], stop_before_pixels=True).StudyInstanceUID)
    out = tmp_path / "back"

    def kill_server(done: int, total: int) -> None:
        assert total == COUNT
        if done == KILLED_AT:
            server.kill()

    with pytest.raises(PacsError, match=rf"of {COUNT} instances are here, and the same command"):
        pull(pacs, study, out, on_progress=kill_server)
    assert not out.exists()
    (tmp_path / ".partial-back" / series.series / ".partial-x.dcm").write_bytes(b"half a file")
    arrived = {
        path: path.stat().st_mtime_ns for path in (tmp_path / ".partial-back").rglob("[0-9]*.dcm")
    }
    assert KILLED_AT <= len(arrived) < COUNT

    server.start()
    steps: list[int] = []
    pulled = pull(pacs, study, out, on_progress=lambda done, total: steps.append(done))
    assert pulled.fetched == COUNT - len(arrived)
    assert steps == list(range(len(arrived), COUNT + 1))
    for path, written in arrived.items():
        again = out / path.relative_to(tmp_path / ".partial-back")
        assert again.stat().st_mtime_ns == written, "an instance was fetched twice"
    sent, back = voxels(series.folder), voxels(out)
    assert back.keys() == sent.keys()
    assert all(np.array_equal(back[uid], sent[uid]) for uid in sent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "orthanc1", "sent"]
    assert {path.suffix for path in out.rglob("*") if path.is_file()} == {".dcm"}
    assert not list(out.rglob(".*"))


@pytest.mark.parametrize("way", ["store", "stow"])
def test_a_push_goes_on_after_the_server_was_killed(
    make_orthanc: Callable[..., Any],
    password: None,
    series: Any,
    way: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("halsted.imaging_bridge.pacs.stow.BATCH_BYTES", 1 << 20)
    server = make_orthanc()
    pacs = open_pacs(server.web if way == "stow" else server.address)
    done_before: list[int] = []

    def kill_server(done: int, total: int) -> None:
        if done >= KILLED_AT and not done_before:
            done_before.append(done)
            server.kill()

    began = time.monotonic()
    with pytest.raises(PacsError, match="the same command again sends the rest"):
        push(pacs, [series.folder], kill_server)
    assert time.monotonic() - began < 30, "a dead server was waited for"
    server.start()
    pushed = push(pacs, [series.folder])
    assert pushed.sent + pushed.present == COUNT
    assert pushed.present >= KILLED_AT
    (found,) = pacs.find(Query())
    assert found.instances == COUNT
    assert push(pacs, [series.folder]).sent == 0


def test_a_folder_that_holds_something_else_is_left_alone(
    orthanc: Any, write_series: Callable[..., Any], tmp_path: Path
) -> None:
    written = write_series(tmp_path / "sent")
    study = str(pydicom.dcmread(written.files()[0]).StudyInstanceUID)
    pacs = open_pacs(orthanc.address)
    push(pacs, [written.folder])
    with pytest.raises(OutputError, match="8 of 8 instances are not in it"):
        pull(pacs, study, written.folder)
    assert len(list(written.folder.iterdir())) == 8
    assert not list(tmp_path.glob(".partial-*"))


def test_a_folder_that_cannot_be_written(
    orthanc: Any, write_series: Callable[..., Any], tmp_path: Path
) -> None:
    written = write_series(tmp_path / "sent")
    study = str(pydicom.dcmread(written.files()[0]).StudyInstanceUID)
    pacs = open_pacs(orthanc.address)
    push(pacs, [written.folder])
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/study")):
        with pytest.raises(OutputError, match="choose another output folder"):
            pull(pacs, study, folder)


def test_a_full_disk(orthanc: Any, write_series: Callable[..., Any], tmp_path: Path) -> None:
    written = write_series(tmp_path / "sent")
    study = str(pydicom.dcmread(written.files()[0]).StudyInstanceUID)
    push(open_pacs(orthanc.address), [written.folder])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for way in ("get", "move", "web"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        try:
            with pytest.raises(OutputError, match="cannot write"):
                pull(orthanc.open(way), study, tmp_path / "back")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert not (tmp_path / "back").exists()
        assert not [one for one in (tmp_path / ".partial-back").rglob("*") if one.is_file()]


def test_two_processes_do_not_pull_into_one_folder(
    orthanc: Any, write_series: Callable[..., Any], tmp_path: Path
) -> None:
    written = write_series(tmp_path / "sent")
    study = str(pydicom.dcmread(written.files()[0]).StudyInstanceUID)
    pacs = open_pacs(orthanc.address)
    push(pacs, [written.folder])
    refusals: list[str] = []

    def pull_too(done: int, total: int) -> None:
        if done == 3:
            with pytest.raises(PacsError) as caught:
                pull(open_pacs(orthanc.web), study, tmp_path / "back")
            refusals.append(str(caught.value))

    pull(pacs, study, tmp_path / "back", on_progress=pull_too)
    assert len(refusals) == 1 and "another process" in refusals[0]
    assert len(voxels(tmp_path / "back")) == 8
