"""A phantom of skin with a pigmented lesion, as a dermoscope photographs it.

Appearance rules. The lesion is drawn from the scores of the ABCD rule of dermoscopy (Stolz et al.
1994, see `skin_scores`), and the diagnosis follows from them alone: total score = 1.3 asymmetry +
0.1 border + 0.5 colours + 0.5 structures; above 5.45 it is malignant, below 4.75 benign, and no
lesion lies between. So a malignant one is more asymmetric, ends more abruptly, and shows more
colours (blue-grey veil, black, white regression) and more structures (streaks, dots, empty areas).

The skin's tone, its reflections, hairs, the light, vignette, gel bubbles, a ruler and ink vary as
in public dermoscopy sets; many lesions are hardly darker than the skin at the picture's rim.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.chance import chance
from halsted.imaging_bridge.phantoms.skin_lesion import SIZE, draw_lesion
from halsted.imaging_bridge.phantoms.skin_scores import draw_scores
from halsted.imaging_bridge.phantoms.textures import (
    Picture,
    as_bytes,
    as_volumes,
    blur,
    cloud,
    mesh,
    picture_affine,
    ridges,
)
from halsted.imaging_bridge.volume import Volume

# Reflectance of skin in red, green and blue from the palest to the darkest; typical.
_PALE, _DARK = (0.93, 0.76, 0.68), (0.46, 0.31, 0.24)
_VESSEL_DENSITY = np.array((0.02, 0.16, 0.12), dtype=np.float32)
_HAIR_DENSITY = np.array((1.1, 1.3, 1.4), dtype=np.float32)


def skin(seed: int) -> Patient:
    """The skin of a seed: a picture of 256 x 256 pixels, the lesion, and its pigment's depth.

    Returns:
        ``red``, ``green``, ``blue`` (uint8) and ``depth`` (float32, mm below the surface that the
        pigment reaches, 0 outside the lesion), each of shape (1, y, x); labels: ``lesion``. The
        facts hold the diagnosis and the scores that it follows from.

    Raises:
        HalstedError: the seed is negative.
    """
    scores = draw_scores(chance(seed, "scores"))
    lesion = draw_lesion(chance(seed, "lesion"), scores)
    rng = chance(seed, "skin")
    spacing_mm = float(rng.uniform(0.06, 0.11))
    density = _skin_density(rng) + lesion.density
    picture = _photographed(chance(seed, "camera"), np.exp(-_with_hairs(rng, density)))
    affine = picture_affine(spacing_mm)
    images = as_volumes(as_bytes(picture), "DMS", spacing_mm)
    images["depth"] = Volume(lesion.depth_mm[np.newaxis], affine, "DMS", "mm")
    mask = lesion.mask.astype(np.uint8)[np.newaxis]
    return Patient(
        images,
        LabelMap(mask, affine, {"lesion": 1}, "generated"),
        kind="phantom",
        facts={"phantom": "skin", "seed": str(seed), **scores.facts()},
    )


def _skin_density(rng: np.random.Generator) -> Picture:
    """Optical density (y, x, 3) of healthy skin: its tone, blotches, furrows and vessels."""
    tone = rng.beta(1.2, 2.2)
    base = -np.log(np.array(_PALE) * (1.0 - tone) + np.array(_DARK) * tone)
    blotches = 0.05 * cloud(rng, SIZE, 60.0) + 0.03 * cloud(rng, SIZE, 8.0)
    furrows = rng.uniform(0.0, 0.10) * ridges(cloud(rng, SIZE, 14.0, 5.0), 0.3)
    pores = rng.uniform(0.01, 0.04) * cloud(rng, SIZE, 2.0)
    vessels = rng.uniform(0.0, 1.0) * ridges(cloud(rng, SIZE, 40.0, 4.0), 0.06)
    grey = (blotches + furrows + pores)[..., np.newaxis] * np.array((0.7, 1.0, 1.1))
    flush = vessels[..., np.newaxis] * _VESSEL_DENSITY
    return np.asarray(base + grey + flush, dtype=np.float32)


def _with_hairs(rng: np.random.Generator, density: Picture) -> Picture:
    """Hairs over it, as arcs that lie roughly one way; few, or many."""
    if rng.random() < 0.35:
        return density
    cover = np.zeros((SIZE, SIZE), dtype=np.float32)
    rows, columns = mesh(SIZE)
    way, darkness = rng.uniform(0.0, np.pi), rng.uniform(0.35, 1.0)
    for _ in range(int(rng.geometric(0.09))):
        angle, bend = way + rng.normal(0.0, 0.35), rng.normal(0.0, 0.0025)
        dy, dx = rows - rng.uniform(0, SIZE), columns - rng.uniform(0, SIZE)
        along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle)
        across = across - dx * np.sin(angle) - bend * along * along
        near = np.clip(rng.uniform(0.9, 1.9) + 0.5 - np.abs(across), 0.0, 1.0)
        cover = np.maximum(cover, near * (np.abs(along) < rng.uniform(30.0, 150.0)))
    return np.asarray(
        density + (darkness * blur(cover, 0.5))[..., np.newaxis] * _HAIR_DENSITY, dtype=np.float32
    )


def _photographed(rng: np.random.Generator, reflectance: Picture) -> Picture:
    """What the camera makes of it, 0 to 1: light, gel, ruler, ink, vignette, colour and noise."""
    picture: Picture = reflectance * _light(rng)[..., np.newaxis]
    if rng.random() < 0.35:
        picture = _with_bubbles(rng, picture)
    if rng.random() < 0.25:
        picture = _with_ink(rng, picture)
    if rng.random() < 0.3:
        picture = _with_ruler(rng, picture)
    picture = blur(picture, rng.uniform(0.0, 1.2))
    picture = picture * _vignette(rng)[..., np.newaxis] * _white_balance(rng)
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * rng.uniform(0.004, 0.018)
    return np.asarray(picture + noise, dtype=np.float32)


def _white_balance(rng: np.random.Generator) -> NDArray[np.float64]:
    """Gains of red, green and blue; contact dermoscopes' lamps are at times far too blue."""
    blueness = rng.uniform(0.15, 0.45) if rng.random() < 0.3 else rng.normal(0.0, 0.06)
    gains = np.array((1.0 - 0.8 * blueness, 1.0 + 0.1 * blueness, 1.0 + 0.6 * blueness))
    return gains * rng.normal(1.0, 0.03, 3) * rng.uniform(0.8, 1.1)


