"""Decode pixels of PNG, JPEG and TIFF files; a program of `imaging_bridge.child_server`.

A request names path and kind: ``picture`` (and whether its colours are deep, of 16 bits), which is
answered with the samples and the Orientation of EXIF; or ``tiff`` (and offset and index of a page,
and its segments), which is answered with each tile or strip.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image as pillow
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage

_EXIF_ORIENTATION = 0x0112


def decoded(request: dict[str, Any]) -> Iterator[NDArray[Any]]:
    """What the request asks for."""
    yield from {"picture": _picture, "tiff": _segments}[request["kind"]](request)


def _picture(request: dict[str, Any]) -> Iterator[NDArray[Any]]:
    pillow.MAX_IMAGE_PIXELS = None  # the size has been checked
    with pillow.open(request["path"], formats=("PNG", "JPEG")) as picture:
        picture.load()
        turned = np.array(picture.getexif().get(_EXIF_ORIENTATION, 1), np.int64)
        if request["is_deep"]:  # Pillow drops eight bits, but checks that the file is whole
            yield np.atleast_3d(imagecodecs.png_decode(Path(request["path"]).read_bytes()))
        else:
            yield _samples(picture)
    yield turned


def _samples(picture: pillow.Image) -> NDArray[Any]:
    """(y, x, channel), uint8 or uint16."""
    if picture.mode == "P":
        picture = picture.convert("RGBA")
    elif picture.mode == "1":
        picture = picture.convert("L")
    array = np.asarray(picture)
    if array.dtype not in (np.uint8, np.uint16):
        array = array.astype(np.uint16)
    return np.atleast_3d(array)


def _segments(request: dict[str, Any]) -> Iterator[NDArray[Any]]:
    """Each (y, x, sample)."""
    with TiffFile(request["path"]) as file:
        file.filehandle.seek(request["offset"])
        page = TiffPage(file, request["index"])
        for number in request["segments"]:
            file.filehandle.seek(page.dataoffsets[number])
            # a segment of no bytes is one of zeros
            data = file.filehandle.read(page.databytecounts[number]) or None
            array, _, shape = page.decode(data, number, jpegtables=page.jpegtables)
            blank = np.full(shape[1:], page.nodata, page.dtype) if array is None else None
            yield np.asarray(array[0] if array is not None else blank)
