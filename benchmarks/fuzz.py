"""Damaged and hostile files: the reader must refuse them by name, soon, and in little memory.

Makes small honest files of every kind that is read, damages them, reads each in a worker process,
and prints one JSON, which it also writes to a file::

    python benchmarks/fuzz.py [--files 10000] [--seed 0] [--guided SECONDS] [--out FILE]

Allowed is a result, or a `HalstedError` of one line that quotes no name. Counted as failures:
another exception, a worker that dies, more than 10 s, or memory that grows by more than four times
the honest size plus 64 MB (resident peak of the worker; decoders have a limit of their own).
``--guided`` lets Atheris (``pip install atheris``), a coverage-guided fuzzer, look for such files
too. Exits with 1 where anything failed.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing as mp
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, platform_facts, say, write_and_print

LIMIT_S = 10.0
MEMORY_FACTOR, MEMORY_SPARE = 4, 64 << 20
HEADER_BYTES = 2000
SHAPE = (6, 40, 48)

Mutation = Callable[[bytes, np.random.Generator], bytes]


# -- Honest files -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Seed:
    """An honest file.

    Attributes:
        kind: What it is, told in the results.
        path: The file, the only one in its folder that is damaged.
        scan: The scan that it labels, for labels; else None.
        honest_bytes: Size of file and voxels (float32).
    """

    kind: str
    path: Path
    scan: Path | None
    honest_bytes: int


def make_seeds(folder: Path) -> list[Seed]:
    """Write an honest file of every kind."""
    voxels = np.random.default_rng(0).integers(-900, 900, SHAPE).astype(np.int16)
    seeds = [
        *_images(folder, voxels),
        *_pictures(folder),
        *_recordings(folder),
        *_dicom(folder, voxels),
    ]
    return [
        Seed(kind, path, scan, path.stat().st_size + voxels.size * 4) for kind, path, scan in seeds
    ]


_Made = list[tuple[str, Path, Path | None]]


def _own(folder: Path, name: str) -> Path:
    place = folder / name.replace(".", "_")
    place.mkdir()
    return place / name


def _images(folder: Path, voxels: np.ndarray[Any, Any]) -> _Made:
    import nibabel
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.7, 0.7, 3.0))
    made: _Made = []
    for suffix in ("nii", "nii.gz", "nrrd", "mha"):
        path = _own(folder, f"scan.{suffix}")
        sitk.WriteImage(image, str(path))
        made.append((suffix, path, None))
    second = _own(folder, "second.nii")
    nibabel.Nifti2Image(voxels.transpose(2, 1, 0), np.diag([0.7, 0.7, 3.0, 1.0])).to_filename(
        second
    )
    return [*made, ("nifti-2", second, None)]


def _pictures(folder: Path) -> _Made:
    import tifffile
    from PIL import Image

    colours = np.random.default_rng(1).integers(0, 255, (96, 128, 3)).astype(np.uint8)
    made: _Made = []
    for suffix in ("png", "jpg"):
        path = _own(folder, f"picture.{suffix}")
        Image.fromarray(colours).save(path)
        made.append((suffix, path, None))
    for compression in ("deflate", "jpeg", "lzw"):
        path = _own(folder, f"slide-{compression}.tif")
        tifffile.imwrite(path, colours, tile=(32, 32), compression=compression, photometric="rgb")
        made.append((f"tiled tiff, {compression}", path, None))
    return made


def _recordings(folder: Path) -> _Made:
    import edfio
    import wfdb

    samples = np.random.default_rng(2).normal(size=(2000, 2))
    edf = _own(folder, "night.edf")
    edfio.Edf([edfio.EdfSignal(samples[:, 0], sampling_frequency=100)]).write(edf)
    record = _own(folder, "record.hea")
    wfdb.wrsamp(
        "record", fs=100, units=["mV"] * 2, sig_name=["I", "II"], p_signal=samples,
        fmt=["16"] * 2, write_dir=str(record.parent),
    )  # fmt: skip
    return [("edf", edf, None), ("wfdb", record, None)]


def _dicom(folder: Path, voxels: np.ndarray[Any, Any]) -> _Made:
    """One slice each way it can be encoded, an object of each kind, and an archive."""
    import pydicom
    from pydicom.uid import (
        DeflatedExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        JPEG2000Lossless,
        JPEGLSLossless,
        RLELossless,
    )

    made: _Made = []
    plain = _slice(voxels)
    for name, syntax in {
        "explicit": None,
        "implicit": ImplicitVRLittleEndian,
        "deflated": DeflatedExplicitVRLittleEndian,
        "rle": RLELossless,
        "jpeg2000": JPEG2000Lossless,
        "jpeg-ls": JPEGLSLossless,
    }.items():
        dataset = pydicom.dcmread(io.BytesIO(plain))
        path = _own(folder, f"{name}.dcm")
        if syntax in (RLELossless, JPEG2000Lossless, JPEGLSLossless):
            dataset.compress(syntax, generate_instance_uid=False)
        elif syntax is not None:
            dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(path, enforce_file_format=True)
        made.append((f"dicom {name}", path, None))
    scan = made[0][1]
    for kind in ("rtstruct", "rtdose", "enhanced", "colour"):
        path = _own(folder, f"{kind}.dcm")
        _object(kind, voxels, path)
        made.append((f"dicom {kind}", path, scan if kind == "rtstruct" else None))
    archive = _own(folder, "scan.zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(scan, "scan.dcm")
    return [*made, ("zip", archive, None)]


def _slice(voxels: np.ndarray[Any, Any]) -> bytes:
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = generate_uid(), "1.2.3"
    dataset.Modality, dataset.PatientName = "CT", "Secret^Person"
    dataset.Rows, dataset.Columns = SHAPE[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation, dataset.SliceThickness = 1, 3.0
    dataset.ImagePositionPatient, dataset.PixelSpacing = [0, 0, 0], [0.7, 0.7]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    dataset.PixelData = voxels[0].tobytes()
    content = io.BytesIO()
    pydicom.dcmwrite(content, dataset, enforce_file_format=True)
    return content.getvalue()


def _object(kind: str, voxels: np.ndarray[Any, Any], path: Path) -> None:
    """An RTSTRUCT, RTDOSE, enhanced CT or colour photograph."""
    import pydicom
    from pydicom.uid import (
        EnhancedCTImageStorage,
        RTDoseStorage,
        RTStructureSetStorage,
        VLPhotographicImageStorage,
    )

    dataset = pydicom.dcmread(io.BytesIO(_slice(voxels)))
    item = pydicom.Dataset
    if kind == "rtstruct":
        uid = RTStructureSetStorage
        del dataset.PixelData
        roi, drawn, contour = item(), item(), item()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = 1, "Liver", "1.2.3"
        contour.ContourGeometricType = "CLOSED_PLANAR"
        contour.ContourData = [1, 1, 0, 20, 1, 0, 20, 20, 0, 1, 20, 0]
        drawn.ReferencedROINumber, drawn.ContourSequence = 1, [contour]
        dataset.StructureSetROISequence, dataset.ROIContourSequence = [roi], [drawn]
    elif kind == "rtdose":
        uid = RTDoseStorage
        dataset.DoseUnits, dataset.DoseGridScaling = "GY", 0.01
        dataset.NumberOfFrames = SHAPE[0]
        dataset.GridFrameOffsetVector = [3.0 * n for n in range(SHAPE[0])]
        dataset.PixelData = np.abs(voxels).astype("<u2").tobytes()
    elif kind == "enhanced":
        uid = EnhancedCTImageStorage
        dataset.NumberOfFrames = SHAPE[0]
        dataset.PixelData = voxels.tobytes()
        shared, measures, turned, values = item(), item(), item(), item()
        measures.PixelSpacing, turned.ImageOrientationPatient = [0.7, 0.7], [1, 0, 0, 0, 1, 0]
        values.RescaleSlope, values.RescaleIntercept = 1, 0
        shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [turned]
        shared.PixelValueTransformationSequence = [values]
        dataset.SharedFunctionalGroupsSequence = [shared]
        frames = []
        for number in range(SHAPE[0]):
            frame, place = item(), item()
            place.ImagePositionPatient = [0, 0, 3.0 * number]
            frame.PlanePositionSequence = [place]
            frames.append(frame)
        dataset.PerFrameFunctionalGroupsSequence = frames
    else:
        uid = VLPhotographicImageStorage
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
        dataset.PlanarConfiguration, dataset.PixelRepresentation = 0, 0
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit = 7
        dataset.PixelData = np.abs(voxels[:3]).astype(np.uint8).tobytes()
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = uid
    dataset.save_as(path, enforce_file_format=True)


# -- Damage -----------------------------------------------------------------------------------


def _truncated(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(0, len(content)))]


def _bits_flipped(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    for place in rng.integers(0, len(damaged), int(rng.integers(1, 40))):
        damaged[place] ^= 1 << int(rng.integers(0, 8))
    return bytes(damaged)


def _header_flipped(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    for place in rng.integers(0, min(len(damaged), HEADER_BYTES), int(rng.integers(1, 8))):
        damaged[place] = int(rng.integers(0, 256))
    return bytes(damaged)


_TELLING = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 20_000, 65_535, 1 << 30)


def _wrong_number(content: bytes, rng: np.random.Generator) -> bytes:
    """A number of 2, 4 or 8 bytes near the start is another: a length, a count, a size."""
    damaged = bytearray(content)
    size = int(rng.choice([2, 4, 8]))
    place = int(rng.integers(0, max(min(len(damaged), HEADER_BYTES) - size, 1)))
    value = int(rng.choice(_TELLING)) % (1 << (8 * size))
    damaged[place : place + size] = value.to_bytes(size, str(rng.choice(["little", "big"])))  # type: ignore[arg-type]
    return bytes(damaged)


def _wrong_text(content: bytes, rng: np.random.Generator) -> bytes:
    """A number written as text is another."""
    import re

    found = list(re.finditer(rb"\d+(\.\d+)?", content[:HEADER_BYTES]))
    if not found:
        return _header_flipped(content, rng)
    one = found[int(rng.integers(0, len(found)))]
    other = [b"0", b"-1", b"999999999", b"1e308", b"nan", b"inf", b"99999", b"", b"7" * 400]
    return content[: one.start()] + other[int(rng.integers(0, len(other)))] + content[one.end() :]


def _wrong_syntax(content: bytes, rng: np.random.Generator) -> bytes:
    """Another transfer syntax of the same length, or a damaged one."""
    known = [b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.2",
             b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.4.50",
             b"1.2.840.10008.1.2.4.70", b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.4.90",
             b"1.2.840.10008.1.2.4.201"]  # fmt: skip
    start = content.find(b"1.2.840.10008.1.2")
    if start < 0:
        return _wrong_number(content, rng)
    end = start
    while content[end : end + 1] in b"0123456789." and content[end : end + 1]:
        end += 1
    other = known[int(rng.integers(0, len(known)))][: end - start]
    return content[:start] + other.ljust(end - start, b"\0") + content[end:]


def _repeated(content: bytes, rng: np.random.Generator) -> bytes:
    start, end = sorted(rng.integers(0, len(content), 2).tolist())
    return content[:end] + content[start : min(end, start + 4096)] + content[end:]


def _removed(content: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(0, len(content)))
    return content[:start] + content[start + int(rng.integers(1, 64)) :]


def _deep(content: bytes, rng: np.random.Generator) -> bytes:
    """Sequences in sequences in sequences, before what comes after the first elements."""
    level = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    place = content.find(b"\x20\x00\x0d\x00")
    place = place if place > 0 else min(len(content), 400)
    return content[:place] + level * int(rng.integers(10, 20_000)) + content[place:]


def _bomb(content: bytes, rng: np.random.Generator) -> bytes:
    """Zeros that inflate to 200 MB, in the wrapping of the file if it has one."""
    if content[:2] == b"PK":
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open("zeros", "w") as file:
                for _ in range(200):
                    file.write(bytes(1 << 20))
        return target.getvalue()
    wbits = 31 if content[:2] == b"\x1f\x8b" else -zlib.MAX_WBITS
    deflate = zlib.compressobj(9, zlib.DEFLATED, wbits)
    place = 0 if wbits == 31 else min(len(content), 340)
    bomb = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(200)) + deflate.flush()
    return content[:place] + bomb


MUTATIONS: dict[str, Mutation] = {
    one.__name__.strip("_"): one
    for one in (
        _truncated,
        _bits_flipped,
        _header_flipped,
        _wrong_number,
        _wrong_text,
        _wrong_syntax,
        _repeated,
        _removed,
        _deep,
        _bomb,
    )
}
# Making a bomb takes longer than reading one, and few tell as much as many.
_WEIGHTS = np.array([0.02 if name in ("bomb", "deep") else 0.12 for name in MUTATIONS])


# -- Reading ----------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What reading one damaged file did.

    Attributes:
        number: Of the file, which with the seed makes it again.
        kind: Of the honest file.
        mutation: How it was damaged.
        result: ``read``, the name of the `HalstedError`, or a failure in words.
        seconds: It took.
        grown_mb: Peak of resident memory above what it was before.
        failed: Whether a promise was broken.
    """

    number: int
    kind: str
    mutation: str
    result: str
    seconds: float = 0.0
    grown_mb: float = 0.0
    failed: bool = False


