"""DICOM as it is handed over: a ZIP archive, or a disc with its directory."""

from __future__ import annotations

import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from halsted.imaging_bridge.dicom.elements import items_of
from halsted.imaging_bridge.dicom.files import MAX_FILE_BYTES, read_header
from halsted.imaging_bridge.dicom.kinds import DIRECTORY
from halsted.imaging_bridge.dicom.survey import files_in
from halsted.imaging_bridge.errors import HalstedError, ScanError

_MOST_MEMBERS = 200_000
_MOST_UNPACKED_BYTES = 8 << 30
# Images seldom deflate to a twentieth; a bomb to a thousandth.
_MOST_RATIO = 200
_FREE_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 20


_VERSION = re.compile(r"\.?;[0-9]+$")


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The folder of DICOM files that a path stands for.

    A ZIP archive is unpacked into a temporary folder, under names of our own, and removed again
    afterwards; an error raised meanwhile names the archive and the number of its member, from 1.
    Of a DICOMDIR the folder that it lies in is taken. Files that a DICOMDIR lists, in an archive
    too, have to be there. Any other path stands for itself.

    Raises:
        ScanError: an archive is damaged, encrypted or unpacks to too much; a listed file is not
            there.
    """
    if path.is_file() and zipfile.is_zipfile(path):
        folder = Path(tempfile.mkdtemp(prefix="halsted-"))
        try:
            _check_discs(path, _unpack(path, folder))
            yield folder
        except HalstedError as error:
            raise type(error)(_told(str(error), folder, path)) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    elif path.is_file() and is_dicomdir(path):
        present = {one.relative_to(path.parent).as_posix() for one in files_in(path.parent)}
        _check_listed(path, present)
        yield path.parent
    else:
        yield path


def _told(message: str, folder: Path, archive: Path) -> str:
    """A message that names members of the archive where it named files of the folder."""
    file = re.escape(f"{folder}/") + r"member0*([0-9]+)"
    message = re.sub(file, lambda found: f"member {found[1]} of {archive}", message)
    message = message.replace(str(folder), str(archive))
    return re.sub(r"\bmember0+([0-9]+)\b", r"member \1", message)


def is_dicomdir(path: Path) -> bool:
    """Whether a file is the directory of a DICOM disc."""
    header = read_header(path, ())
    return header is not None and header.sop_class == DIRECTORY


def _unpack(path: Path, folder: Path) -> dict[str, Path]:
    """Unpack an archive; returns where each of its members is now, by its name in the archive."""
    places = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            if len(members) > _MOST_MEMBERS:
                raise ScanError(f"{path} holds more than {_MOST_MEMBERS} files; unpack it yourself")
            left = min(_MOST_UNPACKED_BYTES, _FREE_BYTES + _MOST_RATIO * path.stat().st_size)
            for number, member in enumerate(members, start=1):
                if stat.S_ISLNK(member.external_attr >> 16):
                    continue
                if member.flag_bits & 1:
                    raise ScanError(f"{path} is encrypted; decrypt it first")
                place = places[member.filename] = folder / f"member{number:06d}"
                with archive.open(member) as source:
                    left = _copy(path, source, place, left)
    except ScanError:
        raise
    except Exception as error:  # each compression has its own types
        raise ScanError(
            f"{path} cannot be unpacked ({type(error).__name__}), so it is truncated or damaged; "
            "get the archive again"
        ) from error
    return places


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


def _check_discs(archive: Path, places: Mapping[str, Path]) -> None:
    """Refuse an archive with a DICOMDIR that lists files which are not in it."""
    for name, place in places.items():
        top = PurePosixPath(name).parent
        if _plain(PurePosixPath(name).name) == "dicomdir" and is_dicomdir(place):
            inside = (PurePosixPath(one) for one in places)
            present = {one.relative_to(top).as_posix() for one in inside if top in one.parents}
            _check_listed(place, present)


def _check_listed(path: Path, present: Collection[str]) -> None:
    """Refuse a DICOMDIR that lists files which are not among the `present`, relative to it."""
    header = read_header(path, ("DirectoryRecordSequence",))
    known = set(map(_plain, present))
    for record in items_of(header.elements, "DirectoryRecordSequence") if header else ():
        parts = record.get("ReferencedFileID") or ""
        several = parts if isinstance(parts, Sequence) and not isinstance(parts, str) else [parts]
        listed = "/".join(map(str, several))
        if listed and _plain(listed) not in known:
            raise ScanError(f"{path} lists a file that is not in its folder; copy the whole disc")


def _plain(name: str) -> str:
    """A path as it compares: copies of a disc differ in case, and in ISO 9660 version numbers."""
    return _VERSION.sub("", name.replace("\\", "/").lower())
