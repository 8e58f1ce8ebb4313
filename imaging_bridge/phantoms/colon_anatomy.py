"""A colon blown up with gas: the course of its lumen, its haustral folds and its polyps.

Distances are mm in LPS with the origin in the middle of the abdomen. Calibres, folds and sizes of
polyps are typical; no exact source is claimed for them. Polyps have the shapes of the Paris
classification (The Paris endoscopic classification of superficial neoplastic lesions, Gastrointest
Endosc 2003; 58(6 Suppl):S3-S43): 0-Ip pedunculated, 0-Is sessile, 0-IIa slightly elevated (lower
than 2.5 mm, the closed jaws of a biopsy forceps).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.phantoms.shapes import curve

Floats = NDArray[np.float64]

# From the rectum up to the caecum: x, y, z and radius, mm.
_COURSE = np.array(
    [
        (0, 62, -165, 17), (0, 55, -135, 23), (3, 30, -112, 20), (28, 0, -112, 16),
        (50, -28, -98, 15), (72, -10, -80, 15), (92, 18, -58, 16), (104, 30, -10, 17),
        (106, 34, 40, 18), (108, 34, 90, 18), (98, 18, 126, 19), (70, -22, 112, 20),
        (30, -52, 78, 21), (-15, -58, 62, 21), (-58, -34, 76, 22), (-96, 6, 96, 23),
        (-106, 24, 52, 24), (-104, 26, 8, 25), (-100, 22, -36, 27), (-92, 14, -72, 28),
    ],
    dtype=np.float64,
)  # fmt: skip
_STEP_MM = 1.0
FLAT_BELOW_MM = 2.5
PARIS = ("0-Ip", "0-Is", "0-IIa")
_HOW_OFTEN = (0.36, 0.52, 0.12)


class Lumen(NamedTuple):
    """The lumen without polyps; a named tuple, so that compiled functions take it.

    Attributes:
        centre: (n, 3) points of the centreline, 1 mm apart.
        normal, binormal: (n, 3) unit vectors across it that turn as little as possible.
        radius: (n,) mm.
        nearest_fold: (n,) index of the fold next to each point.
        folds: (m, 5): place along the centreline in mm, angle in radians, half-width in radians,
            height in mm, half-thickness in mm; ascending along the centreline.
        corner: (2,) depth, as a share of the radius, and angle of the three bands (taeniae).
    """

    centre: Floats
    normal: Floats
    binormal: Floats
    radius: Floats
    nearest_fold: NDArray[np.int64]
    folds: Floats
    corner: Floats


class Polyps(NamedTuple):
    """Polyps as ellipsoids with bumps, some on stalks; a named tuple for compiled functions.

    Attributes:
        centre: (k, 3) of the heads, mm.
        axes: (k, 3, 3) rows: two unit vectors along the wall and the one into the lumen.
        radii: (k, 3) along them, mm.
        bumps: (k, 2) height as a share of the radius, and waves around.
        foot, stalk: (k, 3) where the head stands on the wall; (k,) radius of the stalk, 0 for none.
        reach: (k,) mm from the foot beyond which a polyp is left out of the field.
    """

    centre: Floats
    axes: Floats
    radii: Floats
    bumps: Floats
    foot: Floats
    stalk: Floats
    reach: Floats


class Colon(NamedTuple):
    """A colon, and what a report says of its polyps.

    Attributes:
        lumen: See `Lumen`.
        polyps: See `Polyps`.
        places: (k,) place of each polyp along the centreline, mm.
        paris: Class of each polyp.
    """

    lumen: Lumen
    polyps: Polyps
    places: Floats
    paris: tuple[str, ...]


def draw_colon(rng: np.random.Generator) -> Colon:
    """Draw a colon with two to six polyps."""
    lumen = _draw_lumen(rng)
    count = int(rng.integers(2, 7))
    places = np.sort(rng.choice(_between_folds(lumen), count, replace=False))
    paris = tuple(str(name) for name in rng.choice(PARIS, count, p=_HOW_OFTEN))
    drawn = [
        _draw_polyp(rng, lumen, place, name) for place, name in zip(places, paris, strict=True)
    ]
    centre, axes, radii, bumps, foot, stalk = (np.array(part) for part in zip(*drawn, strict=True))
    reach = np.linalg.norm(centre - foot, axis=1) + 1.2 * radii.max(axis=1) + 8.0
    return Colon(lumen, Polyps(centre, axes, radii, bumps, foot, stalk, reach), places, paris)


def _draw_lumen(rng: np.random.Generator) -> Lumen:
    knots = _COURSE[:, :3] + np.clip(rng.normal(0.0, 5.0, (len(_COURSE), 3)), -9.0, 9.0)
    knots = knots * rng.uniform(0.92, 1.08, 3)
    fine = curve(knots, 40)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))])
    wanted = np.arange(0.0, along[-1], _STEP_MM)
    centre = np.stack([np.interp(wanted, along, axis) for axis in fine.T], axis=1)
    calibre = np.interp(
        np.linspace(0, 1, len(wanted)), np.linspace(0, 1, len(_COURSE)), _COURSE[:, 3]
    )
    radius = calibre * rng.uniform(0.88, 1.08)
    folds = _draw_folds(rng, radius)
    between = (folds[1:, 0] + folds[:-1, 0]) / 2.0
    corner = np.array([rng.uniform(0.03, 0.10), rng.uniform(0.0, 2.0 * np.pi)])
    normal, binormal = _frames(centre)
    return Lumen(centre, normal, binormal, radius, np.searchsorted(between, wanted), folds, corner)


def _between_folds(lumen: Lumen) -> Floats:
    """Middles, mm along the centreline, of the wider haustra, where a polyp is not under a fold."""
    place = lumen.folds[:, 0]
    wide = np.diff(place) > 15.0
    middle = ((place[1:] + place[:-1]) / 2.0)[wide]
    return middle[(middle > 40.0) & (middle < len(lumen.centre) - 40.0)]


def _draw_folds(rng: np.random.Generator, radius: Floats) -> Floats:
    """Semilunar folds 12 to 30 mm apart, each over about a third to all of the circumference."""
    folds, place = [], float(rng.uniform(5.0, 20.0))
    while place < len(radius):
        height = radius[int(place)] * rng.uniform(0.15, 0.52)
        angle, width = rng.uniform(-np.pi, np.pi), rng.uniform(0.9, 2.4)
        folds.append((place, angle, width, height, rng.uniform(1.6, 3.2)))
        place += float(rng.uniform(12.0, 30.0))
    return np.array(folds)


def _frames(centre: Floats) -> tuple[Floats, Floats]:
    """Unit vectors across the centreline, carried along it without turning about it."""
    tangent = np.gradient(centre, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normal = np.empty_like(centre)
    carried = np.array([1.0, 0.0, 0.0])
    for number, way in enumerate(tangent):
        carried = carried - (carried @ way) * way
        carried = carried / np.sqrt(carried @ carried)
        normal[number] = carried
    return normal, np.cross(tangent, normal)


def _draw_polyp(
    rng: np.random.Generator, lumen: Lumen, place: float, paris: str
) -> tuple[Floats, Floats, Floats, Floats, Floats, float]:
    """Centre, axes, radii, bumps, foot and stalk of a polyp on the wall; see `Polyps`."""
    at, angle = int(place), float(rng.uniform(0.0, 2.0 * np.pi))
    outward = np.cos(angle) * lumen.normal[at] + np.sin(angle) * lumen.binormal[at]
    foot = lumen.centre[at] + outward * lumen.radius[at] * (1.0 - 0.5 * lumen.corner[0])
    ahead = np.cross(lumen.normal[at], lumen.binormal[at])
    axes = np.stack([ahead, np.cross(-outward, ahead), -outward])
    wide = 0.5 * float(np.clip(rng.lognormal(np.log(13.0), 0.4), 6.0, 1.2 * lumen.radius[at]))
    oval = rng.uniform(0.8, 1.25)
    bumps = np.array([rng.uniform(0.0, 0.09), rng.uniform(3.0, 7.0)])
    if paris == "0-Ip":
        rise = wide * rng.uniform(0.9, 1.5) + 2.0
        lean = rng.uniform(-0.5, 0.5, 2) * rise
        radii = np.array([wide * oval, wide / oval, wide * rng.uniform(0.75, 0.95)])
        centre = foot + rise * axes[2] + lean[0] * axes[0] + lean[1] * axes[1]
        return centre, axes, radii, bumps, foot, wide * rng.uniform(0.25, 0.4)
    if paris == "0-Is":
        high = max(wide * rng.uniform(0.7, 1.1), 1.3 * FLAT_BELOW_MM)
        return foot, axes, np.array([wide * oval, wide / oval, high]), bumps, foot, 0.0
    high = rng.uniform(1.5, FLAT_BELOW_MM) / (1.0 + bumps[0])
    return foot, axes, np.array([wide * 1.3 * oval, wide * 1.3 / oval, high]), bumps, foot, 0.0
