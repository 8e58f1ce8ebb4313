"""The kernels of `halsted.robot.scope`: rays through a grid of distances to a wall.

Places are in voxels, lengths along rays in metres. The grid is laid flat. Small kernels are put
into their callers by force, as a call that passes a grid costs as much as what it does.
"""

from __future__ import annotations

import numpy as np
from numba import njit

FAR_M = 10.0
"""What a ray that meets nothing is told to have gone."""

_MOST_STEPS = 128
_MOST_GUESSES = 32
_BLOCK = 6
"""Pixels along an edge of a block whose rays begin together."""
_TOUCH = 0.02
"""Of a voxel: a ray that is nearer to a wall has met it."""
_LEAST_RATE = 0.25
"""Of the fall of distance along a ray: one that grazes the wall goes on with care."""
_AMBIENT = 0.04


@njit(cache=True, error_model="numpy")
def trace(  # type: ignore[no-untyped-def]
    grid, to_voxel, eye, start, axes, half, ball, colours, exposure, names, image, depth, labels
):
    """Fill image, depth and labels, a ray through the middle of every pixel.

    A block of pixels first goes ahead together, as far as a ball around the ray through its middle
    is empty that holds all its rays.

    Args:
        grid: Values laid flat, shape, and edge of a voxel, m.
        to_voxel: 4x4 affine from the world, m, to voxels.
        eye: (3,) world, m.
        start: (3,) the same in voxels.
        axes: (3, 3) rows to the right, down and along the view.
        half: Tangent of half the field of view.
        ball: Centre and radius of the target, m.
        colours: (2, 3) of wall and target.
        exposure: Distance of full light, m.
        names: Labels of wall and target.
        image: (height, width, 3) filled.
        depth: (height, width) filled where something is met, m.
        labels: (height, width) filled where something is met.
    """
    height, width = depth.shape
    way, ray, normal = np.empty(3), np.empty(3), np.empty(3)
    values, shape, voxel = grid
    spread = _BLOCK * np.sqrt(2.0) * half / height
    middle = 0.5 * _BLOCK - 0.5
    for corner in range(0, height, _BLOCK):
        for side in range(0, width, _BLOCK):
            _aim(axes, to_voxel, half, depth.shape, corner + middle, side + middle, ray, way)
            together = _go_together(values, shape, start, way, spread, voxel)
            for row in range(corner, min(corner + _BLOCK, height)):
                for column in range(side, min(side + _BLOCK, width)):
                    size = _aim(axes, to_voxel, half, depth.shape, row, column, ray, way)
                    wall = _march(values, shape, start, way, together, voxel)
                    ahead = _meet_ball(eye, ray, ball)
                    reach = min(wall, ahead)
                    if reach >= FAR_M:
                        continue
                    hits = int(ahead < wall)
                    if hits:
                        _face_ball(eye, ray, ball, ahead, normal)
                    else:
                        _gradient(values, shape, start, way, wall, to_voxel, normal)
                    facing = -(normal[0] * ray[0] + normal[1] * ray[1] + normal[2] * ray[2])
                    light = _AMBIENT + max(facing, 0.0) * (exposure / reach) ** 2  # Lambert's
                    for i in range(3):
                        image[row, column, i] = np.uint8(min(colours[hits, i] * light, 255.0))
                    depth[row, column] = reach / size
                    labels[row, column] = names[hits]


@njit(cache=True, error_model="numpy")
def _face_ball(eye, ray, ball, reach, normal):  # type: ignore[no-untyped-def]
    """Fill the unit normal (3,) of the ball where a ray meets it."""
    for i in range(3):
        normal[i] = (eye[i] + reach * ray[i] - ball[i]) / ball[3]


@njit(cache=True, error_model="numpy", forceinline=True)
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
        free = _free(values, shape, start, way, reach)
        step = (free - reach * spread) / (1.0 + spread)
        if not step > voxel:
            return reach
        reach += step
    return reach


