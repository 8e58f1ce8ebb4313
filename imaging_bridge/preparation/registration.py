"""Rigid, affine and deformable registration, which refuses a bad fit.

SimpleITK maximises mutual information (Mattes et al. 2003, doi:10.1109/TMI.2003.809072) from coarse
to fine. Samples are drawn from a fixed seed and sums are made by one thread, so that the same scans
give the same transform, bit for bit, on one machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import RegistrationError
from halsted.imaging_bridge.preparation.quality import Quality, measure
from halsted.imaging_bridge.preparation.resampling import Target, resample
from halsted.imaging_bridge.preparation.threads import one_thread
from halsted.imaging_bridge.preparation.transforms import Transform, sitk_linear
from halsted.imaging_bridge.volume import Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

Kind = Literal["rigid", "affine", "deformable"]

# A small misplacement, in millimetres and degrees: within one body, and between bodies whose like
# parts are brought onto each other.
_OFFSETS: dict[Kind, float] = {"rigid": 3.0, "affine": 10.0, "deformable": 10.0}

_FINEST_MM: dict[Kind, float] = {"rigid": 2.0, "affine": 2.0, "deformable": 4.0}
_BINS = 50
_SAMPLES = 50_000
_SEED = 1
_DEFORMABLE_SAMPLES, _DEFORMABLE_ITERATIONS = 200_000, 20
# Splines whose coefficients stay below their spacing divided by this cannot fold space
# (Choi and Lee 2000, doi:10.1006/gmod.2000.0531).
_INJECTIVE = 2.48
_SHRINK, _SIGMAS_MM = (3, 2, 1), (4.0, 2.0, 0.0)


@dataclass(frozen=True, eq=False)
class Registration:
    """A fit of one scan onto another.

    Attributes:
        kind: What the transform may do.
        transform: From points of the fixed scan to points of the moving one, LPS, mm; `bring`
            resamples the moving scan with it.
        quality: How well the scans lie on each other.
    """

    kind: Kind
    transform: Transform
    quality: Quality


def register(
    fixed: Volume,
    moving: Volume,
    kind: Kind = "rigid",
    *,
    mesh_mm: float = 60.0,
    finest_mm: float | None = None,
    refuse: bool = True,
) -> Registration:
    """Find where the moving scan lies in the fixed one.

    The search starts from the best of three guesses: both scans share their frame, their fields of
    view have one centre, or their values have one centre of mass.

    Args:
        fixed: The scan that stays.
        moving: The scan that is brought onto it.
        kind: ``rigid`` for one body part at two times or in two modalities, ``affine`` and
            ``deformable`` (B-splines after an affine fit) for what has another shape.
        mesh_mm: Distance of the deformation's control points.
        finest_mm: Both scans are compared no finer than this; 2 mm, or 4 mm where they deform.
        refuse: Whether a bad fit is an error; see `Quality.check`.

    Raises:
        RegistrationError: the scans do not overlap, or the fit is bad.
        GeometryError: a grid is sheared.
    """
    finest = _FINEST_MM[kind] if finest_mm is None else finest_mm
    coarse = _coarse(fixed, finest), _coarse(moving, finest)
    with one_thread():
        transform, jacobian = _fit(*coarse, kind, mesh_mm)
    quality = measure(*coarse, transform, _OFFSETS[kind], jacobian)
    if refuse:
        quality.check()
    return Registration(kind, transform, quality)


def _fit(fixed: Volume, moving: Volume, kind: Kind, mesh_mm: float) -> tuple[Transform, float]:
    """The transform and its least Jacobian."""
    images = _image(fixed), _image(moving)
    linear = _linear(*images, kind)
    if kind != "deformable":
        return linear, 1.0
    return _deform(*images, linear, Target(fixed.shape, fixed.affine), mesh_mm)


def _coarse(volume: Volume, finest_mm: float) -> Volume:
    return resample(volume, np.maximum(volume.spacing, finest_mm))


def _image(volume: Volume) -> sitk.Image:
    import SimpleITK as sitk

    image: sitk.Image = sitk.Cast(volume.to_sitk(), sitk.sitkFloat32)
    return image


def _linear(fixed: sitk.Image, moving: sitk.Image, kind: Kind) -> Transform:
    """Rigid first, then affine from there."""
    import SimpleITK as sitk

    start = _best_start(fixed, moving)
    method = _method(fixed)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, 300, gradientMagnitudeTolerance=1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=True)
    _execute(method, fixed, moving)
    if kind == "rigid":
        return sitk_linear(start)
    affine = sitk.AffineTransform(3)
    affine.SetCenter(start.GetCenter())
    affine.SetMatrix(start.GetMatrix())
    affine.SetTranslation(start.GetTranslation())
    method.SetInitialTransform(affine, inPlace=True)
    _execute(method, fixed, moving)
    return sitk_linear(affine)


def _best_start(fixed: sitk.Image, moving: sitk.Image) -> sitk.Euler3DTransform:
    """The guess with the most mutual information."""
    best: tuple[float, sitk.Euler3DTransform] | None = None
    for guess in _guesses(fixed, moving):
        method = _method(fixed)
        method.SetInitialTransform(guess, inPlace=False)
        try:
            value = method.MetricEvaluate(fixed, moving)
        except RuntimeError:  # too few samples lie in both
            continue
        if best is None or value < best[0]:
            best = value, guess
    if best is None:
        raise RegistrationError(
            "the scans cannot be registered because their fields of view hardly overlap, whichever "
            "way they are centred; check that they show the same part of the body"
        )
    return best[1]


def _guesses(fixed: sitk.Image, moving: sitk.Image) -> Iterator[sitk.Euler3DTransform]:
    import SimpleITK as sitk

    middle = [(count - 1) / 2.0 for count in fixed.GetSize()]
    same_frame = sitk.Euler3DTransform()
    same_frame.SetCenter(fixed.TransformContinuousIndexToPhysicalPoint(middle))
    yield same_frame
    kinds = sitk.CenteredTransformInitializerFilter
    for way in (kinds.GEOMETRY, kinds.MOMENTS):
        centred = sitk.CenteredTransformInitializer(fixed, moving, sitk.Euler3DTransform(), way)
        yield sitk.Euler3DTransform(centred)


def _method(fixed: sitk.Image, samples: int = _SAMPLES) -> sitk.ImageRegistrationMethod:
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    part = min(1.0, samples / fixed.GetNumberOfPixels())
    method.SetMetricSamplingPercentage(part, _SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel(_SHRINK)
    method.SetSmoothingSigmasPerLevel(_SIGMAS_MM)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    return method


def _execute(method: sitk.ImageRegistrationMethod, fixed: sitk.Image, moving: sitk.Image) -> None:
    try:
        method.Execute(fixed, moving)
    except RuntimeError as error:  # whose text is several lines of C++
        raise RegistrationError(
            "the registration lost the overlap of the scans; check that they show the same part of "
            "the body"
        ) from error


def _deform(
    fixed: sitk.Image, moving: sitk.Image, linear: Transform, grid: Target, mesh_mm: float
) -> tuple[Transform, float]:
    """B-splines before the linear transform, as displacements on the grid; the least Jacobian."""
    import SimpleITK as sitk

    extent = np.array(fixed.GetSize()) * fixed.GetSpacing()
    mesh = [max(1, round(float(length) / mesh_mm)) for length in extent]
    splines = sitk.BSplineTransformInitializer(fixed, mesh, order=3)
    furthest = float((extent / mesh).min()) / _INJECTIVE
    method = _method(fixed, _DEFORMABLE_SAMPLES)
    method.SetShrinkFactorsPerLevel(_SHRINK[:2])
    method.SetSmoothingSigmasPerLevel(_SIGMAS_MM[:2])
    method.SetMovingInitialTransform(linear.to_sitk())
    method.SetInitialTransform(splines, inPlace=True)
    method.SetOptimizerAsLBFGSB(
        gradientConvergenceTolerance=1e-5,
        numberOfIterations=_DEFORMABLE_ITERATIONS,
        maximumNumberOfFunctionEvaluations=2 * _DEFORMABLE_ITERATIONS,
        costFunctionConvergenceFactor=1e7,
        lowerBound=-furthest,
        upperBound=furthest,
    )
    _execute(method, fixed, moving)
    return _as_displacements(splines, fixed, linear, grid)


def _as_displacements(
    splines: sitk.Transform, fixed: sitk.Image, linear: Transform, grid: Target
) -> tuple[Transform, float]:
    import SimpleITK as sitk

    field = sitk.TransformToDisplacementField(
        splines,
        sitk.sitkVectorFloat64,
        fixed.GetSize(),
        fixed.GetOrigin(),
        fixed.GetSpacing(),
        fixed.GetDirection(),
    )
    displacement = sitk.GetArrayFromImage(field)
    transform = Transform(linear.matrix, displacement.astype(np.float32), grid)
    return transform, _least_jacobian(displacement, grid)


def _least_jacobian(displacement: NDArray[np.float64], grid: Target) -> float:
    """Least determinant of the derivative of p + displacement, by central differences.

    SimpleITK's own filter leaves out the direction of the grid.
    """
    along = np.stack([np.gradient(displacement, axis=axis) for axis in range(3)], axis=-1)
    derivative = np.eye(3) + along @ np.linalg.inv(grid.affine[:3, :3])
    return float(np.linalg.det(derivative).min())
