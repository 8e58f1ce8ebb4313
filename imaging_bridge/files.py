"""Writing files so that a reader never meets half of one."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from halsted.imaging_bridge.errors import OutputError


def make_folder(folder: Path) -> Path:
    """Create `folder` and its parents, and return it.

    Raises:
        OutputError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the folder {folder} ({error.strerror}); choose another output folder"
        ) from error
    return folder


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, then rename it to `path`.

    The temporary name keeps the suffix of `path`, because writers choose their format by it.

    Raises:
        OutputError: the folder is read-only or full; nothing is left behind.
    """
    make_folder(path.parent)
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=".partial-", suffix="".join(path.suffixes)
        )
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"cannot write {path} ({reason}); make room there or choose another output folder"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    return write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out`, which takes its name only if nothing fails.

    Raises:
        OutputError: the folder is read-only or full, or `out` cannot be replaced; nothing is left
            behind.
    """
    make_folder(out.parent)
    try:
        # Absolute, for writers that resolve a relative path against something else.
        folder = Path(tempfile.mkdtemp(dir=out.parent.resolve(), prefix=".partial-"))
    except OSError as error:
        raise OutputError(
            f"cannot write to {out.parent} ({error.strerror}); choose another output folder"
        ) from error
    try:
        yield folder
        folder.chmod(0o755)
        folder.replace(out)
    except OSError as error:
        raise OutputError(
            f"cannot write {out} ({error.strerror or type(error).__name__}); make room there or "
            "choose another output folder"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
