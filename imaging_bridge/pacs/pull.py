"""Pulling a study so that nobody reads half of it, and so that a cut pull goes on where it was.

Instances arrive in a hidden folder beside the one asked for, each renamed when it is whole, and the
folder is renamed when all that the PACS lists are there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from halsted.imaging_bridge.errors import HalstedError, OutputError, PacsError
from halsted.imaging_bridge.files import make_folder, write_whole
from halsted.imaging_bridge.pacs.elements import instance_in
from halsted.imaging_bridge.pacs.records import Instance, Pacs, Progress, check_uid

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True)
class Pulled:
    """What a pull did.

    Attributes:
        folder: Holds ``<series UID>/<SOP instance UID>.dcm``.
        total: Instances in the folder.
        fetched: Those that were transferred now; the others were there from an earlier pull.
    """

    folder: Path
    total: int
    fetched: int


def pull(
    pacs: Pacs,
    study: str,
    folder: Path,
    series: str | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Pulled:
    """Pull a study, or one series of it, into `folder`.

    What an earlier, broken pull into the same folder left behind is not fetched again. The files
    hold what the PACS sent, identifiers of the patient included; only their owner may read them.

    Args:
        pacs: From `connect.open_pacs`.
        study: StudyInstanceUID.
        folder: Appears when it is complete. It must be new, empty, or hold just this.
        series: SeriesInstanceUID.
        on_progress: Called from the thread that receives.

    Raises:
        PacsError: the PACS cannot be reached, lists no such study, or does not deliver all of it.
        OutputError: the folder holds something else, is read-only or full.
    """
    check_uid(study, "study UID")
    if series is not None:
        check_uid(series, "series UID")
    return pull_listed(pacs, listed(pacs, study, series), folder, on_progress)


def listed(pacs: Pacs, study: str, series: str | None = None) -> list[Instance]:
    """The instances that the PACS lists, each once, sorted.

    Raises:
        PacsError: there is none.
    """
    found = {one.uid: one for one in pacs.instances(study, series)}
    if not found:
        what = f"study {study}" if series is None else f"series {series} of study {study}"
        raise PacsError(f"the PACS lists no {what}; look for it with halsted pacs find")
    return sorted(found.values(), key=lambda one: (one.series, one.uid))


def pull_listed(
    pacs: Pacs, wanted: Sequence[Instance], folder: Path, on_progress: Progress
) -> Pulled:
    """Pull exactly these instances into `folder`; see `pull`."""
    missing = [one for one in wanted if not _place(folder, one).is_file()]
    if not missing:
        on_progress(len(wanted), len(wanted))
        return Pulled(folder, len(wanted), 0)
    partial = folder.parent / f".partial-{folder.name}"
    try:
        _check_free(folder, len(missing), len(wanted))
        with _locked(partial):
            incoming = Incoming(partial, wanted, on_progress)
            fetched = len(incoming.missing)
            incoming.fetch_from(pacs)
            incoming.check_complete()
            _clean(partial, wanted)
            partial.rename(folder)
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder}, or to {partial} before it is complete ({error.strerror}); "
            "choose another output folder"
        ) from error
    return Pulled(folder, len(wanted), fetched)


def _check_free(folder: Path, missing: int, total: int) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(
            f"{folder} exists and is not what the PACS lists now ({missing} of {total} instances "
            "are not in it); choose another output folder"
        )


class Incoming:
    """The instances of a study as they arrive in a folder."""

    def __init__(self, folder: Path, wanted: Sequence[Instance], on_progress: Progress) -> None:
        """Count what is there already; whatever bears its final name is whole."""
        self.folder = folder
        self.wanted = {(one.study, one.series, one.uid): one for one in wanted}
        self.missing = {
            key for key, one in self.wanted.items() if not _place(folder, one).is_file()
        }
        self._on_progress = on_progress
        self._failure: HalstedError | None = None
        self._tell()

    def fetch_from(self, pacs: Pacs) -> None:
        """Ask for the missing instances, series by series.

        Raises:
            PacsError: the connection broke; says how much is there.
            OutputError: an instance cannot be written.
        """
        for series in sorted({one.series for one in self.wanted.values()}):
            of_series = {key: one for key, one in self.wanted.items() if one.series == series}
            wanted = [one for key, one in of_series.items() if key in self.missing]
            if not wanted:
                continue
            try:
                pacs.fetch(wanted, len(wanted) == len(of_series), self.keep)
            except PacsError as error:
                raise self._failure or PacsError(f"{error}; {self._state()}") from error
            if self._failure:
                raise self._failure

    def keep(self, dataset: Dataset, write: Callable[[Path], object]) -> bool:
        """Write a received instance if it was asked for and names itself as what was asked for.

        An error is kept for `fetch_from`, because the caller may be a thread of the network's.
        """
        named = instance_in(dataset)
        key = (named.study, named.series, named.uid)
        if self._failure or key not in self.wanted:
            return False
        try:
            write_whole(_place(self.folder, self.wanted[key]), write)
        except HalstedError as error:
            self._failure = error
            return False
        self.missing.discard(key)
        self._tell()
        return True

    def check_complete(self) -> None:
        """Raise `PacsError` where instances are missing."""
        if self.missing:
            raise PacsError(f"the PACS did not send all that it lists; {self._state()}")

    def _state(self) -> str:
        arrived = len(self.wanted) - len(self.missing)
        return (
            f"{arrived} of {len(self.wanted)} instances are here, and the same command again "
            "fetches the rest"
        )

    def _tell(self) -> None:
        self._on_progress(len(self.wanted) - len(self.missing), len(self.wanted))


def _place(folder: Path, instance: Instance) -> Path:
    series = check_uid(instance.series, "series UID that the PACS lists")
    return folder / series / f"{check_uid(instance.uid, 'SOP instance UID that it lists')}.dcm"


@contextmanager
def _locked(partial: Path) -> Iterator[None]:
    """Hold the folder against other processes; the lock ends with the process."""
    make_folder(partial)
    partial.chmod(0o700)
    handle = os.open(partial, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise PacsError(
                f"another process is pulling into {partial}; wait for it, or choose another folder"
            ) from error
        yield
    finally:
        os.close(handle)


def _clean(partial: Path, wanted: Sequence[Instance]) -> None:
    """Remove what an earlier pull left: half files, and instances no longer listed."""
    places = {_place(partial, one) for one in wanted}
    for path in partial.glob("*/*"):
        if path not in places:
            path.unlink()
    for path in partial.iterdir():
        if path.is_dir() and not any(path.iterdir()):
            shutil.rmtree(path)
