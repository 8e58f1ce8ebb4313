"""DICOM as it is handed over: a ZIP archive, or a disc with its directory."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from halsted.imaging_bridge.dicom.files import MAX_FILE_BYTES, read_header
from halsted.imaging_bridge.dicom.kinds import DIRECTORY
from halsted.imaging_bridge.dicom.series import files_in
from halsted.imaging_bridge.errors import ScanError

_MOST_MEMBERS = 200_000
_MOST_UNPACKED_BYTES = 8 << 30
# Images seldom deflate to a twentieth; a bomb to a thousandth.
_MOST_RATIO = 200
_FREE_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 20


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The folder of DICOM files that a path stands for.

    A ZIP archive is unpacked into a temporary folder, under names of our own, and removed again
    afterwards; of a DICOMDIR the folder that it lies in is taken, once all files that it lists are
    found there. Any other path stands for itself.

    Raises:
        ScanError: an archive is damaged, encrypted or unpacks to too much; a listed file is not
            there.
    """
    if path.is_file() and zipfile.is_zipfile(path):
        folder = Path(tempfile.mkdtemp(prefix="halsted-"))
        try:
            _unpack(path, folder)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    elif path.is_file() and is_dicomdir(path):
        _check_listed(path)
        yield path.parent
    else:
        yield path


def is_dicomdir(path: Path) -> bool:
    """Whether a file is the directory of a DICOM disc."""
    header = read_header(path, ())
    return header is not None and header.sop_class == DIRECTORY


def _unpack(path: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            if len(members) > _MOST_MEMBERS:
                raise ScanError(f"{path} holds more than {_MOST_MEMBERS} files; unpack it yourself")
            left = min(_MOST_UNPACKED_BYTES, _FREE_BYTES + _MOST_RATIO * path.stat().st_size)
            for number, member in enumerate(members):
                if stat.S_ISLNK(member.external_attr >> 16):
                    continue
                if member.flag_bits & 1:
                    raise ScanError(f"{path} is encrypted; decrypt it first")
                with archive.open(member) as source:
                    left = _copy(path, source, folder / f"{number:06d}", left)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError) as error:
        raise ScanError(
            f"{path} cannot be unpacked ({type(error).__name__}), so it is truncated or damaged; "
            "get the archive again"
        ) from error
    except Exception as error:  # zlib.error, lzma.LZMAError and others
        if isinstance(error, ScanError):
            raise
        raise ScanError(
            f"{path} cannot be unpacked ({type(error).__name__}), so it is damaged; get the "
            "archive again"
        ) from error


def _copy(path: Path, source: IO[bytes], target: Path, left: int) -> int:
    """Copy a member, and return how many bytes may still be unpacked."""
    most = min(left, MAX_FILE_BYTES)
    done = 0
    with target.open("wb") as file:
        while chunk := source.read(_CHUNK_BYTES):
            done += len(chunk)
            if done > most:
                raise ScanError(
                    f"{path} unpacks to far more than it holds ({_MOST_RATIO} times its size), as "
                    "an archive made to fill a disk does; unpack it yourself if you trust it"
                )
            file.write(chunk)
    return left - done


def _check_listed(path: Path) -> None:
    """Refuse a directory that lists files which are not there; copies may differ in case."""
    header = read_header(path, ("DirectoryRecordSequence",))
    records = header.elements.get("DirectoryRecordSequence") if header is not None else None
    present = {one.relative_to(path.parent).as_posix().lower() for one in files_in(path.parent)}
    for record in records or []:
        parts = record.get("ReferencedFileID")
        if not parts:
            continue
        listed = parts if isinstance(parts, str) else "/".join(map(str, parts))
        if listed.lower() not in present:
            raise ScanError(f"{path} lists a file that is not in its folder; copy the whole disc")