def _light(rng: np.random.Generator) -> Picture:
    """A slope and a soft spot of light, 1 in the mean or so."""
    rows, columns = mesh(SIZE)
    way, slope = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.0, 0.35)
    across = (columns - SIZE / 2) * np.cos(way) + (rows - SIZE / 2) * np.sin(way)
    return np.asarray(1.0 + slope * across / SIZE, dtype=np.float32)


def _vignette(rng: np.random.Generator) -> Picture:
    """1 in the middle; the rim is dim, or quite dark outside the dermoscope's round field."""
    rows, columns = mesh(SIZE)
    centre = SIZE / 2 + rng.normal(0.0, 6.0, 2)
    apart = np.hypot(rows - centre[0], columns - centre[1]) / (SIZE / 2)
    gain = 1.0 - rng.uniform(0.05, 0.4) * np.clip(apart, 0.0, 1.5) ** 2.5
    if rng.random() < 0.45:
        gain = gain / (1.0 + np.exp((apart - rng.uniform(0.95, 1.3)) / rng.uniform(0.008, 0.05)))
    return np.asarray(np.clip(gain, 0.0, 1.0), dtype=np.float32)


def _with_bubbles(rng: np.random.Generator, picture: Picture) -> Picture:
    """Bubbles in the gel: bright rims and a small glint."""
    rows, columns = mesh(SIZE)
    for _ in range(int(rng.integers(1, 14))):
        radius = float(rng.gamma(2.0, 4.0)) + 2.0
        y, x = rng.uniform(0, SIZE, 2)
        apart = np.hypot(rows - y, columns - x)
        rim = np.exp(-(((apart - radius) / 1.2) ** 2)) * rng.uniform(0.05, 0.3)
        glint = np.exp(-((np.hypot(rows - y + radius / 2, columns - x + radius / 2) / 1.6) ** 2))
        picture = picture + (rim + 0.5 * glint)[..., np.newaxis]
    return picture


def _with_ink(rng: np.random.Generator, picture: Picture) -> Picture:
    """A surgeon's blue or violet mark at the rim."""
    rows, columns = mesh(SIZE)
    way, far = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(95.0, 125.0)
    across = (columns - SIZE / 2) * np.cos(way) + (rows - SIZE / 2) * np.sin(way) - far
    patchy = np.clip(0.6 + 0.5 * cloud(rng, SIZE, 4.0), 0.0, 1.0)
    cover = np.exp(-((across / rng.uniform(3.0, 9.0)) ** 2)) * patchy
    ink = np.array((0.9, 0.8, 0.15)) * rng.uniform(0.5, 1.2)
    return np.asarray(picture * np.exp(-cover[..., np.newaxis] * ink), dtype=np.float32)


def _with_ruler(rng: np.random.Generator, picture: Picture) -> Picture:
    """Dark ticks along one side."""
    rows, columns = mesh(SIZE)
    if rng.random() < 0.5:
        rows, columns = columns, rows
    pitch, phase, depth = rng.uniform(8.0, 15.0), rng.uniform(0.0, 8.0), rng.uniform(8.0, 16.0)
    number = np.floor((columns + phase) / pitch)
    tick = (columns + phase) - number * pitch < 1.6
    long = depth * np.where(number % 5 == 0, 2.0, 1.0)
    cover = (tick & (rows < long)).astype(np.float32) * rng.uniform(0.4, 0.85)
    return np.asarray(picture * (1.0 - cover)[..., np.newaxis], dtype=np.float32)
