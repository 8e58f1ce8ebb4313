"""Studies kept in the cache, so that a study UID is as good as a path."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from halsted.imaging_bridge.cache import cache_key, make_room, study_entry
from halsted.imaging_bridge.pacs.connect import open_pacs
from halsted.imaging_bridge.pacs.node import PacsNode
from halsted.imaging_bridge.pacs.pull import listed, pull_listed
from halsted.imaging_bridge.pacs.records import Progress, check_uid

_SLICE_BYTES = 530_000
"""A CT slice of 512 x 512 with its header: a PACS does not list how large its instances are."""


def fetch_study(
    study: str,
    pacs: str | PacsNode | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Path:
    """The folder of a study in the cache, pulled from a PACS where it is not there yet.

    The PACS is asked each time what it lists. A study that has changed there, by a structure set
    say, is pulled anew into another folder; one that has not is not transferred again. The files
    hold the patient's identifiers, and only their owner may read them.

    Args:
        study: StudyInstanceUID.
        pacs: Address or node; see `connect.open_pacs`.
        on_progress: See `pull.pull`.

    Raises:
        PacsError: the PACS cannot be reached, lists no such study, or does not deliver all of it.
        OutputError: the cache is read-only or full.
        HalstedError: the limit of the cache, ``HALSTED_CACHE_GB``, is no number.
    """
    check_uid(study, "study UID")
    archive = open_pacs(pacs)
    wanted = listed(archive, study)
    key = cache_key(*(f"{one.series}/{one.uid}" for one in wanted))
    folder = study_entry(study, key)
    _touch(folder)
    if not folder.is_dir():
        make_room(len(wanted) * _SLICE_BYTES)
    pulled = pull_listed(archive, wanted, folder, on_progress)
    _touch(pulled.folder)
    return pulled.folder


def _touch(folder: Path) -> None:
    """Set the time that `make_room` goes by, so that nobody deletes what is about to be read."""
    with contextlib.suppress(OSError):  # not there, or in a cache that may only be read
        os.utime(folder)
