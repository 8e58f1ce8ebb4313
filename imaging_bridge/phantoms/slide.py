"""A phantom of a tissue section under the microscope: nuclei of four kinds of cell.

In haematoxylin and eosin light is absorbed after Beer and Lambert, by the optical densities of the
two stains that Ruifrok AC and Johnston DA give: Quantification of histochemical staining by color
deconvolution, Anal Quant Cytol Histol 2001; 23:291-299. In fluorescence nuclei shine on a dark
ground, as of cultured cells whose DNA is stained.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import HalstedError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.chance import chance
from halsted.imaging_bridge.phantoms.nuclei import Nucleus, draw_nucleus
from halsted.imaging_bridge.phantoms.slide_tissue import (
    ORGANS,
    SIZE,
    WANDERERS,
    Organ,
    draw_tissue,
)
from halsted.imaging_bridge.phantoms.textures import (
    Picture,
    as_bytes,
    as_volumes,
    blur,
    cloud,
    picture_affine,
)

Stain = Literal["he", "fluorescence"]

# Shares of red, green and blue in the optical density of each stain (Ruifrok and Johnston 2001).
HAEMATOXYLIN = (0.65, 0.70, 0.29)
EOSIN = (0.07, 0.99, 0.11)
UM_A_PIXEL = {"40x": 0.25, "20x": 0.5}
_MOST_COVERED = 0.18  # of a nucleus by its neighbours
_LEAST_PIXELS = 25


@dataclass(eq=False)
class _Field:
    """What is in the picture so far; arrays (y, x)."""

    instances: NDArray[np.uint16] = field(
        default_factory=lambda: np.zeros((SIZE, SIZE), dtype=np.uint16)
    )
    density: Picture = field(default_factory=lambda: np.zeros((SIZE, SIZE), dtype=np.float32))
    kinds: list[str] = field(default_factory=list)

    def add(self, nucleus: Nucleus, row: int, column: int, gain: float) -> bool:
        """Lay a nucleus under those there; False where they would cover too much of it."""
        half = len(nucleus.mask) // 2
        rows = slice(max(row - half, 0), max(row + half + 1, 0))
        columns = slice(max(column - half, 0), max(column + half + 1, 0))
        there = self.instances[rows, columns]
        top, left = rows.start - (row - half), columns.start - (column - half)
        cut = slice(top, top + there.shape[0]), slice(left, left + there.shape[1])
        mask = nucleus.mask[cut]
        free = mask & (there == 0)
        whole = free.sum() == nucleus.mask.sum()
        seen = free if whole else _middle_piece(free, mask)
        if seen.sum() < max(_LEAST_PIXELS, (1.0 - _MOST_COVERED) * mask.sum()):
            return False
        self.kinds.append(nucleus.kind)
        there[seen] = len(self.kinds)
        self.density[rows, columns] += gain * nucleus.density[cut] * (seen | (there > 0) | ~mask)
        return True


def slide(seed: int, stain: Stain = "he") -> Patient:
    """A field of view of 256 x 256 pixels of a seed.

    It is scanned at 40x (0.25 µm a pixel) or 20x (0.5 µm); nuclei touch and overlap slightly.

    Args:
        seed: Not negative.
        stain: ``he``, or ``fluorescence``, whose red, green and blue are equal.

    Returns:
        ``red``, ``green``, ``blue`` (uint8) of shape (1, y, x); labels (uint16): each nucleus by
        its kind and value, such as ``lymphocyte_2``; facts: organ, stain, magnification.

    Raises:
        HalstedError: the seed is negative, or there is no such stain.
    """
    if stain not in ("he", "fluorescence"):
        raise HalstedError(f"a slide cannot be stained by {stain!r}; choose 'he' or 'fluorescence'")
    rng = chance(seed, f"slide {stain}")
    magnification = str(rng.choice(list(UM_A_PIXEL)))
    spacing_um = UM_A_PIXEL[magnification]
    organ = str(rng.choice(list(ORGANS))) if stain == "he" else "culture"
    if stain == "he":
        nuclei, picture = _section(rng, ORGANS[organ], spacing_um)
    else:
        nuclei, picture = _culture(rng, spacing_um)
    names = {f"{kind}_{value}": value for value, kind in enumerate(nuclei.kinds, start=1)}
    affine = picture_affine(spacing_um / 1000.0)
    facts = {"organ": organ, "stain": stain, "magnification": magnification}
    return Patient(
        as_volumes(as_bytes(picture), "SM", spacing_um / 1000.0),
        LabelMap(nuclei.instances[np.newaxis], affine, names, "generated"),
        kind="phantom",
        facts={"phantom": "slide", "seed": str(seed), **facts},
    )


def _section(rng: np.random.Generator, organ: Organ, spacing_um: float) -> tuple[_Field, Picture]:
    """Nuclei in a tissue, stained by haematoxylin and eosin."""
    tissue = draw_tissue(rng, organ, spacing_um)
    nuclei, gain = _Field(), rng.uniform(0.75, 1.35)
    for row, column in np.rint(tissue.lining).astype(int).tolist():
        if rng.random() < 0.93:
            nuclei.add(draw_nucleus(rng, "epithelial", spacing_um), row, column, gain)
    area_um2 = (SIZE * spacing_um) ** 2
    for _ in range(int(area_um2 * rng.choice((0.001, 0.003, 0.006)))):
        row, column = rng.integers(0, SIZE, 2).tolist()
        if organ.in_lumen or tissue.hollow[row, column] < 0.5:
            kind = str(rng.choice(WANDERERS, p=organ.wandering))
            nuclei.add(draw_nucleus(rng, kind, spacing_um), row, column, gain)
    around = blur((nuclei.instances > 0).astype(np.float32), 1.8 / spacing_um)
    eosin = tissue.eosin + 0.25 * around * tissue.hollow  # cells that lie free have cytoplasm
    eosin = eosin * rng.choice((0.2, 0.5, 0.8, 1.1)) * (1.0 - 0.5 * (nuclei.instances > 0))
    eosin = eosin + rng.uniform(0.0, 0.5) * nuclei.density  # nuclear protein: blue turns purple
    return nuclei, _through_light(rng, nuclei.density, eosin)


def _through_light(rng: np.random.Generator, haematoxylin: Picture, eosin: Picture) -> Picture:
    """The picture, 0 to 1, of two stains' optical densities, as a scanner sees it."""
    patches = np.clip(1.0 + 0.6 * cloud(rng, SIZE, 25.0), 0.0, None)
    haze = rng.uniform(0.0, 0.3) * patches * (eosin > 0.02)  # ribosomes and mucus take it too
    amounts = np.stack([haematoxylin + haze, eosin], axis=-1) + _debris(rng)[..., np.newaxis]
    stains = np.array((HAEMATOXYLIN, EOSIN)) + rng.normal(0.0, 0.04, (2, 3))
    stains = np.clip(stains, 0.0, 1.0)
    stains /= np.linalg.norm(stains, axis=1, keepdims=True)
    amounts = blur(amounts, _focus(rng)) * (1.0 + 0.05 * cloud(rng, SIZE, 150.0))[..., np.newaxis]
    white = rng.uniform(0.86, 0.99) * rng.normal(1.0, 0.015, 3)
    picture = white * np.exp(-np.clip(amounts, 0.0, None) @ stains)
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * rng.uniform(0.004, 0.02)
    return np.asarray(picture + noise, dtype=np.float32)


