"""The things on the table: needle, gauze, pegs, blocks, rings and pieces.

Sizes are SurRoL's where it has the thing (med-air/SurRoL a903fa6, surrol/assets); its convex hulls
are replaced by a few primitives each.
"""

from __future__ import annotations

import itertools

import numpy as np

from halsted.robot.bodies import (
    Body,
    Colour,
    Label,
    Shape,
    arc_centroid,
    bent_wire,
    capsule_between,
    needle_arc,
)

NEEDLE_RADIUS_M = 0.02
"""Of the half circle that a 40 mm needle is bent to."""
NEEDLE_WIRE_M = 0.0006
"""Radius of its wire."""
_NEEDLE_ENDS = (np.pi / 2, 3 * np.pi / 2)
NEEDLE_CENTRE = -arc_centroid(NEEDLE_RADIUS_M, *_NEEDLE_ENDS)
"""(3,) m, the arc's centre in the needle's frame, whose origin is its centre of mass."""

BLOCK_RADIUS_M = 0.0108
"""From the axis of a block to its corners; SurRoL's 10 mm leave a jaw no room beside the peg."""
BLOCK_HEIGHT_M = 0.0145
_BLOCK_WIRE_M = 0.0013
BLOCK_RIM_M = (BLOCK_HEIGHT_M / 2) - _BLOCK_WIRE_M
"""Height of a block's rim over its origin."""

PEG_RADIUS_M = 0.001
PEG_HEIGHT_M = 0.02
"""SurRoL's stand 25 mm out of their board, where a wrist over a block's rim strikes them."""
PEGS_M = np.array(
    [[x, y] for y in (0.013, 0.043) for x in (-0.03, -0.01, 0.01)]
    + [
        [0.0015, -0.007081],
        [-0.0215, -0.007081],
        [0.013, -0.027],
        [-0.033, -0.027],
        [0.0015, -0.046919],
        [-0.0215, -0.046919],
    ]
)
"""(12, 2) where the pegs stand: the first six take blocks, the others hold them at the start."""

RING_RADIUS_M = 0.009
RING_WIRE_M = 0.0012

STEEL: Colour = (0.75, 0.77, 0.8, 1.0)
WHITE: Colour = (0.93, 0.93, 0.9, 1.0)
RED: Colour = (0.86, 0.2, 0.18, 1.0)
BLUE: Colour = (0.2, 0.4, 0.75, 1.0)
ROSE: Colour = (0.9, 0.75, 0.66, 1.0)
BLACK: Colour = (0.15, 0.15, 0.16, 1.0)


def table() -> Body:
    """A plate whose upper side is the plane z = 0."""
    return Body("table", (Shape("box", (0.3, 0.3, 0.02), (0.0, 0.0, -0.01)),), colour=ROSE)


def needle(name: str, mass_kg: float = 0.002) -> Body:
    """A 40 mm half-circle needle that lies in its frame's xy plane; fixed where it has no mass."""
    points = needle_arc(NEEDLE_RADIUS_M, *_NEEDLE_ENDS, 9)
    shapes = bent_wire(points, NEEDLE_WIRE_M)
    return Body(name, shapes, mass_kg, colour=STEEL, label="target")


def gauze(name: str) -> Body:
    """A small wad of gauze."""
    box = Shape("box", (0.006, 0.004, 0.004))
    return Body(name, (box,), mass_kg=0.002, colour=WHITE, label="target")


def peg_board() -> Body:
    """A board with twelve pegs, whose upper side is the plane z = 0."""
    board = Shape("box", (0.12, 0.16, 0.02), (0.0, 0.0, -0.01))
    size = (PEG_RADIUS_M, PEG_HEIGHT_M)
    pegs = [Shape("cylinder", size, (x, y, PEG_HEIGHT_M / 2)) for x, y in PEGS_M.tolist()]
    return Body("board", (board, *pegs), friction=0.5, colour=ROSE)


def block(name: str, label: Label, colour: Colour) -> Body:
    """A hollow triangular block: a rim on three legs, so that it rests on three points."""
    angles = np.arange(3) * 2 * np.pi / 3
    corners = np.column_stack([np.cos(angles), np.sin(angles)]) * BLOCK_RADIUS_M
    ends = [(*corner, BLOCK_RIM_M) for corner in corners.tolist()]
    legs = [capsule_between(end, (end[0], end[1], -BLOCK_RIM_M), _BLOCK_WIRE_M) for end in ends]
    rim = [capsule_between(a, b, _BLOCK_WIRE_M) for a, b in itertools.pairwise([*ends, ends[0]])]
    return Body(name, (*legs, *rim), mass_kg=0.005, friction=0.5, colour=colour, label=label)


def ring(name: str, label: Label, colour: Colour) -> Body:
    """A ring of wire that lies in its frame's xy plane."""
    points = needle_arc(RING_RADIUS_M, 0.0, 2 * np.pi, 11)
    return Body(name, bent_wire(points, RING_WIRE_M), 0.003, 0.5, colour, label)


def piece(name: str, size: tuple[float, float, float], label: Label, colour: Colour) -> Body:
    """A box, edges in m."""
    return Body(name, (Shape("box", size),), 0.004, 0.7, colour, label)


def bowl(name: str, radius: float, colour: Colour) -> Body:
    """A low round wall that stands on the plane z = 0 of its frame."""
    wire = 0.0015
    points = needle_arc(radius, 0.0, 2 * np.pi, 11) + np.array([0.0, 0.0, wire])
    return Body(name, bent_wire(points, wire), colour=colour)


def block_edge(number: int) -> tuple[float, float, float, float]:
    """Middle (3,), m, and heading, rad, of an edge of a block's rim, in the block's frame."""
    angle = np.pi / 3 + number * 2 * np.pi / 3
    x, y = np.cos(angle) * BLOCK_RADIUS_M / 2, np.sin(angle) * BLOCK_RADIUS_M / 2
    return float(x), float(y), BLOCK_RIM_M, float(angle + np.pi / 2)


def needle_point(angle: float) -> tuple[float, float, float, float]:
    """Place (3,), m, and heading, rad, of a needle's wire at an angle of its arc.

    Args:
        angle: From 90 to 270 degrees, in rad; its middle is pi.
    """
    x, y, _ = NEEDLE_CENTRE + NEEDLE_RADIUS_M * np.array([np.cos(angle), np.sin(angle), 0.0])
    return float(x), float(y), 0.0, float(angle + np.pi / 2)


def post(name: str, height: float) -> Body:
    """An upright post on the plane z = 0 of its frame."""
    shape = Shape("capsule", (PEG_RADIUS_M, height), (0.0, 0.0, height / 2))
    return Body(name, (shape,), colour=BLACK)


def wall(name: str, height: float) -> Body:
    """A short upright wall on the plane z = 0 of its frame."""
    return Body(name, (Shape("box", (0.02, 0.002, height), (0.0, 0.0, height / 2)),), colour=WHITE)


def frame(name: str, length: float, width: float) -> Body:
    """A low rectangular frame, open inside by `length` along x and `width` along y."""
    wire = 0.0012
    x, y = length / 2 + wire, width / 2 + wire
    corners = np.array([[x, y, wire], [-x, y, wire], [-x, -y, wire], [x, -y, wire], [x, y, wire]])
    return Body(name, bent_wire(corners, wire), colour=BLACK)
