"""Tiles and strips of a TIFF page, decoded in child processes: only those that a region touches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge import children
from halsted.imaging_bridge.child_process import Request
from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.pixels import DECODER, Region, unreadable

if TYPE_CHECKING:
    from tifffile import TiffPage

# A second child is worth its start where it spares decoding so much.
_REQUEST_BYTES = 32 << 20
# Of a page's tables of offsets and sizes, as Python's numbers.
_INDEX_BYTES = 200

_Segment = tuple[int, int, int, int]
"""Plane, number in the file, first row and first column in the region."""


def segment_size(page: TiffPage) -> tuple[int, int]:
    """Rows and columns of a tile or strip."""
    if page.is_tiled:
        return int(page.tilelength), int(page.tilewidth)
    return min(int(page.rowsperstrip), int(page.imagelength)), int(page.imagewidth)


def decode_region(path: Path, page: TiffPage, region: Region) -> NDArray[Any]:
    """The region as (y, x, sample), from the segments that it touches.

    Raises:
        ScanError: the page is truncated, or cannot be decoded.
    """
    planes = int(page.samplesperpixel) if page.planarconfig == 2 else 1
    joined = int(page.samplesperpixel) // planes
    segments = list(_touched(page, region, planes))
    if len(page.dataoffsets) <= segments[-1][1]:
        raise unreadable(path)
    _check_inside(path, page, segments)
    out = np.zeros((planes, *region[2:], joined), page.dtype)
    size = math.prod(segment_size(page)) * joined * out.itemsize
    count = min(children.MOST_CHILDREN, 1 + len(segments) * size // _REQUEST_BYTES)
    each = math.ceil(len(segments) / count)
    children.decode(
        _request(path, page, segments[first : first + each], size, out)
        for first in range(0, len(segments), each)
    )
    return np.concatenate(list(out), axis=-1) if planes > 1 else out[0]


def _touched(page: TiffPage, region: Region, planes: int) -> Iterator[_Segment]:
    top, left, rows, columns = region
    length, width = segment_size(page)
    down, across = math.ceil(page.imagelength / length), math.ceil(page.imagewidth / width)
    for plane in range(planes):
        for row in range(top // length, (top + rows - 1) // length + 1):
            for column in range(left // width, (left + columns - 1) // width + 1):
                number = (plane * down + row) * across + column
                yield plane, number, row * length - top, column * width - left


def _check_inside(path: Path, page: TiffPage, segments: Sequence[_Segment]) -> None:
    size = page.parent.filehandle.size
    ends = [page.dataoffsets[k] + page.databytecounts[k] for _, k, _, _ in segments]
    if max(ends) > size:
        raise ScanError(
            f"{path} is truncated: a tile ends at byte {max(ends)} of {size}; get the file again"
        )


def _request(
    path: Path, page: TiffPage, segments: Sequence[_Segment], size: int, out: NDArray[Any]
) -> Request:
    def paste(place: int, tile: NDArray[Any]) -> None:
        plane, _, top, left = segments[place]
        if tile.ndim != 3 or tile.dtype != out.dtype:
            raise unreadable(path)
        _paste(out[plane], tile, top, left)

    numbers = [number for _, number, _, _ in segments]
    index = len(page.dataoffsets) + len(page.parent.pages.first.dataoffsets)
    return Request(
        program=DECODER,
        path=path,
        what={"kind": "tiff", "offset": page.offset, "index": page.index, "segments": numbers},
        arrays=len(segments),
        array_bytes=size,
        more_bytes=max(page.databytecounts[k] for k in numbers) + _INDEX_BYTES * index,
        take=paste,
        refusal=lambda path, _: unreadable(path),
    )


def _paste(out: NDArray[Any], tile: NDArray[Any], top: int, left: int) -> None:
    """Copy a tile whose corner is at (top, left) of `out` into the part that both share."""
    rows = slice(max(top, 0), min(top + tile.shape[0], out.shape[0]))
    columns = slice(max(left, 0), min(left + tile.shape[1], out.shape[1]))
    out[rows, columns] = tile[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]
