"""Arrays kept on disk under the hash of what they were made from, and mapped into memory.

Several processes share one copy through the page cache. The folder is ``HALSTED_CACHE``, or the
user's cache folder where that is unset; it may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
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
        _evict(root, room_for=sum(array.nbytes for array in arrays.values()))
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
            raise OutputError(
                f"cannot write to the cache folder {root} ({error.strerror}); make room there or "
                "set HALSTED_CACHE to another folder"
            ) from error
    found = find_cached(key)
    if found is None:
        raise OutputError(
            f"arrays just written to the cache folder {root} cannot be read back; "
            "set HALSTED_CACHE to another folder"
        )
    return found


def _evict(root: Path, room_for: int) -> None:
    """Delete the entries least recently used until `room_for` bytes fit under the limit.

    Maps that are still open keep their pages: on Linux a deleted file lives until it is closed.
    """
    given = os.environ.get("HALSTED_CACHE_GB", str(_DEFAULT_LIMIT_GB))
    try:
        limit = float(given) * 1e9
    except ValueError:
        raise HalstedError(
            f"HALSTED_CACHE_GB is {given!r}, which is no number; set it to a size in gigabytes"
        ) from None
    entries = []
    for folder in root.iterdir():
        if folder.name.startswith(_UNFINISHED):
            continue  # another process is writing it
        try:
            size = sum(path.stat().st_size for path in folder.rglob("*"))
            entries.append((folder.stat().st_mtime, size, folder))
        except OSError:  # another process evicted it meanwhile
            continue
    total = sum(size for _, size, _ in entries) + room_for
    for _, size, folder in sorted(entries):
        if total <= limit:
            break
        # Renamed first, so that nobody finds an entry of which half is gone.
        with contextlib.suppress(OSError):
            doomed = folder.rename(root / f"{_UNFINISHED}{folder.name}")
            shutil.rmtree(doomed, ignore_errors=True)
        total -= size
