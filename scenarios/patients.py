"""Scenarios that are posed on patients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from halsted.imaging_bridge.cases import Case, PhantomCase, ScanCase
from halsted.scenarios.schema import (
    Perceive,
    Scenario,
    SeedRange,
    Split,
    Start,
    Strict,
    mixed_seed,
)

NonNegative = Annotated[float, Field(ge=0.0)]


class PhantomSeeds(Strict):
    """Phantoms of consecutive seeds."""

    phantom: Literal["thorax_abdomen"]
    first_seed: Annotated[int, Field(ge=0)]
    count: PositiveInt

    def cases(self, organ: str) -> list[Case]:
        """One case a seed."""
        seeds = SeedRange(first_seed=self.first_seed, count=self.count).seeds
        return [PhantomCase(seed, organ) for seed in seeds]


class ScanFile(Strict):
    """A scan on disk; paths are relative to the working folder."""

    scan: str
    labels: str | None = None
    label_names: str | None = None
    lesion: str | None = None
    lesion_seed: Annotated[int, Field(ge=0)] = 0

    def cases(self, organ: str) -> list[Case]:
        """The one case."""
        return [
            ScanCase(self.scan, self.labels, self.label_names, organ, self.lesion, self.lesion_seed)
        ]

    def without_paths(self, organ: str) -> ScanFile:
        """The same with the case's name for each path, which may name a person."""
        (case,) = self.cases(organ)
        paths = ("scan", "labels", "label_names")
        return self.model_copy(
            update={path: case.name for path in paths if getattr(self, path) is not None}
        )


class Splits(Strict):
    """Who is trained on and who is held back."""

    train: Annotated[list[PhantomSeeds | ScanFile], Field(min_length=1)]
    test: Annotated[list[PhantomSeeds | ScanFile], Field(min_length=1)]


class Task(Strict):
    """Settings of the environment; see `NeedleBiopsyEnv` for what they mean."""

    breathing_mm: NonNegative = 0.0
    horizon: PositiveInt = 80
    tolerance_mm: PositiveFloat = 5.0
    risk_margin_mm: NonNegative = 2.0
    pleura_allowed: Annotated[int, Field(ge=0)] | None = None
    force_limit_n: PositiveFloat = 8.0
    harm_price: NonNegative = 0.2


class PatientScenario(Scenario):
    """A scenario on patients; its cases are patients.

    Attributes:
        goal_environment: Id of the environment's goal form, for hindsight learners.
        arm: Name of the arm.
        organ: Organ that holds the target.
        perception: Name of the segmenter that is handed to the environment.
        patients: The splits.
        task: Settings of the environment.
        episodes_per_patient: Episodes that each held-back patient is scored on.
    """

    goal_environment: str
    arm: str = "kuka_lbr"
    organ: Literal["liver", "lung"]
    perception: str = "oracle"
    patients: Splits
    task: Task = Task()
    episodes_per_patient: PositiveInt = 1

    @model_validator(mode="after")
    def _splits_are_apart(self) -> PatientScenario:
        people = [{case.person for case in self.cases(split)} for split in ("train", "test")]
        shared = people[0] & people[1]
        if shared:
            names = ", ".join(sorted(shared)[:5])
            raise ValueError(f"these patients are both trained on and held back: {names}")
        return self

    def cases(self, split: Split) -> list[Case]:
        """The patients of a split."""
        groups = self.patients.train if split == "train" else self.patients.test
        return [case for group in groups for case in group.cases(self.organ)]

    def arguments(self, cases: Sequence[Any], perceive: Perceive) -> dict[str, Any]:
        """Keyword arguments of the environment over some patients."""
        return {
            "patient": list(cases),
            "segmenter": perceive(self.perception),
            "organ": self.organ,
            "arm": self.arm,
            **self.task.model_dump(),
        }

    def starts(self, cases: Sequence[Any], seed: int) -> list[Start]:
        """`episodes_per_patient` scenes of every patient, which the seed draws."""
        return [
            _start(patient, mixed_seed(seed, patient, repetition))
            for patient in range(len(cases))
            for repetition in range(self.episodes_per_patient)
        ]

    def draw(self, cases: Sequence[Any], count: int, seed: int) -> list[Start]:
        """The patients in turn, in an order and scenes that the seed draws."""
        order = np.random.default_rng(seed).permutation(len(cases))
        return [
            _start(int(order[number % len(order)]), mixed_seed(seed, number))
            for number in range(count)
        ]

    def learning_form(self, hindsight: bool) -> tuple[str, dict[str, Any]]:
        """The goal form for hindsight, else the form with a dense reward."""
        return (self.goal_environment if hindsight else self.environment), {}

    @property
    def sees_by_perception(self) -> bool:
        """Always: its observations come from labels."""
        return True

    def shareable(self) -> dict[str, Any]:
        """What the scenario says, with names of cases for the paths of scans."""
        groups = {
            split: [
                one.without_paths(self.organ) if isinstance(one, ScanFile) else one for one in given
            ]
            for split, given in (("train", self.patients.train), ("test", self.patients.test))
        }
        content = self.model_copy(update={"patients": self.patients.model_copy(update=groups)})
        return content.model_dump(mode="json")

    @property
    def ids(self) -> tuple[str, ...]:
        """The environment and its goal form."""
        return self.environment, self.goal_environment


def _start(patient: int, seed: int) -> Start:
    return Start(seed, seed, {"patient": patient})
