"""Lungs, heart, airways and the great vessels of the chest."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.phantoms.anatomy import BOTTOM, TOP, Frame
from halsted.imaging_bridge.phantoms.canvas import Core, Part
from halsted.imaging_bridge.phantoms.shapes import (
    Capsule,
    Ellipsoid,
    HalfSpace,
    Intersection,
    Offset,
    Outside,
    Point,
    Union,
    as_point,
    curve,
    rotation,
    tube,
)
from halsted.imaging_bridge.phantoms.tissue import hu
from halsted.imaging_bridge.phantoms.trunk import diaphragm

Vector = NDArray[np.float64]

_HEART_TURN = (0.0, 28.0, -32.0)  # the long axis points left, forwards and down
LUNGS = ("lung_right", "lung_left")


def heart(frame: Frame) -> Intersection:
    """Muscle, chambers and auricles together, resting on the diaphragm."""
    placed = frame.body.organs["heart"]
    turn = as_point(np.add(_HEART_TURN, placed.turn))
    ventricles = Ellipsoid(frame.at(30, -31, 32, "heart"), frame.size(62, 44, 47, "heart"), turn)
    right = Ellipsoid(frame.at(-16, -26, 42, "heart"), frame.size(30, 34, 40, "heart"))
    left = Ellipsoid(frame.at(10, 4, 52, "heart"), frame.size(33, 22, 25, "heart"))
    chambers = Union((ventricles, right, left), smooth=14.0)
    return Intersection(
        (chambers, Outside(Offset(diaphragm(frame), -7.0)), Offset(frame.cage, -5.0)), smooth=10.0
    )


def lung_shape(frame: Frame, sign: float) -> Intersection:
    """A lung: what the rib cage encloses above the diaphragm and beside the mediastinum.

    `sign` is 1 for the left, -1 for the right.
    """
    spine = frame.path(*((0.0, frame.spine_y(z), z) for z in (TOP + 30, 70.0, 0.0, -110.0)))
    front = frame.cage.front[0]
    middle = Union(
        (
            Offset(heart(frame), 3.0),
            Ellipsoid(frame.at(2, -6, 118), (33.0, 0.52 * front, 62.0)),
            Capsule(frame.at(0, -70, 40), frame.at(0, -70, 170), 5.0, 9.0, (1.0, 2.5, 1.0)),
            *(Capsule(a, b, 22.0, 23.0) for a, b in pairwise(spine)),
            Capsule(frame.at(0, 14, -60), frame.at(0, 14, 120), 22.0, 18.0, (1.0, 1.5, 1.0)),
            Capsule(_descending(frame, 100), _descending(frame, -60), 15.0, 14.0),
        ),
        smooth=12.0,
    )
    return Intersection(
        (
            HalfSpace((-sign, 0.0, 0.0)),
            Offset(frame.cage, -2.0),
            Outside(Offset(diaphragm(frame), 2.0)),
            Outside(middle),
        ),
        smooth=7.0,
    )


def lung_parts(frame: Frame) -> Iterator[Part]:
    """Lungs, their vessels and the airways."""
    for name, sign in zip(LUNGS, (-1.0, 1.0), strict=True):
        yield Part(name, lung_shape(frame, sign), hu("lung"), gentle=True)
    for name, sign in zip(LUNGS, (-1.0, 1.0), strict=True):
        yield Part("lung_vessel", _lung_tree(frame, sign), hu("lung_vessel"), within=(name,))


def mediastinum_parts(frame: Frame) -> Iterator[Part]:
    """Heart, gullet, airways and the vessels above the heart."""
    yield Part("heart", heart(frame), hu("myocardium"), gentle=True)
    for centre, radii, turn in (
        ((44, -24, 26), (34, 18, 20), _HEART_TURN),
        ((14, -52, 32), (38, 13, 26), (0.0, 35.0, -16.0)),
        ((-19, -26, 40), (20, 22, 28), (0.0, 0.0, 0.0)),
        ((10, 5, 53), (26, 14, 17), (0.0, 0.0, 0.0)),
    ):
        x, y, z = centre
        blood = Ellipsoid(frame.at(x, y, z, "heart"), frame.size(*radii, "heart"), turn)
        yield Part("heart", Offset(blood, -1.0), hu("cardiac_blood"), within=("heart",))
    yield Part("esophagus", tube(_gullet(frame), 6.5, (1.3, 1.0, 1.0)), hu("muscle"))
    upper = curve(frame.path((-25, -14, TOP + 20), (-25, -16, 100), (-23, -18, 62)))
    yield Part("superior_vena_cava", tube(upper, 9.5), hu("vein"))
    trunk = frame.path((20, -40, 62), (22, -30, 78), (18, -14, 86), organ="heart")
    yield Part("pulmonary_artery", tube(curve(trunk), 12.5), hu("artery"))
    for ends in (
        ((18, -14, 86), (-8, -6, 82), (-30, 0, 78), (-48, 2, 72)),
        ((18, -14, 86), (32, -2, 88), (48, 8, 80)),
    ):
        branch = curve(frame.path(*ends, organ="heart"))
        yield Part("pulmonary_artery", tube(branch, (10.5, 9.0, 6.5)), hu("artery"))
    yield from _airways(frame)


def great_vessel_parts(frame: Frame) -> Iterator[Part]:
    """The vessels that run through chest and abdomen, which no organ interrupts."""
    below = ((-22, frame.spine_y(BOTTOM) - 22, BOTTOM - 20), (-23, 20, -110), (-25, 14, -60))
    cava = curve(frame.path(*below, (-24, 4, -15), (-20, -8, 22)))
    yield Part("inferior_vena_cava", tube(cava, (11.0, 11.5, 12.5)), hu("vein"))
    yield Part("aorta", tube(_aorta(frame), (13.0, 13.5, 12.0, 10.0, 8.5)), hu("artery"))


def _airways(frame: Frame) -> Iterator[Part]:
    air, wall = Core(1.5, hu("air") + 30.0), hu("muscle")
    split = (2.0, 8.0, 94.0)
    windpipe = tube(frame.path((-2, 14, TOP + 20), (0, 12, 125), split), 8.5)
    bronchi = [
        tube(curve(frame.path(split, *rest)), (7.0, 5.0))
        for rest in (((-22, 12, 78), (-42, 14, 64)), ((22, 14, 80), (46, 16, 68)))
    ]
    pipes = tuple(capsule for pipe in (windpipe, *bronchi) for capsule in pipe.shapes)
    yield Part("trachea", Union(pipes), wall, air)


def _descending(frame: Frame, z: float) -> Point:
    """A point of the descending aorta: left of the spine in the chest, before it further down."""
    beside = float(np.clip((z + 130.0) / 200.0, 0.0, 1.0))
    return frame.at(4.0 + 17.0 * beside, frame.spine_y(z) - 27.0 + 17.0 * beside, z)


def _aorta(frame: Frame) -> Vector:
    """From its valve over the arch to where it leaves the image below."""
    rising = frame.path((4, -24, 50), (-8, -32, 75), (-8, -26, 100), (2, -8, 117), organ="heart")
    arch = frame.path((14, 14, 119), (21, 32, 108))
    falling = [_descending(frame, z) for z in (88.0, 40.0, 0.0, -50.0, -100.0, -150.0, -195.0)]
    return curve([*rising, *arch, *falling])


def _gullet(frame: Frame) -> Vector:
    chest = ((5, 26, TOP + 20), (4, 27, 90), (6, 26, 40))
    return curve(frame.path(*chest, (14, 16, 2), (28, 2, -14), (40, 0, -24)))


def _lung_tree(frame: Frame, sign: float) -> Union:
    """Arteries and veins that fan out from the hilum and split twice."""
    rng = frame.body.rng(f"lung vessels {sign}")
    hilum = np.array(frame.at(46.0 * sign, 8.0, 74.0))
    capsules: list[Capsule] = []

    def grow(start: Vector, heading: Vector, length: float, radius: float) -> None:
        if radius < 0.9:
            return
        bend = heading + 0.22 * rng.normal(size=3)
        end = start + length * bend / np.linalg.norm(bend)
        capsules.append(Capsule(as_point(start), as_point(end), radius, 0.8 * radius))
        for side in (-1.0, 1.0):
            axis = rng.normal(size=3)
            turn = rotation(as_point(side * rng.uniform(12.0, 32.0) * axis / np.linalg.norm(axis)))
            grow(end, turn @ heading, length * rng.uniform(0.7, 0.95), radius * 0.72)

    for elevation in (-65.0, -40.0, -15.0, 15.0, 45.0):
        for azimuth in (-60.0, -5.0, 50.0):
            up, around = np.radians(rng.normal((elevation, azimuth), 8.0))
            heading = np.array([sign * np.cos(around), np.sin(around), 0.0]) * np.cos(up)
            heading[2] = np.sin(up)
            grow(hilum, heading, rng.uniform(26.0, 36.0), rng.uniform(3.2, 4.4))
    return Union(tuple(capsules))
