"""Things on the bench, described as compounds of primitives.

Primitives replay bit for bit in PyBullet, convex-hull compounds do not, and they are the cheapest
to collide. A body's frame has its origin at the centre of mass.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Triple = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]
Colour = tuple[float, float, float, float]
Label = Literal["background", "arm", "target", "object", "fixture", "tissue"]

LABELS: tuple[Label, ...] = ("background", "arm", "target", "object", "fixture", "tissue")
"""What a pixel may show, by its value in the `labels` channel of an image."""

_UPRIGHT: Quaternion = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Shape:
    """A primitive in its body's frame.

    Attributes:
        kind: Its type; a capsule or cylinder lies along its own z axis.
        size: Edges of a box, m; else the radius, and the length between a capsule's two centres
            or of a cylinder.
        position: Of its middle, m.
        orientation: Quaternion (x, y, z, w).
    """

    kind: Literal["box", "sphere", "capsule", "cylinder"]
    size: tuple[float, ...]
    position: Triple = (0.0, 0.0, 0.0)
    orientation: Quaternion = _UPRIGHT


@dataclass(frozen=True)
class Body:
    """A thing on the bench.

    Attributes:
        name: Unique in its world.
        shapes: What it is made of.
        mass_kg: 0 for a fixture, which never moves.
        friction: Coulomb coefficient; Bullet multiplies those of two bodies in contact.
        colour: Red, green, blue and opacity, 0 to 1.
        label: What a segmented image calls it.
    """

    name: str
    shapes: tuple[Shape, ...]
    mass_kg: float = 0.0
    friction: float = 1.0
    colour: Colour = (0.7, 0.7, 0.7, 1.0)
    label: Label = "fixture"


def capsule_between(start: ArrayLike, end: ArrayLike, radius: float) -> Shape:
    """A capsule whose two centres are `start` and `end`, m."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    length = float(np.linalg.norm(b - a))
    return Shape("capsule", (radius, length), _triple((a + b) / 2), _turn_z_to((b - a) / length))


def bent_wire(points: NDArray[np.float64], radius: float) -> tuple[Shape, ...]:
    """Capsules from point to point of a line (n, 3), m: a needle, or the rim of a ring."""
    return tuple(capsule_between(a, b, radius) for a, b in itertools.pairwise(points))


def needle_arc(radius_m: float, start: float, end: float, count: int) -> NDArray[np.float64]:
    """Points (count, 3), m, of a circular arc in the xy plane about its own centre of mass.

    Args:
        radius_m: Of the arc.
        start: Angle of its first point, rad.
        end: Angle of its last point.
        count: How many points.
    """
    angles = np.linspace(start, end, count)
    points = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(count)]) * radius_m
    return points - arc_centroid(radius_m, start, end)


def arc_centroid(radius_m: float, start: float, end: float) -> NDArray[np.float64]:
    """Centre of mass (3,), m, of a circular arc of even wire, from the arc's centre."""
    half, middle = (end - start) / 2, (end + start) / 2
    reach = radius_m * math.sin(half) / half
    return np.array([reach * math.cos(middle), reach * math.sin(middle), 0.0])


def create_body(bullet: Any, client: int, body: Body, visual: bool) -> int:
    """Add a body to a PyBullet client, at the origin, and return its number there.

    Args:
        bullet: The pybullet module.
        client: Which client.
        body: What to add.
        visual: Whether a camera shall see it.
    """
    collision = bullet.createCollisionShapeArray(
        **_arrays(bullet, body.shapes, "collision"), physicsClientId=client
    )
    shown = -1
    if visual:
        shown = bullet.createVisualShapeArray(
            **_arrays(bullet, body.shapes, "visual"),
            rgbaColors=[body.colour] * len(body.shapes),
            physicsClientId=client,
        )
    number = int(
        bullet.createMultiBody(
            baseMass=body.mass_kg,
            baseCollisionShapeIndex=collision,
            baseVisualShapeIndex=shown,
            # A plain rigid body is cheaper, but a state with a constraint to one is not restored.
            useMaximalCoordinates=not body.mass_kg,
            physicsClientId=client,
        )
    )
    bullet.changeDynamics(
        number,
        -1,
        lateralFriction=body.friction,
        rollingFriction=0.0,
        spinningFriction=0.0,
        linearDamping=0.04,
        angularDamping=0.2,
        physicsClientId=client,
    )
    return number


def _arrays(bullet: Any, shapes: Sequence[Shape], role: str) -> dict[str, list[Any]]:
    """The shapes as PyBullet's array calls take them; `role` is ``collision`` or ``visual``."""
    kinds = {
        "box": bullet.GEOM_BOX,
        "sphere": bullet.GEOM_SPHERE,
        "capsule": bullet.GEOM_CAPSULE,
        "cylinder": bullet.GEOM_CYLINDER,
    }
    boxes = [shape.kind == "box" for shape in shapes]
    sizes = [(*shape.size, 0.0) for shape in shapes]
    return {
        "shapeTypes": [kinds[shape.kind] for shape in shapes],
        "halfExtents": [
            [edge / 2 for edge in shape.size] if box else [0.0, 0.0, 0.0]
            for shape, box in zip(shapes, boxes, strict=True)
        ],
        "radii": [0.0 if box else size[0] for size, box in zip(sizes, boxes, strict=True)],
        "lengths": [0.0 if box else size[1] for size, box in zip(sizes, boxes, strict=True)],
        f"{role}FramePositions": [shape.position for shape in shapes],
        f"{role}FrameOrientations": [shape.orientation for shape in shapes],
    }


def _triple(values: NDArray[np.float64]) -> Triple:
    x, y, z = values.tolist()
    return x, y, z


def _turn_z_to(direction: NDArray[np.float64]) -> Quaternion:
    """The quaternion that turns the z axis into a unit direction (3,)."""
    x, y, z = direction.tolist()
    if z < -1.0 + 1e-9:
        return 1.0, 0.0, 0.0, 0.0
    w = math.sqrt((1.0 + z) / 2)
    return -y / (2 * w), x / (2 * w), 0.0, w