def _memory(field: str) -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0


def damage(seed: Seed, number: int, base: int, folder: Path) -> tuple[Path, str]:
    """Write the damaged file `number` beside what its honest one needs."""
    import shutil

    rng = np.random.default_rng([base, number])
    names = list(MUTATIONS)
    mutation = names[int(rng.choice(len(names), p=_WEIGHTS / _WEIGHTS.sum()))]
    for path in seed.path.parent.iterdir():
        shutil.copy(path, folder)
    target = folder / seed.path.name
    target.write_bytes(MUTATIONS[mutation](seed.path.read_bytes(), rng))
    return target, mutation


def read_one(seed: Seed, number: int, base: int) -> Outcome:
    """Damage and read one file in this process."""
    from halsted.imaging_bridge import HalstedError, read_patient

    with tempfile.TemporaryDirectory() as place:
        path, mutation = damage(seed, number, base, Path(place))
        outcome = Outcome(number, seed.kind, mutation, "read")
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # peak := now
        before, began = _memory("VmRSS"), time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if seed.scan is not None:
                    read_patient(seed.scan, path)
                else:
                    read_patient(path)
        except HalstedError as error:
            outcome.result = type(error).__name__
            if "\n" in str(error) or "Secret" in str(error):
                outcome.result, outcome.failed = f"error text: {error}"[:200], True
        except BaseException as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            outcome.result = f"{type(error).__name__} in {Path(where.filename).name}:{where.lineno}"
            outcome.failed = True
        outcome.seconds = time.monotonic() - began
        grown = _memory("VmHWM") - before
        outcome.grown_mb = grown / 2**20
        size = max(path.stat().st_size, seed.honest_bytes)
        if outcome.seconds > LIMIT_S:
            outcome.result, outcome.failed = f"took {outcome.seconds:.1f} s", True
        elif grown > MEMORY_FACTOR * size + MEMORY_SPARE:
            outcome.result, outcome.failed = f"grew by {grown / 2**20:.0f} MB", True
        return outcome


