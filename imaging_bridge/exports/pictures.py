"""Pictures and their masks as PNG files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import OutputError
from halsted.imaging_bridge.files import write_text, write_whole
from halsted.imaging_bridge.formats.extras import extra
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.volume import Volume

_INCH_MM = 25.4
_COLOURS = ("red", "green", "blue")
_INSTANCE = re.compile(r"(?P<kind>.+)_\d+")


def write_picture(images: Mapping[str, Volume], path: Path) -> Path:
    """Write the channels ``red``, ``green`` and ``blue``, each uint8 of shape (1, y, x).

    Raises:
        OutputError: a channel is missing or of another type, or the file cannot be written.
    """
    channels = [images[name].voxels[0] for name in _COLOURS if name in images]
    if len(channels) != 3 or any(one.dtype != np.uint8 for one in channels):
        raise OutputError(
            f"a picture has red, green and blue of 8 bits, but this one has {', '.join(images)}; "
            "pass a colour picture"
        )
    return write_pixels(np.stack(channels, axis=-1), path, next(iter(images.values())))


def write_mask(mask: NDArray[np.bool_], path: Path) -> Path:
    """Write a mask of shape (y, x), white on black.

    Raises:
        OutputError: the file cannot be written.
    """
    return write_pixels(np.where(mask, np.uint8(255), np.uint8(0)), path)


def write_instances(labels: LabelMap, path: Path) -> list[Path]:
    """Write instances named ``kind_1``, ``kind_2``, ... as one picture of 16 bits, and their kinds.

    A pixel's value is that of its instance; ``<stem>.json`` beside the picture says which kind the
    value is of: {value: kind}.

    Raises:
        OutputError: a file cannot be written.
    """
    kinds = {}
    for name, value in sorted(labels.names.items(), key=lambda item: item[1]):
        found = _INSTANCE.fullmatch(name)
        kinds[str(value)] = found["kind"] if found else name
    return [
        write_pixels(labels.voxels[0].astype(np.uint16), path),
        write_text(path.with_suffix(".json"), json.dumps(kinds, indent=1) + "\n"),
    ]


def write_pixels(pixels: NDArray[Any], path: Path, grid: Volume | None = None) -> Path:
    """Write uint8 (y, x) or (y, x, 3), or uint16 (y, x).

    Args:
        pixels: What to write.
        path: File to write.
        grid: Where given, the size of its pixels is written too, if it is known.

    Raises:
        OutputError: the file cannot be written.
    """
    with extra("formats"):
        from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels))
    told = {}
    if grid is not None and grid.spacing_known:
        told["dpi"] = tuple((_INCH_MM / grid.spacing[:0:-1]).tolist())
    return write_whole(path, lambda temporary: picture.save(temporary, format="PNG", **told))
