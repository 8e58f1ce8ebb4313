"""Dates moved by whole days."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})(.*)", re.ASCII)


def shifted(value: str, days: int) -> str:
    """A DICOM date (DA) or date with time (DT), `days` earlier; the time of day stays.

    A value that is no full date comes back empty, because it cannot be moved.
    """
    found = _DATE.fullmatch(value.strip())
    try:
        year, month, day = (int(found[part]) for part in (1, 2, 3)) if found else (0, 0, 0)
        earlier = datetime(year, month, day) - timedelta(days=days)
    except (OverflowError, ValueError):
        return ""
    return f"{earlier:%Y%m%d}".rjust(8, "0") + (found[4] if found else "")
