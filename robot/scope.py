"""A scope's picture: rays marched through a distance field, lit from the camera itself.

Sphere tracing after Hart 1996 (doi:10.1007/s003710050084): at a distance d from the nearest wall a
ray may go d ahead. No mesh and no light elsewhere, so its cost grows with pixels alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from halsted.robot.bodies import LABELS
from halsted.robot.camera import Camera, Frame
from halsted.robot.errors import ArmError

_MOST_STEPS = 128
_BLOCK = 6
"""Pixels along an edge of a block whose rays begin together."""
_TOUCH = 0.02
"""Of a voxel: a ray that is nearer to a wall has met it."""
_LEAST_RATE = 0.25
"""Of the fall of distance along a ray: one that grazes the wall goes on with care."""
_FAR_M = 10.0
_AMBIENT = 0.04


@dataclass(frozen=True, eq=False)
class DistanceField:
    """Distances to the wall of a cavity, on a grid.

    Attributes:
        values: (i, j, k) distance, m, positive where the cavity is empty.
        to_world: 4x4 affine from voxel indices to the world, m.
    """

    values: NDArray[np.float32]
    to_world: NDArray[np.float64]

    @property
    def voxel_m(self) -> float:
        """The shortest edge of a voxel, m."""
        return float(np.linalg.norm(self.to_world[:3, :3], axis=0).min())


@dataclass(frozen=True)
class Look:
    """How the cavity is lit and coloured.

    Attributes:
        wall: Red, green and blue of the wall, 0 to 1.
        target: The same of the target.
        exposure_m: Distance at which a surface that faces the light is as bright as its colour.
    """

    wall: tuple[float, float, float] = (0.85, 0.45, 0.40)
    target: tuple[float, float, float] = (0.95, 0.90, 0.35)
    exposure_m: float = 0.1


@dataclass(frozen=True)
class Ball:
    """The target: a sphere, drawn exactly.

    Attributes:
        centre: (3,) world, m.
        radius_m: 0 for none.
    """

    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    radius_m: float = 0.0


def look_into(
    field: DistanceField, camera: Camera, look: Look | None = None, target: Ball | None = None
) -> Frame:
    """A camera's picture of a cavity, with a headlight that falls off with the square of distance.

    Args:
        field: The cavity. A ray that leaves its grid sees nothing: black, 10 m deep.
        camera: It must be in the empty part of the grid.
        look: Light and colours; a moist red wall if left out.
        target: A ball; none if left out.

    Returns:
        Colour, depth along the view and labels (``background``, ``target``, ``tissue``). The same
        arguments give the same picture bit for bit.

    Raises:
        ArmError: the camera is inside the wall or off the grid.
    """
    look, target = look or Look(), target or Ball()
    to_voxel = np.linalg.inv(field.to_world)
    eye = np.array(camera.eye)
    start = to_voxel[:3, :3] @ eye + to_voxel[:3, 3]
    if not _sample(field.values.ravel(), field.values.shape, start[0], start[1], start[2]) > 0.0:
        raise ArmError(
            f"the scope at {eye.round(3).tolist()} m is in the wall or off the grid of the cavity; "
            "place it in the empty part"
        )
    right, down, ahead = _axes(camera)
    half = math.tan(math.radians(camera.field_of_view_deg) / 2.0)
    shape = (camera.height, camera.width)
    image, labels = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8)
    depth = np.full(shape, _FAR_M, np.float32)
    ball = np.array([*target.centre, target.radius_m])
    colours = np.array([look.wall, look.target]) * 255.0
    names = (LABELS.index("tissue"), LABELS.index("target"))
    _trace(
        field.values.ravel(), field.values.shape, field.voxel_m, to_voxel, eye, start,
        np.array([right, down, ahead]), half, ball, colours, look.exposure_m, names,
        image, depth, labels,
    )  # fmt: skip
    return Frame(image, depth, labels)


def _axes(camera: Camera) -> tuple[NDArray[np.float64], ...]:
    """Unit vectors (3,) to the right of the picture, down and along the view."""
    ahead = np.subtract(camera.target, camera.eye)
    ahead = ahead / np.linalg.norm(ahead)
    right = np.cross(ahead, camera.up)
    size = np.linalg.norm(right)
    if not size > 1e-9:
        raise ArmError(f"the camera looks along its up direction {camera.up}; choose another up")
    right = right / size
    return right, np.cross(ahead, right), ahead


@njit(cache=True, error_model="numpy")
def _trace(  # type: ignore[no-untyped-def]
    values,
    shape,
    voxel,
    to_voxel,
    eye,
    start,
    axes,
    half,
    ball,
    colours,
    exposure,
    names,
    image,
    depth,
    labels,
):
    """Fill image, depth and labels, a ray through the middle of every pixel.

    A block of pixels first goes ahead together, as far as a ball around the ray through its middle
    is empty that holds all its rays.
    """
    height, width = depth.shape
    way, ray, normal = np.empty(3), np.empty(3), np.empty(3)
    spread = _BLOCK * np.sqrt(2.0) * half / height
    for corner in range(0, height, _BLOCK):
        for side in range(0, width, _BLOCK):
            middle = 0.5 * _BLOCK - 0.5
            _aim(axes, to_voxel, half, depth.shape, corner + middle, side + middle, ray, way)
            together = _go_together(values, shape, start, way, spread, voxel)
            for row in range(corner, min(corner + _BLOCK, height)):
                for column in range(side, min(side + _BLOCK, width)):
                    size = _aim(axes, to_voxel, half, depth.shape, row, column, ray, way)
                    wall = _march(values, shape, start, way, together, voxel)
                    ahead = _meet_ball(eye, ray, ball)
                    reach = min(wall, ahead)
                    if reach >= _FAR_M:
                        continue
                    hits = int(ahead < wall)
                    if hits:
                        for i in range(3):
                            normal[i] = (eye[i] + ahead * ray[i] - ball[i]) / ball[3]
                    else:
                        _gradient(values, shape, start, way, wall, to_voxel, normal)
                    facing = -(normal[0] * ray[0] + normal[1] * ray[1] + normal[2] * ray[2])
                    light = _AMBIENT + max(facing, 0.0) * (exposure / reach) ** 2
                    for i in range(3):
                        image[row, column, i] = np.uint8(min(colours[hits, i] * light, 255.0))
                    depth[row, column] = reach / size
                    labels[row, column] = names[hits]


@njit(cache=True, error_model="numpy")
def _aim(axes, to_voxel, half, size, row, column, ray, way):  # type: ignore[no-untyped-def]
    """Fill a pixel's unit ray (3,) and the same in voxels a metre; its length at unit depth."""
    v = (2.0 * (row + 0.5) / size[0] - 1.0) * half
    u = (2.0 * (column + 0.5) / size[1] - 1.0) * half * size[1] / size[0]
    length = np.sqrt(1.0 + u * u + v * v)
    for i in range(3):
        ray[i] = (axes[2, i] + u * axes[0, i] + v * axes[1, i]) / length
    for i in range(3):
        way[i] = to_voxel[i, 0] * ray[0] + to_voxel[i, 1] * ray[1] + to_voxel[i, 2] * ray[2]
    return length


