"""Outputs are whole or absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from halsted.imaging_bridge import OutputError
from halsted.imaging_bridge.files import make_folder, write_text, write_whole


def test_text_is_written_into_new_folders(tmp_path):
    path = write_text(tmp_path / "a" / "b" / "report.json", "größe")
    assert path.read_text(encoding="utf-8") == "größe"
    assert path.stat().st_mode & 0o777 == 0o644


def test_writer_sees_the_suffix_of_the_final_name(tmp_path):
    seen: list[Path] = []
    write_whole(tmp_path / "scan.nii.gz", seen.append)
    assert seen[0].name.endswith(".nii.gz")
    assert seen[0].parent == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["scan.nii.gz"]


def test_reader_meets_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = write_text(tmp_path / "report.txt", "old")

    def write(temporary):
        temporary.write_text("half of the new")
        assert path.read_text() == "old"
        temporary.write_text("new")

    write_whole(path, write)
    assert path.read_text() == "new"


def test_full_disk_leaves_nothing_behind(tmp_path):
    def write(temporary):
        temporary.write_text("half")
        with open("/dev/full", "w") as full:
            full.write("the rest")

    with pytest.raises(OutputError, match=r"report\.txt \(No space left on device\)"):
        write_whole(tmp_path / "report.txt", write)
    assert list(tmp_path.iterdir()) == []


def test_error_of_the_writer_itself_passes_and_leaves_nothing(tmp_path):
    def write(temporary):
        temporary.write_text("half")
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        write_whole(tmp_path / "report.txt", write)
    assert list(tmp_path.iterdir()) == []


def test_folder_where_a_file_is(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="cannot make the folder"):
            make_folder(folder)
    with pytest.raises(OutputError):
        write_text(tmp_path / "file" / "report.txt", "text")
