"""ZIP archives and discs, honest and otherwise."""

from __future__ import annotations

import gc
import shutil
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.fileset import FileSet

from halsted.imaging_bridge import GeometryError, ScanError, read_patient, read_scan


def _zip(folder, target, **more):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, **more) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return target


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder that archives are unpacked in."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_zip_is_its_folder_and_leaves_nothing(tmp_path, write_series, write_rtstruct, temporary):
    written = write_series(tmp_path / "scan")
    square = written.affine[:3, 3] + np.array([[0, 0, 0], [3, 0, 0], [3, 3, 0], [0, 3, 0]])
    write_rtstruct(tmp_path / "scan" / "rs.dcm", {"Liver": [square]}, written.frame_of_reference)
    patient = read_patient(_zip(written.folder, tmp_path / "scan.zip"))
    assert written.largest_error(patient.image) == 0.0
    assert patient.labels is not None
    assert list(patient.labels.names) == ["Liver"]
    assert list(temporary.iterdir()) == []


def test_names_in_an_archive_are_not_trusted(tmp_path, write_series, temporary):
    written = write_series(tmp_path / "scan")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        for number, path in enumerate(written.files()):
            archive.write(path, f"../../../escaped{number}.dcm")
    assert written.largest_error(read_scan(tmp_path / "evil.zip")) == 0.0
    assert not list(tmp_path.rglob("escaped*"))


def test_bomb(tmp_path, temporary):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("zeros", "w", force_zip64=True) as file:
            for _ in range(300):
                file.write(bytes(1 << 20))
    with pytest.raises(ScanError, match="unpacks to far more"):
        read_scan(tmp_path / "bomb.zip")
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.99])
def test_truncated_archive(tmp_path, write_series, kept):
    written = write_series(tmp_path / "scan")
    path = _zip(written.folder, tmp_path / "scan.zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ScanError):
        read_scan(path)


def test_damaged_member(tmp_path, write_series, temporary):
    path = _zip(write_series(tmp_path / "scan").folder, tmp_path / "scan.zip")
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)
    with pytest.raises(ScanError, match=r"scan.zip cannot be unpacked"):
        read_scan(path)
    assert list(temporary.iterdir()) == []


@pytest.fixture
def disc(tmp_path, write_series):
    """A folder with a DICOMDIR, as a hospital burns it."""

    def complete(dataset, number):
        dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20200101", "120000", "1"

    written = write_series(tmp_path / "scan", edit=complete)
    files = FileSet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in written.files():
            files.add(path)
        files.write(tmp_path / "disc")
        del files  # it drops its temporary folder with a warning
        gc.collect()
    return written, tmp_path / "disc"


def test_disc(disc):
    written, folder = disc
    assert written.largest_error(read_scan(folder / "DICOMDIR")) == 0.0
    assert written.largest_error(read_scan(folder)) == 0.0


def test_disc_copied_with_lower_case_names(disc, tmp_path):
    written, folder = disc
    for path in [one for one in folder.rglob("*") if one.is_file()]:
        lower = tmp_path / "copy" / Path(str(path.relative_to(folder)).lower())
        lower.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, lower)
    assert written.largest_error(read_scan(tmp_path / "copy" / "dicomdir")) == 0.0


def test_disc_that_lacks_a_file(disc):
    _, folder = disc
    next(path for path in folder.rglob("*") if path.is_file() and path.name != "DICOMDIR").unlink()
    with pytest.raises(ScanError, match="lists a file that is not in its folder"):
        read_scan(folder / "DICOMDIR")


def _zip_of_disc(folder, target, *, leave_out=None, rename=str):
    """A disc in a folder of the archive, as people zip it."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            if path != leave_out:
                archive.write(path, "CD of DOE^JANE/" + rename(path.relative_to(folder).as_posix()))
    return target


@pytest.mark.parametrize(
    "rename",
    [
        str,
        str.lower,
        lambda name: name + ";1",
        lambda name: name.replace("DICOMDIR", "DICOMDIR.;1"),
    ],
    ids=["as it is", "lower case", "ISO 9660 versions", "ISO 9660 directory"],
)
def test_disc_in_an_archive(disc, tmp_path, rename):
    written, folder = disc
    path = _zip_of_disc(folder, tmp_path / "disc.zip", rename=rename)
    assert written.largest_error(read_scan(path)) == 0.0


def test_disc_in_an_archive_that_lacks_a_file(disc, tmp_path, temporary):
    _, folder = disc
    lost = [path for path in sorted(folder.rglob("*")) if path.is_file()][2]
    path = _zip_of_disc(folder, tmp_path / "disc.zip", leave_out=lost)
    with pytest.raises(ScanError, match=r"member 1 of .*disc.zip lists a file") as error:
        read_scan(path)
    assert "DOE" not in str(error.value)
    assert list(temporary.iterdir()) == []


def test_disc_with_version_numbers(disc, tmp_path):
    written, folder = disc
    for path in [one for one in folder.rglob("*") if one.is_file()]:
        path.rename(path.with_name(path.name + ";1"))
    assert written.largest_error(read_scan(folder / "DICOMDIR;1")) == 0.0


@pytest.mark.parametrize("value", [7, "DOE^JANE"])
def test_directory_whose_records_are_of_another_type(disc, value):
    written, folder = disc
    dataset = pydicom.dcmread(folder / "DICOMDIR", force=True)
    del dataset.DirectoryRecordSequence
    dataset.add_new("DirectoryRecordSequence", "UL" if value == 7 else "LO", value)
    dataset.save_as(folder / "DICOMDIR")
    assert written.largest_error(read_scan(folder / "DICOMDIR")) == 0.0


def test_errors_name_members_of_the_archive(tmp_path, write_series, temporary):
    written = write_series(tmp_path / "scan")
    files = written.files()
    files[2].write_bytes(files[2].read_bytes()[:-100])
    path = _zip(written.folder, tmp_path / "scan.zip")
    with pytest.raises(ScanError, match=r"member 3 of .*scan\.zip is truncated") as error:
        read_scan(path)
    assert str(temporary) not in str(error.value)


def test_errors_of_another_type_stay_so(tmp_path, write_series, temporary):
    written = write_series(tmp_path / "scan")
    written.files()[3].unlink()
    path = _zip(written.folder, tmp_path / "scan.zip")
    with pytest.raises(GeometryError) as error:
        read_scan(path)
    assert str(temporary) not in str(error.value)
    assert "member 3" in str(error.value) or "member 4" in str(error.value)