def _work(seeds: list[Seed], numbers: list[int], base: int, results: Any) -> None:
    import logging
    import os

    logging.disable()
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    for seed in seeds:  # every library is loaded before memory counts
        try:
            read_one(seed, -1 % (1 << 31), base)
        except Exception:
            pass
    for number in numbers:
        results.put(("begin", number))
        results.put(("done", asdict(read_one(seeds[number % len(seeds)], number, base))))
    results.put(("end", 0))


def check_honest(seeds: list[Seed]) -> None:
    """Make sure that every honest file is read; else its damaged copies would tell nothing."""
    from halsted.imaging_bridge import read_patient

    for seed in seeds:
        read_patient(seed.scan or seed.path, seed.path if seed.scan else None)


def run(seeds: list[Seed], files: int, base: int) -> list[Outcome]:
    """Read `files` damaged files in a worker; one that dies is replaced and counted."""
    outcomes: list[Outcome] = []
    todo = list(range(files))
    context = mp.get_context("spawn")
    while todo:
        results = context.Queue()
        worker = context.Process(target=_work, args=(seeds, todo, base, results))
        worker.start()
        current = None
        while True:
            try:
                what, value = results.get(timeout=6 * LIMIT_S)
            except Exception:
                worker.kill()
                what, value = "died", current
            if what == "begin":
                current = value
            elif what == "done":
                outcomes.append(Outcome(**value))
                if len(outcomes) % 500 == 0:
                    say(f"{len(outcomes)} of {files} files")
            elif what == "end":
                todo = []
                break
            if what == "died" or (not worker.is_alive() and results.empty()):
                number = current if current is not None else todo[0]
                seed = seeds[number % len(seeds)]
                outcomes.append(Outcome(number, seed.kind, "?", "the worker died", failed=True))
                todo = [one for one in todo if one > number]
                break
        worker.join()
    return outcomes


