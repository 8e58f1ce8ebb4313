"""Distance fields, surfaces, resampling and registration, beside their peers.

Prints one JSON and writes it to a file::

    python benchmarks/imaging_preparation.py [--quick] [--out FILE]

CPU-seconds of one thread, median of several runs, in turns with the peers; the first run, which
compiles, is left out. ``HALSTED_DATA`` names the folder of real scans; without it the registration
of the brain is left out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, data_folder, platform_facts, say, write_and_print

from halsted.imaging_bridge import LabelMap, Volume, read_volume
from halsted.imaging_bridge.fields import signed_distance
from halsted.imaging_bridge.preparation.brain import register_sequences
from halsted.imaging_bridge.preparation.resampling import resample
from halsted.imaging_bridge.surfaces import surface_of

LABEL_SHAPE, LABEL_SPACING = (200, 256, 256), np.array([1.25, 0.9, 0.9])
SCAN_SHAPE, SCAN_SPACING = (200, 512, 512), np.array([1.0, 0.7, 0.7])
NEW_SPACING = (1.2, 1.4, 1.4)
NEW_SHAPE = (167, 256, 256)
TARGETS_S = {"distance_field": 1.0, "surface": 0.2, "resampling": 0.3}


def diagonal(spacing: np.ndarray) -> np.ndarray:
    """Affine of an axial grid of this spacing."""
    return np.diag([*spacing, 1.0])[[2, 1, 0, 3]]


def label() -> np.ndarray:
    """An ellipsoid of 16 % of the grid with a ball cut out, (z, y, x)."""
    points = np.moveaxis(np.indices(LABEL_SHAPE, dtype=np.float32), 0, -1) * LABEL_SPACING
    body = np.linalg.norm((points - [125, 115.2, 108]) / [90, 70, 80], axis=-1) < 1
    return np.asarray(body & (np.linalg.norm(points - [125, 108, 90], axis=-1) > 15))


def in_turns(runs: int, work: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    """Median and least CPU-seconds of each, one after the other, `runs` times."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for one in work.values():
        one()
    for _ in range(runs):
        for name, one in work.items():
            started = time.process_time()
            one()
            seconds[name].append(time.process_time() - started)
    return {
        name: {"median": round(statistics.median(used), 3), "min": round(min(used), 3)}
        for name, used in seconds.items()
    }


def distance_fields(runs: int) -> dict[str, Any]:
    """Signed distances of a 256 x 256 x 200 label."""
    import SimpleITK as sitk
    from scipy.ndimage import distance_transform_edt

    mask = label()

    def maurer(inside: np.ndarray) -> np.ndarray:
        image = sitk.GetImageFromArray(inside.astype(np.uint8))
        image.SetSpacing(LABEL_SPACING[::-1].tolist())
        return sitk.GetArrayFromImage(
            sitk.SignedMaurerDistanceMap(
                image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
            )
        )

    work = {
        "halsted": lambda: signed_distance(mask, LABEL_SPACING),
        "simpleitk_maurer_twice": lambda: (maurer(mask) - maurer(~mask)) / 2,
        "scipy_edt_twice": lambda: (
            distance_transform_edt(~mask, LABEL_SPACING),
            distance_transform_edt(mask, LABEL_SPACING),
        ),
    }
    return {"cpu_s": in_turns(runs, work)}


def surfaces(runs: int) -> dict[str, Any]:
    """Surfaces of the same label, with an empty cache each time."""
    labels = LabelMap(label().astype(np.uint8), diagonal(LABEL_SPACING), {"organ": 1})
    _ = labels.content_hash  # is known of labels in use

    def make(max_faces: int) -> Callable[[], Any]:
        def run() -> Any:
            with tempfile.TemporaryDirectory() as cache:
                os.environ["HALSTED_CACHE"] = cache
                surface = surface_of(labels, "organ", max_faces=max_faces)
                return len(surface.faces), surface.volume_error

        return run

    work = {
        "halsted_5000_faces": make(5000),
        "halsted_20000_faces": make(20000),
        "halsted_all_faces": make(10**9),
        "vtk_all_then_decimated_to_5000": lambda: plain_vtk(labels, 5000),
    }
    content = {"cpu_s": in_turns(runs, work)}
    for name in ("halsted_5000_faces", "halsted_all_faces"):
        faces, error = work[name]()
        content[name] = {"faces": faces, "volume_error": float(f"{error:.2g}")}
    return content


