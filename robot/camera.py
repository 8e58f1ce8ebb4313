"""A pinhole camera on a PyBullet client: colour, depth and labels by TinyRenderer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CAMERA_SIZE = 84
"""Pixels along an edge of the images that agents see: TinyRenderer's cost grows with them."""

_NEAR_M = 0.01
_FAR_M = 2.0
_DOT_PIXELS = 4.0


@dataclass(frozen=True)
class Camera:
    """Where a camera stands and looks.

    Attributes:
        width: Of the image, pixels.
        height: Of the image, pixels.
        eye: (3,) its place in the world, m.
        target: (3,) what it looks at, m.
        up: (3,) what is up in the image.
        field_of_view_deg: Vertical.
    """

    width: int
    height: int
    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)
    field_of_view_deg: float = 45.0

    def pixel_of(self, point: NDArray[np.float64]) -> tuple[float, float] | None:
        """Column and row at which a point (3,), world m, is seen; None behind the camera."""
        forward = np.subtract(self.target, self.eye)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, self.up)
        right = right / np.linalg.norm(right)
        away = point - np.array(self.eye)
        depth = float(away @ forward)
        if depth <= 0.0:
            return None
        scale = self.height / 2 / np.tan(np.deg2rad(self.field_of_view_deg) / 2) / depth
        column = self.width / 2 + scale * float(away @ right)
        return column, self.height / 2 - scale * float(away @ np.cross(right, forward))


@dataclass(frozen=True, eq=False)
class Frame:
    """What a camera sees.

    Attributes:
        image: (height, width, 3) colour.
        depth_m: (height, width) distance along the viewing axis, m; the far plane where nothing is.
        labels: (height, width) index into `bodies.LABELS`.
    """

    image: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    labels: NDArray[np.uint8]


def take_frame(bullet: Any, client: int, camera: Camera, labels: Mapping[int, int]) -> Frame:
    """A frame of a client's bodies.

    Args:
        bullet: The pybullet module.
        client: Which client.
        camera: Where from.
        labels: Label of each body by its number.
    """
    view = bullet.computeViewMatrix(camera.eye, camera.target, camera.up)
    projection = bullet.computeProjectionMatrixFOV(
        camera.field_of_view_deg, camera.width / camera.height, _NEAR_M, _FAR_M
    )
    _, _, pixels, depth, bodies = bullet.getCameraImage(
        camera.width,
        camera.height,
        view,
        projection,
        lightDirection=[0.4, -0.6, 1.0],
        renderer=bullet.ER_TINY_RENDERER,
        physicsClientId=client,
    )
    shape = (camera.height, camera.width)
    nonlinear = np.asarray(depth, np.float32).reshape(shape)
    metres = _FAR_M * _NEAR_M / (_FAR_M - (_FAR_M - _NEAR_M) * nonlinear)
    numbers = np.asarray(bodies).reshape(shape)
    table = np.zeros(max(labels, default=0) + 2, np.uint8)  # the last place, -1, is nothing
    for number, label in labels.items():
        table[number] = label
    return Frame(
        np.asarray(pixels, np.uint8).reshape(*shape, 4)[:, :, :3].copy(),
        metres.astype(np.float32),
        table[numbers],
    )


def mark(image: NDArray[np.uint8], pixel: tuple[float, float] | None) -> None:
    """Paint a green dot into an image (height, width, 3), in place."""
    if pixel is None:
        return
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    image[np.hypot(columns - pixel[0], rows - pixel[1]) < _DOT_PIXELS] = (40, 200, 60)
