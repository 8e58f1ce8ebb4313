"""A pigmented lesion as a dermoscope shows it, drawn from its ABCD scores.

Everything is measured in coordinates of the lesion that are folded about as many of its two axes
as its halves are alike, so that contour, colours and structures are as symmetric as the score says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from halsted.imaging_bridge.phantoms.skin_scores import Scores
from halsted.imaging_bridge.phantoms.textures import Picture, blur, cloud, mesh, ridges, sample

SIZE = 256
EDGE = 0.35  # of the full pigment: where the eye, and the label, end the lesion
_PEN = 3.0  # standard deviation of the blur, pixels, by which an outline is smoother

# Optical density in red, green and blue over that of the skin, and how deep the pigment lies, mm.
# Melanin looks black in the horny layer, brown at the junction of epidermis and dermis, and
# blue-grey in the dermis; typical values.
_PIGMENT: dict[str, tuple[tuple[float, float, float], float]] = {
    "light_brown": ((0.16, 0.36, 0.52), 0.12),
    "dark_brown": ((0.46, 0.78, 0.95), 0.20),
    "black": ((1.15, 1.30, 1.30), 0.05),
    "blue_grey": ((0.60, 0.48, 0.28), 0.90),
    "red": ((0.05, 0.40, 0.32), 0.10),
    "white": ((-0.10, -0.06, -0.02), 0.05),
}
_LEAST_SHARE = 0.01  # of the lesion where a colour that is scored is the strongest one
_SMALL_PARTS = ("white", "red", "blue_grey", "black")


@dataclass(frozen=True, eq=False)
class Drawn:
    """A lesion on its picture; arrays (y, x).

    Attributes:
        density: (y, x, 3) optical density to add to the skin's.
        mask: Where the lesion is, as a person would outline it.
        depth_mm: How far below the surface the pigment reaches; 0 outside the lesion.
        colour: Which of the scored colours is the strongest.
    """

    density: Picture
    mask: NDArray[np.bool_]
    depth_mm: Picture
    colour: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Place:
    """Coordinates of each pixel in the lesion, folded; `level` is 1 at its border."""

    u: Picture
    v: Picture
    level: Picture
    angle: Picture
    radius: float


def draw_lesion(rng: np.random.Generator, scores: Scores) -> Drawn:
    """Draw a lesion into an empty picture of 256 x 256 pixels."""
    place = _place(rng, scores.asymmetry)
    cover = _cover(rng, place, scores.sharp)
    weights = _zones(rng, place, scores.colours)
    colours = np.array([_PIGMENT[name][0] for name in scores.colours], dtype=np.float32)
    depths = np.array([_PIGMENT[name][1] for name in scores.colours], dtype=np.float32)
    structure = _structures(rng, place, scores.structures)
    strength = 0.55 + 0.85 * rng.beta(2.0, 2.0)
    density = np.tensordot(weights, colours, 1) * (cover * structure * strength)[..., np.newaxis]
    thick = 1.0 + 2.5 * max(0.0, scores.total - 5.0) * np.clip(1.0 - place.level, 0.0, 1.0)
    mask = _outlined(blur(cover, _PEN) > EDGE)
    depth = np.where(mask, np.tensordot(weights, depths, 1) * thick, 0.0)
    strongest = np.argmax(weights, axis=-1)
    return Drawn(density.astype(np.float32), mask, depth.astype(np.float32), strongest)


def _outlined(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest piece of a mask without holes, as a person draws one line around a lesion."""
    pieces, _ = ndimage.label(mask)
    largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    return np.asarray(ndimage.binary_fill_holes(pieces == largest), dtype=np.bool_)


def _place(rng: np.random.Generator, asymmetry: int) -> _Place:
    rows, columns = mesh(SIZE)
    radius = float(np.exp(rng.uniform(np.log(32.0), np.log(106.0))))
    centre = SIZE / 2 + rng.uniform(-0.3, 0.3, 2) * (SIZE - 2.0 * radius)
    turn, stretch = rng.uniform(0.0, np.pi), rng.uniform(1.0, 1.45)
    dy, dx = rows - centre[0], columns - centre[1]
    u = (dx * np.cos(turn) + dy * np.sin(turn)) / stretch**0.5
    v = (dy * np.cos(turn) - dx * np.sin(turn)) * stretch**0.5
    angle = np.arctan2(-dy, dx)
    u, v = (np.abs(u) if asymmetry == 0 else u), (np.abs(v) if asymmetry < 2 else v)
    level = np.hypot(u, v) / (radius * _outline(rng, u, v, asymmetry, radius))
    return _Place(u, v, level.astype(np.float32), angle, radius)


def _outline(
    rng: np.random.Generator, u: Picture, v: Picture, asymmetry: int, radius: float
) -> Picture:
    """Factor by which the border lies further out than a circle's, (y, x)."""
    around = np.arctan2(v, u)
    factor = np.ones_like(u)
    for number in range(1, 7):
        size = rng.normal(0.0, 0.05 + 0.06 * asymmetry) / number**0.8
        factor += size * np.cos(number * around + rng.uniform(0.0, 2.0 * np.pi))
    wobble = _folded(rng, u, v, 0.3 * radius, 3.2)
    factor = factor + (0.02 + 0.03 * asymmetry) * wobble
    return np.asarray(np.clip(factor, 0.45, 1.5), dtype=np.float32)


