"""Reading a DICOM series of 512 x 512 x 200 CT slices, beside the libraries of the field.

Prints one JSON and writes it to a file. Each reader reads in a process of its own::

    pip install monai itk dicom2nifti          # peers that Halsted does not need
    python benchmarks/read.py [--repeats N] [--out FILE]

The series is made of ``lung_nodule/4D-Lung_113`` in ``HALSTED_DATA``, its slices repeated up to
200, uncompressed, as RLE and as JPEG 2000. CPU time is that of the process and all that it started;
imports are not counted, but a child that a reader starts is, from its first instruction. The first
read of a process stands beside the median of those that follow.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, data_folder, platform_facts, say, write_and_print
from numpy.typing import NDArray

SCAN = Path("lung_nodule") / "4D-Lung_113"
SLICES = 200
ENCODINGS = ("raw", "rle", "jpeg2000")
MEMORY_LIMIT = 2.2  # times the voxels in float32


_alive: list[Any] = []


# -- Readers: a folder in, voxels (z, y, x) in HU out -----------------------------------------


def halsted(folder: Path) -> NDArray[Any]:
    """This project."""
    from halsted.imaging_bridge import read_dicom_series

    return read_dicom_series(folder).voxels


def simpleitk(folder: Path) -> NDArray[Any]:
    """SimpleITK's series reader (GDCM)."""
    import SimpleITK as sitk

    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    image = sitk.ReadImage(names)
    _alive[:] = [image]  # the view below does not keep it
    return np.asarray(sitk.GetArrayViewFromImage(image))


def pydicom_numpy(folder: Path) -> NDArray[Any]:
    """Pydicom and numpy, one thread; RLE by pydicom's own decoder, which is written in numpy."""
    return _pydicom(folder, "pydicom")


def pydicom_pylibjpeg(folder: Path) -> NDArray[Any]:
    """Pydicom and numpy, one thread; compressed slices by pylibjpeg's decoders, as Halsted's."""
    return _pydicom(folder, "pylibjpeg")


def _pydicom(folder: Path, plugin: str) -> NDArray[Any]:
    import pydicom
    from pydicom.uid import RLELossless

    datasets = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    datasets.sort(key=lambda one: float(one.ImagePositionPatient[2]))
    first = datasets[0]
    voxels = np.empty((len(datasets), first.Rows, first.Columns), dtype=np.float32)
    for number, one in enumerate(datasets):
        syntax = one.file_meta.TransferSyntaxUID
        if syntax == RLELossless or (syntax.is_compressed and plugin == "pylibjpeg"):
            one.pixel_array_options(decoding_plugin=plugin)
        voxels[number] = one.pixel_array
        voxels[number] *= np.float32(one.RescaleSlope)
        voxels[number] += np.float32(one.RescaleIntercept)
    return voxels


def highdicom(folder: Path) -> NDArray[Any]:
    """The volume that highdicom makes of a series."""
    import highdicom as hd
    import pydicom

    datasets = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    return np.asarray(hd.get_volume_from_series(datasets).array)


def monai_itk(folder: Path) -> NDArray[Any]:
    """MONAI's ITKReader."""
    from monai.data import ITKReader

    reader = ITKReader()
    array, _ = reader.get_data(reader.read(str(folder)))
    return np.asarray(array).transpose(2, 1, 0)


def monai_pydicom(folder: Path) -> NDArray[Any]:
    """MONAI's PydicomReader."""
    from monai.data import PydicomReader

    reader = PydicomReader()
    array, _ = reader.get_data(reader.read(str(folder)))
    return np.asarray(array).transpose(2, 1, 0)


def dicom2nifti(folder: Path) -> NDArray[Any]:
    """dicom2nifti to an uncompressed file, read back by nibabel."""
    import dicom2nifti as peer
    import nibabel

    with tempfile.TemporaryDirectory() as place:
        peer.dicom_series_to_nifti(str(folder), f"{place}/scan.nii", reorient_nifti=False)
        return np.asarray(nibabel.load(f"{place}/scan.nii").dataobj).transpose(2, 1, 0)


READERS: dict[str, Callable[[Path], NDArray[Any]]] = {
    one.__name__: one
    for one in (
        halsted,
        simpleitk,
        pydicom_numpy,
        pydicom_pylibjpeg,
        highdicom,
        monai_itk,
        monai_pydicom,
        dicom2nifti,
    )
}


# -- Measuring --------------------------------------------------------------------------------


