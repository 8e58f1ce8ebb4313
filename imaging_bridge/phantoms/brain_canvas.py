"""Painting tissues into several MR sequences at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.phantoms.canvas import pieces
from halsted.imaging_bridge.phantoms.grids import refine
from halsted.imaging_bridge.phantoms.shapes import Array, Shape
from halsted.imaging_bridge.phantoms.waves import Waves

Field = NDArray[np.float32]

_FAR_MM = 1e3
_COARSE_MM = 4.0


class Space:
    """Points of a grid in the frame of the head, bent by a smooth deformation.

    Attributes:
        at: Coordinates x, y and z (z, y, x) in the frame of the head, mm.
        shape: Voxels along (z, y, x).
        spacing_mm: Of the cubic voxels.
    """

    def __init__(self, axes: Sequence[Array], spacing_mm: float, waves: Waves) -> None:
        """`axes` are the increasing coordinates x, y and z of the voxel centres, mm."""
        self._axes = tuple(np.asarray(axis, dtype=np.float32) for axis in axes)
        self._reach = waves.reach
        self.at = waves.displace_grid(*self._axes)
        self.shape = self.at[0].shape
        self.spacing_mm = spacing_mm

    def push(self, centre: Sequence[float], share: Array, width_mm: float) -> None:
        """Drive tissue away from `centre`, most within `width_mm`, by up to a share (z, y, x)."""
        gone = [c - np.float32(o) for c, o in zip(self.at, centre, strict=True)]
        near = np.exp(sum(np.square(g) for g in gone) * np.float32(-1.0 / width_mm**2))
        near *= share
        self.at = tuple(c - g * near for c, g in zip(self.at, gone, strict=True))
        # The most that r * exp(-(r / width)^2) can be.
        self._reach += float(share.max()) * width_mm * math.exp(-0.5) / math.sqrt(2.0)

    def gentle(self, shape: Shape) -> Field:
        """Signed distance, mm, to a solid so smooth that a distance every 4 mm is enough."""
        every = max(1, round(_COARSE_MM / self.spacing_mm))
        fine = tuple(np.arange(n) for n in self.shape)
        knots = tuple(np.unique(np.append(places[::every], places[-1])) for places in fine)
        found = shape.distance(*(axis[np.ix_(*knots)] for axis in self.at))
        return np.asarray(refine(found.astype(np.float32), knots, fine), dtype=np.float32)

    def near(self, shape: Shape) -> Field:
        """Signed distance, mm, to a union of small solids; far where none of them is near."""
        found = np.full(self.shape, _FAR_MM, dtype=np.float32)
        for piece in pieces(shape):
            window = self._window(piece)
            if all(cut.start < cut.stop for cut in window):
                apart = piece.distance(*(axis[window] for axis in self.at))
                found[window] = np.minimum(found[window], apart)
        return found

    def cover(self, distance: Array) -> Field:
        """Share of each voxel that lies inside a surface, from its signed distance, mm."""
        share = np.float32(0.5) - np.asarray(distance, np.float32) / np.float32(self.spacing_mm)
        return np.asarray(np.clip(share, 0.0, 1.0))

    def _window(self, shape: Shape) -> tuple[slice, slice, slice]:
        reach = self._reach + 2.0 * self.spacing_mm
        low, high = shape.bounds
        x, y, z = (
            slice(
                int(np.searchsorted(axis, low[i] - reach)),
                int(np.searchsorted(axis, high[i] + reach, side="right")),
            )
            for i, axis in enumerate(self._axes)
        )
        return z, y, x


class MrCanvas:
    """MR sequences and labels in the making.

    Attributes:
        images: Signal (z, y, x), float32, by sequence.
        labels: Structures (z, y, x), uint8, by the values given.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        signals: Mapping[str, Mapping[str, float]],
        values: Mapping[str, int],
    ) -> None:
        """Fill a grid with air, which is silent.

        Args:
            shape: Voxels along (z, y, x).
            signals: Signal in each sequence by tissue.
            values: Label value by structure.
        """
        self._signals, self._values = signals, values
        sequences = next(iter(signals.values()))
        self.images = {name: np.zeros(shape, dtype=np.float32) for name in sequences}
        self.labels = np.zeros(shape, dtype=np.uint8)

    def paint(self, cover: Field, tissue: str | None, structure: str | None) -> None:
        """Put a tissue over what is there.

        Args:
            cover: Share of each voxel that it takes.
            tissue: Its name in the signals; None is air.
            structure: What the voxels are labelled of which it takes more than half; None leaves
                the labels.
        """
        there = np.flatnonzero(cover)
        share = cover.ravel()[there]
        for sequence, image in self.images.items():
            signal = self._signals[tissue][sequence] if tissue else 0.0
            flat = image.reshape(-1)
            flat[there] += share * (np.float32(signal) - flat[there])
        if structure is not None:
            self.mark(cover, structure)

    def mark(self, cover: Field, structure: str) -> None:
        """Label the voxels of which `cover` takes more than half, and leave the images."""
        self.labels[cover > 0.5] = self._values[structure]

    def mask(self, *structures: str) -> NDArray[np.bool_]:
        """Voxels that are any of the structures so far."""
        return np.isin(self.labels, [self._values[name] for name in structures])
