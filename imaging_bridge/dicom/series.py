"""A CT, MR, PET or other volume from files of DICOM.

Most readers return a plausible, wrong volume where a slice is missing, doubled or tilted. This one
reads all headers first and refuses, with an error that names the fault, before it touches a voxel.
What a caller allows to be mended is mended and recorded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.files import DicomHeader
from halsted.imaging_bridge.dicom.frames import Frame, frames_of
from halsted.imaging_bridge.dicom.geometry import (
    REPAIRS,
    Placement,
    place_slices,
)
from halsted.imaging_bridge.dicom.kinds import name_of
from halsted.imaging_bridge.dicom.pixels import read_frames
from halsted.imaging_bridge.dicom.repairs import resample_slices
from halsted.imaging_bridge.dicom.stacks import one_stack, phases_of
from halsted.imaging_bridge.dicom.survey import Survey, survey
from halsted.imaging_bridge.dicom.suv import suv_factor
from halsted.imaging_bridge.dicom.values import measure, without_duplicates
from halsted.imaging_bridge.errors import GeometryError, ScanError
from halsted.imaging_bridge.volume import Volume

VOXEL_BUDGET_BYTES = 2 << 30
"""Default limit on the size of a volume in float32."""

_AIR_HU = -1024.0
_SAME_GRID_MM = 0.1
_SUV_UNIT = "g/ml"  # UCUM has no SUV; by body weight its dimension is this


@dataclass(frozen=True)
class DicomSeries:
    """A series, or one phase of it, whose headers are known to make one regular grid.

    Attributes:
        uid: SeriesInstanceUID.
        modality: DICOM's name, e.g. ``CT``.
        placement: The slices and their grid.
        phase: What tells this phase from the others, e.g. ``TriggerTime=250``; or empty.
        notes: What was repaired, left out or converted, a sentence each.
    """

    uid: str
    modality: str
    placement: Placement
    phase: str = ""
    notes: tuple[str, ...] = ()

    @property
    def slices(self) -> tuple[Frame, ...]:
        """In the order of the array's z axis, which is the cross product of row and column."""
        return self.placement.slices

    @property
    def affine(self) -> NDArray[np.float64]:
        """Array index (z, y, x, 1) to LPS point, mm, shape (4, 4)."""
        return self.placement.affine

    @property
    def frame_of_reference(self) -> str:
        """FrameOfReferenceUID that all slices share; may be empty."""
        return self.slices[0].frame_of_reference

    def read(self) -> Volume:
        """The voxels, float32, with each slice's own slope and intercept applied.

        Raises:
            ScanError: a file is truncated, or compressed in a way that no decoder here knows.
        """
        first, placement = self.slices[0], self.placement
        outside = _AIR_HU if first.unit == "HU" else 0.0
        voxels = np.empty((len(self.slices), first.rows, first.columns), dtype=np.float32)

        def fill(number: int, stored: NDArray[Any]) -> None:
            measure(self.slices[number], stored, outside, voxels[number])

        read_frames([(one.pixels, one.number) for one in self.slices], fill)
        if placement.sources is not None:
            voxels = resample_slices(voxels, placement.sources, placement.shape, outside)
        return Volume(voxels, self.affine, self.modality, first.unit)


def read_dicom_series(
    folder: Path | str,
    series: str | None = None,
    budget_bytes: int = VOXEL_BUDGET_BYTES,
    repairs: Sequence[str] = (),
    phase: int | None = None,
) -> Volume:
    """Read the one series of a folder, as `find_series` finds it.

    Returns:
        float32 voxels (z, y, x) in HU for CT (or in the RescaleType that the file states), in g/ml
        (SUV by body weight) for PET where its header suffices, else in the unit that is stated; the
        z axis grows along the cross product of row and column direction.

    Raises:
        ScanError: no such series, a choice to be made, or files that cannot be read.
        GeometryError: slices that do not make one regular grid.
    """
    return find_series(folder, series, budget_bytes, repairs, phase).read()


def find_series(
    folder: Path | str | Survey,
    series: str | None = None,
    budget_bytes: int = VOXEL_BUDGET_BYTES,
    repairs: Sequence[str] = (),
    phase: int | None = None,
) -> DicomSeries:
    """Find and check one series, or one phase of it; no voxel is touched.

    Args:
        folder: Folder that holds the files, also in subfolders; or one file. Files that are not
            DICOM, or hold other objects, are passed over.
        series: SeriesInstanceUID to read where there are several.
        budget_bytes: Most bytes that the float32 voxels may take.
        repairs: What may be mended; by default nothing is.
        phase: Index, from 0, of the phase to read where there are several.

    Raises:
        ScanError: no such series or phase, a choice to be made, or files that cannot be read.
        GeometryError: slices that do not make one regular grid.
    """
    found = find_phases(folder, series, budget_bytes, repairs)
    if phase is None and len(found) > 1:
        listing = "; ".join(f"{number}: {one.phase}" for number, one in enumerate(found[:12]))
        raise ScanError(
            f"the series {found[0].uid} has {len(found)} phases where one volume was "
            f"expected; choose one with phase=NUMBER: {listing}"
        )
    if phase is not None and not 0 <= phase < len(found):
        raise ScanError(
            f"the series {found[0].uid} has no phase {phase}; choose one from 0 to {len(found) - 1}"
        )
    return found[phase or 0]


