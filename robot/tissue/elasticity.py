"""Stable neo-Hookean elasticity by extended position-based dynamics (XPBD).

The energy of a tetrahedron with rest volume V and deformation gradient F is

    V (mu / 2 (|F|^2 - 3) + bulk / 2 (det F - gamma)^2),    gamma = 1 + mu / bulk,

of Macklin and Mueller (2021), "A constraint-based formulation of stable neo-Hookean materials",
doi:10.1145/3487983.3488289. Its two parts are XPBD constraints (Macklin, Mueller and Chentanez
2016, doi:10.1145/2994258.2994272) solved once in each of many short sub-steps (Macklin et al.
2019, "Small steps in physics simulation", doi:10.1145/3309486.3340247). We differ in three points.

1. The deviatoric part is nine constraints, the entries of F, each of compliance 1 / (mu V): they
   are linear, so their 3 x 3 matrix is inverted once, and shear is solved implicitly, which the
   single constraint |F| leaves explicit.
2. Both parts are solved at once: one after the other they push a body at rest about, as only their
   sum vanishes there.
3. The multipliers, here a tetrahedron's first Piola-Kirchhoff stress, outlive the sub-step: nodes
   start from where the last stresses carry them. The equilibrium is then that of finite elements
   whatever the length of the sub-step; started from zero, one sweep leaves a body too soft (by
   8 % in a strip of 400 tetrahedra, tried at 1,200 sub-steps a second). The price is a limit on
   the sub-step, `longest_period`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from halsted.robot.tissue.material import Material
from halsted.robot.tissue.mesh import TetMesh
from halsted.robot.tissue.triples import cross, dot

# Columns of the table that `relax` reads, a row for each tetrahedron.
_INVERSE, _SOFTNESS, _DEVIATORIC, _HYDROSTATIC, _COLUMNS = 0, 9, 15, 16, 17

# A tetrahedron is far from its shape at rest below this volume ratio, or above this squared norm
# of the cofactor of F (3 at rest), by which the stiffness of the hydrostatic part grows.
_SQUASHED, _SPREAD = 0.3, 6.0


def longest_period(mesh: TetMesh, material: Material) -> float:
    """The longest sub-step that stays stable, s.

    2.5 times what a pressure wave takes through the thinnest tetrahedron: found by trial on
    strips (stable at 2.7, restless at 3.5), trials that are not kept.
    """
    corners = mesh.nodes[mesh.tets]
    faces = corners[:, [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]]
    normals = np.cross(faces[:, :, 1] - faces[:, :, 0], faces[:, :, 2] - faces[:, :, 0])
    heights = 6.0 * mesh.volumes / np.linalg.norm(normals, axis=2).max(axis=1)
    wave_speed = np.sqrt((material.bulk + material.mu) / material.density)
    return float(2.5 * heights.min() / wave_speed)


class CornerWeights(NamedTuple):
    """What of the elements does not depend on their stiffness.

    Attributes:
        inverses: (t, 3, 3) inverse of the matrix of rest edges, 1/m.
        values: (t, 3) eigenvalues of A, the weight of the corners in the entries of F.
        vectors: (t, 3, 3) its eigenvectors, in columns.
        volumes: (t,) at rest, m^3.
    """

    inverses: NDArray[np.float64]
    values: NDArray[np.float64]
    vectors: NDArray[np.float64]
    volumes: NDArray[np.float64]


def corner_weights(mesh: TetMesh, inverse_masses: NDArray[np.float64]) -> CornerWeights:
    """The weights of a mesh whose nodes have these inverse masses (n,), 1/kg."""
    corners = mesh.nodes[mesh.tets]
    inverses = np.asarray(np.linalg.inv((corners[:, 1:] - corners[:, :1]).swapaxes(1, 2)), float)
    gradients = np.concatenate([-inverses.sum(axis=1, keepdims=True), inverses], axis=1)
    weights = np.einsum("tni,tn,tnj->tij", gradients, inverse_masses[mesh.tets], gradients)
    values, vectors = np.linalg.eigh(weights)
    return CornerWeights(inverses, np.maximum(values, 0.0), vectors, mesh.volumes)


def element_table(
    weights: CornerWeights, material: Material, period_s: float
) -> NDArray[np.float64]:
    """(t, 17) what `relax` needs to know of each tetrahedron.

    Columns: the inverse of the matrix of rest edges (1/m); the six different entries of
    A (A + 1/s)^-1, where s is the deviatoric stiffness mu V times the sub-step squared; s; the same
    of the hydrostatic part.
    """
    stiffness = material.mu * weights.volumes * period_s**2
    shares = weights.values / (weights.values + 1.0 / stiffness[:, None])
    softness = (weights.vectors * shares[:, None, :]) @ weights.vectors.swapaxes(1, 2)
    table = np.empty((len(stiffness), _COLUMNS))
    table[:, _INVERSE:_SOFTNESS] = weights.inverses.reshape(-1, 9)
    rows, columns = np.triu_indices(3)
    table[:, _SOFTNESS:_DEVIATORIC] = softness[:, rows, columns]
    table[:, _DEVIATORIC] = stiffness
    table[:, _HYDROSTATIC] = stiffness * material.bulk / material.mu
    return table


@njit(cache=True, error_model="numpy")
def relax(nodes, pushed, inverse_masses, tets, table, stress, fate, gamma):  # type: ignore[no-untyped-def]
    """Solve every intact tetrahedron once; moves `nodes` (n, 3) and updates `stress` (t, 9).

    A tetrahedron far from its shape at rest forgets its stress, and `pushed` (n, 3) loses what
    the stress has moved: started from zero the sweep is stable whatever the shape.
    """
    for tet in range(len(tets)):
        if fate[tet] == 0:
            held, row = stress[tet], table[tet]
            if _relax_one(nodes, inverse_masses, tets[tet], row, held, gamma):
                forget(pushed, inverse_masses, tets[tet], row, held)


@njit(cache=True, error_model="numpy")
def forget(pushed, inverse_masses, tet, row, held):  # type: ignore[no-untyped-def]
    """Set a tetrahedron's stress to zero, and take what it moved from `pushed`."""
    x0, x1, x2 = _onto((held[0], held[1], held[2]), row)
    y0, y1, y2 = _onto((held[3], held[4], held[5]), row)
    z0, z1, z2 = _onto((held[6], held[7], held[8]), row)
    a, b, c, d = tet[0], tet[1], tet[2], tet[3]
    _shift(pushed, a, inverse_masses[a], x0 + x1 + x2, y0 + y1 + y2, z0 + z1 + z2)
    _shift(pushed, b, -inverse_masses[b], x0, y0, z0)
    _shift(pushed, c, -inverse_masses[c], x1, y1, z1)
    _shift(pushed, d, -inverse_masses[d], x2, y2, z2)
    held[:] = 0.0