def _focus(rng: np.random.Generator) -> float:
    """Blur, pixels; one picture in six is out of focus."""
    return float(rng.uniform(1.8, 2.8) if rng.random() < 1 / 6 else rng.uniform(0.5, 1.2))


def _debris(rng: np.random.Generator) -> Picture:
    """Optical density of dust and pigment, in some pictures."""
    if rng.random() < 0.6:
        return np.zeros((SIZE, SIZE), dtype=np.float32)
    specks = cloud(rng, SIZE, rng.uniform(2.0, 5.0), 4.0) - rng.uniform(2.6, 3.4)
    return np.asarray(np.clip(2.0 * specks, 0.0, 1.0), dtype=np.float32)


def _culture(rng: np.random.Generator, spacing_um: float) -> tuple[_Field, Picture]:
    """Shining nuclei of cells that lie anywhere, or in clusters, on a dark ground."""
    nuclei = _Field()
    crowd = cloud(rng, SIZE, 90.0, 4.0)
    wanted = rng.uniform(0.2, 1.2)
    for _ in range(int(rng.integers(10, 90) * (spacing_um / 0.25) ** 0.7)):
        row, column = rng.integers(-4, SIZE + 4, 2).tolist()
        if crowd[min(max(row, 0), SIZE - 1), min(max(column, 0), SIZE - 1)] < wanted - 1.5:
            continue
        kind = "epithelial" if rng.random() < 0.8 else str(rng.choice(WANDERERS))
        gain = float(rng.lognormal(0.0, 0.3))
        nuclei.add(draw_nucleus(rng, kind, spacing_um), row, column, gain)
    shine = 0.85 * blur(nuclei.density, _focus(rng)) + 0.15 * blur(nuclei.density, 9.0)
    exposure, ground = np.exp(rng.uniform(np.log(0.12), np.log(0.75))), rng.uniform(0.005, 0.09)
    grey = exposure * shine + ground * (1.0 + 0.15 * cloud(rng, SIZE, 120.0))
    grey = grey + rng.standard_normal(grey.shape, dtype=np.float32) * rng.uniform(0.002, 0.02)
    return nuclei, np.repeat(grey[..., np.newaxis], 3, axis=2)


def _middle_piece(mask: NDArray[np.bool_], whole: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of the pieces of a mask whose pixels share sides, the one next to the middle of `whole`."""
    if not mask.any():
        return mask
    middle = np.argwhere(whole).mean(axis=0)
    pixels = np.argwhere(mask)
    start = pixels[np.argmin(((pixels - middle) ** 2).sum(axis=1))]
    piece = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), dtype=np.bool_)
    piece[start[0] + 1, start[1] + 1] = True
    inner, count = piece[1:-1, 1:-1], 0
    while count != (count := int(inner.sum())):
        spread = piece[:-2, 1:-1] | piece[2:, 1:-1] | piece[1:-1, :-2] | piece[1:-1, 2:]
        inner |= spread & mask
    return inner.copy()
