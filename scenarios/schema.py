"""What a scenario file may say. Unknown fields are errors, and all errors are told at once."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import gymnasium as gym
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from halsted.imaging_bridge import Segmenter

Split = Literal["train", "test"]
Perceive = Callable[[str], Segmenter]
"""Makes the segmenter of a name."""


class Strict(BaseModel):
    """Fields of a scenario file: frozen, and none but those named."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Start:
    """How an episode begins.

    Attributes:
        seed: Seed of `env.reset`, which draws the scene.
        policy_seed: Seed of the policy's own chance.
        options: Options of `env.reset`.
    """

    seed: int
    policy_seed: int
    options: Mapping[str, Any] = field(default_factory=dict)


class Scenario(Strict, ABC):
    """What is posed: an environment, on whom or what it is trained and scored, and its settings.

    A case is what a split consists of: a patient, or the seed of a scene.

    Attributes:
        name: Short name, as on the command line.
        title: One line for people.
        environment: Id of the environment.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    title: str
    environment: str

    @field_validator("environment", "goal_environment", check_fields=False)
    @classmethod
    def _environment_exists(cls, value: str) -> str:
        check_environment(value)
        return value

    @abstractmethod
    def cases(self, split: Split) -> Sequence[Any]:
        """What a split consists of."""

    @abstractmethod
    def arguments(self, cases: Sequence[Any], perceive: Perceive) -> dict[str, Any]:
        """Keyword arguments of the environment over some cases."""

    @abstractmethod
    def starts(self, cases: Sequence[Any], seed: int) -> list[Start]:
        """The episodes that a policy is scored on, case by case."""

    @abstractmethod
    def draw(self, cases: Sequence[Any], count: int, seed: int) -> list[Start]:
        """So many episodes on cases drawn at random, for recording."""

    @abstractmethod
    def learning_form(self, hindsight: bool) -> tuple[str, dict[str, Any]]:
        """Id and further arguments of the environment, for learners with or without hindsight."""

    @property
    @abstractmethod
    def ids(self) -> tuple[str, ...]:
        """Ids of all forms of the environment, its own first."""

    @property
    def sees_by_perception(self) -> bool:
        """Whether a segmenter is handed to the environment."""
        return False

    def shareable(self) -> dict[str, Any]:
        """Everything the scenario says that tells nothing of a person, for files of results."""
        return self.model_dump(mode="json")

    @property
    def content_hash(self) -> str:
        """SHA-256 of everything the scenario says, with defaults filled in."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class SeedRange(Strict):
    """Consecutive seeds."""

    first_seed: Annotated[int, Field(ge=0, le=2**62)]
    count: Annotated[int, Field(ge=1, le=2**31)]

    @property
    def seeds(self) -> range:
        """The seeds themselves."""
        return range(self.first_seed, self.first_seed + self.count)


def mixed_seed(*parts: int) -> int:
    """One seed out of several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def check_environment(name: str) -> None:
    """Whether an environment of this id can be posed.

    Raises:
        ValueError: there is none, or it is one of Gymnasium's own, which tell no costs.
    """
    choose = f"choose one of: {', '.join(known_ids())}"
    try:
        entry_point = str(gym.spec(name).entry_point)
    except (gym.error.Error, ImportError) as error:
        raise ValueError(f"there is no environment {name!r}; {choose}") from error
    if entry_point.startswith("gymnasium."):
        raise ValueError(f"{name} is Gymnasium's own and tells no costs; {choose}")


def known_ids() -> list[str]:
    """Ids of the environments that come with Halsted."""
    return sorted(one for one in gym.registry if one.startswith("halsted/"))
