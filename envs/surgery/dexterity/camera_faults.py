"""How pictures of one bench differ from camera to camera: place, light, colour, noise, depth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.robot.camera import Camera

_SHIFT_M = 0.012
_TURN = 0.08
"""Of the direction that is up in the picture."""
_ZOOM = 0.12

Random = np.random.Generator
Colours = NDArray[np.float64]


def moved(camera: Camera, rng: Random) -> Camera:
    """The camera, placed and focused a little otherwise."""
    eye, target = (
        tuple(np.add(point, rng.uniform(-_SHIFT_M, _SHIFT_M, 3)).tolist())
        for point in (camera.eye, camera.target)
    )
    up = tuple(np.add(camera.up, rng.uniform(-_TURN, _TURN, 3)).tolist())
    angle = camera.field_of_view_deg * (1.0 + rng.uniform(-_ZOOM, _ZOOM))
    return replace(camera, eye=eye, target=target, up=up, field_of_view_deg=angle)


def faulty(
    image: NDArray[np.uint8], depth_m: NDArray[np.float32], rng: Random
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A picture (y, x, 3) and its depth (y, x), m, as a camera under other light gives them."""
    colours = _lit(image / 255.0, depth_m, rng)
    colours = _blurred(_balanced(colours, rng), rng)
    colours += rng.normal(0.0, rng.uniform(0.005, 0.03), colours.shape)
    values = np.clip(colours * 255.0, 0.0, 255.0).round().astype(np.uint8)
    return values, _measured(depth_m, rng)


def _lit(colours: Colours, depth_m: NDArray[np.float32], rng: Random) -> Colours:
    """Under a lamp at another place: what faces it is brighter, and so is what lies near it."""
    slope = np.gradient(depth_m.astype(np.float64))
    steepness = np.stack([-slope[1], -slope[0], np.full(depth_m.shape, 0.001)], axis=-1)
    facing = steepness / np.linalg.norm(steepness, axis=-1, keepdims=True)
    lamp = rng.normal((0.0, 0.0, 1.0))
    shade = 1.0 + rng.uniform(0.0, 0.5) * (facing @ (lamp / np.linalg.norm(lamp)) - 0.5)
    rows, columns = (np.linspace(-1.0, 1.0, count) for count in depth_m.shape)
    pool = rng.normal(0.0, 0.25, 3)
    fall = 1.0 + pool[0] * rows[:, None] + pool[1] * columns
    fall -= abs(pool[2]) * (rows[:, None] ** 2 + columns**2)
    light = shade * np.maximum(fall, 0.2)
    return np.asarray(colours * light[..., None], np.float64)


def _balanced(colours: Colours, rng: Random) -> Colours:
    """Another exposure, colour balance and contrast."""
    gains = rng.uniform(0.6, 1.2) * rng.uniform(0.8, 1.2, 3)
    return np.maximum(colours * gains, 0.0) ** rng.uniform(0.7, 1.4)


def _blurred(colours: Colours, rng: Random) -> Colours:
    from scipy.ndimage import gaussian_filter

    width = rng.uniform(0.3, 0.8)
    return np.asarray(gaussian_filter(colours, (width, width, 0.0)), np.float64)


def _measured(depth_m: NDArray[np.float32], rng: Random) -> NDArray[np.float32]:
    """Depth with a scale that is a little off, noise, and holes."""
    from scipy.ndimage import gaussian_filter

    scaled = depth_m * rng.uniform(0.97, 1.03) + rng.normal(0.0, 0.005)
    noisy = scaled + rng.normal(0.0, rng.uniform(0.0003, 0.002), depth_m.shape)
    patches: NDArray[Any] = gaussian_filter(rng.normal(size=depth_m.shape), rng.uniform(1.5, 4.0))
    holes = patches > np.quantile(patches, 1.0 - rng.uniform(0.0, 0.08))
    return np.where(holes, 0.0, noisy).astype(np.float32)
