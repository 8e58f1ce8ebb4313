"""The arrays a soft body is made of, grouped as the compiled steps take them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from halsted.robot.tissue.elasticity import forget

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

INTACT, TORN, CUT = 0, 1, 2
FREE, FIXED, HELD = 0, 1, 2


class Nodes(NamedTuple):
    """What is known of each node, SI units, world frame.

    Attributes:
        positions: (n, 3) m.
        velocities: (n, 3) m/s.
        before: (n, 3) positions at the start of the sub-step, m.
        pushed: (n, 3) displacement by the stresses within the last sub-step, m.
        inverse_masses: (n,) 1/kg; 0 where fixed.
        hold: (n,) FREE, FIXED or HELD by a grip.
        tets_left: (n,) number of intact tetrahedra at the node.
    """

    positions: Floats
    velocities: Floats
    before: Floats
    pushed: Floats
    inverse_masses: Floats
    hold: NDArray[np.int8]
    tets_left: Ints


class Elements(NamedTuple):
    """What is known of each tetrahedron and face.

    Attributes:
        tets: (t, 4) nodes.
        table: (t, 17) see `elasticity.element_table`.
        stress: (t, 9) first Piola-Kirchhoff stress times volume and sub-step squared.
        fate: (t,) INTACT, TORN or CUT.
        tet_faces: (t, 4) face opposite to each corner.
        face_nodes: (f, 3) nodes, wound outwards from the first tetrahedron.
        face_tets: (f, 2) tetrahedra on both sides, -1 for none.
        surface: (f,) the first `surface_count` are the faces with one intact tetrahedron.
        surface_count: (1,) how many those are.
    """

    tets: Ints
    table: Floats
    stress: Floats
    fate: NDArray[np.int8]
    tet_faces: Ints
    face_nodes: Ints
    face_tets: Ints
    surface: Ints
    surface_count: Ints


@njit(cache=True, error_model="numpy")
def find_surface(elements):  # type: ignore[no-untyped-def]
    """List the faces that have an intact tetrahedron on one side only."""
    count = 0
    for face in range(len(elements.face_tets)):
        one, other = elements.face_tets[face, 0], elements.face_tets[face, 1]
        has_one = elements.fate[one] == INTACT
        has_other = other >= 0 and elements.fate[other] == INTACT
        if has_one != has_other:
            elements.surface[count] = face
            count += 1
    elements.surface_count[0] = count


@njit(cache=True, error_model="numpy")
def remove(nodes, elements, tet, fate):  # type: ignore[no-untyped-def]
    """Take a tetrahedron and its stress away; `find_surface` must follow."""
    elements.fate[tet] = fate
    corners = elements.tets[tet]
    forget(nodes.pushed, nodes.inverse_masses, corners, elements.table[tet], elements.stress[tet])
    for node in corners:
        nodes.tets_left[node] -= 1
