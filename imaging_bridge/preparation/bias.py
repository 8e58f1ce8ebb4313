"""Correction of the slow change of brightness that a coil leaves in MR (N4)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import GeometryError
from halsted.imaging_bridge.preparation.threads import one_thread
from halsted.imaging_bridge.volume import Volume

_COARSEST_MM = 4.0
_FEWEST_SLICES = 4  # a cubic spline has four control points
_ITERATIONS = (50, 50, 50, 50)


def correct_bias(
    volume: Volume, mask: NDArray[np.bool_] | None = None, coarsest_mm: float = _COARSEST_MM
) -> Volume:
    """N4 bias-field correction (Tustison et al. 2010, doi:10.1109/TMI.2010.2046908), as float32.

    The field is estimated on a grid shrunk to about `coarsest_mm`, because it changes slowly, and
    divides the volume at its full resolution. Its mean logarithm over the mask is zero, so that the
    scale of the values is kept.

    Args:
        volume: An MR volume; values are not below zero.
        mask: (z, y, x) voxels that the field is estimated from; Otsu's foreground where it is None.
        coarsest_mm: Greatest spacing that the estimate may use.

    Raises:
        GeometryError: there are fewer than four slices along an axis, a value is below zero, all
            are the same, the mask is empty or of another shape, or the axes are not perpendicular.
    """
    import SimpleITK as sitk

    _check(volume, mask)
    image = sitk.Cast(volume.to_sitk(), sitk.sitkFloat32)
    if mask is None:
        region = sitk.OtsuThreshold(image, 0, 1, 200)
    else:
        region = sitk.GetImageFromArray(mask.astype(np.uint8))
        region.CopyInformation(image)
    shrink = [
        max(1, min(int(coarsest_mm // distance), count // _FEWEST_SLICES))
        for distance, count in zip(volume.spacing[::-1], volume.shape[::-1], strict=True)
    ]
    coarse, coarse_region = sitk.Shrink(image, shrink), sitk.Shrink(region, shrink)
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations(_ITERATIONS)
    with one_thread():
        corrector.Execute(coarse, coarse_region)
    field = sitk.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(image))
    inside = sitk.GetArrayViewFromImage(region) > 0
    gain = np.exp(field - field[inside].mean())
    return replace(volume, voxels=(volume.voxels / gain).astype(np.float32))


def _check(volume: Volume, mask: NDArray[np.bool_] | None) -> None:
    lowest, highest = float(volume.voxels.min()), float(volume.voxels.max())
    if lowest < 0:
        raise GeometryError(
            f"this volume goes down to {lowest:g}, but a bias field multiplies values that are not "
            "below 0, such as MR before it is normalised; pass that"
        )
    if mask is not None and (mask.shape != volume.shape or not mask.any()):
        raise GeometryError(
            f"the mask has shape {mask.shape} with {int(np.count_nonzero(mask))} voxels in it, but "
            f"voxels of a volume of shape {volume.shape} were expected; pass a mask on its grid"
        )
    if min(volume.shape) < _FEWEST_SLICES:
        raise GeometryError(
            f"this volume has shape {volume.shape}, but a bias field is estimated from at least "
            f"{_FEWEST_SLICES} slices along each axis; pass more of the scan"
        )
    if lowest == highest:
        raise GeometryError(
            f"every voxel of this volume is {lowest:g}, which tells nothing about a bias field; "
            "pass an image of the patient"
        )