def cpu_seconds() -> float:
    """CPU time of this process and its children, living and waited for."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = sum(os.times()[:4])
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            total += (int(fields[11]) + int(fields[12])) / ticks
    return total


def memory_mb(field: str) -> float:
    """``VmRSS`` or ``VmHWM`` of this process and its living children."""
    total = 0.0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            lines = (entry / "status").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        facts = dict(line.split(":", 1) for line in lines if ":" in line)
        if os.getpid() in (int(entry.name), int(facts["PPid"])) and field in facts:
            total += float(facts[field].split()[0]) / 1024
    return total


def measure(name: str, folder: Path, repeats: int) -> dict[str, Any]:
    """Read once and then `repeats` times; what each took."""
    warnings.simplefilter("ignore")
    reader = READERS[name]
    _import(name)
    before = memory_mb("VmRSS")
    rows = []
    voxels = None
    peak = 0.0
    for number in range(repeats + 1):
        voxels = None
        cpu, wall = cpu_seconds(), time.perf_counter()
        voxels = reader(folder)
        rows.append((cpu_seconds() - cpu, time.perf_counter() - wall))
        if number == 0:
            peak = memory_mb("VmHWM") - before
    assert voxels is not None
    return {
        "first": {"cpu_s": round(rows[0][0], 3), "wall_s": round(rows[0][1], 3)},
        "next": {
            "cpu_s": round(statistics.median(row[0] for row in rows[1:]), 3),
            "wall_s": round(statistics.median(row[1] for row in rows[1:]), 3),
        },
        "peak_mb": round(peak, 1),
        "peak_of_float32": round(peak * 2**20 / (voxels.size * 4), 2),
        "sum": float(np.sum(voxels, dtype=np.float64)),
    }


def _import(name: str) -> None:
    import pydicom.pixels  # noqa: F401

    if name == "halsted":
        import halsted.imaging_bridge  # noqa: F401
    elif name == "simpleitk":
        import SimpleITK  # noqa: F401
    elif name == "highdicom":
        import highdicom  # noqa: F401
    elif name.startswith("monai"):
        import itk
        import monai.data  # noqa: F401

        itk.ImageSeriesReader  # noqa: B018 (loads the module)
    elif name == "dicom2nifti":
        import dicom2nifti  # noqa: F401
        import nibabel  # noqa: F401


def measure_apart(name: str, folder: Path, repeats: int, processes: int) -> dict[str, Any]:
    """`measure` in some processes of their own, the median; a reader that fails is told so."""
    command = [sys.executable, __file__, "--only", name, str(folder), "--repeats", str(repeats)]
    rows = []
    for _ in range(processes):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return {"failed": (done.stderr.strip().splitlines() or ["no reason"])[-1][:200]}
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    return dict(_median(rows))


def _median(rows: list[Any]) -> Any:
    if isinstance(rows[0], dict):
        return {key: _median([row[key] for row in rows]) for key in rows[0]}
    return statistics.median(rows)


# -- The series -------------------------------------------------------------------------------


def make_series(scan: Path, target: Path) -> None:
    """Write 200 slices three times: uncompressed, RLE, JPEG 2000."""
    import pydicom
    from pydicom.uid import JPEG2000Lossless, RLELossless, generate_uid

    from halsted.imaging_bridge.dicom.series import find_series

    sources = [one.path for one in find_series(scan).slices]
    for encoding in ENCODINGS:
        (target / encoding).mkdir()
        series = generate_uid()
        for number in range(SLICES):
            dataset = pydicom.dcmread(sources[number % len(sources)])
            dataset.SeriesInstanceUID = series
            dataset.SOPInstanceUID = generate_uid()
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            dataset.InstanceNumber = number + 1
            x, y, _ = dataset.ImagePositionPatient
            dataset.ImagePositionPatient = [x, y, number * 1.0]
            if encoding != "raw":
                syntax = RLELossless if encoding == "rle" else JPEG2000Lossless
                dataset.compress(syntax, generate_instance_uid=False)
            dataset.save_as(target / encoding / f"{number:03d}.dcm")


def ratios(readers: dict[str, dict[str, Any]], encoding: str, kind: str) -> dict[str, Any]:
    """Halsted's CPU time beside the limits that were set for it."""
    cpu = {name: row[kind]["cpu_s"] for name, row in readers.items() if "failed" not in row}
    ours = cpu.pop("halsted")
    if encoding == "raw":
        rest = min(value for name, value in cpu.items() if name != "simpleitk")
        return {
            "to_simpleitk": {"ratio": round(ours / cpu["simpleitk"], 2), "limit": 1.5},
            "to_fastest_other": {"ratio": round(ours / rest, 2), "limit": 1.0},
        }
    if encoding == "rle":
        return {
            "to_pydicom_numpy": {"ratio": round(ours / cpu["pydicom_numpy"], 2), "limit": 1.1},
            "to_pydicom_pylibjpeg": {"ratio": round(ours / cpu["pydicom_pylibjpeg"], 2)},
        }
    return {"to_fastest": {"ratio": round(ours / min(cpu.values()), 2), "limit": 1.2}}


def main() -> None:
    """Measure all readers on all encodings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="reads after the first")
    parser.add_argument("--processes", type=int, default=3, help="of each reader")
    parser.add_argument("--out", type=Path, default=RESULTS / "read.json")
    parser.add_argument("--only", nargs=2, metavar=("READER", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        name, folder = arguments.only
        print(json.dumps(measure(name, Path(folder), arguments.repeats)))
        return
    data = data_folder()
    if data is None:
        sys.exit("HALSTED_DATA is not set to the folder of real scans")
    results: dict[str, Any] = {
        **platform_facts(),
        "slices": SLICES,
        "repeats": arguments.repeats,
        "processes": arguments.processes,
    }
    with tempfile.TemporaryDirectory() as place:
        say("writing the series")
        make_series(data / SCAN, Path(place))
        for encoding in ENCODINGS:
            rows = {}
            for name in READERS:
                say(f"{encoding}: {name}")
                rows[name] = measure_apart(
                    name, Path(place) / encoding, arguments.repeats, arguments.processes
                )
            sums = {row["sum"] for row in rows.values() if "sum" in row}
            results[encoding] = {
                "readers": rows,
                "same_voxels": max(sums) - min(sums) < 1e-3 * SLICES * 512 * 512,
                "limits": {kind: ratios(rows, encoding, kind) for kind in ("first", "next")},
                "peak_of_float32": {
                    "value": rows["halsted"]["peak_of_float32"],
                    "limit": MEMORY_LIMIT,
                },
            }
    write_and_print(arguments.out, results)


if __name__ == "__main__":
    main()
