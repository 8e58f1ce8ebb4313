"""How well two scans lie on each other, by a measure that tells a good fit from a bad one.

What two images share is measured by the entropy correlation coefficient (Maes et al. 1997,
doi:10.1109/42.563664), which holds between modalities and lies from 0 to 1. By itself it tells
little: two sequences of one brain in place reach 0.33, two CT scans of one abdomen 0.95. What tells
is how much of it a small misplacement takes away: where the anatomy truly lies on itself, much;
where it does not, nothing. On the real scans at hand, 3 mm with 3 degrees take 18 to 27 % of it
between sequences of one brain in place, 4 % between two people's brains, 3 % where a brain is
upside down, and under 1 % between a brain and an abdomen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import RegistrationError
from halsted.imaging_bridge.preparation.transforms import Transform
from halsted.imaging_bridge.volume import Volume

_BINS = 32
_MISPLACEMENTS = 12
_LEAST_SHARED_VOXELS = 1000
_LEAST_OVERLAP = 0.3
_LEAST_SHARPNESS = 0.08
_LEAST_SHARED = 0.1
_LEAST_JACOBIAN = 0.05


@dataclass(frozen=True)
class Quality:
    """What is measured of a fit.

    Attributes:
        shared: Entropy correlation coefficient, from 0 (nothing in common) to 1.
        sharpness: Mean part of `shared` that a small misplacement takes away.
        best_misplaced: Highest `shared` of a small misplacement; above `shared`, the fit is not at
            its best.
        overlap: Part of the smaller field of view that the other covers.
        least_jacobian: Least local change of volume; at or below zero space folds. 1 where nothing
            deforms.
    """

    shared: float
    sharpness: float
    best_misplaced: float
    overlap: float
    least_jacobian: float = 1.0

    def check(self) -> None:
        """Refuse a bad fit.

        Raises:
            RegistrationError: it says what is wrong with the fit.
        """
        if self.overlap < _LEAST_OVERLAP:
            raise RegistrationError(
                f"the scans overlap in {self.overlap:.0%} of the smaller field of view after "
                f"registration, but {_LEAST_OVERLAP:.0%} is needed to judge the fit; check that "
                "they show the same part of the body"
            )
        if self.shared < _LEAST_SHARED:
            raise RegistrationError(
                f"the scans have too little in common after registration (entropy correlation "
                f"{self.shared:.3f}, at least {_LEAST_SHARED} was expected); check that they show "
                "the same part of the body"
            )
        if self.sharpness < _LEAST_SHARPNESS or self.best_misplaced >= self.shared:
            raise RegistrationError(
                f"the scans do not lie on each other after registration: a small misplacement "
                f"takes away {self.sharpness:.1%} of what they share, but at least "
                f"{_LEAST_SHARPNESS:.0%} was expected of a good fit; check that both show the same "
                "person and part of the body"
            )
        if self.least_jacobian < _LEAST_JACOBIAN:
            raise RegistrationError(
                f"the deformation folds space or nearly so (least Jacobian "
                f"{self.least_jacobian:.2f}, expected over {_LEAST_JACOBIAN}); use a coarser mesh "
                "or an affine registration"
            )


def measure(
    fixed: Volume, moving: Volume, transform: Transform, offset: float, jacobian: float = 1.0
) -> Quality:
    """Measure a fit.

    Args:
        fixed: The scan whose grid is compared on; a coarse one is enough.
        moving: The other scan.
        transform: From points of the fixed scan to points of the moving one.
        offset: Size of a small misplacement: millimetres of shift, and degrees of turn.
        jacobian: Least Jacobian of the deformation.
    """
    sampler = _Sampler(fixed, moving)
    shared, overlap = sampler.shared(transform)
    misplaced = np.array(
        [sampler.shared(_misplaced(transform, fixed, turn, offset))[0] for turn in _turns()]
    )
    sharpness = 1.0 - float(misplaced.mean()) / shared if shared > 0 else 0.0
    return Quality(shared, sharpness, float(misplaced.max()), overlap, jacobian)


class _Sampler:
    """Compares both scans at all voxels of the fixed one."""

    def __init__(self, fixed: Volume, moving: Volume) -> None:
        import SimpleITK as sitk

        self._fixed = sitk.Cast(fixed.to_sitk(), sitk.sitkFloat32)
        self._moving = sitk.Cast(moving.to_sitk(), sitk.sitkFloat32)
        self._mask = sitk.Cast(self._moving * 0, sitk.sitkUInt8) + 1
        self._fixed_bins = _binned(fixed.voxels)
        self._limits = np.percentile(moving.voxels, (1, 99))
        volumes = [float(np.prod(one.spacing * one.shape)) for one in (fixed, moving)]
        self._smaller = min(volumes) / volumes[0]

    def shared(self, transform: Transform) -> tuple[float, float]:
        """Entropy correlation coefficient and overlap of the smaller field of view."""
        import SimpleITK as sitk

        mapping = transform.to_sitk()
        brought = sitk.Resample(self._moving, self._fixed, mapping, sitk.sitkLinear, 0.0)
        seen = sitk.Resample(self._mask, self._fixed, mapping, sitk.sitkNearestNeighbor, 0)
        inside = sitk.GetArrayViewFromImage(seen) > 0
        count = int(np.count_nonzero(inside))
        overlap = min(1.0, count / int(inside.size) / self._smaller)
        if count < _LEAST_SHARED_VOXELS:
            return 0.0, overlap
        values = _binned(sitk.GetArrayViewFromImage(brought)[inside], self._limits)
        return _entropy_correlation(self._fixed_bins[inside], values), overlap


def _binned(
    values: NDArray[np.floating], limits: NDArray[np.floating] | None = None
) -> NDArray[np.int64]:
    low, high = np.percentile(values, (1, 99)) if limits is None else limits
    scaled = (values - float(low)) * (_BINS / max(float(high) - float(low), 1e-9))
    return np.asarray(np.clip(scaled, 0, _BINS - 1), dtype=np.int64)


def _entropy_correlation(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    counts = np.bincount(first * _BINS + second, minlength=_BINS**2).reshape(_BINS, _BINS)
    joint = counts / counts.sum()
    apart = _entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1))
    return float(2.0 * (1.0 - _entropy(joint) / apart)) if apart > 0 else 0.0


def _entropy(parts: NDArray[np.floating]) -> float:
    parts = parts[parts > 0]
    return float(-(parts * np.log(parts)).sum())


def _turns() -> NDArray[np.float64]:
    """(n, 2, 3) unit axes of turns and unit directions of shifts, always the same."""
    vectors = np.random.default_rng(0).normal(size=(_MISPLACEMENTS, 2, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _misplaced(
    transform: Transform, fixed: Volume, turn: NDArray[np.float64], offset: float
) -> Transform:
    """The transform, turned about the middle of the fixed scan and shifted, in the moving scan."""
    middle = transform(fixed.to_patient((np.array(fixed.shape) - 1) / 2.0))
    moved = np.eye(4)
    moved[:3, :3] = rotation(turn[0] * np.deg2rad(offset))
    moved[:3, 3] = middle - moved[:3, :3] @ middle + offset * turn[1]
    return Transform(moved @ transform.matrix, transform.displacement_mm, transform.grid)


def rotation(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """3x3 rotation about a vector by its length in radians (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle == 0.0:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
