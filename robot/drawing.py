"""Triangles drawn into a camera's frame: what PyBullet's renderer cannot show, moving meshes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from halsted.robot.bodies import LABELS, Label
from halsted.robot.camera import Camera, Frame

_LIGHT = np.array([0.4, -0.6, 1.0]) / math.sqrt(1.52)
_AMBIENT = 0.45
_NEAR_M = 0.01


@dataclass(frozen=True, eq=False)
class Drawing:
    """A surface of one colour.

    Attributes:
        vertices: (n, 3) world, m.
        triangles: (m, 3) numbers of vertices; both sides are seen.
        colour: Red, green and blue, 0 to 1.
        label: What a segmented image calls it.
    """

    vertices: NDArray[np.float64]
    triangles: NDArray[np.int32]
    colour: tuple[float, float, float]
    label: Label = "tissue"


def draw_over(frame: Frame, camera: Camera, drawings: Sequence[Drawing]) -> Frame:
    """The frame with surfaces drawn into it, hidden where something is nearer."""
    image, depth, labels = frame.image.copy(), frame.depth_m.copy(), frame.labels.copy()
    right, up, forward = _axes(camera)
    focal = camera.height / 2 / math.tan(math.radians(camera.field_of_view_deg) / 2)
    for drawing in drawings:
        gap = drawing.vertices - camera.eye
        ahead = gap @ forward
        seen = np.column_stack(
            [
                camera.width / 2 + focal * (gap @ right) / np.maximum(ahead, _NEAR_M),
                camera.height / 2 - focal * (gap @ up) / np.maximum(ahead, _NEAR_M),
                ahead,
            ]
        )
        colours = _shaded(drawing, forward)
        _fill(seen, drawing.triangles, colours, image, depth, labels, LABELS.index(drawing.label))
    return Frame(image, depth, labels)


def ball(
    centre: Sequence[float], radius: float, colour: tuple[float, float, float], label: Label
) -> Drawing:
    """A small sphere."""
    circles = np.linspace(0.0, math.pi, 7)
    rings = [_ring(z, 8) for z in circles]
    return Drawing(np.concatenate(rings) * radius + centre, _sleeve(len(rings), 8), colour, label)


def disc(
    centre: NDArray[np.float64], radius: float, colour: tuple[float, float, float], label: Label
) -> Drawing:
    """A level disc."""
    rim = radius * _ring(math.pi / 2, 16) + centre
    here = np.arange(16)
    fan = np.column_stack([np.full(16, 16), here, (here + 1) % 16]).astype(np.int32)
    return Drawing(np.vstack([rim, centre]), fan, colour, label)


def _ring(polar: float, count: int) -> NDArray[np.float64]:
    """Points (count, 3) of a circle of latitude on the unit sphere."""
    angles = np.linspace(0.0, 2 * math.pi, count, endpoint=False)
    flat = math.sin(polar)
    return np.column_stack(
        [flat * np.cos(angles), flat * np.sin(angles), np.full(count, math.cos(polar))]
    )


def tube(
    points: NDArray[np.float64],
    across: NDArray[np.float64],
    radius: float,
    colour: tuple[float, float, float],
    label: Label,
) -> Drawing:
    """A wire along points (n, 3), none of whose parts runs along the unit vector `across`."""
    along = np.gradient(points, axis=0)
    side = np.cross(along, across)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    angles = np.linspace(0.0, 2 * math.pi, 6, endpoint=False)
    out = np.cos(angles)[:, None] * side[:, None] + np.sin(angles)[:, None] * across
    rings = points[:, None] + radius * out
    return Drawing(rings.reshape(-1, 3), _sleeve(len(points), 6), colour, label)


def _sleeve(rings: int, count: int) -> NDArray[np.int32]:
    """Triangles between rings of `count` vertices each."""
    here = np.arange(count)
    there = (here + 1) % count
    one = np.column_stack([here, there, here + count])
    other = np.column_stack([there, there + count, here + count])
    band = np.concatenate([one, other])
    return np.concatenate([band + count * ring for ring in range(rings - 1)]).astype(np.int32)


def _axes(camera: Camera) -> tuple[NDArray[np.float64], ...]:
    forward = np.subtract(camera.target, camera.eye)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, camera.up)
    right /= np.linalg.norm(right)
    return right, np.cross(right, forward), forward


def _shaded(drawing: Drawing, forward: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m, 3) colours, 0 to 255, of the triangles by Lambert's law, each turned to the viewer."""
    a, b, c = (drawing.vertices[drawing.triangles[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    normals *= -np.sign(normals @ forward)[:, None]
    shade = _AMBIENT + (1.0 - _AMBIENT) * np.maximum(normals @ _LIGHT, 0.0)
    colours: NDArray[np.float64] = 255.0 * shade[:, None] * np.array(drawing.colour)
    return colours


@njit(cache=True, error_model="numpy")
def _fill(seen, triangles, colours, image, depth, labels, label):  # type: ignore[no-untyped-def]
    """Draw triangles with vertices at pixel x, y and distance z wherever they are the nearest."""
    height, width = depth.shape
    for number in range(len(triangles)):
        a, b, c = seen[triangles[number, 0]], seen[triangles[number, 1]], seen[triangles[number, 2]]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if not min(a[2], min(b[2], c[2])) > _NEAR_M or area == 0.0:
            continue
        left = max(0, int(min(a[0], min(b[0], c[0])) - 0.5))
        right = min(width - 1, int(max(a[0], max(b[0], c[0])) + 0.5))
        top = max(0, int(min(a[1], min(b[1], c[1])) - 0.5))
        bottom = min(height - 1, int(max(a[1], max(b[1], c[1])) + 0.5))
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                x, y = column + 0.5, row + 0.5
                u = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) / area
                v = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) / area
                w = 1.0 - u - v
                if u < 0.0 or v < 0.0 or w < 0.0:
                    continue
                far = 1.0 / (u / a[2] + v / b[2] + w / c[2])
                if far < depth[row, column]:
                    depth[row, column], labels[row, column] = far, label
                    for k in range(3):
                        image[row, column, k] = np.uint8(colours[number, k])