@njit(cache=True, error_model="numpy")
def _go_together(values, shape, start, way, spread, voxel):  # type: ignore[no-untyped-def]
    """How far, m, all rays may go that spread by no more than `spread` a metre from this one."""
    reach = 0.0
    for _ in range(_MOST_STEPS):
        free = _sample(
            values,
            shape,
            start[0] + reach * way[0],
            start[1] + reach * way[1],
            start[2] + reach * way[2],
        )
        step = (free - reach * spread) / (1.0 + spread)
        if not step > voxel:
            return reach
        reach += step
    return reach


@njit(cache=True, error_model="numpy")
def _march(values, shape, start, way, reach, voxel):  # type: ignore[no-untyped-def]
    """Distance, m, to the wall along a ray from `reach` on; far where it meets none.

    Within a voxel of the wall distances fall evenly, and the ray goes on by the rate of their fall.
    """
    step, before = 0.0, 0.0
    for number in range(_MOST_STEPS):
        free = _sample(
            values,
            shape,
            start[0] + reach * way[0],
            start[1] + reach * way[1],
            start[2] + reach * way[2],
        )
        if not free < _FAR_M:
            return _FAR_M
        if abs(free) < voxel * _TOUCH:
            return reach + free
        rate = 1.0
        if number > 0 and free < voxel:
            rate = min(max((before - free) / step, _LEAST_RATE), 1.0)
        before = free
        step = free / rate
        reach += step
    return reach