def find_phases(
    folder: Path | str | Survey,
    series: str | None = None,
    budget_bytes: int = VOXEL_BUDGET_BYTES,
    repairs: Sequence[str] = (),
) -> list[DicomSeries]:
    """Find and check all phases of one series (most have one); see `find_series`."""
    unknown = [one for one in repairs if one not in REPAIRS]
    if unknown:
        raise ScanError(f"there is no repair {unknown[0]!r}; choose from {', '.join(REPAIRS)}")
    found = folder if isinstance(folder, Survey) else survey(folder)
    folder = found.folder
    modality, headers = _choose(found, series)
    frames = [frame for header in headers for frame in frames_of(header, modality)]
    frames, notes = one_stack(frames, repairs)
    notes = [*found.notes, *notes]
    _check_budget(folder, (len(frames), frames[0].rows, frames[0].columns), budget_bytes)
    if "drop-duplicates" in repairs:
        frames, dropped = without_duplicates(frames)
        notes += dropped
    frames, converted = _in_clinical_unit(frames, headers)
    notes += converted
    if frames[0].pixels.padding is not None:
        notes.append("voxels that hold the PixelPaddingValue count as air (-1024 HU), or 0")
    phases = []
    for name, slices in phases_of(frames).items():
        placed = place_slices(slices, repairs)
        _check_budget(folder, placed.shape, budget_bytes)
        phases.append(
            DicomSeries(frames[0].series, modality, placed, name, (*notes, *placed.repairs))
        )
    _check_same_grid(folder, phases)
    return phases


def _check_same_grid(folder: Path, phases: Sequence[DicomSeries]) -> None:
    first = phases[0]
    ends = np.array([[0, 0, 0, 1], [*(count - 1 for count in first.placement.shape), 1]])
    for one in phases[1:]:
        apart = (one.affine - first.affine) @ ends.T
        if one.placement.shape != first.placement.shape or np.abs(apart).max() > _SAME_GRID_MM:
            raise GeometryError(
                f"the phases {first.phase} and {one.phase} of the series {one.uid} in {folder} lie "
                "on different grids, so slices of one are missing; get the missing files"
            )


def notes_of(phases: Sequence[DicomSeries]) -> list[str]:
    """What was repaired or converted in any phase, each once; of one phase only with its name."""
    shared = [note for note in phases[0].notes if all(note in one.notes for one in phases)]
    own = [f"{one.phase}: {note}" for one in phases for note in one.notes if note not in shared]
    return [*shared, *own]


def _in_clinical_unit(
    frames: list[Frame], headers: Sequence[DicomHeader]
) -> tuple[list[Frame], list[str]]:
    """PET as SUV where it can be; everything else as it is."""
    if frames[0].modality != "PT":
        return frames, []
    factor = suv_factor([header.elements for header in headers])
    if isinstance(factor, str):
        return frames, [f"no SUV: {factor}"]
    converted = [
        replace(one, slope=one.slope * factor, intercept=one.intercept * factor, unit=_SUV_UNIT)
        for one in frames
    ]
    return converted, ["Bq/ml were converted to SUV by body weight"]


def _choose(surveyed: Survey, wanted: str | None) -> tuple[str, list[DicomHeader]]:
    """Modality and headers of the series to read."""
    folder, found = surveyed.folder, surveyed.series
    if not found:
        raise ScanError(_nothing_readable(folder, surveyed.others))
    listing = "; ".join(
        f"{uid} ({modality}, {len(headers)} files)" for (uid, modality), headers in found.items()
    )
    chosen = [key for key in found if wanted in (None, key[0])]
    if not chosen:
        raise ScanError(
            f"{folder} holds no series of slices with the SeriesInstanceUID {wanted}; choose one "
            f"of these with series=UID: {listing}"
        )
    if len(chosen) > 1:  # a scout view is no choice
        chosen = [key for key in chosen if not _all_localizers(found[key])] or chosen
    if len(chosen) > 1:
        raise ScanError(
            f"{folder} holds {len(chosen)} image series where one was expected; choose one with "
            f"series=UID: {listing}"
        )
    return chosen[0][1], found[chosen[0]]


def _all_localizers(headers: Iterable[DicomHeader]) -> bool:
    return all("LOCALIZER" in str(one.elements.get("ImageType", "")).upper() for one in headers)


def _nothing_readable(folder: Path, others: Mapping[str, list[Path]]) -> str:
    if not others:
        return (
            f"{folder} holds no DICOM file; pass the folder in which the files of a series lie, or "
            "an image file"
        )
    listing = ", ".join(f"{len(paths)} x {name_of(kind)}" for kind, paths in sorted(others.items()))
    return (
        f"{folder} holds no series of slices, only {listing}, which is not supported as a volume; "
        "export the scan as CT, MR or PET images, or convert it to NIfTI"
    )


def _check_budget(folder: Path, shape: tuple[int, int, int], budget_bytes: int) -> None:
    needed = math.prod(shape) * 4
    if needed > budget_bytes:
        raise ScanError(
            f"the series in {folder} has {shape[0]} slices of {shape[1]} x {shape[2]}, which take "
            f"{needed / 2**30:.1f} GiB as float32, over the budget of {budget_bytes / 2**30:.1f} "
            "GiB; crop or resample it, or raise budget_bytes"
        )
