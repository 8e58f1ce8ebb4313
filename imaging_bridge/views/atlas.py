"""A scan made small enough to travel inside a page."""

from __future__ import annotations

import math
from base64 import b64encode
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.volume import Grid, Volume

# CT is told in 256 steps: 19 HU for lung, 3 HU for soft tissue, 23 HU for bone, 105 HU for metal.
_CT_KNOTS = ((-1024.0, 0), (-150.0, 45), (330.0, 190), (1500.0, 240), (3071.0, 255))


@dataclass(frozen=True)
class Atlas:
    """The slices of a grid, side by side in one image, as a page holds it.

    Attributes:
        url: ``data:`` URL of the image.
        shape: Voxels along (z, y, x).
        columns: Slices beside each other.
    """

    url: str
    shape: tuple[int, int, int]
    columns: int


def shrunk(image: Volume, labels: LabelMap | None, most: int) -> tuple[Volume, LabelMap | None]:
    """Average whole blocks of voxels until no more than `most` are left.

    The axis with the finest spacing is shortened first. A label is that of the block's middle.
    """
    factors = np.ones(3, dtype=int)
    while np.prod(np.ceil(np.array(image.shape) / factors)) > most:
        factors[np.argmin(image.spacing * factors)] += 1
    affine = image.affine @ _of_blocks(factors)
    small = replace(image, voxels=_block_means(image.voxels, factors), affine=affine)
    if labels is None:
        return small, None
    middle = tuple(
        np.minimum(np.arange(count) * factor + factor // 2, size - 1)
        for count, factor, size in zip(small.shape, factors, labels.shape, strict=True)
    )
    return small, replace(labels, voxels=labels.voxels[np.ix_(*middle)], affine=affine)


def _of_blocks(factors: NDArray[np.int_]) -> NDArray[np.float64]:
    """From the index of a block to the index of its middle."""
    matrix = np.diag([*factors.astype(float), 1.0])
    matrix[:3, 3] = (factors - 1) / 2
    return matrix


def _block_means(voxels: NDArray[np.generic], factors: NDArray[np.int_]) -> NDArray[np.float32]:
    """Means of blocks; the last one along an axis repeats the last voxel where it is not full."""
    means = voxels.astype(np.float32)
    for axis, factor in enumerate(factors.tolist()):
        if factor > 1:
            missing = -means.shape[axis] % factor
            pads = [(0, missing if axis == one else 0) for one in range(3)]
            means = np.pad(means, pads, mode="edge")
            shape = list(means.shape)
            shape[axis : axis + 1] = [shape[axis] // factor, factor]
            means = means.reshape(shape).mean(axis=axis + 1)
    return means


def levels_of(image: Volume) -> list[float]:
    """The value that each of the 256 grey levels stands for."""
    if image.unit == "HU":
        values, levels = zip(*_CT_KNOTS, strict=True)
        return [round(float(v), 1) for v in np.interp(np.arange(256), levels, values)]
    low, high = float(image.voxels.min()), float(np.percentile(image.voxels, 99.9))
    return [float(f"{v:.5g}") for v in np.linspace(low, max(high, low + 1e-6), 256)]


def grey_atlas(image: Volume, levels: list[float], quality: int = 82) -> Atlas:
    """The values as grey levels, in a JPEG."""
    grey = np.rint(np.interp(image.voxels, levels, np.arange(256))).astype(np.uint8)
    return _atlas(image, grey, "JPEG", {"quality": quality})


def label_atlas(labels: LabelMap) -> Atlas:
    """The numbers of the structures, 1, 2, ... in the label map's order, in a PNG.

    A page shows the first 255.
    """
    numbers = np.zeros(max([*labels.names.values(), int(labels.voxels.max())]) + 1, np.uint8)
    for number, value in enumerate(list(labels.names.values())[:255], start=1):
        numbers[value] = number
    return _atlas(labels, numbers[labels.voxels], "PNG", {"optimize": True})


def _atlas(grid: Grid, pixels: NDArray[np.uint8], kind: str, options: dict[str, object]) -> Atlas:
    from PIL import Image

    depth, height, width = pixels.shape
    columns = max(1, min(depth, math.ceil(math.sqrt(depth * height / width))))
    rows = -(-depth // columns)
    padded = np.zeros((rows * columns, height, width), np.uint8)
    padded[:depth] = pixels
    sheet = padded.reshape(rows, columns, height, width).swapaxes(1, 2)
    buffer = BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(sheet.reshape(rows * height, columns * width)))
    picture.save(buffer, kind, **options)
    url = f"data:image/{kind.lower()};base64,{b64encode(buffer.getvalue()).decode()}"
    return Atlas(url, grid.shape, columns)
