"""A curved needle that pierces a soft body and slides along its own arc.

The needle is an arc of a circle. Where its tip meets the surface, that point of the tissue is
carried with the tip until the force reaches the puncture force: the tissue itself is the spring
that Okamura, Simone and O'Leary (2004, doi:10.1109/TBME.2004.831542; see `robot.needle`) fit a
curve to. From then on their other two parts act: a cutting force at the tip while it goes forward,
and friction along what is inserted. Material points on the tip's path are threaded onto the arc:
each may slide along it against friction, and is held on it sideways. A needle turned about the
centre of its arc thus moves no tissue aside; one moved off its arc drags the threaded points with
it, and the tissue around tears at the material's own limit.

Limits: bending of the needle, its thickness inside tissue, contact of its shaft from outside and
the puncture of the far side from within are not modelled. The tip must not cross a whole sheet
within one sub-step. Tissue is not welded to a thread: points that the needle's rear end has passed
are let go and counted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from halsted.robot.tissue.contact import LEAST_SHARE, box, give
from halsted.robot.tissue.elasticity import inside
from halsted.robot.tissue.state import INTACT, Floats, Ints

# Entries of `scalars` and `whole`.
RADIUS, LENGTH, PUNCTURE, CUTTING, FRICTION, SLIP_SPEED, SPACING, PRESS = range(8)
COUNT, TIP_TET, PRESSING, ENTRIES, EXITS, PASSED, LOST, PRESENT = range(8)
_SMOOTHING_S = 0.004  # time over which the pressing force is averaged before it punctures


class Needle(NamedTuple):
    """A needle during one step.

    Attributes:
        centres: (2, 3) centre of the arc at the start and the end of the step, world, m.
        rotation: 3x3 from the needle's frame to the world at the start of the step.
        turn: (3,) rotation vector of the step, world, rad.
        scalars: (8,) radius, length, puncture and cutting force, friction per length, slip speed,
            spacing of threaded points; the smoothed pressing force.
        whole: (8,) number of threaded points, tetrahedron of the tip, whether it is pressing,
            counts of entries, exits, points passed and lost, whether there is a needle.
        tets: (m,) tetrahedron of each threaded point.
        weights: (m, 4) its barycentric coordinates.
        places: (m,) where it is on the arc, from the tip, m.
        impulses: (6,) given to the needle so far: N s, and N m s about its centre at the end.
    """

    centres: Floats
    rotation: Floats
    turn: Floats
    scalars: Floats
    whole: Ints
    tets: Ints
    weights: Floats
    places: Floats
    impulses: Floats


@njit(cache=True, error_model="numpy")
def drive(nodes, elements, needle, from_share, to_share, period):  # type: ignore[no-untyped-def]
    """Move the needle on by one sub-step."""
    if not needle.whole[PRESENT]:
        return
    centre, rotation = _pose(needle, to_share)
    centre_before, rotation_before = _pose(needle, from_share)
    tip = centre + needle.scalars[RADIUS] * rotation[:, 0]
    tip_before = centre_before + needle.scalars[RADIUS] * rotation_before[:, 0]
    forward = rotation[:, 1].copy()
    speed = ((tip - tip_before) * forward).sum() / period
    _drop_gone(elements, needle)
    was_inside = needle.whole[TIP_TET] >= 0
    weights = np.empty(4)
    tet = _find(nodes.positions, elements, tip, needle.whole[TIP_TET], weights)
    if needle.whole[PRESSING]:
        _press(nodes, elements, needle, tip, forward, period)
    elif tet >= 0 and not was_inside:
        if _thread(needle, tet, weights):
            needle.whole[PRESSING], needle.scalars[PRESS] = 1, 0.0
    elif tet >= 0:
        _cut_forward(nodes, elements, needle, tet, weights, tip, forward, speed, period)
    elif was_inside and speed > 0.0 and needle.whole[COUNT] > 0:
        needle.whole[EXITS] += 1
    if not needle.whole[PRESSING]:
        needle.whole[TIP_TET] = tet
    _slide(nodes, elements, needle, centre, rotation, period)


@njit(cache=True, error_model="numpy")
def _pose(needle, share):  # type: ignore[no-untyped-def]
    """Centre of the arc and rotation at a share of the step (Rodrigues)."""
    centre = needle.centres[0] + share * (needle.centres[1] - needle.centres[0])
    rotation = needle.rotation.copy()
    angle = np.sqrt((needle.turn * needle.turn).sum())
    if angle > 0.0:
        axis = needle.turn / angle
        sine, rest = np.sin(share * angle), 1.0 - np.cos(share * angle)
        for column in range(3):
            across = np.cross(axis, needle.rotation[:, column])
            rotation[:, column] += sine * across + rest * np.cross(axis, across)
    return centre, rotation


@njit(cache=True, error_model="numpy")
def _find(positions, elements, point, guess, weights):  # type: ignore[no-untyped-def]
    """The intact tetrahedron that holds a point, or -1; fills in its barycentric coordinates."""
    if guess >= 0 and elements.fate[guess] == INTACT:
        if _holds(positions, elements.tets[guess], point, weights):
            return guess
    lowest, highest = box(positions, True)
    if (point < lowest).any() or (point > highest).any():
        return -1
    for tet in range(len(elements.tets)):
        if elements.fate[tet] == INTACT and _holds(positions, elements.tets[tet], point, weights):
            return tet
    return -1


@njit(cache=True, error_model="numpy")
def _holds(positions, corners, point, weights):  # type: ignore[no-untyped-def]
    for a in range(3):
        low, high = np.inf, -np.inf
        for corner in corners:
            low, high = min(low, positions[corner, a]), max(high, positions[corner, a])
        if point[a] < low or point[a] > high:
            return False
    weights[1], weights[2], weights[3] = inside(positions, corners, point)
    weights[0] = 1.0 - weights[1] - weights[2] - weights[3]
    return weights.min() >= 0.0


@njit(cache=True, error_model="numpy")
def _thread(needle, tet, weights):  # type: ignore[no-untyped-def]
    """Thread the material point at the tip onto the arc; False where there is no room left."""
    count = needle.whole[COUNT]
    if count == len(needle.tets):
        return False
    needle.tets[count], needle.weights[count], needle.places[count] = tet, weights, 0.0
    needle.whole[COUNT] = count + 1
    return True


@njit(cache=True, error_model="numpy")
def _drop(needle, number):  # type: ignore[no-untyped-def]
    last = needle.whole[COUNT] - 1
    for k in range(number, last):
        needle.tets[k], needle.weights[k] = needle.tets[k + 1], needle.weights[k + 1]
        needle.places[k] = needle.places[k + 1]
    needle.whole[COUNT] = last


@njit(cache=True, error_model="numpy")
def _drop_gone(elements, needle):  # type: ignore[no-untyped-def]
    """Let go of threaded points whose tetrahedron is torn or cut."""
    for number in range(needle.whole[COUNT] - 1, -1, -1):
        if elements.fate[needle.tets[number]] != INTACT:
            if number == needle.whole[COUNT] - 1:
                needle.whole[PRESSING] = 0
            _drop(needle, number)
            needle.whole[LOST] += 1


@njit(cache=True, error_model="numpy")
def _press(nodes, elements, needle, tip, forward, period):  # type: ignore[no-untyped-def]
    """Carry the touched point with the tip until it is punctured or left."""
    number = needle.whole[COUNT] - 1
    point, weight = _place(nodes, elements, needle, number)
    gap = tip - point
    if (gap * forward).sum() < 0.0 or weight == 0.0:
        _drop(needle, number)
        needle.whole[PRESSING], needle.whole[TIP_TET] = 0, -1
        return
    _shift(nodes, elements, needle, number, gap, weight, period)
    force = (gap * forward).sum() / (weight * period * period)
    share = min(1.0, period / _SMOOTHING_S)
    needle.scalars[PRESS] += share * (force - needle.scalars[PRESS])
    if needle.scalars[PRESS] > needle.scalars[PUNCTURE]:
        needle.whole[PRESSING] = 0
        needle.whole[TIP_TET] = needle.tets[number]
        needle.whole[ENTRIES] += 1


@njit(cache=True, error_model="numpy")
def _cut_forward(nodes, elements, needle, tet, weights, tip, forward, speed, period):  # type: ignore[no-untyped-def]
    """Push the tissue at the tip by the cutting force, and thread new points on the way."""
    corners = elements.tets[tet]
    for corner in range(4):
        node = corners[corner]
        change = nodes.positions[node] - nodes.before[node]
        speed -= weights[corner] * (change * forward).sum() / period
    slip = np.tanh(speed / needle.scalars[SLIP_SPEED])
    if slip > 0.0:
        impulse = needle.scalars[CUTTING] * slip * period
        for corner in range(4):
            node = corners[corner]
            move = nodes.inverse_masses[node] * weights[corner] * impulse * period
            nodes.positions[node] += move * forward
        give(needle.impulses, needle.centres[1], tip, -impulse * forward)
    newest = needle.whole[COUNT] - 1
    if newest < 0 or needle.places[newest] > needle.scalars[SPACING]:
        _thread(needle, tet, weights)


@njit(cache=True, error_model="numpy")
def _slide(nodes, elements, needle, centre, rotation, period):  # type: ignore[no-untyped-def]
    """Hold threaded points on the arc, against friction along it; drop those it has left."""
    radius, spacing = needle.scalars[RADIUS], needle.scalars[SPACING]
    pressing = needle.whole[PRESSING]
    for number in range(needle.whole[COUNT] - 1 - pressing, -1, -1):
        point, weight = _place(nodes, elements, needle, number)
        place = _on_arc(point, centre, rotation, radius, needle.places[number])
        if place > needle.scalars[LENGTH]:
            needle.whole[PASSED] += 1
        if place < -0.5 * spacing or place > needle.scalars[LENGTH]:
            _drop(needle, number)
            continue
        slip = place - needle.places[number]
        most = needle.scalars[FRICTION] * spacing * weight * period * period
        place -= min(most, max(-most, slip))
        needle.places[number] = place
        if weight > 0.0:
            angle = place / radius
            target = centre + radius * (
                np.cos(angle) * rotation[:, 0] - np.sin(angle) * rotation[:, 1]
            )
            _shift(nodes, elements, needle, number, target - point, weight, period)


@njit(cache=True, error_model="numpy")
def _on_arc(point, centre, rotation, radius, near):  # type: ignore[no-untyped-def]
    """Arc length from the tip back to where a point is nearest, m, on the turn of `near`."""
    gap = point - centre
    angle = np.arctan2(-(gap * rotation[:, 1]).sum(), (gap * rotation[:, 0]).sum())
    angle -= 2.0 * np.pi * np.round((angle - near / radius) / (2.0 * np.pi))
    return radius * angle


@njit(cache=True, error_model="numpy")
def _place(nodes, elements, needle, number):  # type: ignore[no-untyped-def]
    """Position of a threaded point, and how far a unit impulse moves it, 1/kg."""
    point, weight, freest = np.zeros(3), 0.0, 0.0
    for corner in range(4):
        node = elements.tets[needle.tets[number], corner]
        share = needle.weights[number, corner]
        point += share * nodes.positions[node]
        weight += share * share * nodes.inverse_masses[node]
        freest = max(freest, nodes.inverse_masses[node])
    return point, max(weight, LEAST_SHARE * freest)


@njit(cache=True, error_model="numpy")
def _shift(nodes, elements, needle, number, change, weight, period):  # type: ignore[no-untyped-def]
    """Move a threaded point, and take the impulse from the needle."""
    point = np.zeros(3)
    for corner in range(4):
        node = elements.tets[needle.tets[number], corner]
        share = needle.weights[number, corner]
        nodes.positions[node] += nodes.inverse_masses[node] * share / weight * change
        point += share * nodes.positions[node]
    give(needle.impulses, needle.centres[1], point, -change / (weight * period))