@njit(cache=True, error_model="numpy")
def _meet_ball(eye, ray, ball):  # type: ignore[no-untyped-def]
    """Distance, m, to the ball along a ray; far where it misses."""
    along, away = 0.0, 0.0
    for i in range(3):
        to = ball[i] - eye[i]
        along += to * ray[i]
        away += to * to
    inside = ball[3] * ball[3] - (away - along * along)
    if ball[3] <= 0.0 or inside <= 0.0:
        return _FAR_M
    reach = along - np.sqrt(inside)
    return reach if reach > 0.0 else _FAR_M


@njit(cache=True, error_model="numpy")
def _sample(values, shape, x, y, z):  # type: ignore[no-untyped-def]
    """Distance, m, at a place in voxels, trilinear, of a grid laid flat; NaN off the grid."""
    ni, nj, nk = shape
    if not (0.0 <= x < ni - 1 and 0.0 <= y < nj - 1 and 0.0 <= z < nk - 1):
        return np.nan
    i, j, k = int(x), int(y), int(z)
    a, b, c = x - i, y - j, z - k
    # Without a sign, an index is not looked at for counting from the end.
    one, row, sheet = np.uint64(1), np.uint64(nk), np.uint64(nj * nk)
    at = np.uint64((i * nj + j) * nk + k)
    s, t = values[at], values[at + row]
    s += (values[at + one] - s) * c
    t += (values[at + row + one] - t) * c
    s += (t - s) * b
    at += sheet
    u, v = values[at], values[at + row]
    u += (values[at + one] - u) * c
    v += (values[at + row + one] - v) * c
    u += (v - u) * b
    return s + (u - s) * a


@njit(cache=True, error_model="numpy")
def _gradient(values, shape, start, way, reach, to_voxel, normal):  # type: ignore[no-untyped-def]
    """Fill the unit normal (3,) of the wall where a ray meets it.

    From distances at the corners of a tetrahedron of about a voxel, the fewest that do.
    """
    ni, nj, nk = shape
    x = min(max(start[0] + reach * way[0], 0.5), ni - 1.501)
    y = min(max(start[1] + reach * way[1], 0.5), nj - 1.501)
    z = min(max(start[2] + reach * way[2], 0.5), nk - 1.501)
    a = _sample(values, shape, x + 0.5, y - 0.5, z - 0.5)
    b = _sample(values, shape, x - 0.5, y - 0.5, z + 0.5)
    c = _sample(values, shape, x - 0.5, y + 0.5, z - 0.5)
    d = _sample(values, shape, x + 0.5, y + 0.5, z + 0.5)
    gx, gy, gz = a - b - c + d, -a - b + c + d, -a + b - c + d
    size = 0.0
    for i in range(3):
        normal[i] = gx * to_voxel[0, i] + gy * to_voxel[1, i] + gz * to_voxel[2, i]
        size += normal[i] * normal[i]
    size = max(np.sqrt(size), 1e-12)
    for i in range(3):
        normal[i] /= size
