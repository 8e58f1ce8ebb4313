"""Nuclei of four kinds of cell: their size, outline and chromatin.

Small lymphocytes measure 6 to 8 µm with a nucleus that fills them, and the nucleus of a neutrophil
has two to five lobes joined by thin strands (Mescher AL, Junqueira's Basic Histology: Text and
Atlas, the chapter on blood). The other numbers are typical of paraffin sections.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.phantoms.textures import Picture, cloud


@dataclass(frozen=True)
class Kind:
    """How the nuclei of one kind of cell look.

    Attributes:
        diameter_um: Least and greatest, of a circle around the mean outline; of a neutrophil, of
            one lobe.
        oval: Least and greatest ratio of the short axis to the long one.
        density: Least and greatest haematoxylin optical density.
        clumps: Share by which chromatin clumps change the density.
        clump_um: Size of the clumps.
        rim: Share by which the density at the nuclear membrane is above that inside.
    """

    diameter_um: tuple[float, float]
    oval: tuple[float, float]
    density: tuple[float, float]
    clumps: float
    clump_um: float
    rim: float


KINDS: dict[str, Kind] = {
    "epithelial": Kind((7.5, 12.0), (0.6, 0.95), (0.35, 1.05), 0.25, 1.4, 0.45),
    "lymphocyte": Kind((5.5, 8.0), (0.85, 1.0), (1.10, 1.70), 0.20, 1.6, 0.05),
    "neutrophil": Kind((2.6, 3.8), (0.75, 1.0), (1.20, 1.80), 0.08, 1.0, 0.0),
    "macrophage": Kind((7.0, 11.0), (0.55, 0.85), (0.32, 0.75), 0.18, 1.0, 0.35),
}


@dataclass(frozen=True, eq=False)
class Nucleus:
    """A nucleus on its own small square of pixels; arrays (side, side), side odd.

    Attributes:
        kind: Of cell.
        mask: Where it is.
        density: Haematoxylin optical density, soft at the edge.
    """

    kind: str
    mask: NDArray[np.bool_]
    density: Picture


def draw_nucleus(rng: np.random.Generator, kind: str, um_a_pixel: float) -> Nucleus:
    """Draw a nucleus that lies any way round."""
    look = KINDS[kind]
    radius = 0.5 * rng.uniform(*look.diameter_um) / um_a_pixel
    oval, turn = rng.uniform(*look.oval), rng.uniform(0.0, 2.0 * np.pi)
    half = int(np.ceil(radius * (4.2 if kind == "neutrophil" else 1.7))) + 2
    offset = np.arange(-half, half + 1, dtype=np.float32)
    across = offset * np.cos(turn) + offset[:, np.newaxis] * np.sin(turn)
    down = offset[:, np.newaxis] * np.cos(turn) - offset * np.sin(turn)
    if kind == "neutrophil":
        inside = _lobes(rng, across, down, radius)
    else:
        inside = _oval(rng, across, down, radius, oval)
    if kind == "macrophage":  # bean-shaped
        notch = np.hypot(across - 0.1 * radius, down - radius * (1.15 * oval**0.5)) - 0.55 * radius
        inside = np.minimum(inside, notch)
    return Nucleus(kind, inside > 0.0, _density(rng, look, inside, radius, um_a_pixel))


def _oval(
    rng: np.random.Generator, across: Picture, down: Picture, radius: float, oval: float
) -> Picture:
    """Pixels that each pixel lies inside a slightly irregular ellipse."""
    u, v = across * oval**0.5, down / oval**0.5
    around = np.arctan2(v, u)
    border = np.full_like(u, radius)
    for number in (2, 3, 4, 5):
        size = radius * rng.normal(0.0, 0.055) / (number - 1) ** 0.5
        border += size * np.cos(number * around + rng.uniform(0.0, 2.0 * np.pi))
    return np.asarray(border - np.hypot(u, v), dtype=np.float32)


def _lobes(rng: np.random.Generator, across: Picture, down: Picture, radius: float) -> Picture:
    """Pixels that each pixel lies inside one of the lobes on an arc, or a strand between them."""
    count = int(rng.integers(2, 6))
    step, bend = 1.75 * radius, rng.uniform(0.5, 1.3)
    way = np.cumsum(np.full(count - 1, bend)) - bend * count / 2
    x = np.concatenate([[0.0], np.cumsum(step * np.cos(way))])
    y = np.concatenate([[0.0], np.cumsum(step * np.sin(way))])
    x, y = x - x.mean(), y - y.mean()
    inside = np.full_like(across, -1e3)
    for number in range(count):
        size = radius * rng.uniform(0.85, 1.15)
        inside = np.maximum(inside, size - np.hypot(across - x[number], down - y[number]))
        if number:
            middle = (x[number] + x[number - 1]) / 2, (y[number] + y[number - 1]) / 2
            strand = 0.55 * radius - np.hypot(across - middle[0], down - middle[1])
            inside = np.maximum(inside, strand)
    return np.asarray(inside, dtype=np.float32)


def _density(
    rng: np.random.Generator, look: Kind, inside: Picture, radius: float, um_a_pixel: float
) -> Picture:
    side = len(inside)
    clumps = cloud(rng, side, look.clump_um / um_a_pixel, 4.0)
    rim = np.exp(-np.maximum(inside, 0.0) / max(0.35 / um_a_pixel, 1.0))
    factor = 1.0 + look.clumps * clumps + look.rim * (rim - 0.3)
    if look.rim > 0.4 and rng.random() < 0.7:  # a nucleolus
        y, x = rng.normal(side / 2, 0.3 * radius, 2)
        rows, columns = np.mgrid[:side, :side]
        factor += 0.9 * np.exp(-((np.hypot(rows - y, columns - x) * um_a_pixel / 0.7) ** 2))
    edge = np.clip(inside + 0.5, 0.0, 1.0)
    return np.asarray(rng.uniform(*look.density) * edge * np.clip(factor, 0.3, 2.0), np.float32)
