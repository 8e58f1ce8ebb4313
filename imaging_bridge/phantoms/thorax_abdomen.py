"""A phantom patient from chest to kidneys, for needle biopsies of liver and lung.

Sampling is apart from applying: `sample_anatomy` draws a small record, `build` paints it. The
anatomy is made of analytic solids that are laid out in a reference torso, scaled to the body,
bent by one smooth deformation, and painted one over the other with the partial volume of a CT.

The patient lies on the back, the arms raised and out of the picture, imaged in the portal venous
phase. Structures are named as TotalSegmentator names them; what has no name of its own inside the
skin is ``body``. The domes, ribs and organs have the proportions of textbooks, not of a person.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import chain
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import HalstedError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.abdomen import abdomen_parts, liver
from halsted.imaging_bridge.phantoms.anatomy import (
    BOTTOM,
    ORGANS,
    TOP,
    Body,
    Cage,
    Frame,
    Lesion,
    Placement,
    ThoraxAbdomen,
    Torso,
)
from halsted.imaging_bridge.phantoms.canvas import Canvas, Part
from halsted.imaging_bridge.phantoms.chance import check_seed
from halsted.imaging_bridge.phantoms.chest import (
    LUNGS,
    great_vessel_parts,
    lung_parts,
    mediastinum_parts,
)
from halsted.imaging_bridge.phantoms.grids import blurred_noise, grid_affine
from halsted.imaging_bridge.phantoms.lesion import LUMPINESS, lump, place
from halsted.imaging_bridge.phantoms.shapes import Bounds, Point, as_point
from halsted.imaging_bridge.phantoms.tissue import hu
from halsted.imaging_bridge.phantoms.trunk import skeleton_parts, wall_parts
from halsted.imaging_bridge.phantoms.waves import Waves, draw_waves
from halsted.imaging_bridge.volume import Volume

LesionOrgan = Literal["liver", "lung"]

NOISE_HU = 12.0
_AIR_MARGIN_MM = 16.0
_HOSTS: dict[str, tuple[str, ...]] = {"liver": ("liver",), "lung": LUNGS}

# Fixed for all phantoms, so that a value means the same structure in each.
STRUCTURES = (
    *("body", "lesion", "liver", "lung_right", "lung_left", "lung_vessel", "heart", "aorta"),
    *("pulmonary_artery", "superior_vena_cava", "inferior_vena_cava", "hepatic_vein"),
    *("portal_vein_and_splenic_vein", "trachea", "esophagus", "stomach", "spleen", "pancreas"),
    *("gallbladder", "kidney_right", "kidney_left", "colon", "small_bowel", "spinal_cord"),
    *("sternum", "costal_cartilages", "scapula_right", "scapula_left"),
    *(f"vertebrae_T{level}" for level in range(2, 13)),
    *(f"vertebrae_L{level}" for level in range(1, 5)),
    *(f"rib_{side}_{number}" for side in ("right", "left") for number in range(2, 13)),
)
VALUES = {name: value for value, name in enumerate(STRUCTURES, start=1)}


def phantom(seed: int, lesion_organ: str = "liver", spacing_mm: float = 2.5) -> Patient:
    """The phantom of a seed; the same voxels, bit for bit, for the same arguments on one machine.

    Phantoms of one seed with different lesion organs are the same person.

    Args:
        seed: Not negative.
        lesion_organ: ``liver`` or ``lung``.
        spacing_mm: Of the cubic voxels.

    Raises:
        HalstedError: an argument is out of range.
    """
    check_seed(seed)
    anatomy = sample_anatomy(np.random.default_rng(seed), lesion_organ)
    return build(replace(anatomy, seed=int(seed)), spacing_mm)


def sample_anatomy(rng: np.random.Generator, lesion_organ: str) -> ThoraxAbdomen:
    """Draw a person and a lesion.

    Args:
        rng: The only source of chance.
        lesion_organ: ``liver`` or ``lung``.

    Raises:
        HalstedError: no lesion can be in that organ.
        StructureError: no place for the lesion was found.
    """
    _check_organ(lesion_organ)
    body = draw_body(rng)
    return ThoraxAbdomen(body, _draw_lesion(rng, body, lesion_organ))


def build(anatomy: ThoraxAbdomen, spacing_mm: float = 2.5) -> Patient:
    """Paint a drawn anatomy as a CT (HU, float32, whole numbers) with labels.

    The grid is axis-aligned in LPS with cubic voxels of `spacing_mm`; its arrays (z, y, x) hold
    the trunk from about L4 to T4 (some 310 mm) and a margin of air around it.

    Raises:
        HalstedError: the spacing is not between 0.5 and 10 mm.
    """
    if not 0.5 <= spacing_mm <= 10.0:
        raise HalstedError(
            f"the voxel spacing is {spacing_mm} mm; choose one from 0.5 to 10 mm (2.5 is usual)"
        )
    _check_organ(anatomy.lesion.organ)
    body, frame = anatomy.body, Frame(anatomy.body)
    axes, affine = grid_around(frame, spacing_mm)
    canvas = Canvas(axes, spacing_mm, waves_of(body), VALUES, hu("air"))
    for part in chain(healthy_parts(frame), [_lesion_part(anatomy)]):
        canvas.paint(part)
    voxels = canvas.hu + blurred_noise(body.rng("noise"), canvas.hu.shape, NOISE_HU)
    voxels = np.rint(np.clip(voxels, -1024.0, 3071.0))
    facts = {"phantom": "thorax_abdomen", "lesion_organ": anatomy.lesion.organ}
    if anatomy.seed is not None:
        facts["seed"] = str(anatomy.seed)
    return Patient(
        images={"ct": Volume(voxels, affine, modality="CT", unit="HU")},
        labels=named_labels(canvas.labels, affine),
        kind="phantom",
        facts=facts,
    )


def named_labels(voxels: NDArray[np.uint8], affine: NDArray[np.float64]) -> LabelMap:
    """Painted structures (z, y, x) with the names of those that are there."""
    present = np.bincount(voxels.ravel(), minlength=len(VALUES) + 1)
    names = {name: value for name, value in VALUES.items() if present[value]}
    return LabelMap(voxels, affine, names, provenance="generated")


def _check_organ(lesion_organ: str) -> None:
    if lesion_organ not in get_args(LesionOrgan):
        raise HalstedError(
            f"a phantom cannot have its lesion in {lesion_organ!r}; choose 'liver' or 'lung'"
        )


def draw_body(rng: np.random.Generator) -> Body:
    """Draw a healthy person."""
    half_width = rng.uniform(121.0, 143.0)
    torso = Torso(
        half_width=half_width,
        half_depth=float(np.clip(0.635 * half_width + rng.normal(0.0, 3.0), 75.0, 87.0)),
        stretch=rng.uniform(0.95, 1.06),
        muscle_mm=rng.uniform(13.0, 16.0),
        fat_mm=15.5 + 33.0 * float(rng.beta(1.3, 2.0)),
    )
    cage = Cage(
        drop=rng.uniform(62.0, 76.0),
        fan=rng.uniform(5.0, 7.0),
        thickness=rng.uniform(5.2, 6.2),
        right_dome=rng.uniform(13.0, 21.0),
        left_dome=rng.uniform(5.0, 12.0),
        recess=rng.uniform(66.0, 80.0),
    )
    organs = {name: _draw_placement(rng) for name in ORGANS}
    return Body(torso, cage, organs, rng.uniform(1.8, 3.0), int(rng.integers(2**31)))


def _draw_placement(rng: np.random.Generator) -> Placement:
    shift, scale, turn = (np.clip(rng.normal(size=3), -2.0, 2.0) for _ in range(3))
    together = np.clip(rng.normal(), -2.0, 2.0)  # large organs are large along every axis
    factors = 1.0 + 0.04 * together + 0.025 * scale
    return Placement(as_point(shift * 3.0), as_point(factors), as_point(turn * 4.0))


def _draw_lesion(rng: np.random.Generator, body: Body, organ: str) -> Lesion:
    radius = rng.uniform(8.0, 15.0)
    host_hu = hu("liver") - rng.uniform(30.0, 50.0) if organ == "liver" else hu("lung_lesion")
    return Lesion(organ, lesion_place(rng, body, organ, radius), radius, host_hu, LUMPINESS)


def lesion_place(rng: np.random.Generator, body: Body, organ: str, radius_mm: float) -> Point:
    """Draw the centre, LPS mm, of a lesion in the liver or lung; see `lesion.place`.

    Raises:
        StructureError: no place was found.
    """
    frame = Frame(body)
    parts, box = list(healthy_parts(frame)), _lesion_box(frame, organ)
    return place(rng, parts, _HOSTS[organ], waves_of(body), box, radius_mm)


def _lesion_box(frame: Frame, organ: str) -> Bounds:
    """Where lesions are: in the liver not right under the dome, in the lung not at its cut end."""
    if organ == "liver":
        low, high = liver(frame).bounds
        return low, (high[0], high[1], frame.at(0.0, 0.0, -12.0)[2])
    (side, front, _), _ = frame.cage.bounds
    _, back, top = frame.at(0.0, 55.0, 130.0)
    return (side, front, frame.at(0.0, 0.0, -40.0)[2]), (-side, back, top)


def _lesion_part(anatomy: ThoraxAbdomen) -> Part:
    lesion = anatomy.lesion
    rng = anatomy.body.rng("lesion")
    shape = lump(rng, lesion.centre_in_patient, lesion.radius_mm, lesion.lumpiness)
    return Part("lesion", shape, lesion.hu, warped=False)


def healthy_parts(frame: Frame) -> chain[Part]:
    """The healthy body; of parts that overlap, the later one is what is there."""
    return chain(
        wall_parts(frame),
        lung_parts(frame),
        mediastinum_parts(frame),
        abdomen_parts(frame),
        great_vessel_parts(frame),
        skeleton_parts(frame),
    )


def waves_of(body: Body) -> Waves:
    """The smooth deformation of a body."""
    return draw_waves(body.rng("waves"), body.warp_mm)


def grid_around(
    frame: Frame, spacing: float, heights: tuple[float, float] = (BOTTOM, TOP)
) -> tuple[tuple[NDArray[np.float64], ...], NDArray[np.float64]]:
    """Coordinates x, y and z of the voxel centres, mm, and the affine from (z, y, x).

    `heights` are the lowest and highest z that are imaged, reference mm.
    """
    (left, front, _), (right, back, _) = frame.skin.bounds
    stretch, margin = frame.scale[2], _AIR_MARGIN_MM
    spans = (
        (left - margin, right + margin),
        (front - margin, back + margin),
        (heights[0] * stretch, heights[1] * stretch),
    )
    axes = tuple(_centres(low, high, spacing) for low, high in spans)
    return axes, grid_affine(axes, spacing)


def _centres(low: float, high: float, spacing: float) -> NDArray[np.float64]:
    """Whole multiples of the spacing that cover a span."""
    first, last = math.floor(low / spacing), math.ceil(high / spacing)
    return np.arange(first, last + 1, dtype=np.float64) * spacing
