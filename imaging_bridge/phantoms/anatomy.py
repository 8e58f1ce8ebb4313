"""The record of a drawn thorax-abdomen phantom, and the frame that its organs are laid out in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from halsted.imaging_bridge.errors import HalstedError
from halsted.imaging_bridge.phantoms.chance import chance
from halsted.imaging_bridge.phantoms.shapes import Point, Poly, Section, as_point

# The torso in which organs are laid out before they are scaled: half-width and half-depth of the
# inside of the rib cage, mm.
REFERENCE_HALF_WIDTH = 130.0
REFERENCE_HALF_DEPTH = 85.0

# What is imaged, from below the kidneys (L4) to above the aortic arch (T4); the diaphragm's centre
# is at 0. Reference mm along z.
BOTTOM = -172.0
TOP = 146.0

ORGANS = ("heart", "liver", "stomach", "spleen", "kidney_right", "kidney_left")


@dataclass(frozen=True)
class Torso:
    """Size of the trunk.

    Attributes:
        half_width: Of the inside of the rib cage at the diaphragm, mm.
        half_depth: The same from front to back, mm.
        stretch: Length along z over the reference's.
        muscle_mm: Thickness of the muscle at the flank, mm.
        fat_mm: Thickness of the subcutaneous fat at the flank, mm.
    """

    half_width: float
    half_depth: float
    stretch: float
    muscle_mm: float
    fat_mm: float


@dataclass(frozen=True)
class Cage:
    """Course of the ribs and the diaphragm.

    Attributes:
        drop: How far the fifth rib falls from the spine to the front, reference mm.
        fan: How much further each next rib falls, reference mm.
        thickness: Half the height of a rib, mm.
        right_dome: Height of the right dome of the diaphragm over its centre, reference mm.
        left_dome: The same on the left.
        recess: Depth of the costodiaphragmatic recess at the flank, reference mm.
    """

    drop: float
    fan: float
    thickness: float
    right_dome: float
    left_dome: float
    recess: float


@dataclass(frozen=True)
class Placement:
    """How an organ differs from the reference: moved by mm, scaled, turned by degrees."""

    shift: Point = (0.0, 0.0, 0.0)
    scale: Point = (1.0, 1.0, 1.0)
    turn: Point = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Body:
    """A healthy person.

    Attributes:
        torso: Size of the trunk.
        cage: Course of ribs and diaphragm.
        organs: Placement by organ, one for each of `ORGANS`.
        warp_mm: Root mean square, per axis, of the smooth deformation of everything, mm.
        detail_seed: Seed of that deformation, of the courses of vessels and bowel, and of noise.
    """

    torso: Torso
    cage: Cage
    organs: Mapping[str, Placement]
    warp_mm: float
    detail_seed: int

    def rng(self, purpose: str) -> np.random.Generator:
        """The same generator of details for the same body and purpose."""
        return chance(self.detail_seed, purpose)


@dataclass(frozen=True)
class Lesion:
    """A tumour.

    Attributes:
        organ: ``liver`` or ``lung``.
        centre_in_patient: LPS, mm.
        radius_mm: Of the ball of the same volume.
        hu: Attenuation, HU.
        lumpiness: Standard deviation of its radius over directions, as a fraction.
    """

    organ: str
    centre_in_patient: Point
    radius_mm: float
    hu: float
    lumpiness: float


@dataclass(frozen=True)
class ThoraxAbdomen:
    """All that was drawn for one phantom; `build` replays it.

    Attributes:
        body: The person.
        lesion: The target.
        seed: What `phantom` was called with, or None.
    """

    body: Body
    lesion: Lesion
    seed: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The record as numbers, texts, lists and dictionaries, ready for JSON."""
        return _plain(asdict(self))  # type: ignore[no-any-return]  # a dict in, a dict out

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> ThoraxAbdomen:
        """The phantom of a record made by `as_dict`.

        Raises:
            HalstedError: a field is missing or unknown.
        """
        try:
            body, lesion = dict(record["body"]), dict(record["lesion"])
            organs = {name: _placement(body["organs"][name]) for name in ORGANS}
            lesion["centre_in_patient"] = as_point(lesion["centre_in_patient"])
            parts = {"torso": Torso(**body["torso"]), "cage": Cage(**body["cage"])}
            return cls(
                Body(**{**body, **parts, "organs": organs}), Lesion(**lesion), record.get("seed")
            )
        except (KeyError, TypeError, ValueError) as error:
            raise HalstedError(
                f"this is no record of a thorax-abdomen phantom ({error}); pass what as_dict gave"
            ) from error


@dataclass(frozen=True)
class Frame:
    """Turns reference coordinates into those of a body, in mm, before the smooth deformation."""

    body: Body = field(repr=False)

    @cached_property
    def scale(self) -> Point:
        """Length over the reference's along x, y and z."""
        torso = self.body.torso
        return (
            torso.half_width / REFERENCE_HALF_WIDTH,
            torso.half_depth / REFERENCE_HALF_DEPTH,
            torso.stretch,
        )

    def at(self, x: float, y: float, z: float, organ: str = "") -> Point:
        """A point; where an organ is named, a point of that organ wherever it was moved."""
        sx, sy, sz = self.scale
        dx, dy, dz = self.body.organs[organ].shift if organ else (0.0, 0.0, 0.0)
        return x * sx + dx, y * sy + dy, z * sz + dz

    def path(self, *points: Point, organ: str = "") -> list[Point]:
        """Several points."""
        return [self.at(*point, organ=organ) for point in points]

    def size(self, x: float, y: float, z: float, organ: str) -> Point:
        """Radii of an organ along x, y and z."""
        sx, sy, sz = self.scale
        fx, fy, fz = self.body.organs[organ].scale
        return x * sx * fx, y * sy * fy, z * sz * fz

    @cached_property
    def cage(self) -> Section:
        """Inside of the rib cage and of the abdominal wall."""
        torso = self.body.torso
        wide, deep = torso.half_width, torso.half_depth
        return Section(
            side=_times((1.0, -0.06, -0.12), wide),
            front=_times((1.0, -0.10, -0.09), deep),
            back=_times((1.0, 0.0, -0.05), deep),
        )

    @cached_property
    def wall(self) -> Section:
        """Outside of the muscles."""
        muscle = self.body.torso.muscle_mm
        return Section(
            side=_plus(self.cage.side, (muscle, 0.35 * muscle, 0.6 * muscle)),
            front=_plus(self.cage.front, (0.7 * muscle, 0.25 * muscle, 0.1 * muscle)),
            back=_plus(self.cage.back, (2.4 * muscle, 0.0, 0.0)),
        )

    @cached_property
    def skin(self) -> Section:
        """Outside of the body."""
        fat = self.body.torso.fat_mm
        return Section(
            side=_plus(self.wall.side, (fat, -0.25 * fat, -0.05 * fat)),
            front=_plus(self.wall.front, (0.5 * fat, -0.2 * fat, 0.0)),
            back=_plus(self.wall.back, (0.32 * fat, -0.1 * fat, 0.0)),
            exponent=2.5,
        )

    def spine_y(self, z: float) -> float:
        """Where the middle of the vertebral bodies lies, reference mm; curved as a spine is."""
        return 52.0 - 0.00028 * (z - 70.0) ** 2


def _placement(record: Mapping[str, Any]) -> Placement:
    return Placement(**{key: as_point(value) for key, value in record.items()})


def _times(poly: Poly, factor: float) -> Poly:
    return tuple(coefficient * factor for coefficient in poly)


def _plus(poly: Poly, other: Poly) -> Poly:
    return tuple(a + b for a, b in zip(poly, other, strict=True))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
