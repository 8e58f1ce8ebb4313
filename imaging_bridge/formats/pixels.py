"""Pixels of PNG and JPEG pictures, decoded only once their size is known to be bearable."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge import children
from halsted.imaging_bridge.child_process import Request, size_of
from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.extras import extra
from halsted.imaging_bridge.formats.quiet import quiet
from halsted.imaging_bridge.formats.tiff_spacing import unless_print

if TYPE_CHECKING:
    from PIL.Image import Image

Region = tuple[int, int, int, int]
"""Part of a picture: first row, first column, rows, columns."""

DECODER = Path(__file__).with_name("decoder_child.py")
"""What decodes pictures; see `imaging_bridge.children`."""
PIXEL_BUDGET_BYTES = 1 << 30
"""Default limit on the decoded size of a picture."""

_INCH_MM = 25.4
_MODES = {"1": 1, "L": 1, "LA": 2, "P": 4, "I": 4, "I;16": 2, "I;16B": 2, "RGB": 3, "RGBA": 4}
"""Bytes of a decoded pixel, 8-bit or 16-bit grey, by Pillow's name of the layout."""
# TIFF 6.0, tag Orientation: what brings the stored rows to how the picture is looked at.
_UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda array: array[:, ::-1],
    3: lambda array: array[::-1, ::-1],
    4: lambda array: array[::-1],
    5: lambda array: array.swapaxes(0, 1),
    6: lambda array: array.swapaxes(0, 1)[:, ::-1],
    7: lambda array: array.swapaxes(0, 1)[::-1, ::-1],
    8: lambda array: array.swapaxes(0, 1)[::-1],
}


@dataclass(frozen=True, eq=False)
class Pixels:
    """A decoded picture, upright.

    Attributes:
        samples: (y, x, channel) uint8 or uint16; channels are grey, or red, green, blue.
        spacing_mm: Millimetres between pixels along (y, x); where the file does not say, pixels of
            the finest level.
        origin_mm: Place of pixel (0, 0) along (y, x) in the whole picture, in the same unit.
        is_spacing_known: Whether the file says.
    """

    samples: NDArray[Any]
    spacing_mm: tuple[float, float] = (1.0, 1.0)
    origin_mm: tuple[float, float] = (0.0, 0.0)
    is_spacing_known: bool = False


def read_pixels(path: Path, budget_bytes: int) -> Pixels:
    """Read a PNG or JPEG file.

    Of resolutions, which cameras invent, only that of a PNG is taken that is finer than any print.

    Raises:
        ScanError: the file is missing, truncated, of another format, in print colours, animated,
            partly transparent, or too large.
    """
    with extra("formats"):
        import imagecodecs  # noqa: F401 - the child decodes with it
        import PIL.Image as pillow
    answers: list[NDArray[Any]] = []
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore", pillow.DecompressionBombWarning)
            with pillow.open(path, formats=("PNG", "JPEG")) as picture:
                shape = picture.height, picture.width
                request = _request(path, picture, budget_bytes, answers)
                spacing_mm = _stated_spacing(picture)
    except pillow.DecompressionBombError as error:
        raise ScanError(
            f"{path} has more pixels than any PNG or JPEG that is read here; cut it into parts, "
            "or write it as a tiled TIFF"
        ) from error
    except ScanError:
        raise
    except Exception as error:  # whatever the decoders make of bytes that nobody has vouched for
        raise unreadable(path) from error
    children.decode([request])
    samples, turned = answers
    if samples.shape[:2] != shape or samples.dtype not in (np.uint8, np.uint16):
        raise unreadable(path)  # it was changed since its header was read
    plain = without_alpha(path, samples)
    if spacing_mm is None or int(turned) > 1:
        return Pixels(upright(plain, int(turned)))
    return Pixels(plain, spacing_mm, is_spacing_known=True)


def unreadable(path: Path) -> ScanError:
    """What is said of a picture that cannot be decoded."""
    return ScanError(
        f"{path} cannot be read as a picture: it is missing, truncated, damaged, or of another "
        "format than its name says; get the file again"
    )


def check_budget(path: Path, rows: int, columns: int, pixel_bytes: int, budget: int) -> None:
    """Refuse a picture that is too large once decoded.

    Raises:
        ScanError: it names the size and the budget.
    """
    needed = rows * columns * pixel_bytes
    if needed > budget:
        raise ScanError(
            f"{path} has {rows} x {columns} pixels, which take {needed / 2**20:.0f} MiB, over the "
            f"budget of {budget / 2**20:.0f} MiB; choose a region or a coarser level of a tiled "
            "TIFF, or cut the picture into parts"
        )


def without_alpha(path: Path, samples: NDArray[Any]) -> NDArray[Any]:
    """The same pixels, (y, x, channel), without a channel of opacity that says nothing.

    Raises:
        ScanError: a pixel is not opaque.
    """
    if samples.shape[2] in (1, 3):
        return samples
    if samples[..., -1].min() < np.iinfo(samples.dtype).max:
        raise _transparent(path)
    return samples[..., :-1]


def _transparent(path: Path) -> ScanError:
    return ScanError(
        f"{path} is partly transparent, so that its colours are not defined; flatten it onto "
        "a background"
    )


def upright(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn stored rows by the Orientation tag of TIFF and EXIF; an unknown one changes nothing."""
    turn = _UPRIGHT.get(orientation)
    return samples if turn is None else np.ascontiguousarray(turn(samples))


def _request(path: Path, picture: Image, budget_bytes: int, answers: list[NDArray[Any]]) -> Request:
    """To decode a picture whose size is known to be bearable; see `decoder_child`."""
    return Request(
        program=DECODER,
        path=path,
        what={"kind": "picture", "is_deep": _is_deep(picture)},
        arrays=2,
        array_bytes=_checked_size(path, picture, budget_bytes),
        more_bytes=size_of(path),
        take=lambda _, array: answers.append(array),
        refusal=lambda path, _: unreadable(path),
    )


def _checked_size(path: Path, picture: Image, budget_bytes: int) -> int:
    """Bytes of the decoded picture."""
    if picture.mode not in _MODES:
        raise ScanError(
            f"{path} is stored in {picture.mode} (print colours or floating point), but grey or "
            "RGB was expected; export it as RGB"
        )
    if getattr(picture, "n_frames", 1) > 1:
        raise ScanError(f"{path} is animated, but one picture was expected; export one frame")
    if picture.mode != "P" and "transparency" in picture.info:  # one colour stands for none
        raise _transparent(path)
    wide = 2 * _MODES[picture.mode] if _is_deep(picture) else _MODES[picture.mode]
    check_budget(path, picture.height, picture.width, wide, budget_bytes)
    return picture.height * picture.width * wide


def _stated_spacing(picture: Image) -> tuple[float, float] | None:
    """Millimetres between pixels along (y, x), by the chunk pHYs of a PNG."""
    across, down = picture.info.get("dpi", (0.0, 0.0)) if picture.format == "PNG" else (0.0, 0.0)
    return unless_print(_INCH_MM / down, _INCH_MM / across) if min(down, across) > 0 else None


def _is_deep(picture: Image) -> bool:
    """Whether colours have 16 bits, of which Pillow would drop eight."""
    return (
        any(";16B" in str(tile[-1]) for tile in getattr(picture, "tile", ()))
        and picture.mode[:3] == "RGB"
    )
