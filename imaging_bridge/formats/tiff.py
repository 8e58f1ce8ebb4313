"""Pixels of TIFF files: plain pictures, and whole-slide pictures with their pyramid of levels.

Of a slide only the tiles that a region needs are decoded. Label and overview pictures, on which the
patient's name is often printed, are never touched.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.extras import extra
from halsted.imaging_bridge.formats.pixels import (
    Pixels,
    Region,
    check_budget,
    unreadable,
    upright,
    without_alpha,
)

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

TIFF_SUFFIXES = (".tif", ".tiff", ".svs")

_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_COLOURS = {_MINISWHITE: 1, _MINISBLACK: 1, _RGB: 3, _PALETTE: 1, _YCBCR: 3}
_TO_MM = {2: 25.4, 3: 10.0}  # TIFF 6.0, tag ResolutionUnit: inch, centimetre
# Prints and screens are given 72 to 600 dots an inch whatever they show; nothing but a microscope
# or its like resolves this finely.
_FINEST_PRINT_MM = 0.01

# Patterns and no XML parser, so that nothing in the file can make one expand entities.
_APERIO_MPP = re.compile(r"\bMPP\s*=\s*([0-9.]+)")
_OME_SIZE = r'\bPhysicalSize{0}="([0-9.eE+-]+)"'
_OME_UNIT = r'\bPhysicalSize{0}Unit="([^"]{{1,4}})"'
_UNIT_MM = {"nm": 1e-6, "µm": 1e-3, "um": 1e-3, "mm": 1.0, "cm": 10.0}


def read_tiff(path: Path, level: int, region: Region | None, budget_bytes: int) -> Pixels:
    """Read a level of a TIFF picture, or a region of it.

    Args:
        path: The file.
        level: 0 is the finest.
        region: In pixels of that level; None is all of it.
        budget_bytes: Most bytes that the decoded region may take.

    Raises:
        ScanError: the file is missing, truncated, of another format, of several pages, in another
            colour space, or too large; or it has no such level or region.
    """
    with extra("formats"):
        import imagecodecs  # noqa: F401 - tifffile decodes with it
        import tifffile
    try:
        with _quiet(), tifffile.TiffFile(path) as file:
            page, finest = _page(path, file, level)
            _check(path, page)
            whole = region is None
            part = region or (0, 0, int(page.imagelength), int(page.imagewidth))
            _check_region(path, page, part)
            wide = np.dtype(page.dtype).itemsize * page.samplesperpixel
            wide *= 6 if page.photometric == _PALETTE else 1  # three 16-bit colours for a byte
            check_budget(path, part[2], part[3], wide, budget_bytes)
            check_budget(path, page.tilelength or 1, page.tilewidth or 1, wide, budget_bytes)
            samples = _colours(path, page, _decode(path, page, part))
            return _placed(path, page, finest, part, samples, whole)
    except ScanError:
        raise
    except Exception as error:  # whatever the decoders make of bytes that nobody has vouched for
        raise unreadable(path) from error


def read_tiff_layers(path: Path, budget_bytes: int) -> NDArray[Any]:
    """All pages of a file, each of one channel and the same size, as (page, y, x).

    Raises:
        ScanError: as for `read_tiff`, or the pages differ.
    """
    with extra("formats"):
        import tifffile
    try:
        with _quiet(), tifffile.TiffFile(path) as file:
            pages = [file.pages[k].aspage() for k in range(len(file.pages))]
            if len({(page.shape, page.dtype) for page in pages}) != 1 or pages[0].ndim != 2:
                raise ScanError(
                    f"{path} has pages of several sizes or of colours, but layers of one size were "
                    "expected; export the mask's layers alone"
                )
            rows, columns = pages[0].shape
            wide = len(pages) * np.dtype(pages[0].dtype).itemsize
            check_budget(path, rows, columns, wide, budget_bytes)
            layers = []
            for page in pages:
                _check(path, page)
                decoded = _decode(path, page, (0, 0, rows, columns))
                layers.append(_colours(path, page, decoded)[..., 0])
            return np.stack(layers)
    except ScanError:
        raise
    except Exception as error:
        raise unreadable(path) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without tifffile's log of every damaged tag, which may quote the file."""
    log = logging.getLogger("tifffile")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(level)


