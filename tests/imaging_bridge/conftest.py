"""Synthetic scans whose value at every point of the patient is known."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    generate_uid,
)

from halsted.imaging_bridge.volume import Grid

RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def value_at(point: NDArray[Any]) -> NDArray[np.float64]:
    """The value, a whole number, that every synthetic scan has at an LPS point in mm."""
    linear = np.asarray(point, dtype=np.float64) @ np.array([3.0, -5.0, 7.0]) + 40.0
    return np.asarray(np.round(linear))


@dataclass(frozen=True)
class Written:
    """A series as it was written: the folder, its UIDs, and the geometry it was meant to have."""

    folder: Path
    series: str
    frame_of_reference: str
    affine: NDArray[np.float64]
    shape: tuple[int, int, int]

    def files(self) -> list[Path]:
        """The files, in the order of their positions along the slice normal."""
        return sorted(self.folder.glob("*.dcm"), key=self._place)

    def _place(self, path: Path) -> float:
        position = pydicom.dcmread(path, stop_before_pixels=True).ImagePositionPatient
        return float(np.array(position, dtype=float) @ self.affine[:3, 0])

    def points(self, count: int = 300) -> NDArray[np.float64]:
        """Random voxel centres, LPS mm, by the meant geometry."""
        index = np.random.default_rng(0).integers(0, self.shape, size=(count, 3))
        return index @ self.affine[:3, :3].T + self.affine[:3, 3]

    def largest_error(self, grid: Grid) -> float:
        """Greatest difference from the meant values, at random points in the patient."""
        points = self.points()
        index = grid.to_index(points)
        nearest = np.rint(index).astype(int)
        assert np.abs(index - nearest).max() < 1e-3, "a voxel centre is not where it was written"
        z, y, x = nearest.T
        return float(np.abs(grid.voxels[z, y, x] - value_at(points)).max())


Edit = Callable[[FileDataset, int], Any]


def _write_series(
    folder: Path,
    *,
    shape: tuple[int, int, int] = (8, 10, 12),
    spacing: tuple[float, float, float] = (2.5, 0.8, 0.6),
    orientation: Sequence[float] = AXIAL,
    origin: tuple[float, float, float] = (-20.0, 15.0, 40.0),
    modality: str = "CT",
    slope: Callable[[int], float] = lambda number: 1.0,
    intercept: float = -1024.0,
    edit: Edit = lambda dataset, number: None,
    name: Callable[[int], str] = lambda number: f"slice{number:03d}.dcm",
) -> Written:
    """Write a series of `shape` (z, y, x); `edit` may spoil one slice's data set.

    Its z axis grows along the cross product of row and column direction.
    """
    folder.mkdir(parents=True, exist_ok=True)
    along_x, along_y = np.array(orientation, dtype=float).reshape(2, 3)
    affine = np.eye(4)
    axes = np.column_stack([np.cross(along_x, along_y), along_y, along_x])
    affine[:3, :3] = axes * np.array(spacing)
    affine[:3, 3] = origin
    written = Written(folder, generate_uid(), generate_uid(), affine, shape)
    for number in range(shape[0]):
        plane = np.indices(shape[1:]).reshape(2, -1).T
        index = np.column_stack([np.full(len(plane), number), plane])
        points = index @ affine[:3, :3].T + affine[:3, 3]
        stored = np.round((value_at(points) - intercept) / slope(number)).astype("<i2")
        dataset = _image(written, number, modality)
        dataset.ImageOrientationPatient = [float(one) for one in orientation]
        dataset.ImagePositionPatient = [round(float(one), 9) for one in points[0]]
        dataset.PixelSpacing = list(spacing[1:])
        dataset.RescaleSlope, dataset.RescaleIntercept = slope(number), intercept
        dataset.PixelData = stored.tobytes()
        edit(dataset, number)
        dataset.save_as(folder / name(number), enforce_file_format=True)
    return written


def _image(written: Written, number: int, modality: str) -> FileDataset:
    kinds = {
        "CT": CTImageStorage,
        "MR": MRImageStorage,
        "PT": PositronEmissionTomographyImageStorage,
    }
    dataset = _file(kinds[modality], modality)
    dataset.SeriesInstanceUID = written.series
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[written.series, "study"])
    dataset.FrameOfReferenceUID = written.frame_of_reference
    dataset.PatientName, dataset.PatientID = "Secret^Person", "MRN-12345"
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.StudyDate = dataset.StudyTime = dataset.StudyID = dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number + 1
    dataset.Rows, dataset.Columns = written.shape[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    return dataset


def _file(sop_class: str, modality: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = UID(sop_class)
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Modality = modality
    return dataset


Contours = Sequence[NDArray[np.float64]]


def _write_rtstruct(
    path: Path,
    structures: Mapping[str, Contours],
    frame_of_reference: str = "",
    kind: str = "CLOSED_PLANAR",
    edit: Callable[[FileDataset], Any] = lambda dataset: None,
) -> Path:
    """Write contours, each of points (n, 3) in LPS, mm."""
    dataset = _file(RTSTRUCT, "RTSTRUCT")
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(structures.items(), start=11):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ROIGenerationAlgorithm = number, name, "MANUAL"
        roi.ReferencedFrameOfReferenceUID = frame_of_reference
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = [_contour(points, kind) for points in contours]
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(drawn)
    edit(dataset)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _contour(points: NDArray[np.float64], kind: str) -> Dataset:
    item = Dataset()
    item.ContourGeometricType = kind
    item.NumberOfContourPoints = len(points)
    item.ContourData = [f"{number:.8g}" for number in np.ravel(points)]
    return item


@pytest.fixture
def write_series() -> Callable[..., Written]:
    return _write_series


@pytest.fixture
def write_rtstruct() -> Callable[..., Path]:
    return _write_rtstruct


@pytest.fixture
def known_value() -> Callable[[NDArray[Any]], NDArray[np.float64]]:
    return value_at


@pytest.fixture
def rotation() -> Callable[[int], NDArray[np.float64]]:
    """A random rotation matrix by seed."""

    def make(seed: int) -> NDArray[np.float64]:
        matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
        return np.asarray(matrix * np.sign(np.linalg.det(matrix)))

    return make


@pytest.fixture
def decoder_pids() -> Callable[[], list[int]]:
    """Lists the decoding children of this process that live."""

    def listed() -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes()
            except (OSError, IndexError):  # no process, or one that has ended meanwhile
                continue
            if parent == os.getpid() and b"child_server" in command:
                found.append(int(entry.name))
        return found

    return listed
