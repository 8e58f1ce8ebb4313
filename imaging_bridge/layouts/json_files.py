"""JSON of annotation programs and data sets, read so that a damaged file is one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from halsted.imaging_bridge.errors import ScanError

_MOST_BYTES = 256 << 20


def read_json(path: Path) -> Any:
    """What a file holds.

    Raises:
        ScanError: the file cannot be read, is too large, nested too deeply, or is no JSON.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ScanError(f"{path} has more than {_MOST_BYTES >> 20} MiB; cut it into parts")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ScanError(
            f"{path} is no JSON, or a damaged file ({type(error).__name__}); get it again"
        ) from error