def _page(path: Path, file: TiffFile, level: int) -> tuple[TiffPage, TiffPage]:
    """The page of a level, and that of the finest."""
    levels = file.series[0].levels
    is_slide = len(levels) > 1 or file.is_svs or file.is_ndpi or file.is_philips or file.is_scn
    if len(levels[0].pages) > 1 or (len(file.series) > 1 and not is_slide):
        raise ScanError(
            f"{path} holds {len(file.pages)} pages (a stack, layers or phases), but one picture "
            "was expected; export one page, or read layers with read_mask"
        )
    if not 0 <= level < len(levels):
        raise ScanError(
            f"{path} has {len(levels)} levels, from 0 (the finest) to {len(levels) - 1}, but level "
            f"{level} was asked for; choose one of these"
        )
    found, finest = levels[level].pages[0], levels[0].pages[0]
    if found is None or finest is None:  # a page that the file announces and does not hold
        raise unreadable(path)
    return found.aspage(), finest.aspage()


def _check(path: Path, page: TiffPage) -> None:
    if page.photometric not in _COLOURS:
        raise ScanError(
            f"{path} has the colour space {int(page.photometric)} of TIFF (print colours, or "
            "another that is rare), but grey or RGB was expected; export it as RGB"
        )
    if page.dtype is None or page.dtype.kind not in "bu" or page.dtype.itemsize > 2:
        raise ScanError(
            f"{path} has pixels of type {page.dtype}, but whole numbers of 8 or 16 bits were "
            "expected; export it so"
        )
    expected = _COLOURS[int(page.photometric)]
    if page.samplesperpixel - len(page.extrasamples) != expected or len(page.extrasamples) > 1:
        raise ScanError(
            f"{path} has {page.samplesperpixel} values a pixel, but {expected} and at most an "
            "opacity were expected; export the colours alone"
        )
    if page.imagedepth != 1:
        raise ScanError(f"{path} is a volume in one TIFF page; export one plane as a picture")


def _check_region(path: Path, page: TiffPage, region: Region) -> None:
    first_row, first_column, rows, columns = region
    if (
        min(first_row, first_column) < 0
        or min(rows, columns) < 1
        or first_row + rows > page.imagelength
        or first_column + columns > page.imagewidth
    ):
        raise ScanError(
            f"the region {region} (first row, first column, rows, columns) does not lie inside the "
            f"{page.imagelength} x {page.imagewidth} pixels of this level of {path}; choose "
            "another"
        )


