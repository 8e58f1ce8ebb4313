"""CT scans of the trunk phantom: a chest with a nodule, at rest and breathing, and an abdomen.

The person is drawn as the thorax-abdomen phantom's is; see `phantoms.thorax_abdomen` for the
anatomy. Size and look of the lesion, the field of view and the scanner are drawn from the seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from halsted.imaging_bridge.errors import HalstedError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.anatomy import BOTTOM, TOP, Body, Frame
from halsted.imaging_bridge.phantoms.breathing import (
    EXCURSION_MM,
    Breath,
    breathing,
    breaths,
    filled,
    is_still,
)
from halsted.imaging_bridge.phantoms.canvas import Canvas
from halsted.imaging_bridge.phantoms.chance import chance
from halsted.imaging_bridge.phantoms.scanner import CtScanner, draw_ct_scanner, scan_ct
from halsted.imaging_bridge.phantoms.thorax_abdomen import (
    VALUES,
    draw_body,
    grid_around,
    healthy_parts,
    named_labels,
    waves_of,
)
from halsted.imaging_bridge.phantoms.tissue import hu
from halsted.imaging_bridge.phantoms.trunk_lesions import (
    TrunkLesion,
    draw_trunk_lesion,
    trunk_lesion_part,
)
from halsted.imaging_bridge.volume import Volume

_HOST = {"thorax": "lung", "abdomen": "liver"}
# Lowest and highest z of the field of view, reference mm: the chest with the domes and what lies
# below them, the abdomen from the lungs' bases down.
_HEIGHTS = {"thorax": (-78.0, TOP), "abdomen": (BOTTOM, 38.0)}
_MOST_PHASES = 20


@dataclass(frozen=True)
class _Scan:
    """All that was drawn for one scan.

    Attributes:
        kind: ``thorax`` or ``abdomen``.
        seed: What it was drawn from.
        body: The person.
        lesion: The target, at the middle of a breath.
        spacing_mm: Of the pixels in a slice.
        heights: Lowest and highest z, reference mm.
        excursion_mm: Way of the diaphragm in a breath.
        scanner: What takes the picture.
    """

    kind: str
    seed: int
    body: Body
    lesion: TrunkLesion
    spacing_mm: float
    heights: tuple[float, float]
    excursion_mm: float
    scanner: CtScanner


def thorax(seed: int) -> Patient:
    """A chest CT with a nodule of 5 to 30 mm, ``lesion``, in one lung, the breath held.

    Image ``ct`` in HU, pixels of 1.5 to 2.5 mm in slices of up to 5 mm; structures as in
    `phantoms.thorax_abdomen`.

    Raises:
        HalstedError: the seed is negative.
    """
    return _ct(_draw("thorax", seed))


def abdomen(seed: int) -> Patient:
    """An abdominal CT, portal venous phase, with a lesion of 8 to 36 mm, ``lesion``, in the liver.

    Otherwise as `thorax`.

    Raises:
        HalstedError: the seed is negative.
    """
    return _ct(_draw("abdomen", seed))


def thorax_phases(seed: int, count: int = 4) -> tuple[Patient, ...]:
    """The chest of `thorax` at even steps of a quiet breath, one patient a phase.

    The first is the end of inspiration. Diaphragm, lungs, nodule and what lies between move from
    head to foot, less towards the apex; the skeleton and the outer walls stay. Labels move along.

    Args:
        seed: As for `thorax`.
        count: Of phases, 2 to 20.

    Raises:
        HalstedError: an argument is out of range.
    """
    if not 2 <= count <= _MOST_PHASES:
        raise HalstedError(
            f"{count} phases of a breath were asked for; choose from 2 to {_MOST_PHASES}"
        )
    drawn = _draw("thorax", seed)
    steps = breaths(drawn.excursion_mm, drawn.body.torso.stretch, count)
    return tuple(
        _ct(drawn, breath, f"{round(100 * number / count)}%") for number, breath in enumerate(steps)
    )


def _draw(kind: str, seed: int) -> _Scan:
    def rng(purpose: str) -> np.random.Generator:
        return chance(seed, f"{kind} {purpose}")

    body = draw_body(rng("body"))
    lesion = draw_trunk_lesion(rng("lesion"), body, _HOST[kind])
    field = rng("field of view")
    low, high = _HEIGHTS[kind]
    heights = (max(low + field.uniform(-8.0, 8.0), BOTTOM), min(high + field.uniform(-8, 8), TOP))
    return _Scan(
        kind,
        seed,
        body,
        lesion,
        spacing_mm=field.uniform(1.5, 2.5),
        heights=heights,
        excursion_mm=rng("breath").uniform(*EXCURSION_MM),
        scanner=_sees(draw_ct_scanner(rng("scanner")), lesion),
    )


def _sees(scanner: CtScanner, lesion: TrunkLesion) -> CtScanner:
    """The scanner with slices thin enough that two at least hold the lesion."""
    thickest = min(scanner.prescription.slice_mm, lesion.radius_mm)
    return replace(scanner, prescription=replace(scanner.prescription, slice_mm=thickest))


def _ct(drawn: _Scan, breath: Breath | None = None, phase: str = "") -> Patient:
    still = breath or Breath(0.0, TOP * drawn.body.torso.stretch)
    volume, labels = scan_ct(
        *_painted(drawn, still), drawn.scanner, drawn.body.rng(f"noise {phase}".strip())
    )
    facts = {"phantom": drawn.kind, "seed": str(drawn.seed), "texture": drawn.lesion.texture}
    if phase:
        facts["phase"] = phase
    return Patient({"ct": volume}, labels, "phantom", facts)


def _painted(drawn: _Scan, breath: Breath) -> tuple[Volume, LabelMap]:
    """The chest or abdomen as no scanner sees it, without noise."""
    frame, spacing = Frame(drawn.body), drawn.spacing_mm
    axes, affine = grid_around(frame, spacing, drawn.heights)
    waves = waves_of(drawn.body)
    still = Canvas(axes, spacing, waves, VALUES, hu("air"))
    moving = still
    if breath.drop_mm != 0.0:
        moving = Canvas(axes, spacing, breathing(waves, breath), VALUES, hu("air"))
        moving.hu, moving.labels = still.hu, still.labels
    for part in healthy_parts(frame):
        (still if is_still(part) else moving).paint(filled(part, breath))
    centre = breath.moved(drawn.lesion.centre_in_patient)
    still.paint(trunk_lesion_part(drawn.body, drawn.lesion, centre))
    return Volume(still.hu, affine, "CT", "HU"), named_labels(still.labels, affine)
