"""What a scanner makes of a perfect image: a slice prescription, blur, shading and noise.

Sampling is apart from applying: `draw_ct_scanner` and `draw_mr_scanner` draw a small record,
`scan_ct`, `mr_image` and `reslice_labels` apply it. The affine stays honest: a structure lies at
the same LPS place before and after. Ranges are typical of clinical scans; equations name theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.phantoms.shapes import Point, as_point, rotation
from halsted.imaging_bridge.structures import names_with_role
from halsted.imaging_bridge.volume import Grid, Volume

Plane = Literal["axial", "coronal", "sagittal"]

LOWEST_HU, HIGHEST_HU = -1024.0, 3071.0

# Columns: the LPS directions of slices, rows and columns of a picture.
_AXES: dict[Plane, tuple[Point, Point, Point]] = {
    "axial": ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
    "coronal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0)),
    "sagittal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)),
}
_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))  # of a Gaussian, in standard deviations
_BIAS_ORDER = 3


@dataclass(frozen=True)
class Prescription:
    """How slices are laid through the patient.

    Attributes:
        plane: Plane of the slices before they are tilted.
        slice_mm: Thickness and distance of the slices, mm; at least the image's own spacing.
        tilt_deg: Rotation of the slices about x, then y, then z, degrees.
        flips: Whether slices, rows and columns run the other way.
    """

    plane: Plane = "axial"
    slice_mm: float = 0.0
    tilt_deg: Point = (0.0, 0.0, 0.0)
    flips: tuple[bool, bool, bool] = (False, False, False)


@dataclass(frozen=True)
class CtScanner:
    """A CT scanner and its protocol.

    Attributes:
        prescription: How slices are laid.
        blur_mm: Full width at half maximum of the reconstruction kernel in the slice, mm.
        sharpening: Share of the detail that a sharp kernel adds at edges; 0 for a soft one.
        noise_hu: Standard deviation of the noise, HU.
        grain_px: Standard deviation of the noise's correlation in the slice, pixels.
        offset_hu: Error of calibration, HU.
        vessel_hu: How much brighter vessels are than in the image given, HU: the contrast's phase.
        organ_hu: The same for organs, HU.
    """

    prescription: Prescription
    blur_mm: float
    sharpening: float
    noise_hu: float
    grain_px: float
    offset_hu: float
    vessel_hu: float
    organ_hu: float


@dataclass(frozen=True)
class MrScanner:
    """An MR scanner and its protocol.

    Attributes:
        prescription: How slices are laid.
        blur_mm: Full width at half maximum of the point spread in the slice, mm.
        noise: Standard deviation of each of the two channels over the mean signal of what is
            labelled.
        bias: Coefficients of the logarithm of the bias field, see `bias_field`.
        gain: Stored value over signal.
    """

    prescription: Prescription
    blur_mm: float
    noise: float
    bias: tuple[float, ...]
    gain: float


def draw_ct_scanner(rng: np.random.Generator) -> CtScanner:
    """A CT scanner: axial slices of 1 to 5 mm, a soft or sharp kernel, 6 to 25 HU of noise."""
    prescription = Prescription(
        slice_mm=float(rng.choice([1.0, 1.5, 2.0, 2.5, 3.0, 5.0])),
        tilt_deg=(0.0, 0.0, float(rng.normal(0.0, 2.0))),
        flips=_draw_flips(rng),
    )
    return CtScanner(
        prescription,
        blur_mm=rng.uniform(0.6, 2.0),
        sharpening=float(rng.choice([0.0, 0.0, rng.uniform(0.2, 0.6)])),
        noise_hu=rng.uniform(6.0, 25.0),
        grain_px=rng.uniform(0.4, 0.9),
        offset_hu=float(np.clip(rng.normal(0.0, 3.0), -8.0, 8.0)),
        vessel_hu=float(np.clip(rng.normal(0.0, 20.0), -45.0, 45.0)),
        organ_hu=float(np.clip(rng.normal(0.0, 8.0), -20.0, 20.0)),
    )


def draw_mr_scanner(rng: np.random.Generator) -> MrScanner:
    """An MR scanner: thin or thick slices of any plane, 2 to 9 % noise, up to 40 % shading."""
    plane: Plane = get_args(Plane)[int(rng.choice(3, p=(0.7, 0.15, 0.15)))]
    thick = plane == "axial" and rng.random() < 0.35
    prescription = Prescription(
        plane,
        slice_mm=rng.uniform(3.0, 6.5) if thick else rng.uniform(1.0, 2.5),
        tilt_deg=as_point(np.clip(rng.normal(0.0, 4.0, 3), -10.0, 10.0)),
        flips=_draw_flips(rng),
    )
    return MrScanner(
        prescription,
        blur_mm=rng.uniform(0.8, 2.0),
        noise=rng.uniform(0.02, 0.09),
        bias=tuple(rng.normal(0.0, rng.uniform(0.03, 0.12), len(_powers())).tolist()),
        gain=10.0 ** rng.uniform(2.3, 3.3),
    )


def scan_ct(
    volume: Volume, labels: LabelMap, scanner: CtScanner, rng: np.random.Generator
) -> tuple[Volume, LabelMap]:
    """A CT of a perfect one, and its labels on the new grid.

    Args:
        volume: Attenuation, HU.
        labels: Structures on the same grid.
        scanner: What to do.
        rng: Draws the noise.

    Returns:
        Whole HU as float32, and the labels by nearest neighbour.
    """
    lit = volume.voxels.astype(np.float32)
    for role, shift in (("vessel", scanner.vessel_hu), ("organ", scanner.organ_hu)):
        names = names_with_role(labels.names, role)  # type: ignore[arg-type]
        lit[labels.mask(*names) & (volume.voxels > 0.0)] += np.float32(shift)
    seen = reslice(_with(volume, lit), scanner.prescription, scanner.blur_mm)
    hu = seen.voxels.astype(np.float32)
    if scanner.sharpening > 0.0:
        hu += scanner.sharpening * (hu - ndimage.gaussian_filter(hu, (0.0, 1.0, 1.0)))
    hu += correlated_noise(rng, seen.shape, scanner.noise_hu, scanner.grain_px)
    hu = np.rint(np.clip(hu + np.float32(scanner.offset_hu), LOWEST_HU, HIGHEST_HU))
    return _with(seen, hu), reslice_labels(labels, scanner.prescription)


def mr_image(volume: Volume, level: float, scanner: MrScanner, rng: np.random.Generator) -> Volume:
    """An MR image, whole numbers as float32, of a perfect one.

    Args:
        volume: Signal, not negative.
        level: The signal that noise and gain are measured by.
        scanner: What to do.
        rng: Draws the noise.
    """
    seen = reslice(volume, scanner.prescription, scanner.blur_mm)
    signal = seen.voxels * bias_field(seen, scanner.bias)
    signal = rician(rng, signal, scanner.noise * level)
    return _with(seen, np.rint(signal * np.float32(scanner.gain / level)))


def reslice(volume: Volume, prescription: Prescription, blur_mm: float = 0.0) -> Volume:
    """The volume as slices of a prescription, averaged over their thickness.

    The slice profile is a Gaussian as wide at half maximum as the slice is thick. What lies at the
    edge of the image goes on beyond it.
    """
    affine, shape = _layout(volume, prescription)
    widths = np.full(3, blur_mm)
    widths[_slice_axis(volume, prescription)] = prescription.slice_mm
    own = np.minimum(widths, volume.spacing)  # a voxel has averaged over itself already
    sigma = np.sqrt(widths**2 - own**2) / (_FWHM * volume.spacing)
    voxels = ndimage.gaussian_filter(volume.voxels.astype(np.float32), sigma, mode="nearest")
    return _with(volume, _sample(voxels, volume, affine, shape, order=1), affine)


def reslice_labels(labels: LabelMap, prescription: Prescription) -> LabelMap:
    """The labels as slices of a prescription, by nearest neighbour; names without voxels go."""
    affine, shape = _layout(labels, prescription)
    voxels = _sample(labels.voxels, labels, affine, shape, order=0)
    present = np.bincount(voxels.ravel(), minlength=max(labels.names.values(), default=0) + 1)
    names = {name: value for name, value in labels.names.items() if present[value]}
    return LabelMap(voxels, affine, names, labels.provenance)


def bias_field(grid: Grid, coefficients: tuple[float, ...]) -> NDArray[np.float32]:
    """Smooth shading (z, y, x) around 1: the exponential of a polynomial of the third order.

    The model of Van Leemput et al., IEEE Trans Med Imaging 1999;18(10):885-896, with coordinates
    from -1 to 1 along each axis of the picture.
    """
    z, y, x = np.meshgrid(
        *(np.linspace(-1.0, 1.0, n, dtype=np.float32) for n in grid.shape),
        indexing="ij",
        sparse=True,
    )
    log = np.zeros(grid.shape, dtype=np.float32)
    for coefficient, (i, j, k) in zip(coefficients, _powers(), strict=True):
        log += np.float32(coefficient) * z**i * y**j * x**k
    log -= log.mean()
    return np.asarray(np.exp(log), dtype=np.float32)


def rician(rng: np.random.Generator, signal: NDArray[np.float32], sd: float) -> NDArray[np.float32]:
    """Magnitude of a signal with Gaussian noise in both channels.

    Gudbjartsson and Patz, Magn Reson Med 1995;34(6):910-914.
    """
    real = signal + np.float32(sd) * rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary = np.float32(sd) * rng.standard_normal(signal.shape, dtype=np.float32)
    return np.asarray(np.hypot(real, imaginary), dtype=np.float32)


def correlated_noise(
    rng: np.random.Generator, shape: tuple[int, int, int], sd: float, grain_px: float
) -> NDArray[np.float32]:
    """Gaussian noise (z, y, x) of standard deviation `sd`, correlated within each slice."""
    white = rng.standard_normal(shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(white, (0.0, grain_px, grain_px), mode="wrap")
    return np.asarray(noise * np.float32(sd / noise.std()), dtype=np.float32)


def _draw_flips(rng: np.random.Generator) -> tuple[bool, bool, bool]:
    slices, rows, columns = (rng.random(3) < 0.3).tolist()
    return slices, rows, columns


def _powers() -> list[tuple[int, int, int]]:
    span = range(_BIAS_ORDER + 1)
    return [(i, j, k) for i in span for j in span for k in span if 0 < i + j + k <= _BIAS_ORDER]


def _slice_axis(grid: Grid, prescription: Prescription) -> int:
    """The array axis of `grid` that runs most nearly across the slices."""
    across = rotation(prescription.tilt_deg) @ np.array(_AXES[prescription.plane][0])
    return int(np.argmax(np.abs(grid.direction.T @ across)))


def _layout(
    grid: Grid, prescription: Prescription
) -> tuple[NDArray[np.float64], tuple[int, int, int]]:
    """Affine and shape of the slices that cover `grid`, about the same centre."""
    signs = np.where(prescription.flips, -1.0, 1.0)
    axes = np.array(_AXES[prescription.plane]).T * signs
    nearest = np.argmax(np.abs(axes.T @ grid.direction), axis=1)
    own = grid.spacing[nearest]
    extent = own * np.array(grid.shape)[nearest]
    spacing = own.copy()
    spacing[0] = max(prescription.slice_mm, own[0])
    slices, rows, columns = np.maximum(np.rint(extent / spacing), 1).astype(int).tolist()
    middle = grid.to_patient((np.array(grid.shape) - 1) / 2)
    affine = np.eye(4)
    affine[:3, :3] = rotation(prescription.tilt_deg) @ axes * spacing
    affine[:3, 3] = middle - affine[:3, :3] @ ((np.array([slices, rows, columns]) - 1) / 2)
    return affine, (slices, rows, columns)


def _sample(
    voxels: NDArray[np.generic],
    grid: Grid,
    affine: NDArray[np.float64],
    shape: tuple[int, int, int],
    order: int,
) -> NDArray[np.generic]:
    to_source = np.linalg.inv(grid.affine) @ affine
    return np.asarray(
        ndimage.affine_transform(
            voxels,
            to_source[:3, :3],
            to_source[:3, 3],
            output_shape=shape,
            order=order,
            mode="nearest",
        )
    )


def _with(
    volume: Volume, voxels: NDArray[np.generic], affine: NDArray[np.float64] | None = None
) -> Volume:
    place = volume.affine if affine is None else affine
    return Volume(voxels, place, volume.modality, volume.unit, volume.spacing_known)
