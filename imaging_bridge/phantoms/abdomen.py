"""Liver and its vessels, stomach, spleen, kidneys, pancreas and bowel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.phantoms.anatomy import BOTTOM, Frame
from halsted.imaging_bridge.phantoms.canvas import Core, Part
from halsted.imaging_bridge.phantoms.chest import heart
from halsted.imaging_bridge.phantoms.shapes import (
    Ellipsoid,
    HalfSpace,
    Intersection,
    Offset,
    Outside,
    Point,
    Shape,
    Union,
    as_point,
    curve,
    tube,
)
from halsted.imaging_bridge.phantoms.tissue import hu
from halsted.imaging_bridge.phantoms.trunk import diaphragm

_WALL_MM = 2.5


def abdomen_parts(frame: Frame) -> Iterator[Part]:
    """All organs below the diaphragm, in the order in which they cover one another."""
    yield from _bowel(frame)
    yield from _colon(frame)
    yield from _stomach(frame)
    yield Part("pancreas", _pancreas(frame), hu("pancreas"))
    yield Part("spleen", _spleen(frame), hu("spleen"), gentle=True)
    for name, sign in (("kidney_right", -1.0), ("kidney_left", 1.0)):
        yield from _kidney(frame, name, sign)
    yield Part("liver", liver(frame), hu("liver"), gentle=True)
    yield from _liver_vessels(frame)
    bladder = Ellipsoid(frame.at(-37, -47, -111, "liver"), (12.0, 22.0, 14.0), (35.0, 0.0, 15.0))
    yield Part("gallbladder", bladder, hu("bile"))


def liver(frame: Frame) -> Intersection:
    """Two lobes, moulded by the diaphragm above, the wall beside and the organs below."""
    turn = frame.body.organs["liver"].turn
    lobes = Union(
        (
            Ellipsoid(frame.at(-72, 4, -60, "liver"), frame.size(80, 90, 108, "liver"), turn),
            Ellipsoid(frame.at(2, -42, -28, "liver"), frame.size(76, 36, 48, "liver"), turn),
        ),
        smooth=30.0,
    )
    underside = _facing((0.44, 0.12, -0.9), frame.at(-20, 0, -98, "liver"))
    behind = _facing((0.6, 0.8, 0.0), frame.at(-34, 50, -70, "liver"))
    kidney = Ellipsoid(*_kidney_place(frame, "kidney_right", -1.0))
    hilum = Ellipsoid(frame.at(-6, 26, -70, "liver"), (38.0, 42.0, 62.0))
    return Intersection(
        (
            lobes,
            Offset(diaphragm(frame), -2.5),
            Offset(frame.cage, -4.5),
            underside,
            behind,
            Outside(Offset(kidney, 5.0)),
            Outside(hilum),
            Outside(Offset(heart(frame), 4.0)),
        ),
        smooth=12.0,
    )


def _liver_vessels(frame: Frame) -> Iterator[Part]:
    rng = frame.body.rng("liver vessels")

    def branches(*courses: tuple[tuple[Point, ...], tuple[float, ...]]) -> Union:
        capsules: list[Shape] = []
        for knots, radii in courses:
            path = np.array(frame.path(*knots, organ="liver"))
            path[1:] += rng.normal(0.0, 4.0, size=path[1:].shape)
            capsules += tube(curve(path), radii).shapes
        return Union(tuple(capsules))

    veins = branches(
        (((-26, 6, -8), (-58, 14, -20), (-95, 22, -42)), (5.5, 4.0, 2.2)),
        (((-26, 4, -8), (-48, -18, -22), (-70, -45, -50)), (5.5, 4.0, 2.2)),
        (((-22, 2, -8), (-2, -22, -14), (18, -46, -22)), (5.0, 3.5, 2.0)),
    )
    yield Part("hepatic_vein", veins, hu("hepatic_vein"), within=("liver",))
    gate, fork = (-28, -2, -66), (-42, -4, -56)
    portal = branches(
        ((gate, fork, (-66, 4, -56)), (6.0, 5.5, 4.5)),
        (((-64, 4, -56), (-86, -18, -62), (-104, -30, -74)), (4.2, 3.0, 2.0)),
        (((-64, 4, -56), (-84, 22, -70), (-100, 32, -92)), (4.2, 3.0, 2.0)),
        (((-64, 4, -56), (-82, 16, -36), (-96, 24, -22)), (4.0, 3.0, 2.0)),
        ((fork, (-24, -30, -40), (-6, -40, -30), (28, -50, -24)), (4.5, 4.0, 3.0, 2.0)),
    )
    # The trunk comes up from behind the pancreas, outside the liver.
    trunk = tube(curve(frame.path((6, 6, -92), (-12, 2, -78), gate)), (6.0, 6.0))
    name, value = "portal_vein_and_splenic_vein", hu("portal_vein")
    yield Part(name, trunk, value)
    yield Part(name, portal, value, within=("liver",))
    splenic = curve(frame.path((6, 6, -92), (28, 18, -74), (58, 32, -60), (84, 34, -52)))
    yield Part(name, tube(splenic, (5.0, 3.5)), value)


def _stomach(frame: Frame) -> Iterator[Part]:
    sx, sy, _ = frame.body.organs["stomach"].scale
    fundus, body = ((54, 14, -20), (62, -14, -40)), ((58, -38, -70), (34, -48, -96))
    outlet = ((4, -44, -100), (-16, -34, -90))
    knots = frame.path(*fundus, *body, *outlet, organ="stomach")
    pouch = tube(curve(knots, 3), [r * (sx + sy) / 2 for r in (31.0, 33.0, 27.0, 20.0, 15.0, 9.0)])
    roomy = Intersection(
        (
            Union(pouch.shapes, smooth=2.0),
            Offset(diaphragm(frame), -4.0),
            Offset(frame.cage, -6.0),
        ),
        smooth=8.0,
    )
    yield Part("stomach", roomy, hu("bowel_wall"), Core(3.5, hu("bowel_content")))
    level = frame.at(0, -44, 0, "stomach")[1]  # gas rises to the front of a supine patient
    gas = Intersection((Offset(roomy, -4.0), HalfSpace((0.0, 1.0, 0.0), level)))
    yield Part("stomach", gas, hu("air") + 20.0, within=("stomach",))


def _spleen(frame: Frame) -> Intersection:
    turn = as_point(np.add((20.0, -14.0, -28.0), frame.body.organs["spleen"].turn))
    size = frame.size(36, 56, 64, "spleen")
    bean = Ellipsoid(frame.at(94, 38, -46, "spleen"), size, turn)
    hollow = Ellipsoid(frame.at(54, 12, -52, "spleen"), (32.0, 36.0, 56.0))
    room = (Offset(diaphragm(frame), -2.5), Offset(frame.cage, -5.0))
    return Intersection((bean, *room, Outside(hollow)), smooth=8.0)


def _kidney_place(frame: Frame, name: str, sign: float) -> tuple[Point, Point, Point]:
    drop = 8.0 if sign < 0 else 0.0  # the liver pushes the right one down
    turn = as_point(np.add((8.0, 10.0 * sign, -30.0 * sign), frame.body.organs[name].turn))
    return frame.at(58 * sign, 44, -102 - drop, name), frame.size(24, 27, 53, name), turn


def _kidney(frame: Frame, name: str, sign: float) -> Iterator[Part]:
    centre, radii, turn = _kidney_place(frame, name, sign)
    bean = Ellipsoid(centre, radii, turn)
    hilum = (centre[0] - 0.95 * sign * radii[0], centre[1] - 8.0, centre[2])
    notch = Ellipsoid(hilum, (17.0, 9.0, 20.0), turn)
    shape = Intersection((bean, Outside(notch)), smooth=6.0)
    yield Part(name, shape, hu("kidney"), Core(8.0, hu("kidney_medulla")))


def _pancreas(frame: Frame) -> Union:
    head, tail = ((-14, -12, -112), (-6, -14, -94)), ((46, 10, -70), (76, 26, -60))
    return tube(curve(frame.path(*head, (16, -10, -82), *tail)), (13.0, 12.0, 9.0, 9.5, 8.0))


def _colon(frame: Frame) -> Iterator[Part]:
    rng = frame.body.rng("colon")
    hepatic, splenic = (-84, 4, -134), (102, -8, -84)  # the flexures
    courses = {
        "stool": (
            ((-92, 20, BOTTOM - 25), (-94, 18, -150), hepatic),
            (splenic, (106, 24, -110), (102, 30, BOTTOM - 25)),
        ),
        "gas": ((hepatic, (-58, -46, -142), (-4, -62, -146), (54, -54, -130), splenic),),
    }
    pipes = {
        kind: [curve(_jitter(frame, knots, rng, 4.0), 5) for knots in group]
        for kind, group in courses.items()
    }
    room = Offset(frame.cage, -5.0)
    for kind, content in (("stool", hu("stool")), ("gas", hu("air") + 40.0)):
        for path in pipes[kind]:
            # Haustra: the bowel is pinched every few centimetres.
            radii = 16.5 + 3.0 * np.sin(np.arange(len(path)) * 2.1 + rng.uniform(0.0, 6.0))
            capsules = tube(path, radii.tolist()).shapes
            pouch = Intersection((Union(capsules, smooth=1.0), room), smooth=5.0)
            yield Part("colon", pouch, hu("bowel_wall"), Core(_WALL_MM, content))


def _bowel(frame: Frame) -> Iterator[Part]:
    """Loops that fill what is left of the lower abdomen."""
    rng = frame.body.rng("bowel")
    knots = []
    for row, z in enumerate(np.arange(-120.0, -200.0, -13.0).tolist()):
        xs = np.linspace(-56.0, 78.0, 6)[:: 1 if row % 2 else -1]
        depth = (-10.0, -38.0)[row // 2 % 2]
        knots += [(x, depth, z) for x in xs.tolist()]
    path = curve(_jitter(frame, tuple(knots), rng, 11.0), 3)
    radii = 11.0 + 1.5 * np.sin(np.arange(len(path)) * 1.3)
    yield Part(
        "small_bowel",
        tube(path, radii.tolist()),
        hu("bowel_wall"),
        Core(_WALL_MM, hu("bowel_content")),
    )


def _jitter(
    frame: Frame, knots: tuple[Point, ...], rng: np.random.Generator, sd: float
) -> NDArray[np.float64]:
    """Scaled points, all but first and last of them moved at random."""
    path = np.array(frame.path(*knots))
    path[1:-1] += rng.normal(0.0, sd, size=path[1:-1].shape)
    return path


def _facing(normal: Point, through: Point) -> HalfSpace:
    """The half-space below a plane with the given outward normal through a point."""
    unit = np.array(normal) / np.linalg.norm(normal)
    return HalfSpace(as_point(unit), float(unit @ np.array(through)))
