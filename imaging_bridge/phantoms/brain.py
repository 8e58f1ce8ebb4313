"""A phantom head with a glioma, as MR images of four sequences.

Sampling is apart from applying: `draw_brain` draws a small record, `build` paints it. Surfaces are
analytic (`brain_anatomy`), tissues are blended by the share of each voxel they take, signals follow
from relaxation times and the drawn protocol (`tissue_mr`), and a drawn scanner measures the result
(`scanner`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms import brain_anatomy as anatomy
from halsted.imaging_bridge.phantoms.brain_anatomy import Head, draw_head, noise_at
from halsted.imaging_bridge.phantoms.brain_canvas import Field, MrCanvas, Space
from halsted.imaging_bridge.phantoms.brain_tumour import (
    Glioma,
    displace,
    draw_glioma,
    paint_glioma,
    tumour_distance,
)
from halsted.imaging_bridge.phantoms.chance import chance
from halsted.imaging_bridge.phantoms.grids import grid_affine
from halsted.imaging_bridge.phantoms.scanner import (
    MrScanner,
    draw_mr_scanner,
    mr_image,
    reslice_labels,
)
from halsted.imaging_bridge.phantoms.shapes import Offset
from halsted.imaging_bridge.phantoms.tissue_mr import (
    Protocol,
    Relaxation,
    draw_protocol,
    draw_tissues,
    signals,
)
from halsted.imaging_bridge.phantoms.waves import draw_waves
from halsted.imaging_bridge.volume import Volume

SEQUENCES = ("t1c", "t1", "t2", "flair")
STRUCTURES = (
    *("scalp", "skull", "csf", "grey_matter", "white_matter", "ventricle", "vessel"),
    *("eloquent_cortex", "tumour_core", "tumour_enhancing", "oedema"),
)
VALUES = {name: value for value, name in enumerate(STRUCTURES, start=1)}

_MARGIN_MM = 6.0
_BOTTOM_MM = -84.0
_DIPLOE_MM = 1.8  # thickness of each table of the skull


@dataclass(frozen=True)
class Brain:
    """All that was drawn for one head; `build` replays it.

    Attributes:
        head: The healthy head.
        glioma: Its tumour.
        tissues: Relaxation by tissue.
        protocol: Times of the sequences.
        scanner: What measures it.
        warp_mm: Root mean square, per axis, of the smooth deformation of everything, mm.
        leukoaraiosis: Share of oedema-like change beside the ventricles, as in the old.
        spacing_mm: Of the voxels in the slice.
        seed: Seed of the folds, vessels, textures and noise.
    """

    head: Head
    glioma: Glioma
    tissues: Mapping[str, Relaxation]
    protocol: Protocol
    scanner: MrScanner
    warp_mm: float
    leukoaraiosis: float
    spacing_mm: float
    seed: int

    def rng(self, purpose: str) -> np.random.Generator:
        """The same generator of details for the same seed and purpose."""
        return chance(self.seed, purpose)


def brain(seed: int) -> Patient:
    """The head of a seed; the same voxels, bit for bit, on one machine.

    Images ``t1c``, ``t1``, ``t2`` and ``flair`` lie on one grid, whose plane, orientation, slice
    thickness and tilt are drawn. Every head has a tumour core and oedema; one of four tumours
    does not enhance. The labels name every structure, also one without a voxel.

    Args:
        seed: Not negative.

    Raises:
        HalstedError: the seed is negative.
    """
    return build(draw_brain(seed))


def draw_brain(seed: int) -> Brain:
    """The record of a seed."""
    rng = chance(seed, "brain")
    head = draw_head(rng)
    return Brain(
        head=head,
        glioma=draw_glioma(rng, head),
        tissues=draw_tissues(rng),
        protocol=draw_protocol(rng),
        scanner=draw_mr_scanner(rng),
        warp_mm=rng.uniform(0.8, 1.8),
        leukoaraiosis=max(0.0, rng.uniform(-0.4, 0.7)),
        spacing_mm=rng.uniform(1.6, 2.0),
        seed=seed,
    )


def build(drawn: Brain) -> Patient:
    """Paint a drawn head and scan it."""
    return scan(drawn, *perfect(drawn))


def scan(drawn: Brain, images: Mapping[str, Volume], labels: LabelMap) -> Patient:
    """What the drawn scanner makes of a painted head."""
    seen = {}
    for name in SEQUENCES:
        level = float(images[name].voxels[labels.voxels > 0].mean())
        seen[name] = mr_image(images[name], level, drawn.scanner, drawn.rng(f"noise {name}"))
    sliced = reslice_labels(labels, drawn.scanner.prescription)
    return Patient(
        images=seen,
        labels=LabelMap(sliced.voxels, sliced.affine, VALUES, sliced.provenance),
        kind="phantom",
        facts={
            "phantom": "brain",
            "seed": str(drawn.seed),
            "tumour": "enhancing glioma" if drawn.glioma.rim_mm > 0.0 else "non-enhancing glioma",
        },
    )


def perfect(drawn: Brain) -> tuple[dict[str, Volume], LabelMap]:
    """The images and labels of a drawn head before any scanner."""
    axes, affine = _grid(drawn.head, drawn.spacing_mm)
    space = Space(axes, drawn.spacing_mm, draw_waves(drawn.rng("waves"), drawn.warp_mm))
    canvas = MrCanvas(space.shape, signals(drawn.tissues, drawn.protocol), VALUES)
    _paint_shell(drawn, canvas, space)
    hull_depth = -space.gentle(anatomy.cerebrum(drawn.head))
    distance = tumour_distance(drawn.rng("tumour"), drawn.glioma, space)
    displace(space, drawn.glioma, hull_depth)
    room, white = _paint_brain(drawn, canvas, space, hull_depth)
    paint_glioma(drawn.rng("oedema"), canvas, space, drawn.glioma, distance, white, room)
    _paint_vessels(drawn, canvas, space)
    texture = 1.0 + 0.025 * noise_at(drawn.rng("texture"), 4.0, space.at)
    images = {
        name: Volume(np.asarray(image * texture, dtype=np.float32), affine, "MR")
        for name, image in canvas.images.items()
    }
    return images, LabelMap(canvas.labels, affine, VALUES, "generated")


def _paint_shell(drawn: Brain, canvas: MrCanvas, space: Space) -> None:
    """Scalp, face, neck, skull and the fluid inside."""
    head = drawn.head
    cavity = space.gentle(Offset(anatomy.cavity(head), head.csf_mm))
    skull = cavity - np.float32(head.skull_mm)
    rng = drawn.rng("muscle")
    scalp = np.float32(head.scalp_mm) * (1.0 + 0.12 * noise_at(rng, 30.0, space.at))
    streaks = noise_at(rng, 7.0, space.at)
    skin = np.minimum(skull - scalp, space.gentle(anatomy.face_and_neck(head)))
    canvas.paint(space.cover(skin), "muscle", "scalp")
    canvas.paint(space.cover(skin + 1.8) * space.cover(-skin - 6.5 - 2.0 * streaks), "fat", None)
    canvas.paint(space.cover(skin + 9.0) * np.clip(streaks - 0.6, 0.0, 0.9), "fat", None)
    canvas.paint(space.cover(space.near(anatomy.airways(head)).clip(-9, 9)), None, None)
    canvas.paint(space.cover(skull), "bone", "skull")
    middle = np.abs(cavity - np.float32(0.5 * head.skull_mm))
    canvas.paint(space.cover(middle - (0.5 * head.skull_mm - _DIPLOE_MM)), "marrow", None)
    canvas.paint(space.cover(cavity), "csf", "csf")


def _paint_brain(
    drawn: Brain, canvas: MrCanvas, space: Space, hull_depth: Field
) -> tuple[Field, Field]:
    """Grey and white matter and ventricles.

    Returns:
        Shares of each voxel that a tumour may fill, sulci included, and that are white matter.
    """
    head = drawn.head
    rng = drawn.rng("folds")
    sheets = anatomy.sulcal_pattern(rng, head, space.at, space.spacing_mm)
    floor = head.sulcus_depth_mm * np.clip(1.0 + 0.3 * noise_at(rng, 15.0, space.at), 0.3, 1.6)
    pial = anatomy.pial_depth(head, space.at, hull_depth, sheets, floor)
    small = space.gentle(anatomy.cerebellum(head))
    folia = noise_at(rng, 3.2, space.at)
    stem = space.near(anatomy.brainstem(head))
    hind = np.minimum(small, stem)
    fluid = space.cover(-space.near(anatomy.ventricles(head)))
    room = space.cover(1.0 - hull_depth) * fluid
    deep = space.cover(-(pial - np.float32(head.cortex_mm)))
    deep = np.maximum(deep, space.cover(small + 7.0 + 2.5 * folia))
    deep = np.maximum(deep, space.cover(stem))
    joined = space.gentle(anatomy.callosum(head))
    deep = np.maximum(deep, space.cover(np.maximum(joined, 5.0 - hull_depth)))
    white = deep * space.cover(-space.near(anatomy.deep_grey_matter(head))) * fluid
    canvas.paint(space.cover(-pial), "grey_matter", "grey_matter")
    canvas.paint(space.cover(hind), "grey_matter", "grey_matter")
    canvas.paint(space.cover(small) * np.clip(0.6 * folia - 0.5, 0.0, 0.5), "csf", None)
    canvas.paint(white, "white_matter", "white_matter")
    eloquent = anatomy.motor_strip(head, space.at) & canvas.mask("grey_matter")
    canvas.labels[eloquent & (hull_depth < head.sulcus_depth_mm)] = VALUES["eloquent_cortex"]
    canvas.paint(1.0 - fluid, "csf", "ventricle")
    _paint_leukoaraiosis(drawn, canvas, space, white)
    return room, white


def _paint_leukoaraiosis(drawn: Brain, canvas: MrCanvas, space: Space, white: Field) -> None:
    """Caps of change around the ventricles that are not oedema."""
    beside = space.near(anatomy.ventricles(drawn.head))
    caps = np.exp(-np.square(np.clip(beside, 0.0, 30.0) / 4.0)) * drawn.leukoaraiosis
    canvas.paint(np.asarray(caps * white, dtype=np.float32), "oedema", None)


def _paint_vessels(drawn: Brain, canvas: MrCanvas, space: Space) -> None:
    tumour = canvas.mask("tumour_core", "tumour_enhancing")
    for vessel in anatomy.vessels(drawn.head, drawn.rng("vessels")):
        cover = space.cover(space.near(vessel))
        cover[tumour] = 0.0
        canvas.paint(cover, "blood", "vessel")


def _grid(
    head: Head, spacing: float
) -> tuple[tuple[NDArray[np.float64], ...], NDArray[np.float64]]:
    """Coordinates x, y and z of the voxel centres, mm, and the affine from (z, y, x)."""
    shell = head.csf_mm + head.skull_mm + head.scalp_mm
    (left, front, _), (right, back, top) = Offset(anatomy.cerebrum(head), shell).bounds
    spans = (
        (left - _MARGIN_MM, right + _MARGIN_MM),
        (front - _MARGIN_MM, back + _MARGIN_MM),
        (_BOTTOM_MM * head.scale[2], top + _MARGIN_MM),
    )
    axes = tuple(
        np.arange(math.floor(low / spacing), math.ceil(high / spacing) + 1, dtype=np.float64)
        * spacing
        for low, high in spans
    )
    return axes, grid_affine(axes, spacing)
