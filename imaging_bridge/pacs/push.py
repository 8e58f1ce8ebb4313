"""Pushing DICOM files: only what the PACS does not hold yet, as it is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from halsted.imaging_bridge.dicom.files import read_header
from halsted.imaging_bridge.errors import PacsError, ScanError
from halsted.imaging_bridge.pacs.elements import instance_in
from halsted.imaging_bridge.pacs.records import NotOffered, Outgoing, Pacs, Progress

_DICOMDIR = "1.2.840.10008.1.3.10"
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")


@dataclass(frozen=True)
class Pushed:
    """What a push did.

    Attributes:
        sent: Instances that the PACS took now.
        present: Instances that it held already.
        skipped: Files in the folders that are no DICOM instances, or one of these once more.
        refused: Instances that it did not take, counted by reason.
    """

    sent: int
    present: int
    skipped: int
    refused: Counter[str] = field(default_factory=Counter)


def push(
    pacs: Pacs,
    paths: Sequence[Path],
    on_progress: Progress = lambda done, total: None,
) -> Pushed:
    """Store files, and all DICOM files in folders and their subfolders, in a PACS.

    An instance whose UID the PACS lists is not sent again, so that a broken push goes on where it
    was. Files are sent in the transfer syntax that they are stored in.

    Raises:
        ScanError: there is no such file, or nothing to send.
        PacsError: the PACS cannot be reached, or the connection broke.
    """
    files, skipped = gather(paths)
    waiting = list(_not_held(pacs, files))
    present = len(files) - len(waiting)
    refused: Counter[str] = Counter()
    taken = 0

    def sent(file: Outgoing, reason: str) -> None:
        nonlocal taken
        if reason:
            refused[reason] += 1
        else:
            taken += 1
        on_progress(present + taken + refused.total(), len(files))

    on_progress(present, len(files))
    try:
        if waiting:
            pacs.send(waiting, sent)
    except PacsError as error:
        raise PacsError(
            f"{error}; {present + taken} of {len(files)} instances are there, and the same command "
            "again sends the rest"
        ) from error
    return Pushed(taken, present, skipped, refused)


def gather(paths: Sequence[Path]) -> tuple[list[Outgoing], int]:
    """The DICOM files among `paths` and in its folders, each instance once, and how many others.

    Raises:
        ScanError: a path does not exist, a file that is named is no DICOM instance, or there is
            nothing to send.
    """
    files: dict[str, Outgoing] = {}
    skipped = 0
    for path in paths:
        if not path.exists():
            raise ScanError(f"there is no file or folder {path}; check the path")
        for one in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if not one.is_file():
                continue
            outgoing = _outgoing(one)
            if outgoing is None and one == path:
                raise ScanError(f"{path} is no DICOM instance; pass one, or a folder of them")
            if outgoing is None or outgoing.instance.uid in files:
                skipped += 1
            else:
                files[outgoing.instance.uid] = outgoing
    if not files:
        raise ScanError(f"there is no DICOM file in {', '.join(map(str, paths))}; check the path")
    return list(files.values()), skipped


def _outgoing(path: Path) -> Outgoing | None:
    """A file of DICOM Part 10; a bare data set is none, because no PACS takes it as it is."""
    header = read_header(path, _UIDS)
    if header is None or not _has_preamble(path):
        return None
    instance = instance_in(header.dataset)
    if instance.sop_class == _DICOMDIR or not (instance.study and instance.uid):
        return None
    return Outgoing(path, instance, str(header.syntax), header.file_bytes)


def _has_preamble(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _not_held(pacs: Pacs, files: Sequence[Outgoing]) -> Iterator[Outgoing]:
    """Those files whose instances the PACS does not list."""
    series = {(one.instance.study, one.instance.series) for one in files}
    try:
        held = {
            instance.uid for study, one in sorted(series) for instance in pacs.instances(study, one)
        }
    except NotOffered:
        held = set()
    return (one for one in files if one.instance.uid not in held)
