"""Scenarios on the bench top: no patients, only scenes, each by its seed."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Sequence
from typing import Any, get_type_hints

import gymnasium as gym
import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PydanticSchemaGenerationError,
    TypeAdapter,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from halsted.scenarios.schema import (
    Perceive,
    Scenario,
    SeedRange,
    Split,
    Start,
    Strict,
    mixed_seed,
)

_NOT_OF_THE_TASK = {"self", "render_mode", "segmenter"}


class Scenes(Strict):
    """Seeds of the scenes that are trained on and that are held back."""

    train: SeedRange
    test: SeedRange


class BenchScenario(Scenario):
    """A scenario on the bench top; its cases are seeds of `env.reset`.

    Attributes:
        scenes: The splits.
        perception: Name of the segmenter, for an environment that takes one.
        task: Keyword arguments of the environment; those left out keep its defaults.
    """

    scenes: Scenes
    perception: str = "oracle"
    task: dict[str, Any] = Field(default_factory=dict)

    @field_validator("scenes")
    @classmethod
    def _splits_are_apart(cls, scenes: Scenes) -> Scenes:
        first, second = scenes.train.seeds, scenes.test.seeds
        shared = range(max(first.start, second.start), min(first.stop, second.stop))
        if shared:
            raise ValueError(
                f"the scenes {shared.start} to {shared.stop - 1} are both trained on and held back"
            )
        return scenes

    @model_validator(mode="after")
    def _perception_is_used(self) -> BenchScenario:
        if self.perception != "oracle" and not self.sees_by_perception:
            raise ValueError(f"{self.environment} takes no perception; leave it out")
        return self

    @model_validator(mode="after")
    def _task_fits_the_environment(self) -> BenchScenario:
        if self.task:
            try:
                _task_model(self.environment).model_validate(self.task)
            except ValidationError as error:
                faults = (
                    f"task.{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
                    for fault in error.errors()
                )
                raise ValueError("; ".join(faults)) from error
        return self

    def cases(self, split: Split) -> range:
        """The seeds of a split."""
        return (self.scenes.train if split == "train" else self.scenes.test).seeds

    def arguments(self, cases: Sequence[Any], perceive: Perceive) -> dict[str, Any]:
        """Keyword arguments of the environment, which are the same for all scenes."""
        if self.perception == "oracle":
            return dict(self.task)
        return {"segmenter": perceive(self.perception), **self.task}

    @property
    def sees_by_perception(self) -> bool:
        """Whether the environment takes a segmenter."""
        return "segmenter" in inspect.signature(_maker_of(self.environment)).parameters

    def starts(self, cases: Sequence[Any], seed: int) -> list[Start]:
        """Every scene once; the seed is the policy's only."""
        return [Start(scene, mixed_seed(seed, scene)) for scene in cases]

    def draw(self, cases: Sequence[Any], count: int, seed: int) -> list[Start]:
        """Scenes drawn by the seed, none twice while there are others."""
        rng = np.random.default_rng(seed)
        drawn = rng.choice(len(cases), size=count, replace=count > len(cases))
        return self.starts([cases[int(number)] for number in drawn], seed)

    def learning_form(self, hindsight: bool) -> tuple[str, dict[str, Any]]:
        """The environment with the reward that suits the learner.

        Hindsight always gets the sparse one, by which it pays for goals that it puts in; others
        get what the task names, else the dense one.
        """
        if "reward" not in default_settings(self.environment):
            return self.environment, {}
        if hindsight:
            return self.environment, {"reward": "sparse"}
        return self.environment, {} if "reward" in self.task else {"reward": "dense"}

    @property
    def ids(self) -> tuple[str, ...]:
        """The environment's only form."""
        return (self.environment,)

    @property
    def content_hash(self) -> str:
        """SHA-256 of everything the scenario says, with the environment's defaults filled in."""
        task = _task_model(self.environment).model_validate(self.task).model_dump(mode="json")
        content = self.model_dump(mode="json") | {"task": task}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def bare_scenario(environment: str) -> BenchScenario:
    """The environment of this id as it is, for whoever has no scenario file."""
    return BenchScenario(
        name="bare-" + "".join(sign if sign.isalnum() else "-" for sign in environment.lower()),
        title=environment,
        environment=environment,
        scenes=Scenes(
            train=SeedRange(first_seed=0, count=1_000_000),
            test=SeedRange(first_seed=1_000_000, count=100),
        ),
    )


def default_settings(environment: str) -> dict[str, Any]:
    """Keyword arguments of an environment with their defaults."""
    fields = _task_model(environment).model_fields
    return {name: field.default for name, field in fields.items()}


def _task_model(environment: str) -> type[BaseModel]:
    """A model with a field for each keyword argument of an environment."""
    creator = _maker_of(environment)
    fields: dict[str, Any] = {}
    for kind in inspect.getmro(creator) if inspect.isclass(creator) else [creator]:
        maker = kind.__init__ if inspect.isclass(kind) else kind
        parameters = inspect.signature(maker).parameters.values()
        hints = get_type_hints(maker)
        for one in parameters:
            if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
                default = ... if one.default is one.empty else one.default
                fields.setdefault(one.name, (_checkable(hints.get(one.name, Any)), default))
        if not any(one.kind is one.VAR_KEYWORD for one in parameters):
            break
    for name in _NOT_OF_THE_TASK:
        fields.pop(name, None)
    return create_model("task", __config__=ConfigDict(extra="forbid", strict=True), **fields)


def _maker_of(environment: str) -> Any:
    """The class or function that makes the environment of this id."""
    return gym.envs.registration.load_env_creator(str(gym.spec(environment).entry_point))


def _checkable(hint: Any) -> Any:
    """The type itself where a YAML value can be held against it, else anything."""
    try:
        TypeAdapter(hint)
    except PydanticSchemaGenerationError:
        return Any
    return hint
