"""Glands, tubules and air spaces of several organs, and where their cells lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.phantoms.textures import Picture, blur, cloud, mesh, sample

SIZE = 256


@dataclass(frozen=True)
class Organ:
    """How an organ is built; µm, typical values.

    Attributes:
        pitch_um: Between neighbouring glands, tubules or air spaces.
        outer_um: Radius of one with its lining cells.
        lumen_um: Radius of its hollow.
        cytoplasm: Eosin optical density of the lining cells.
        stroma: Eosin optical density of what lies between.
        fibres: Share by which fibres change it.
        wandering: Share of lymphocytes, neutrophils and macrophages among wandering cells.
        in_lumen: Whether wandering cells lie in the hollows too.
    """

    pitch_um: float
    outer_um: float
    lumen_um: float
    cytoplasm: float
    stroma: float
    fibres: float
    wandering: tuple[float, float, float]
    in_lumen: bool = False


ORGANS: dict[str, Organ] = {
    "lung": Organ(75.0, 39.0, 32.0, 0.35, 0.45, 0.3, (0.4, 0.25, 0.35), in_lumen=True),
    "prostate": Organ(95.0, 40.0, 24.0, 0.30, 0.60, 0.45, (0.7, 0.15, 0.15)),
    "kidney": Organ(50.0, 24.0, 8.0, 0.65, 0.30, 0.15, (0.6, 0.2, 0.2)),
    "breast": Organ(60.0, 20.0, 4.0, 0.35, 0.55, 0.6, (0.65, 0.15, 0.2)),
}
WANDERERS = ("lymphocyte", "neutrophil", "macrophage")


@dataclass(frozen=True, eq=False)
class Tissue:
    """A field of an organ.

    Attributes:
        eosin: (y, x) optical density without cells' nuclei.
        hollow: (y, x) 1 where there is no tissue.
        lining: (n, 2) row and column, pixels, where nuclei of lining cells belong.
    """

    eosin: Picture
    hollow: Picture
    lining: NDArray[np.float64]


def draw_tissue(rng: np.random.Generator, organ: Organ, um_a_pixel: float) -> Tissue:
    """Draw a field of 256 x 256 pixels."""
    rows, columns = mesh(SIZE)
    bend = 7.0 / um_a_pixel
    y = rows + bend * cloud(rng, SIZE, 120.0, 4.0)
    x = columns + bend * cloud(rng, SIZE, 120.0, 4.0)
    centres = _centres(rng, organ.pitch_um / um_a_pixel)
    radii = rng.uniform(0.8, 1.1, len(centres))
    apart = np.stack(
        [np.hypot(y - c[0], x - c[1]) / r for c, r in zip(centres, radii, strict=True)]
    ).min(axis=0)
    apart *= um_a_pixel
    soft = 1.2 * um_a_pixel
    hollow = _above(organ.lumen_um - apart, soft)
    lined = _above(organ.outer_um - apart, soft) * (1.0 - hollow)
    eosin = organ.cytoplasm * lined * (1.0 + 0.25 * cloud(rng, SIZE, 2.0 / um_a_pixel))
    eosin += (1.0 - lined) * (1.0 - hollow) * organ.stroma * _fibres(rng, organ, um_a_pixel)
    seats = _seats(rng, organ, centres, radii, um_a_pixel)
    # The seats lie on undistorted glands; move each to where the bent gland is.
    at = np.clip(np.rint(seats), 0, SIZE - 1).astype(int)
    moved = seats - np.stack([(y - rows)[at[:, 0], at[:, 1]], (x - columns)[at[:, 0], at[:, 1]]], 1)
    return Tissue(np.clip(eosin, 0.0, None).astype(np.float32), hollow, moved)


def _centres(rng: np.random.Generator, pitch: float) -> NDArray[np.float64]:
    """(n, 2) a hexagonal lattice, shifted and shaken."""
    count = int(np.ceil(SIZE / pitch)) + 3
    row, column = np.meshgrid(np.arange(count), np.arange(count), indexing="ij")
    points = np.stack([row * 0.87, column + 0.5 * (row % 2)], axis=-1).reshape(-1, 2) - 1.0
    points += rng.normal(0.0, 0.07, points.shape) - rng.uniform(0.0, 1.0, 2)
    return np.asarray(points * pitch, dtype=np.float64)


def _seats(
    rng: np.random.Generator,
    organ: Organ,
    centres: NDArray[np.float64],
    radii: NDArray[np.float64],
    um_a_pixel: float,
) -> NDArray[np.float64]:
    """(n, 2) places of nuclei around each hollow, one beside the other, at times in two layers."""
    room = organ.outer_um - organ.lumen_um
    seats = []
    for layer in range(1 + (room > 14.0)):
        ring = organ.outer_um - min(5.5, room / 2) - 9.5 * layer
        for centre, scale in zip(centres, radii, strict=True):
            count = max(int(2.0 * np.pi * ring * scale / rng.uniform(10.0, 15.0)), 1)
            angle = (np.arange(count) + rng.uniform(-0.25, 0.25, count)) * (2.0 * np.pi / count)
            far = (ring + rng.normal(0.0, 0.8, count)) * scale / um_a_pixel
            seats.append(centre + far[:, np.newaxis] * np.stack([np.sin(angle), np.cos(angle)], 1))
    found = np.concatenate(seats)
    near = ((found > -20.0) & (found < SIZE + 20.0)).all(axis=1)
    return np.asarray(found[near])


def _fibres(rng: np.random.Generator, organ: Organ, um_a_pixel: float) -> Picture:
    """Wavy bundles that run one way, and clefts between them, about 1."""
    rows, columns = mesh(SIZE)
    way = rng.uniform(0.0, np.pi)
    wave = 4.0 / um_a_pixel * cloud(rng, SIZE, 100.0, 4.0)
    along = columns * np.cos(way) + rows * np.sin(way) + wave
    across = rows * np.cos(way) - columns * np.sin(way) + wave
    strands = sample(cloud(rng, SIZE, 2.5 / um_a_pixel, 3.0), across, along * 0.15)
    return np.asarray(np.clip(1.0 + organ.fibres * strands, 0.05, 2.0), dtype=np.float32)


def _above(values: Picture, width: float) -> Picture:
    """0 below zero, 1 above, over `width`."""
    return blur(np.clip(values / width + 0.5, 0.0, 1.0), 0.5)