@njit(cache=True, error_model="numpy")
def _relax_one(nodes, inverse_masses, tet, row, held, gamma):  # type: ignore[no-untyped-def]
    """Solve one tetrahedron; tells whether it is far from its shape at rest."""
    f0, f1, f2 = deformation(nodes, tet, row)
    g0, g1, g2 = cross(f1, f2), cross(f2, f0), cross(f0, f1)
    stiffness, squeeze = row[_DEVIATORIC], row[_HYDROSTATIC]
    ratio = dot(f0, g0)
    pressure = squeeze * (ratio - gamma)
    r0 = _residual(held, 0, f0, stiffness, g0, pressure)
    r1 = _residual(held, 3, f1, stiffness, g1, pressure)
    r2 = _residual(held, 6, f2, stiffness, g2, pressure)
    m = (row[9], row[10], row[11], row[12], row[13], row[14])
    s0, s1, s2 = _symmetric(r0, m), _symmetric(r1, m), _symmetric(r2, m)
    h0, h1, h2 = _symmetric(g0, m), _symmetric(g1, m), _symmetric(g2, m)
    moved = dot(g0, s0) + dot(g1, s1) + dot(g2, s2)
    weight = dot(g0, h0) + dot(g1, h1) + dot(g2, h2)
    change = -moved * squeeze / (stiffness + squeeze * weight)
    x0, x1, x2 = _onto(_correct(held, 0, r0, s0, g0, h0, change), row)
    y0, y1, y2 = _onto(_correct(held, 3, r1, s1, g1, h1, change), row)
    z0, z1, z2 = _onto(_correct(held, 6, r2, s2, g2, h2, change), row)
    a, b, c, d = tet[0], tet[1], tet[2], tet[3]
    _shift(nodes, a, -inverse_masses[a], x0 + x1 + x2, y0 + y1 + y2, z0 + z1 + z2)
    _shift(nodes, b, inverse_masses[b], x0, y0, z0)
    _shift(nodes, c, inverse_masses[c], x1, y1, z1)
    _shift(nodes, d, inverse_masses[d], x2, y2, z2)
    return ratio < _SQUASHED or dot(g0, g0) + dot(g1, g1) + dot(g2, g2) > _SPREAD


