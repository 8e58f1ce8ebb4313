"""Arrays kept on disk under the hash of what they were made from, and mapped into memory.

Several processes share one copy through the page cache. Beside the arrays lie the files of studies
that were pulled from a PACS, under the same limit. The folder is ``HALSTED_CACHE``, or the user's
cache folder where that is unset; it may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from halsted.imaging_bridge.errors import HalstedError, OutputError
from halsted.imaging_bridge.files import make_folder

Arrays = Mapping[str, NDArray[Any]]

_DEFAULT_LIMIT_GB = 10.0
_UNFINISHED = ".partial-"
_ABANDONED_S = 24 * 3600.0
_STUDY = "study-"
_READ_WITHIN_S = 15 * 60.0


def cache_folder() -> Path:
    """The folder of cached arrays, made if need be."""
    given = os.environ.get("HALSTED_CACHE")
    return make_folder(Path(given) if given else user_cache_path("halsted"))


def cache_key(*parts: object) -> str:
    """A key for what was made from `parts`, each of which must have a stable ``str``."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def find_cached(key: str) -> dict[str, NDArray[Any]] | None:
    """Read-only memory maps of the arrays under `key`, or None where there are none."""
    folder = cache_folder() / key
    if not folder.is_dir():
        return None
    try:
        arrays = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}
    except (OSError, ValueError):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    with contextlib.suppress(OSError):  # a cache that may only be read is one all the same
        os.utime(folder)  # the age that eviction goes by
    return arrays or None


def cached_arrays(key: str, make: Callable[[], Arrays]) -> dict[str, NDArray[Any]]:
    """The arrays under `key`, made by `make` where they are not there yet.

    Raises:
        OutputError: the cache folder is read-only or full.
    """
    found = find_cached(key)
    if found is not None:
        return found
    arrays = make()
    root = cache_folder()
    try:
        make_room(sum(array.nbytes for array in arrays.values()))
        temporary = Path(tempfile.mkdtemp(dir=root, prefix=_UNFINISHED))
        try:
            for name, array in arrays.items():
                np.save(temporary / f"{name}.npy", array)
            if not (root / key).exists():
                temporary.rename(root / key)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        if not (root / key).is_dir():  # else another process made the same arrays first
            raise _unusable(root, error) from error
    found = find_cached(key)
    if found is None:
        raise OutputError(
            f"arrays just written to the cache folder {root} cannot be read back; "
            "set HALSTED_CACHE to another folder"
        )
    return found


def study_entry(study: str, key: str) -> Path:
    """The folder of a study's files, to be touched on use: see `make_room`."""
    return cache_folder() / f"{_STUDY}{study}-{key[:16]}"


def make_room(size: int) -> None:
    """Delete the entries least recently used until `size` bytes more fit under the limit.

    Maps that are still open keep their pages: on Linux a deleted file lives until it is closed. The
    files of a study are opened one by one, so a study used in the last quarter of an hour stays,
    even where that goes beyond the limit. What an unfinished writer left is deleted after a day.

    Raises:
        HalstedError: the limit, ``HALSTED_CACHE_GB``, is no number.
        OutputError: the cache folder cannot be listed.
    """
    root, now = cache_folder(), time.time()
    limit = _limit_bytes()
    entries = []
    for path, age, used in _contents(root, now):
        if path.name.startswith(_UNFINISHED):
            if age > _ABANDONED_S:
                _delete(path, root)
        elif path.is_dir():
            entries.append((age, used, path))
    total = sum(used for _, used, _ in entries) + size
    for age, used, path in sorted(entries, reverse=True):
        if total <= limit:
            break
        if path.name.startswith(_STUDY) and age < _READ_WITHIN_S:
            continue
        if _delete(path, root):
            total -= used


def _limit_bytes() -> float:
    given = os.environ.get("HALSTED_CACHE_GB", str(_DEFAULT_LIMIT_GB))
    try:
        return float(given) * 1e9
    except ValueError:
        raise HalstedError(
            f"HALSTED_CACHE_GB is {given!r}, which is no number; set it to a size in gigabytes"
        ) from None


def _contents(root: Path, now: float) -> Iterator[tuple[Path, float, int]]:
    """What lies in the cache, with its age in seconds and its size in bytes.

    An entry is as old as its folder, which is touched on use. What is unfinished is as old as the
    youngest file in it.
    """
    try:
        paths = list(root.iterdir())
    except OSError as error:
        raise _unusable(root, error) from error
    for path in paths:
        try:
            own = path.stat()
            parts = [one.stat() for one in path.rglob("*")]
        except OSError:  # another process evicted it meanwhile
            continue
        times = [own.st_mtime]
        if path.name.startswith(_UNFINISHED):
            times += [one.st_mtime for one in parts]
        yield path, now - max(times), sum(one.st_size for one in parts)


def _delete(path: Path, root: Path) -> bool:
    """Delete a file or folder, renamed first, so that nobody finds an entry of which half is gone.

    Returns:
        Whether it is gone; it is not where the cache may only be read.
    """
    try:
        grave = Path(tempfile.mkdtemp(dir=root, prefix=_UNFINISHED))
    except OSError:
        return False
    with contextlib.suppress(OSError):  # another process deletes it
        path.rename(grave / path.name)
    shutil.rmtree(grave, ignore_errors=True)
    return not path.exists()


def _unusable(root: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write to the cache folder {root} ({error.strerror}); make room there or "
        "set HALSTED_CACHE to another folder"
    )
