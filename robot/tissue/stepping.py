"""One call's worth of sub-steps, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from halsted.robot.tissue.contact import touch
from halsted.robot.tissue.elasticity import relax
from halsted.robot.tissue.fracture import tear
from halsted.robot.tissue.gripping import carry
from halsted.robot.tissue.needle_drive import drive
from halsted.robot.tissue.state import Floats

_TEAR_EVERY = 4  # sub-steps between two looks for overstretched tetrahedra


class Constants(NamedTuple):
    """What stays the same over all steps.

    Attributes:
        period: Length of a sub-step, s.
        gravity: (3,) m/s^2.
        gamma: Volume ratio at which the hydrostatic energy is least.
        keep: Share of its velocity that a node keeps over a sub-step.
        tear_stretch: Largest principal stretch that holds.
        floor: Height of the floor, world z, m; minus infinity for none.
        floor_friction: Coulomb's coefficient on the floor.
    """

    period: float
    gravity: Floats
    gamma: float
    keep: float
    tear_stretch: float
    floor: float
    floor_friction: float


@njit(cache=True, error_model="numpy")
def advance(nodes, elements, tools, grips, needle, constants, substeps, near):  # type: ignore[no-untyped-def]
    """Step on; returns the number of tetrahedra torn."""
    torn = 0
    period = constants.period
    for number in range(substeps):
        share, next_share = number / substeps, (number + 1) / substeps
        _predict(nodes, constants)
        relax(
            nodes.positions,
            nodes.pushed,
            nodes.inverse_masses,
            elements.tets,
            elements.table,
            elements.stress,
            elements.fate,
            constants.gamma,
        )
        _keep_pushed(nodes)
        touch(nodes, elements, tools, share, next_share, period, near)
        carry(nodes, grips, next_share, period)
        drive(nodes, elements, needle, share, next_share, period)
        _finish(nodes, constants)
        if (number + 1) % _TEAR_EVERY == 0 or number + 1 == substeps:
            if constants.tear_stretch < np.inf:
                torn += tear(nodes, elements, constants.tear_stretch)
    return torn


@njit(cache=True, error_model="numpy")
def _predict(nodes, constants):  # type: ignore[no-untyped-def]
    """Move nodes by their velocity, by gravity and by the last sub-step's stresses.

    Nodes of which no tetrahedron is left stay where they are.
    """
    period = constants.period
    for node in range(len(nodes.positions)):
        for a in range(3):
            nodes.before[node, a] = nodes.positions[node, a]
            if nodes.inverse_masses[node] == 0.0 or nodes.tets_left[node] == 0:
                nodes.velocities[node, a] = 0.0
                nodes.pushed[node, a] = 0.0
                continue
            speed = nodes.velocities[node, a] + period * constants.gravity[a]
            free = nodes.positions[node, a] + period * speed
            nodes.positions[node, a] = free + nodes.pushed[node, a]
            nodes.pushed[node, a] = -free


@njit(cache=True, error_model="numpy")
def _keep_pushed(nodes):  # type: ignore[no-untyped-def]
    """Note by how much all stresses together have moved each node."""
    for node in range(len(nodes.positions)):
        if nodes.inverse_masses[node] > 0.0 and nodes.tets_left[node] > 0:
            for a in range(3):
                nodes.pushed[node, a] += nodes.positions[node, a]


@njit(cache=True, error_model="numpy")
def _finish(nodes, constants):  # type: ignore[no-untyped-def]
    """Keep nodes above the floor, and turn displacements into velocities."""
    for node in range(len(nodes.positions)):
        at, before = nodes.positions[node], nodes.before[node]
        depth = constants.floor - at[2]
        if depth > 0.0 and nodes.inverse_masses[node] > 0.0:
            at[2] = constants.floor
            slip = np.sqrt((at[0] - before[0]) ** 2 + (at[1] - before[1]) ** 2)
            if slip > 0.0:
                drag = min(1.0, constants.floor_friction * depth / slip)
                at[0] -= drag * (at[0] - before[0])
                at[1] -= drag * (at[1] - before[1])
        for a in range(3):
            change = at[a] - before[a]
            nodes.velocities[node, a] = constants.keep * change / constants.period
