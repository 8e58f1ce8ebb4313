"""A smooth random deformation: the sum of a few long plane waves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.phantoms.grids import refine
from halsted.imaging_bridge.phantoms.shapes import Array

_SHORTEST_MM = 110.0
_LONGEST_MM = 260.0
_COARSE_MM = 12.0


@dataclass(frozen=True, eq=False)
class Waves:
    """Displacements that bend straight anatomy.

    Attributes:
        vectors: Wave vectors (n, 3), radians per mm.
        phases: (n,), radians.
        amplitudes: Displacement (n, 3) at each wave's crest, mm.
    """

    vectors: NDArray[np.float64]
    phases: NDArray[np.float64]
    amplitudes: NDArray[np.float64]

    @property
    def reach(self) -> float:
        """A bound on the displacement along any axis, mm."""
        return float(np.abs(self.amplitudes).sum(axis=0).max())

    def displace(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """The points that the material at x, y, z came from; all in mm."""
        out = [np.array(c) for c in np.broadcast_arrays(x, y, z)]
        for vector, phase, amplitude in zip(
            self.vectors.tolist(), self.phases.tolist(), self.amplitudes.tolist(), strict=True
        ):
            wave = np.sin(vector[0] * x + vector[1] * y + vector[2] * z + phase)
            for axis in range(3):
                out[axis] += amplitude[axis] * wave
        return out[0], out[1], out[2]

    def displace_grid(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """As `displace`, for a grid with the coordinates x, y and z; arrays (z, y, x).

        The waves are evaluated every 12 mm or so and interpolated, as they are much longer.
        """
        coarse = tuple(
            np.linspace(c[0], c[-1], math.ceil((c[-1] - c[0]) / _COARSE_MM) + 1) for c in (z, y, x)
        )
        zc, yc, xc = np.meshgrid(*coarse, indexing="ij", sparse=True)
        moved = self.displace(xc, yc, zc)
        home = (xc, yc, zc)
        fine = [
            refine((m - h).astype(np.float32), coarse, (z, y, x))
            for m, h in zip(moved, home, strict=True)
        ]
        fine[0] += x
        fine[1] += y[:, None]
        fine[2] += z[:, None, None]
        return fine[0], fine[1], fine[2]


def draw_waves(rng: np.random.Generator, amplitude_mm: float, count: int = 7) -> Waves:
    """Waves in random directions, 110 to 260 mm long, of a given root mean square per axis."""
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = rng.uniform(_SHORTEST_MM, _LONGEST_MM, size=(count, 1))
    amplitudes = rng.normal(size=(count, 3))
    amplitudes *= amplitude_mm * math.sqrt(2.0) / np.linalg.norm(amplitudes, axis=0)
    phases = rng.uniform(0.0, 2.0 * math.pi, count)
    return Waves(2.0 * math.pi * directions / lengths, phases, amplitudes)