@njit(cache=True, error_model="numpy")
def _residual(held, first, f, stiffness, g, pressure):  # type: ignore[no-untyped-def]
    """A row of the stress held plus that of the energy, which have opposite signs."""
    return (
        held[first] + stiffness * f[0] + pressure * g[0],
        held[first + 1] + stiffness * f[1] + pressure * g[1],
        held[first + 2] + stiffness * f[2] + pressure * g[2],
    )


@njit(cache=True, error_model="numpy")
def _correct(held, first, r, s, g, h, change):  # type: ignore[no-untyped-def]
    """A row by which the stress held changes; adds it."""
    x = s[0] - r[0] + change * (h[0] - g[0])
    y = s[1] - r[1] + change * (h[1] - g[1])
    z = s[2] - r[2] + change * (h[2] - g[2])
    held[first] += x
    held[first + 1] += y
    held[first + 2] += z
    return x, y, z


@njit(cache=True, error_model="numpy")
def deformation(nodes, tet, row):  # type: ignore[no-untyped-def]
    """The three rows of a tetrahedron's deformation gradient."""
    a, b, c, d = tet[0], tet[1], tet[2], tet[3]
    x, y, z = nodes[a, 0], nodes[a, 1], nodes[a, 2]
    return (
        _along((nodes[b, 0] - x, nodes[c, 0] - x, nodes[d, 0] - x), row),
        _along((nodes[b, 1] - y, nodes[c, 1] - y, nodes[d, 1] - y), row),
        _along((nodes[b, 2] - z, nodes[c, 2] - z, nodes[d, 2] - z), row),
    )


@njit(cache=True, error_model="numpy")
def _along(e, row):  # type: ignore[no-untyped-def]
    """A row of edges times the inverse of the rest edges."""
    return (
        e[0] * row[0] + e[1] * row[3] + e[2] * row[6],
        e[0] * row[1] + e[1] * row[4] + e[2] * row[7],
        e[0] * row[2] + e[1] * row[5] + e[2] * row[8],
    )


@njit(cache=True, error_model="numpy")
def _onto(v, row):  # type: ignore[no-untyped-def]
    """A row of multipliers, brought to the three corners that are not the first."""
    return (
        v[0] * row[0] + v[1] * row[1] + v[2] * row[2],
        v[0] * row[3] + v[1] * row[4] + v[2] * row[5],
        v[0] * row[6] + v[1] * row[7] + v[2] * row[8],
    )


@njit(cache=True, error_model="numpy")
def _symmetric(v, m):  # type: ignore[no-untyped-def]
    """A row times the symmetric matrix with upper triangle m."""
    return (
        v[0] * m[0] + v[1] * m[1] + v[2] * m[2],
        v[0] * m[1] + v[1] * m[3] + v[2] * m[4],
        v[0] * m[2] + v[1] * m[4] + v[2] * m[5],
    )


