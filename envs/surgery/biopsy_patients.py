"""The patients of a biopsy environment: their true anatomy, and what perception makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from halsted.envs.errors import EnvironmentOptionError
from halsted.imaging_bridge import OracleSegmenter, Patient, Segmenter
from halsted.imaging_bridge.cases import (
    Case,
    PhantomCase,
    PreparedPatient,
    ScanCase,
    prepare_patient,
)
from halsted.robot.anatomy import Anatomy, anatomy_of

PatientLike = PreparedPatient | Patient | Case | str | Path

DEFAULT_TRAINING_SEEDS = range(8)
"""Phantoms of an environment that is made without a patient; scenario files hold theirs."""


@dataclass(frozen=True, eq=False)
class BiopsyPatient:
    """A patient as the environment keeps it: distance fields only, which are memory maps.

    Attributes:
        name: Short name for tables.
        truth: Fields of the true labels, on which success and harm are judged.
        seen: Fields of the segmenter's labels, from which observations are made.
    """

    name: str
    truth: Anatomy
    seen: Anatomy


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
        labels = self._segmenter.segment(patient.images, given).labels
        seen = truth
        if labels is not patient.labels:
            seen = anatomy_of(patient.with_labels(labels), prepared.lesion, prepared.organ)
        return BiopsyPatient(prepared.name, truth, seen)
