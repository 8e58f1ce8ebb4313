"""Points drawn on a soft body, which move with it."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from halsted.robot.tissue.body import SoftBody
from halsted.robot.tissue.elasticity import inside
from halsted.robot.tissue.errors import TissueError

_OUTSIDE = 1e-6


class Markers:
    """Points of the tissue, given where the mesh was built, and found again as it deforms."""

    def __init__(self, body: SoftBody) -> None:
        """Markers on this body, none yet."""
        self._body = body
        self._nodes: NDArray[np.int32] = body.mesh.tets[:0]
        self._weights = np.zeros((0, 4))

    def place(self, points: NDArray[np.float64]) -> None:
        """Draw points (k, 3), m, in the frame of the mesh, instead of those before.

        Raises:
            TissueError: a point lies outside the mesh.
        """
        mesh = self._body.mesh
        tets, weights = _locate(mesh.nodes, mesh.tets, points)
        worst = float(weights.min(initial=0.0))
        if worst < -_OUTSIDE:
            raise TissueError(
                f"a marker lies outside the tissue (barycentric coordinate {worst:.3g}); place it "
                "within the mesh"
            )
        self._nodes, self._weights = mesh.tets[tets], weights

    @property
    def positions(self) -> NDArray[np.float64]:
        """(k, 3) where they are now, world, m."""
        return self._mean(self._body.positions)

    @property
    def laid_positions(self) -> NDArray[np.float64]:
        """(k, 3) where they were when the body was laid down, world, m."""
        return self._mean(self._body.laid_positions)

    def _mean(self, nodes: NDArray[np.float64]) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = np.einsum("kc,kci->ki", self._weights, nodes[self._nodes])
        return mean


@njit(cache=True, error_model="numpy")
def _locate(nodes, tets, points):  # type: ignore[no-untyped-def]
    """The tetrahedron (k,) that holds each point, or comes nearest, and the weights (k, 4)."""
    found, weights = np.zeros(len(points), np.int64), np.full((len(points), 4), -np.inf)
    for k in range(len(points)):
        best = -np.inf
        for tet in range(len(tets)):
            b, c, d = inside(nodes, tets[tet], points[k])
            a = 1.0 - b - c - d
            least = min(min(a, b), min(c, d))
            if least > best:
                best, found[k] = least, tet
                weights[k, 0], weights[k, 1], weights[k, 2], weights[k, 3] = a, b, c, d
            if best >= 0.0:
                break
    return found, weights