@njit(cache=True, error_model="numpy", forceinline=True)
def _march(values, shape, start, way, reach, voxel):  # type: ignore[no-untyped-def]
    """Distance, m, to the wall along a ray from `reach` on; far where it meets none.

    Within a voxel of the wall distances fall evenly, and the ray goes on by the rate of their fall.
    Where they hardly fall it goes half a voxel at least, so that it ends at the wall or off the
    grid; where it is then behind the wall, the wall is in between.
    """
    step, before = 0.0, 0.0
    while True:
        free = _free(values, shape, start, way, reach)
        if not (free < FAR_M and reach < FAR_M):
            return FAR_M
        rate = 1.0
        if step > 0.0 and free < voxel:
            rate = min((before - free) / step, 1.0)
        if abs(free) < voxel * _TOUCH and rate > _LEAST_RATE:
            return reach + free / rate
        if free <= 0.0:
            return _cross(values, shape, start, way, reach - step, reach, before, free, voxel)
        step = free / rate if rate > _LEAST_RATE else max(free / _LEAST_RATE, 0.5 * voxel)
        before = free
        reach += step


@njit(cache=True, error_model="numpy")
def _cross(values, shape, start, way, near, far, ahead, behind, voxel):  # type: ignore[no-untyped-def]
    """Distance, m, at which a ray goes through the wall, by false position between two places.

    Args:
        values: The grid, laid flat.
        shape: Its own.
        start: (3,) of the ray, in voxels.
        way: (3,) the same a metre.
        near: Place on the ray, m, before the wall.
        far: Place behind it.
        ahead: Distance from the wall, m, at `near`.
        behind: Negative distance at `far`.
        voxel: Its edge, m.
    """
    middle = far
    for _ in range(_MOST_GUESSES):
        middle = near + (far - near) * ahead / (ahead - behind)
        free = _free(values, shape, start, way, middle)
        if abs(free) * (far - near) < voxel * _TOUCH * (ahead - behind):
            return middle
        if free > 0.0:
            near, ahead, behind = middle, free, 0.5 * behind
        else:
            far, behind, ahead = middle, free, 0.5 * ahead
    return middle


@njit(cache=True, error_model="numpy", forceinline=True)
def _free(values, shape, start, way, reach):  # type: ignore[no-untyped-def]
    """Distance from the wall, m, at a place on a ray."""
    return sample(
        values,
        shape,
        start[0] + reach * way[0],
        start[1] + reach * way[1],
        start[2] + reach * way[2],
    )


@njit(cache=True, error_model="numpy", forceinline=True)
def _meet_ball(eye, ray, ball):  # type: ignore[no-untyped-def]
    """Distance, m, to the ball along a ray; far where it misses."""
    along, away = 0.0, 0.0
    for i in range(3):
        to = ball[i] - eye[i]
        along += to * ray[i]
        away += to * to
    inside = ball[3] * ball[3] - (away - along * along)
    if ball[3] <= 0.0 or inside <= 0.0:
        return FAR_M
    reach = along - np.sqrt(inside)
    return reach if reach > 0.0 else FAR_M


@njit(cache=True, error_model="numpy", forceinline=True)
def sample(values, shape, x, y, z):  # type: ignore[no-untyped-def]
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


@njit(cache=True, error_model="numpy", forceinline=True)
def _gradient(values, shape, start, way, reach, to_voxel, normal):  # type: ignore[no-untyped-def]
    """Fill the unit normal (3,) of the wall where a ray meets it.

    From distances at the corners of a tetrahedron of about a voxel, the fewest that do.
    """
    ni, nj, nk = shape
    x = min(max(start[0] + reach * way[0], 0.5), ni - 1.501)
    y = min(max(start[1] + reach * way[1], 0.5), nj - 1.501)
    z = min(max(start[2] + reach * way[2], 0.5), nk - 1.501)
    a = sample(values, shape, x + 0.5, y - 0.5, z - 0.5)
    b = sample(values, shape, x - 0.5, y - 0.5, z + 0.5)
    c = sample(values, shape, x - 0.5, y + 0.5, z - 0.5)
    d = sample(values, shape, x + 0.5, y + 0.5, z + 0.5)
    gx, gy, gz = a - b - c + d, -a - b + c + d, -a + b - c + d
    size = 0.0
    for i in range(3):
        normal[i] = gx * to_voxel[0, i] + gy * to_voxel[1, i] + gz * to_voxel[2, i]
        size += normal[i] * normal[i]
    size = max(np.sqrt(size), 1e-12)
    for i in range(3):
        normal[i] /= size