@njit(cache=True, error_model="numpy")
def _shift(nodes, node, weight, x, y, z):  # type: ignore[no-untyped-def]
    nodes[node, 0] += weight * x
    nodes[node, 1] += weight * y
    nodes[node, 2] += weight * z


@njit(cache=True, error_model="numpy")
def largest_stretch(nodes, tet, row, enough):  # type: ignore[no-untyped-def]
    """Largest principal stretch of a tetrahedron, or a bound on it that is below `enough`.

    The bound is that of Wolkowicz and Styan (1980) on the largest eigenvalue of F^T F; the
    eigenvalue itself is Smith's (1961) trigonometric formula.
    """
    f0, f1, f2 = deformation(nodes, tet, row)
    xx = f0[0] * f0[0] + f1[0] * f1[0] + f2[0] * f2[0]
    yy = f0[1] * f0[1] + f1[1] * f1[1] + f2[1] * f2[1]
    zz = f0[2] * f0[2] + f1[2] * f1[2] + f2[2] * f2[2]
    xy = f0[0] * f0[1] + f1[0] * f1[1] + f2[0] * f2[1]
    xz = f0[0] * f0[2] + f1[0] * f1[2] + f2[0] * f2[2]
    yz = f0[1] * f0[2] + f1[1] * f1[2] + f2[1] * f2[2]
    mean = (xx + yy + zz) / 3.0
    xx, yy, zz = xx - mean, yy - mean, zz - mean
    spread = np.sqrt((xx * xx + yy * yy + zz * zz + 2.0 * (xy * xy + xz * xz + yz * yz)) / 6.0)
    bound = mean + 2.0 * spread
    if bound < enough * enough or spread == 0.0:
        return np.sqrt(bound)
    determinant = xx * (yy * zz - yz * yz) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz)
    cosine = min(1.0, max(-1.0, determinant / (2.0 * spread**3)))
    return np.sqrt(mean + 2.0 * spread * np.cos(np.arccos(cosine) / 3.0))


@njit(cache=True, error_model="numpy")
def measure(nodes, tets, table, fate, gamma, stretches, volumes):  # type: ignore[no-untyped-def]
    """Fill in stretch and volume ratio of every tetrahedron (1 where gone); returns the energy.

    The energy comes in units of joule times the sub-step squared.
    """
    energy = 0.0
    for tet in range(len(tets)):
        stretches[tet], volumes[tet] = 1.0, 1.0
        if fate[tet] == 0:
            row = table[tet]
            f0, f1, f2 = deformation(nodes, tets[tet], row)
            ratio = dot(f0, cross(f1, f2))
            size = dot(f0, f0) + dot(f1, f1) + dot(f2, f2) - 3.0
            stretches[tet] = largest_stretch(nodes, tets[tet], row, 0.0)
            volumes[tet] = ratio
            squeeze = (ratio - gamma) ** 2 - (1.0 - gamma) ** 2
            energy += 0.5 * (row[_DEVIATORIC] * size + row[_HYDROSTATIC] * squeeze)
    return energy


@njit(cache=True, error_model="numpy")
def inside(positions, corners, point):  # type: ignore[no-untyped-def]
    """A point's barycentric coordinates of corners 1 to 3; NaN or infinite in a flat one."""
    x, y, z = positions[corners[0]]
    b, c, d = positions[corners[1]], positions[corners[2]], positions[corners[3]]
    one = (b[0] - x, b[1] - y, b[2] - z)
    two = (c[0] - x, c[1] - y, c[2] - z)
    three = (d[0] - x, d[1] - y, d[2] - z)
    gap = (point[0] - x, point[1] - y, point[2] - z)
    across = cross(two, three)
    scale = 1.0 / dot(one, across)
    turn = cross(one, gap)
    return scale * dot(gap, across), scale * dot(three, turn), -scale * dot(two, turn)
