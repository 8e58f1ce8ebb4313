"""What a scenario file may say. Unknown fields are errors, and all errors are told at once."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import gymnasium as gym
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from halsted.imaging_bridge.cases import Case, PhantomCase, ScanCase

NonNegative = Annotated[float, Field(ge=0.0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PhantomSeeds(_Strict):
    """Phantoms of consecutive seeds."""

    phantom: Literal["thorax_abdomen"]
    first_seed: Annotated[int, Field(ge=0)]
    count: PositiveInt

    def cases(self, organ: str) -> list[Case]:
        """One case a seed."""
        seeds = range(self.first_seed, self.first_seed + self.count)
        return [PhantomCase(seed, organ) for seed in seeds]


class ScanFile(_Strict):
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


class Splits(_Strict):
    """Who is trained on and who is held back."""

    train: Annotated[list[PhantomSeeds | ScanFile], Field(min_length=1)]
    test: Annotated[list[PhantomSeeds | ScanFile], Field(min_length=1)]


class Task(_Strict):
    """Settings of the environment; see `NeedleBiopsyEnv` for what they mean."""

    breathing_mm: NonNegative = 0.0
    horizon: PositiveInt = 80
    tolerance_mm: PositiveFloat = 5.0
    risk_margin_mm: NonNegative = 2.0
    pleura_allowed: Annotated[int, Field(ge=0)] | None = None
    force_limit_n: PositiveFloat = 8.0
    harm_price: NonNegative = 0.2


class Scenario(_Strict):
    """A scenario: patients and splits, environment, arm, perception, task and scoring.

    Attributes:
        name: Short name, as on the command line.
        title: One line for people.
        environment: Id of the environment.
        goal_environment: Id of its goal form, for hindsight learners.
        arm: Name of the arm.
        organ: Organ that holds the target.
        perception: Name of the segmenter that is handed to the environment.
        patients: The splits.
        task: Settings of the environment.
        episodes_per_patient: Episodes that each held-back patient is scored on.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    title: str
    environment: str
    goal_environment: str
    arm: str = "kuka_lbr"
    organ: Literal["liver", "lung"]
    perception: str = "oracle"
    patients: Splits
    task: Task = Task()
    episodes_per_patient: PositiveInt = 1

    @field_validator("environment", "goal_environment")
    @classmethod
    def _environment_exists(cls, value: str) -> str:
        try:
            gym.spec(value)
        except (gym.error.Error, ImportError) as error:
            known = ", ".join(sorted(one for one in gym.registry if one.startswith("halsted/")))
            raise ValueError(
                f"there is no environment {value!r}; choose one of: {known}"
            ) from error
        return value

    @model_validator(mode="after")
    def _splits_are_apart(self) -> Scenario:
        people = [{case.person for case in self.cases(split)} for split in ("train", "test")]
        shared = people[0] & people[1]
        if shared:
            names = ", ".join(sorted(shared)[:5])
            raise ValueError(f"these patients are both trained on and held back: {names}")
        return self

    def cases(self, split: Literal["train", "test"]) -> list[Case]:
        """The patients of a split."""
        groups = self.patients.train if split == "train" else self.patients.test
        return [case for group in groups for case in group.cases(self.organ)]

    def environment_arguments(self) -> dict[str, Any]:
        """Keyword arguments for the environment, without patients and perception."""
        return {"organ": self.organ, "arm": self.arm, **self.task.model_dump()}

    @property
    def content_hash(self) -> str:
        """SHA-256 of everything the scenario says, with defaults filled in."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