def _decode(path: Path, page: TiffPage, region: Region) -> NDArray[Any]:
    """The region as (y, x, sample), from the strips or tiles that it touches."""
    top, left, rows, columns = region
    separate = page.samplesperpixel if page.planarconfig == 2 else 1
    joined = page.samplesperpixel // separate
    down = math.ceil(page.imagelength / _segment(page)[0])
    across = math.ceil(page.imagewidth / _segment(page)[1])
    if len(page.dataoffsets) < separate * down * across:
        raise unreadable(path)
    out = np.zeros((separate, rows, columns, joined), page.dtype)
    length, width = _segment(page)
    for plane in range(separate):
        for row in range(top // length, (top + rows - 1) // length + 1):
            for column in range(left // width, (left + columns - 1) // width + 1):
                index = (plane * down + row) * across + column
                tile = _segment_pixels(path, page, index)
                _paste(out[plane], tile, row * length - top, column * width - left)
    return np.concatenate(list(out), axis=-1) if separate > 1 else out[0]


def _segment(page: TiffPage) -> tuple[int, int]:
    """Rows and columns of a tile or strip."""
    if page.is_tiled:
        return int(page.tilelength), int(page.tilewidth)
    return min(int(page.rowsperstrip), int(page.imagelength)), int(page.imagewidth)


def _segment_pixels(path: Path, page: TiffPage, index: int) -> NDArray[Any]:
    offset, count = page.dataoffsets[index], page.databytecounts[index]
    data = None
    if count:  # a segment of no bytes is one of zeros
        file = page.parent.filehandle
        if offset + count > file.size:
            raise ScanError(
                f"{path} is truncated: a tile ends at byte {offset + count} of {file.size}; get "
                "the file again"
            )
        file.seek(offset)
        data = file.read(count)
    decoded, _, shape = page.decode(data, index, jpegtables=page.jpegtables)
    if decoded is None:
        return np.full(shape[1:], page.nodata, page.dtype)
    return np.asarray(decoded[0])


def _paste(out: NDArray[Any], tile: NDArray[Any], top: int, left: int) -> None:
    """Copy a tile whose corner is at (top, left) of `out` into the part that both share."""
    rows = slice(max(top, 0), min(top + tile.shape[0], out.shape[0]))
    columns = slice(max(left, 0), min(left + tile.shape[1], out.shape[1]))
    out[rows, columns] = tile[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]


def _colours(path: Path, page: TiffPage, samples: NDArray[Any]) -> NDArray[Any]:
    """Grey that grows with brightness, or red, green, blue."""
    if samples.dtype == bool:
        samples = samples * np.uint8(255)
    if page.photometric == _PALETTE:
        table = np.asarray(page.colormap)
        if not (table % 257).any() or not (table % 256).any():  # 8-bit colours, stored in 16
            table = (table >> 8).astype(np.uint8)
        return np.ascontiguousarray(table[:, samples[..., 0]].transpose(1, 2, 0))
    samples = without_alpha(path, samples)
    if page.photometric == _MINISWHITE:
        return np.asarray(np.iinfo(samples.dtype).max - samples, dtype=samples.dtype)
    return samples


def _placed(
    path: Path,
    page: TiffPage,
    finest: TiffPage,
    region: Region,
    samples: NDArray[Any],
    whole: bool,
) -> Pixels:
    """The pixels upright, with their spacing and their place in the finest level's frame."""
    turned = int(page.tags.valueof(274, default=1))
    if turned != 1:
        if not whole:
            raise ScanError(
                f"{path} is stored turned, so that a region of it is not defined; read it whole"
            )
        samples = upright(samples, turned)
    coarser = np.array(finest.shape[:2]) / page.shape[:2] if page is not finest else np.ones(2)
    stated = _spacing(finest)
    spacing = np.array(stated or (1.0, 1.0)) * coarser
    if turned in (5, 6, 7, 8):
        spacing = spacing[::-1]
    # The outer corners of all levels lie on each other, not the centres of their first pixels.
    origin = (np.array(region[:2]) + 0.5) * spacing - 0.5 * spacing / coarser
    return Pixels(
        samples,
        (float(spacing[0]), float(spacing[1])),
        (float(origin[0]), float(origin[1])),
        stated is not None,
    )


def _spacing(page: TiffPage) -> tuple[float, float] | None:
    """Millimetres between pixels along (y, x), where the file says so credibly."""
    text = page.description or ""
    if found := _APERIO_MPP.search(text):
        return _credible(1e-3 * float(found[1]), 1e-3 * float(found[1]))
    if "PhysicalSizeX" in text:
        return _credible(_ome_size(text, "Y"), _ome_size(text, "X"))
    unit = _TO_MM.get(int(page.tags.valueof(296, default=2)))
    resolution = [page.tags.valueof(tag, default=(0, 1)) for tag in (283, 282)]
    if unit is None or not all(numerator and denominator for numerator, denominator in resolution):
        return None
    down, across = (unit * denominator / numerator for numerator, denominator in resolution)
    return _credible(down, across) if max(down, across) < _FINEST_PRINT_MM else None


def _ome_size(text: str, axis: str) -> float:
    size = re.search(_OME_SIZE.format(axis), text)
    unit = re.search(_OME_UNIT.format(axis), text)
    return float(size[1]) * _UNIT_MM.get(unit[1] if unit else "µm", 0.0) if size else 0.0


def _credible(down: float, across: float) -> tuple[float, float] | None:
    """The spacing, or None where it cannot be one."""
    if 1e-7 < min(down, across) and max(down, across) < 100.0:
        return down, across
    return None