def _folded(
    rng: np.random.Generator, u: Picture, v: Picture, length: float, roughness: float = 3.0
) -> Picture:
    """A random field that is as symmetric as the folded coordinates, but for a little."""
    field = cloud(rng, SIZE, length, roughness)
    return sample(field, v + SIZE / 2, u + SIZE / 2) + 0.15 * cloud(rng, SIZE, length, roughness)


def _cover(rng: np.random.Generator, place: _Place, sharp: tuple[bool, ...]) -> Picture:
    """Pigment falls off within a pixel or two in sharp sectors, else over a fifth of the radius."""
    middles = (np.arange(-1, 10) + 0.5) * np.pi / 4
    steep = np.array([sharp[number % 8] for number in range(-1, 10)], dtype=np.float32)
    share = np.interp(place.angle % (2.0 * np.pi), middles, steep)
    gradual = rng.uniform(0.10, 0.22)
    width = gradual + (1.5 / place.radius - gradual) * np.clip(2.0 * share - 0.5, 0.0, 1.0)
    fray = 0.4 * width * _folded(rng, place.u, place.v, 7.0)
    return np.asarray(
        1.0 / (1.0 + np.exp(np.clip((place.level + fray - 1.0) / (0.45 * width), -30, 30))),
        dtype=np.float32,
    )


def _zones(rng: np.random.Generator, place: _Place, colours: tuple[str, ...]) -> Picture:
    """Share (y, x, n) of each colour, adding up to 1."""
    fields = []
    for name in colours:
        field = _folded(rng, place.u, place.v, 0.9 * place.radius, 4.0)
        if name == "light_brown":
            field = field + 1.6 * (place.level - 0.7)
        elif name in _SMALL_PARTS:
            field = field - 0.35 + 0.5 * (0.6 - place.level)
        fields.append(field)
    if len(fields) > 1:
        _raise_the_rare(fields, place.level < 1.0)
    weights = np.exp(3.0 * (np.stack(fields, axis=-1) - np.max(fields, axis=0)[..., np.newaxis]))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True), dtype=np.float32)


def _raise_the_rare(fields: list[Picture], lesion: NDArray[np.bool_]) -> None:
    """Raise the field of a colour that hardly leads anywhere, until it leads in its least share."""
    for _ in range(2):  # again, as what one colour gains another one loses
        for number, field in enumerate(fields):
            others = np.max([one for k, one in enumerate(fields) if k != number], axis=0)
            short = np.quantile((others - field)[lesion], _LEAST_SHARE)
            fields[number] = field + np.float32(max(short, 0.0))


def _structures(rng: np.random.Generator, place: _Place, found: tuple[str, ...]) -> Picture:
    """Factor (y, x) on the pigment: a network, dots and streaks darken, empty areas pale."""
    factor = np.ones_like(place.level)
    inside = np.clip(1.3 - place.level, 0.0, 1.0)
    if "network" in found:
        mesh_size = rng.uniform(7.0, 12.0)
        net = ridges(_folded(rng, place.u, place.v, mesh_size, 6.0), 0.45)
        where = np.clip(0.6 + _folded(rng, place.u, place.v, 0.8 * place.radius), 0.0, 1.0)
        factor += where * rng.uniform(0.5, 0.9) * (net - 0.45)
    if "dots" in found:
        factor += 0.8 * inside * _blobs(rng, place, 4.0, 1.5)
    if "globules" in found:
        factor += 0.7 * inside * _blobs(rng, place, 9.0, 1.25)
    if "structureless" in found:
        plain = blur(_folded(rng, place.u, place.v, 0.6 * place.radius) > 0.7, 3.0)
        factor = factor + plain * (0.8 - factor)
    if "streaks" in found:
        factor += _streaks(rng, place)
    return np.asarray(np.clip(factor, 0.15, 2.2), dtype=np.float32)


def _blobs(rng: np.random.Generator, place: _Place, length: float, above: float) -> Picture:
    field = _folded(rng, place.u, place.v, length, 5.0)
    return np.asarray(1.0 / (1.0 + np.exp(-8.0 * (field - above))), dtype=np.float32)


def _streaks(rng: np.random.Generator, place: _Place) -> Picture:
    """Radial strands at the border."""
    around = np.arctan2(place.v, place.u)
    strands = np.zeros_like(around)
    for number in rng.integers(14, 30, 3).tolist():
        strands += np.cos(number * around + rng.uniform(0.0, 2.0 * np.pi))
    rim = np.exp(-(((place.level - 0.9) / 0.14) ** 2))
    return np.asarray(0.9 * rim * np.clip(strands - 0.4, 0.0, 1.5), dtype=np.float32)
