"""Points drawn on a soft body, which move with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from halsted.robot.tissue.body import SoftBody
from halsted.robot.tissue.errors import TissueError

_OUTSIDE = 1e-6


class Markers:
    """Points of the tissue, given where the mesh was built, and found again as it deforms."""

    def __init__(self, body: SoftBody) -> None:
        """Markers on this body, none yet."""
        self._body = body
        corners = body.mesh.nodes[body.mesh.tets]
        self._origins = corners[:, 0]
        self._inverses = np.linalg.inv(corners[:, 1:] - corners[:, :1])
        self._nodes: NDArray[np.int32] = body.mesh.tets[:0]
        self._weights = np.zeros((0, 4))

    def place(self, points: NDArray[np.float64]) -> None:
        """Draw points (k, 3), m, in the frame of the mesh, instead of those before.

        Raises:
            TissueError: a point lies outside the mesh.
        """
        local = (points - self._origins[:, None]) @ self._inverses
        weights = np.concatenate([1.0 - local.sum(axis=2, keepdims=True), local], axis=2)
        inside = weights.min(axis=2)
        tets = inside.argmax(axis=0)
        numbers = np.arange(len(points))
        worst = float(inside[tets, numbers].min(initial=0.0))
        if worst < -_OUTSIDE:
            raise TissueError(
                f"a marker lies outside the tissue (barycentric coordinate {worst:.3g}); place it "
                "within the mesh"
            )
        self._nodes = self._body.mesh.tets[tets]
        self._weights = weights[tets, numbers]

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
