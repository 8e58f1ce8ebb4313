"""What is deleted from the cache to make room, and what is not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from halsted.imaging_bridge.cache import cache_folder, make_room, study_entry

HOUR = 3600.0
STUDY = "1.2.840.1"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HALSTED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HALSTED_CACHE_GB", "0.000003")
    return cache_folder()


def entry(folder: Path, hours: float, youngest: float | None = None) -> Path:
    """A folder with a file of 1000 bytes, in a series of its own, last used hours ago."""
    (folder / "1.2.3").mkdir(parents=True)
    file = folder / "1.2.3" / "1.2.3.4.dcm"
    file.write_bytes(bytes(1000))
    then = time.time() - hours * HOUR
    for path, age in ((file, youngest), (file.parent, None), (folder, None)):
        seconds = then if age is None else time.time() - age * HOUR
        os.utime(path, (seconds, seconds))
    return folder


def left(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir()}


def test_the_least_recently_used_goes_whether_arrays_or_study(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALSTED_CACHE_GB", "0.1")  # the sizes of folders differ by file system
    arrays, study = entry(cache / "arrays", 3), entry(study_entry(STUDY, "key"), 2)
    young = entry(cache / "young", 1)
    make_room(1)
    assert left(cache) == {arrays.name, study.name, young.name}
    for gone in (arrays, study):
        monkeypatch.setenv("HALSTED_CACHE_GB", str(size(cache) / 1e9))
        make_room(1)
        assert not gone.exists() and young.exists()
    assert left(cache) == {"young"}


def size(cache: Path) -> int:
    return sum(one.stat().st_size for path in cache.iterdir() for one in path.rglob("*"))


def test_a_study_that_may_be_being_read_stays(cache: Path) -> None:
    used, unused = entry(study_entry(STUDY, "used"), 0.1), entry(study_entry(STUDY, "unused"), 0.5)
    make_room(10**9)
    assert left(cache) == {used.name} and not unused.exists()


def test_what_a_broken_pull_left_is_deleted_after_a_day(cache: Path) -> None:
    entry(cache / ".partial-study-1.2-old", 25)
    entry(cache / ".partial-study-1.2-young", 23)
    entry(cache / ".partial-study-1.2-growing", 25, youngest=1)
    old_file = cache / ".partial-arm.urdf"
    old_file.touch()
    os.utime(old_file, (1, 1))
    make_room(0)
    assert left(cache) == {".partial-study-1.2-young", ".partial-study-1.2-growing"}
    make_room(10**9)
    assert left(cache) == {".partial-study-1.2-young", ".partial-study-1.2-growing"}


def test_a_broken_pull_does_not_keep_its_finished_study_from_being_deleted(cache: Path) -> None:
    study = entry(study_entry(STUDY, "key"), 5)
    partial = entry(cache / f".partial-{study.name}", 1)
    make_room(10**9)
    assert left(cache) == {partial.name}


def test_single_files_stay(cache: Path) -> None:
    file = cache / "arm.urdf"
    file.touch()
    os.utime(file, (1, 1))
    make_room(10**9)
    assert left(cache) == {"arm.urdf"}
