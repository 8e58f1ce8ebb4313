"""Masks of pixels as closed polygons that enclose exactly their pixels' centres."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Loop = list[tuple[int, int]]
"""Corners (y, x) of pixels in order; corner (y, x) is the upper left one of pixel (y, x)."""

_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))  # right, down, left, up; the next turns right


def outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Outline the regions of a mask along the edges of its pixels.

    Pixels that touch only at a corner are outlined apart. A hole is joined to its surroundings by a
    channel without width, as DICOM asks of a closed planar contour (PS3.3, C.8.8.6.3). The channel
    runs along pixel edges, so that filling by the even-odd rule, by the winding number, or by any
    rule that asks for pixel centres, gives back the mask exactly.

    Args:
        mask: Shape (y, x).

    Returns:
        One polygon a region: vertices (y, x) in pixels, shape (n, 2), where whole numbers are pixel
        centres; not closed by a repeated vertex.
    """
    padded = np.pad(mask, 1)
    merged = _join_holes(list(_loops(padded)), padded)
    # Corner (y, x) of the padded mask lies half a pixel before, and one more for the padding.
    return [np.array(_corners(loop), dtype=np.float64) - 1.5 for loop in merged]


def _loops(mask: NDArray[np.bool_]) -> Iterator[Loop]:
    """The closed paths along pixel edges, the mask on the right of each step."""
    following = _edges(mask)
    while following:
        start = next(iter(following))
        loop, edge = [], start
        while edge in following:
            loop.append(edge[0])
            edge = following.pop(edge)
        yield loop


Edge = tuple[tuple[int, int], int]  # a corner, and the number of the step that leaves it


def _edges(mask: NDArray[np.bool_]) -> dict[Edge, Edge]:
    """Each edge between a pixel of the mask and one that is not, and the edge that follows it."""
    leaving: dict[tuple[int, int], list[int]] = {}
    for step, (corner_y, corner_x) in enumerate(_edge_starts(mask)):
        for corner in zip(corner_y.tolist(), corner_x.tolist(), strict=True):
            leaving.setdefault(corner, []).append(step)
    following = {}
    for (y, x), steps in leaving.items():
        for step in steps:
            end = (y + _STEPS[step][0], x + _STEPS[step][1])
            # Where regions touch at a corner two edges leave it: the right turn stays at its pixel.
            turns = (step + 1) % 4, step, (step + 3) % 4
            turn = next(turn for turn in turns if turn in leaving[end])
            following[(y, x), step] = (end, turn)
    return following


def _edge_starts(mask: NDArray[np.bool_]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Corners that a step right, down, left or up leaves, with the mask on its right."""
    inner = mask[1:-1, 1:-1]
    beyond = {0: mask[:-2, 1:-1], 1: mask[1:-1, 2:], 2: mask[2:, 1:-1], 3: mask[1:-1, :-2]}
    corner = {0: (0, 0), 1: (0, 1), 2: (1, 1), 3: (1, 0)}  # of the pixel at which the step starts
    starts = []
    for step in range(4):
        y, x = np.nonzero(inner & ~beyond[step])
        starts.append((y + 1 + corner[step][0], x + 1 + corner[step][1]))
    return starts


def _join_holes(loops: list[Loop], mask: NDArray[np.bool_]) -> list[Loop]:
    """The outer loops, each with its holes spliced in.

    A hole's first corner in reading order has mask above it and before it, so that walking left
    from there along pixel edges meets another loop of the same region. That loop's first corner
    comes earlier, so that joining from the last hole to the first ends at the outer loop.
    """
    owner = {corner: loop for loop in loops for corner in loop}
    outer = []
    for loop in sorted(loops, key=min, reverse=True):
        y, x = min(loop)
        if not mask[y - 1, x]:
            outer.append(loop)
            continue
        left = x - 1
        while mask[y - 1, left - 1] and mask[y, left - 1]:
            left -= 1
        into = owner[y, left]
        _splice(into, (y, left), loop, (y, x))
        owner.update(dict.fromkeys(loop, into))
    return outer[::-1]


def _splice(into: Loop, at: tuple[int, int], hole: Loop, start: tuple[int, int]) -> None:
    """Go from `at` to the hole's `start`, round the hole, and back."""
    turn = hole.index(start)
    place = into.index(at)
    into[place + 1 : place + 1] = [*hole[turn:], *hole[: turn + 1], at]


def _corners(loop: Loop) -> Loop:
    """The loop without the points at which it goes straight on."""
    points = np.array(loop)
    before = np.sign(points - np.roll(points, 1, axis=0))
    after = np.sign(np.roll(points, -1, axis=0) - points)
    kept: Loop = [
        corner for corner, turns in zip(loop, (before != after).any(axis=1), strict=True) if turns
    ]
    return kept