def plain_vtk(labels: LabelMap, max_faces: int) -> Any:
    """Contour, smooth and decimate the whole grid, as is usual."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import (
        vtkFlyingEdges3D,
        vtkQuadricDecimation,
        vtkWindowedSincPolyDataFilter,
    )

    grid = vtkImageData()
    grid.SetDimensions(*labels.shape[::-1])
    grid.GetPointData().SetScalars(numpy_to_vtk(labels.voxels.ravel(), deep=False))
    contour = vtkFlyingEdges3D(compute_normals=False, compute_scalars=False)
    contour.SetValue(0, 0.5)
    contour.SetInputData(grid)
    smooth = vtkWindowedSincPolyDataFilter(number_of_iterations=15, pass_band=0.1)
    smooth.SetInputConnection(contour.GetOutputPort())
    smooth.Update()
    decimate = vtkQuadricDecimation()
    decimate.SetInputData(smooth.GetOutput())
    decimate.SetTargetReduction(1.0 - max_faces / smooth.GetOutput().GetNumberOfCells())
    decimate.Update()
    return decimate.GetOutput()


def resampling(runs: int) -> dict[str, Any]:
    """512 x 512 x 200 onto 256 x 256 x 167, which is 1.2 to 2 times coarser."""
    import SimpleITK as sitk

    voxels = np.random.default_rng(0).normal(size=SCAN_SHAPE).astype(np.float32)
    volume = Volume(voxels, diagonal(SCAN_SPACING), "CT", "HU")
    image = volume.to_sitk()
    onto = resample(volume, NEW_SPACING)
    assert onto.shape == NEW_SHAPE
    reference = onto.to_sitk()
    sigma = [
        float(np.sqrt(n**2 - o**2)) / 2.355 for n, o in zip(NEW_SPACING, SCAN_SPACING, strict=True)
    ]

    def smoothed() -> Any:
        smooth = sitk.SmoothingRecursiveGaussian(image, sigma[::-1])
        return sitk.Resample(smooth, reference)

    work = {
        "halsted_antialiased": lambda: resample(volume, NEW_SPACING),
        "halsted_plain_linear": lambda: resample(volume, NEW_SPACING, antialias=False),
        "simpleitk_plain_linear": lambda: sitk.Resample(image, reference),
        "simpleitk_gaussian_then_linear": smoothed,
    }
    work |= torch_work(voxels)
    return {"cpu_s": in_turns(runs, work)}


def torch_work(voxels: np.ndarray) -> dict[str, Callable[[], Any]]:
    """The same by torch, where it is installed."""
    try:
        import torch
    except ModuleNotFoundError:
        return {}
    torch.set_num_threads(1)
    given = torch.from_numpy(voxels)[None, None]
    return {
        "torch_plain_linear": lambda: torch.nn.functional.interpolate(
            given, NEW_SHAPE, mode="trilinear"
        )
    }


def brain(runs: int) -> dict[str, Any]:
    """Four sequences of one brain onto one grid."""
    folder = data_folder()
    if folder is None:
        return {"note": "skipped: HALSTED_DATA is not set to the folder of real scans"}
    case = folder / "brain_tumour" / "TCGA-FG-6692"
    files = {"t1": "t1", "t1c": "t1c", "t2": "t2", "flair": "fla"}
    images = {name: read_volume(case / f"{file}.nii.gz") for name, file in files.items()}
    facts = dict(register_sequences(images, "t1c").facts)
    work = {"halsted": lambda: register_sequences(images, "t1c")}
    return {"cpu_s": in_turns(min(runs, 3), work), "facts": facts}


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a short run, for checking only")
    parser.add_argument("--out", type=Path, default=RESULTS / "imaging_preparation.json")
    options = parser.parse_args()
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    runs = 1 if options.quick else 7
    content: dict[str, Any] = {
        "benchmark": "imaging_preparation",
        "quick": options.quick,
        "platform": platform_facts("numba", "scipy", "simpleitk", "vtk"),
        "targets_cpu_s": TARGETS_S,
    }
    parts = {
        "distance_field": distance_fields,
        "surface": surfaces,
        "resampling": resampling,
        "brain": brain,
    }
    for name, part in parts.items():
        content[name] = part(runs)
        say(f"{name}: done")
    content["met"] = {
        "distance_field": _met(content, "distance_field", "halsted"),
        "surface": _met(content, "surface", "halsted_5000_faces"),
        "resampling": _met(content, "resampling", "halsted_antialiased"),
    }
    write_and_print(options.out, content)


def _met(content: dict[str, Any], part: str, name: str) -> bool:
    return bool(content[part]["cpu_s"][name]["median"] < TARGETS_S[part])


if __name__ == "__main__":
    main()
