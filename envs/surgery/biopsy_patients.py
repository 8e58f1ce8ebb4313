"""The patients of a biopsy environment: their true anatomy, and what perception makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from halsted.envs.errors import EnvironmentOptionError
from halsted.imaging_bridge import OracleSegmenter, Patient, Segmentation, Segmenter
from halsted.imaging_bridge.cases import (
    Case,
    PhantomCase,
    PreparedPatient,
    ScanCase,
    prepare_patient,
)
from halsted.imaging_bridge.structures import is_part_of, names_with_role
from halsted.robot.anatomy import Anatomy, anatomy_of

PatientLike = PreparedPatient | Patient | Case | str | Path

_TARGET = "lesion_to_sample"

DEFAULT_TRAINING_SEEDS = range(8)
"""Phantoms of an environment that is made without a patient; scenario files hold theirs."""


@dataclass(frozen=True, eq=False)
class BiopsyPatient:
    """A patient as the environment keeps it: distance fields only, which are memory maps.

    Attributes:
        name: Short name for tables.
        truth: Fields of the true labels, on which success and harm are judged.
        seen: Fields of the segmenter's labels, from which observations are made; its hazards are
            inflated by the margins that the segmenter tells.
        is_missed: Whether the segmenter saw nothing of the lesion. The target seen is then the
            deepest point of the organ, as far as that was seen.
    """

    name: str
    truth: Anatomy
    seen: Anatomy
    is_missed: bool = False


class BiopsyPatients:
    """Patients by number, prepared when first asked for."""

    def __init__(
        self,
        patients: PatientLike | Sequence[PatientLike] | None,
        organ: str,
        segmenter: Segmenter | None,
        tolerance_mm: float,
    ) -> None:
        """Take note of the patients; nothing is read yet.

        Args:
            patients: One or several; None for the default phantoms.
            organ: Organ of the target.
            segmenter: Perception; None for an oracle.
            tolerance_mm: The least that a lesion's radius may be.

        Raises:
            EnvironmentOptionError: there is no patient.
        """
        if patients is None:
            patients = [PhantomCase(seed, organ) for seed in DEFAULT_TRAINING_SEEDS]
        elif isinstance(patients, PreparedPatient | Patient | PhantomCase | ScanCase | str | Path):
            patients = [patients]
        if not patients:
            raise EnvironmentOptionError("an environment needs a patient; the list is empty")
        self.organ = organ
        self._sources = list(patients)
        self._segmenter: Segmenter = segmenter or OracleSegmenter()
        self._tolerance_mm = tolerance_mm
        self._ready: dict[int, BiopsyPatient] = {}

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, number: int) -> BiopsyPatient:
        """The patient of this number.

        Raises:
            HalstedError: it cannot be read or prepared, or its lesion is too small.
        """
        if number not in self._ready:
            self._ready[number] = self._prepare(number)
        return self._ready[number]

    def source(self, number: int) -> PreparedPatient:
        """The whole patient of this number with images and labels, read afresh."""
        source = self._sources[number]
        if isinstance(source, str | Path):
            source = ScanCase(str(source), organ=self.organ)
        if isinstance(source, PreparedPatient):
            return source
        if isinstance(source, Patient):
            return prepare_patient(source, self.organ)
        return source.prepare()

    def _prepare(self, number: int) -> BiopsyPatient:
        prepared = self.source(number)
        patient = prepared.patient
        truth = anatomy_of(patient, prepared.lesion, prepared.organ)
        if truth.target_radius_mm < self._tolerance_mm:
            raise EnvironmentOptionError(
                f"the lesion of {prepared.name} holds a ball of {truth.target_radius_mm:.1f} mm "
                f"radius only, less than the tolerance of {self._tolerance_mm:g} mm; lower "
                "tolerance_mm or target a larger lesion"
            )
        given = patient.labels if self._segmenter.is_oracle else None
        segmentation = self._segmenter.segment(patient.images, given)
        if segmentation.labels is patient.labels:
            return BiopsyPatient(prepared.name, truth, truth)
        return BiopsyPatient(prepared.name, truth, *_as_seen(prepared, segmentation))


def _as_seen(prepared: PreparedPatient, segmentation: Segmentation) -> tuple[Anatomy, bool]:
    """The anatomy seen, and whether the lesion was missed.

    A person has pointed at the lesion, as before any biopsy: of all that was taken for one, the
    parts that touch the true one are the target.

    Raises:
        EnvironmentOptionError: the segmenter saw no body, or neither lesion nor organ.
    """
    labels, margins = segmentation.labels, segmentation.margins_mm
    assert prepared.patient.labels is not None  # prepared patients have labels
    true = prepared.patient.labels.mask(prepared.lesion)
    suspected = labels.mask(*names_with_role(labels.names, "lesion"))
    target, is_missed = touching(suspected, true), False
    if target.any():
        labels, lesion = labels.with_structure(_TARGET, target), _TARGET
    else:
        parts = [n for n in labels.names if is_part_of(n, prepared.organ)]
        lesion = next((n for n in parts if labels.mask(n).any()), "")
        is_missed = True
    if not labels.mask(*names_with_role(labels.names, "body")).any() or not lesion:
        raise EnvironmentOptionError(
            f"the segmenter tells {', '.join(labels.names) or 'nothing'} of {prepared.name}, but a "
            f"biopsy needs the body and the {prepared.organ}; use one that sees them"
        )
    seen = prepared.patient.with_labels(labels)
    return anatomy_of(seen, lesion, prepared.organ, margins), is_missed


def touching(parts: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The connected parts of a mask that share a voxel with another, arrays (z, y, x)."""
    import SimpleITK as sitk

    numbers = sitk.GetArrayFromImage(
        sitk.ConnectedComponent(sitk.GetImageFromArray(parts.astype(np.uint8)))
    )
    touched = np.unique(numbers[other & parts])
    return np.asarray(np.isin(numbers, touched[touched > 0]))
