"""Parts of a body, and painting them onto a voxel grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halsted.imaging_bridge.phantoms.grids import refine
from halsted.imaging_bridge.phantoms.shapes import Array, Bounds, Shape, Union
from halsted.imaging_bridge.phantoms.waves import Waves

Window = tuple[slice, slice, slice]

_FAR_MM = 1e3
_COARSE_MM = 5.0


@dataclass(frozen=True)
class Core:
    """What a part is made of further in, such as marrow under a bone's cortex.

    Attributes:
        depth_mm: Thickness of the rind.
        hu: Attenuation of what is inside it, HU.
    """

    depth_mm: float
    hu: float


@dataclass(frozen=True)
class Part:
    """One solid of a body. Of parts that overlap, the later one is what is there.

    Attributes:
        name: The structure it belongs to.
        shape: Where it is.
        hu: Attenuation, HU.
        core: What it is made of further in, or None.
        within: Structures that it may replace; empty for all.
        warped: Whether the smooth deformation of the body bends it.
        gentle: Whether its surface bends so slowly that a distance every 5 mm is enough.
    """

    name: str
    shape: Shape
    hu: float
    core: Core | None = None
    within: tuple[str, ...] = ()
    warped: bool = True
    gentle: bool = False


def pieces(shape: Shape) -> Sequence[Shape]:
    """Solids of which `shape` is the plain union, each with tight bounds."""
    return shape.shapes if isinstance(shape, Union) and shape.smooth <= 0.0 else (shape,)


class Canvas:
    """A CT and its labels in the making.

    Attributes:
        hu: Attenuation (z, y, x), HU, float32.
        labels: Structures (z, y, x), uint8, by the values given.
    """

    def __init__(
        self,
        axes: Sequence[Array],
        spacing_mm: float,
        waves: Waves,
        values: dict[str, int],
        air_hu: float,
    ) -> None:
        """Fill a grid with air.

        Args:
            axes: Coordinates x, y and z of the voxel centres, mm.
            spacing_mm: Distance between voxel centres, mm.
            waves: The smooth deformation of the body.
            values: Label value by structure.
            air_hu: Attenuation of air, HU.
        """
        x, y, z = self._axes = tuple(np.asarray(axis, dtype=np.float32) for axis in axes)
        self._spacing = spacing_mm
        self._reach = waves.reach
        self._values = values
        self._warped = waves.displace_grid(x, y, z)
        self._straight = tuple(np.meshgrid(z, y, x, indexing="ij", sparse=True))[::-1]
        self.hu = np.full((len(z), len(y), len(x)), air_hu, dtype=np.float32)
        self.labels = np.zeros(self.hu.shape, dtype=np.uint8)

    def paint(self, part: Part) -> None:
        """Put `part` over what is there, blended over one voxel at its surface."""
        window = self._window(part.shape.bounds, part.warped)
        if any(cut.start >= cut.stop for cut in window):
            return
        depth = self._distance(part, window) * np.float32(1.0 / self._spacing)
        cover = np.clip(0.5 - depth, 0.0, 1.0)
        labels, hu = self.labels[window], self.hu[window]
        if part.within:
            cover *= np.isin(labels, [self._values[name] for name in part.within])
        labels[cover > 0.5] = self._values[part.name]
        paint: Array | float = part.hu
        if part.core is not None:
            inner = np.clip(0.5 - part.core.depth_mm / self._spacing - depth, 0.0, 1.0)
            paint = part.hu + (part.core.hu - part.hu) * inner
        hu += cover * (paint - hu)

    def _distance(self, part: Part, window: Window) -> Array:
        """Signed distance, mm, to a part inside a window; far where none of its pieces is near."""
        if part.gentle:
            return self._coarse_distance(part, window)
        parts = pieces(part.shape)
        if len(parts) == 1:
            return part.shape.distance(*self._coordinates(window, part.warped))
        found = np.full(self.hu[window].shape, _FAR_MM, dtype=np.float32)
        for piece in parts:
            near = self._window(piece.bounds, part.warped)
            if all(cut.start < cut.stop for cut in near):
                there = found[
                    tuple(
                        slice(n.start - w.start, n.stop - w.start)
                        for n, w in zip(near, window, strict=True)
                    )
                ]
                apart = piece.distance(*self._coordinates(near, part.warped))
                np.minimum(there, apart, out=there)
        return found

    def _coarse_distance(self, part: Part, window: Window) -> Array:
        every = max(1, int(_COARSE_MM / self._spacing))
        fine = tuple(np.arange(cut.stop - cut.start) for cut in window)
        knots = tuple(np.unique(np.append(places[::every], places[-1])) for places in fine)
        there = np.ix_(*(places + cut.start for places, cut in zip(knots, window, strict=True)))
        found = part.shape.distance(*(axis[there] for axis in self._warped))
        return found if every == 1 else refine(found, knots, fine)

    def _coordinates(self, window: Window, warped: bool) -> tuple[Array, Array, Array]:
        if warped:
            x, y, z = (axis[window] for axis in self._warped)
        else:
            cut_z, cut_y, cut_x = window
            x, y, z = self._straight
            x, y, z = x[:, :, cut_x], y[:, cut_y], z[cut_z]
        return x, y, z

    def _window(self, bounds: Bounds, warped: bool) -> Window:
        """The voxels that a solid within `bounds` may touch."""
        reach = self._spacing + (self._reach if warped else 0.0)
        low, high = bounds
        cuts = [
            slice(
                int(np.searchsorted(axis, low[i] - reach)),
                int(np.searchsorted(axis, high[i] + reach, side="right")),
            )
            for i, axis in enumerate(self._axes)
        ]
        return cuts[2], cuts[1], cuts[0]
