"""Pixels of TIFF files: plain pictures, and whole-slide pictures with their pyramid of levels.

Of a slide only the tiles that a region needs are decoded. Label and overview pictures, on which the
patient's name is often printed, are never touched.
"""

from __future__ import annotations

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
from halsted.imaging_bridge.formats.quiet import quiet
from halsted.imaging_bridge.formats.tiff_spacing import stated_spacing
from halsted.imaging_bridge.formats.tiff_tiles import decode_region, segment_size

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

TIFF_SUFFIXES = (".tif", ".tiff", ".svs")

_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_JPEG = (6, 7, 33007, 34892)  # compressions whose decoder turns YCbCr into RGB
_COLOURS = {_MINISWHITE: 1, _MINISBLACK: 1, _RGB: 3, _PALETTE: 1, _YCBCR: 3}


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
        import imagecodecs  # noqa: F401 - the child decodes with it
        import tifffile
    try:
        with quiet(), tifffile.TiffFile(path) as file:
            page, finest = _page(path, file, level)
            _check(path, page)
            whole = region is None
            part = region or (0, 0, *_size(page))
            _check_region(path, page, part)
            wide = np.dtype(page.dtype).itemsize * page.samplesperpixel
            wide *= 6 if page.photometric == _PALETTE else 1  # three 16-bit colours for a byte
            check_budget(path, part[2], part[3], wide, budget_bytes)
            check_budget(path, *segment_size(page), wide, budget_bytes)
            samples = _colours(path, page, decode_region(path, page, part))
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
        with quiet(), tifffile.TiffFile(path) as file:
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
                decoded = decode_region(path, page, (0, 0, rows, columns))
                layers.append(_colours(path, page, decoded)[..., 0])
            return np.stack(layers)
    except ScanError:
        raise
    except Exception as error:
        raise unreadable(path) from error


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
    if page.photometric == _YCBCR and page.compression not in _JPEG:
        raise ScanError(
            f"{path} stores brightness and colour differences (YCbCr) without JPEG compression, "
            "but grey or RGB was expected; export it as RGB"
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


def _size(page: TiffPage) -> tuple[int, int]:
    """Rows and columns; `page.shape` starts with the planes of a picture stored by colour."""
    return int(page.imagelength), int(page.imagewidth)


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
    coarser = np.array(_size(finest)) / _size(page)
    stated = stated_spacing(finest)
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
