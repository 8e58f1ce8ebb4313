"""Scenarios by name, file or environment."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from halsted.imaging_bridge import HalstedError
from halsted.scenarios.bench import BenchScenario, bare_scenario
from halsted.scenarios.patients import PatientScenario
from halsted.scenarios.schema import Scenario, check_environment


class ScenarioError(HalstedError):
    """A scenario that does not exist, or a scenario file that is wrong."""


def scenario_names() -> list[str]:
    """Names of the scenarios that come with Halsted."""
    folder = files("halsted.scenarios")
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )


def load_scenario(name: str) -> Scenario:
    """The scenario of this name, or in this file (a path that ends in .yaml or .yml).

    Raises:
        ScenarioError: there is none, or the file is wrong; every fault is named.
    """
    if name.endswith((".yaml", ".yml")):
        try:
            return parse_scenario(Path(name).read_text(encoding="utf-8"), name)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text file"
            raise ScenarioError(
                f"the scenario file {name} cannot be read ({reason}); check the path"
            ) from error
    if name not in scenario_names():
        raise ScenarioError(
            f"there is no scenario {name!r}; choose one of: {', '.join(scenario_names())}, "
            "or give a file that ends in .yaml"
        )
    path = files("halsted.scenarios") / f"{name}.yaml"
    return parse_scenario(path.read_text(encoding="utf-8"), name)


def scenario_of(name: str) -> Scenario:
    """The scenario of this name or file; for an environment's id the first scenario that uses it.

    An environment that no scenario uses is posed as it is, on scenes of its own seeds.

    Raises:
        ScenarioError: there is neither such a scenario nor such an environment.
    """
    if "/" not in name or name.endswith((".yaml", ".yml")):
        return load_scenario(name)
    try:
        check_environment(name)
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    for known in map(load_scenario, scenario_names()):
        if name in known.ids:
            return known.model_copy(update={"environment": name})
    return bare_scenario(name)


def parse_scenario(text: str, source: str) -> Scenario:
    """The scenario that a YAML text describes.

    One that has `scenes` is posed on the bench top, any other on patients.

    Args:
        text: The YAML.
        source: Where it comes from, for messages.

    Raises:
        ScenarioError: it is no YAML, or says something wrong.
    """
    try:
        values: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        raise ScenarioError(f"{source} is no valid YAML{line}; correct it there") from error
    is_bench = isinstance(values, dict) and "scenes" in values
    kind: type[Scenario] = BenchScenario if is_bench else PatientScenario
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'the file'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise ScenarioError(
            f"the scenario in {source} is wrong ({faults}); correct these fields"
        ) from error
