"""Names of structures as files and DICOM can hold them, each another."""

from __future__ import annotations

import re
from collections.abc import Iterable

_DICOM_LENGTH = 64


def file_stems(names: Iterable[str]) -> list[str]:
    """Names that are safe in a path and differ in more than case."""
    safe = (re.sub(r"[^A-Za-z0-9_+-]+", "_", name).strip("_") or "structure" for name in names)
    return _distinct(safe, longest=80, fold_case=True)


def dicom_names(names: Iterable[str]) -> list[str]:
    """Names as a DICOM long string (LO) holds them: see PS3.5, section 6.2.

    It has 64 characters at most and none of control, a backslash would begin another value, and
    spaces at its ends do not count.
    """
    safe = (re.sub(r"[\\\x00-\x1f\x7f]", "_", name).strip() or "structure" for name in names)
    return _distinct(safe, longest=_DICOM_LENGTH, fold_case=False)


def _distinct(names: Iterable[str], *, longest: int, fold_case: bool) -> list[str]:
    """The names in their order, cut, with a number at the end where one came before."""
    taken: set[str] = set()
    found = []
    for name in names:
        made, number = name[:longest].rstrip(), 1
        while (made.lower() if fold_case else made) in taken:
            number += 1
            end = f"_{number}"
            made = name[: longest - len(end)].rstrip() + end
        taken.add(made.lower() if fold_case else made)
        found.append(made)
    return found