# -- Guided by coverage -----------------------------------------------------------------------

_GUIDED = """
import sys, tempfile, pathlib, warnings, logging
import atheris
warnings.simplefilter("ignore"); logging.disable()
with atheris.instrument_imports(include=["halsted.imaging_bridge", "pydicom.filereader"]):
    from halsted.imaging_bridge import HalstedError, read_patient
folder = pathlib.Path(tempfile.mkdtemp())
def one(content):
    path = folder / "file.dcm"
    path.write_bytes(content)
    try:
        read_patient(path)
    except HalstedError:
        pass
atheris.Setup(sys.argv, one)
atheris.Fuzz()
"""


def run_guided(seeds: list[Seed], seconds: int) -> dict[str, Any]:
    """Let Atheris look for a DICOM file that breaks a promise, for so many seconds."""
    with tempfile.TemporaryDirectory() as place:
        corpus = Path(place, "corpus")
        corpus.mkdir()
        for seed in seeds:
            if seed.path.suffix == ".dcm":
                (corpus / seed.path.name).write_bytes(seed.path.read_bytes())
        done = subprocess.run(
            [sys.executable, "-c", _GUIDED, str(corpus), f"-max_total_time={seconds}",
             "-timeout=10", "-rss_limit_mb=2048", "-max_len=16384", f"-artifact_prefix={place}/"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if "cov:" in line]
    runs = [line for line in done.stderr.splitlines() if line.startswith("Done ")]
    return {
        "seconds": seconds,
        "finished": runs[0] if runs else "",
        "coverage": lines[-1].strip() if lines else "",
        "failed": done.returncode != 0,
        "last": done.stderr.strip().splitlines()[-6:] if done.returncode else [],
    }


def main() -> int:
    """Fuzz, and tell what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", type=int, default=0, metavar="SECONDS")
    parser.add_argument("--out", type=Path, default=RESULTS / "fuzz.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        seeds = make_seeds(Path(place))
        check_honest(seeds)
        outcomes = run(seeds, arguments.files, arguments.seed)
        guided = run_guided(seeds, arguments.guided) if arguments.guided else None
    failures = [asdict(one) for one in outcomes if one.failed]
    kinds = sorted({one.kind for one in outcomes})
    results = {
        **platform_facts("pydicom", "SimpleITK"),
        "command": f"python benchmarks/fuzz.py --files {arguments.files} --seed {arguments.seed}"
        + (f" --guided {arguments.guided}" if arguments.guided else ""),
        "files": len(outcomes),
        "failures": len(failures),
        "longest_s": round(max(one.seconds for one in outcomes), 2),
        "most_grown_mb": round(max(one.grown_mb for one in outcomes), 1),
        "by_kind": {
            kind: dict(Counter(one.result for one in outcomes if one.kind == kind).most_common(6))
            for kind in kinds
        },
        "failed": failures[:50],
        "guided": guided,
    }
    write_and_print(arguments.out, results)
    return int(bool(failures) or bool(guided and guided["failed"]))


if __name__ == "__main__":
    sys.exit(main())
