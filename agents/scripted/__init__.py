"""Scripted policies, found by the environment's id.

Experts use privileged state; planners do the same on what perception sees.
"""

from __future__ import annotations

from importlib import import_module

from halsted.agents.errors import PolicyError
from halsted.agents.policy import Policy

_INSTRUMENT = "halsted.agents.scripted.instrument_expert:InstrumentExpert"
_HANDLED = (
    "NeedleReach",
    "GauzeRetrieve",
    "NeedlePick",
    "PegTransfer",
    "NeedleRegrasp",
    "BiPegTransfer",
    "RingTransfer",
    "MatchBoard",
    "PickAndPlace",
)

_TISSUE = "halsted.agents.scripted.tissue_expert:TissueExpert"

EXPERTS = {
    **{f"halsted/{task}-v0": _INSTRUMENT for task in _HANDLED},
    "halsted/NeedleBiopsy-v0": "halsted.agents.scripted.needle_expert:NeedleExpert",
    "halsted/NeedleBiopsyGoal-v0": "halsted.agents.scripted.needle_expert:NeedleExpert",
    "halsted/ECMReach-v0": "halsted.agents.scripted.endoscope_expert:EndoscopeExpert",
    "halsted/MisOrient-v0": "halsted.agents.scripted.endoscope_expert:EndoscopeExpert",
    "halsted/StaticTrack-v0": "halsted.agents.scripted.endoscope_expert:EndoscopeExpert",
    "halsted/ActiveTrack-v0": "halsted.agents.scripted.endoscope_expert:EndoscopeExpert",
    **{f"halsted/{task}-v0": _TISSUE for task in ("Suture", "TissueCut", "TissueRetract")},
}
"""Module and class by id; loaded when asked for."""

PLANNERS = {
    "halsted/NeedleBiopsy-v0": "halsted.agents.scripted.needle_expert:NeedlePlanner",
    "halsted/NeedleBiopsyGoal-v0": "halsted.agents.scripted.needle_expert:NeedlePlanner",
    "halsted/RingTransfer-v0": "halsted.agents.scripted.instrument_expert:InstrumentPlanner",
}
"""The same for environments to which perception is handed in."""


def make_planner(environment: str) -> Policy:
    """The planner of the environment of this id.

    Raises:
        PolicyError: it has none.
    """
    if environment not in PLANNERS:
        raise PolicyError(
            f"perception is not handed to {environment}, so that nobody plans on it; choose "
            f"expert, or one of: {', '.join(sorted(PLANNERS))}"
        )
    return _made(PLANNERS[environment])


def make_expert(environment: str) -> Policy:
    """The expert of the environment of this id.

    Raises:
        PolicyError: it has none.
    """
    if environment not in EXPERTS:
        raise PolicyError(
            f"there is no scripted expert for {environment}; choose random, or the folder of a "
            f"trained policy (experts act in {', '.join(sorted(EXPERTS))})"
        )
    return _made(EXPERTS[environment])


def _made(place: str) -> Policy:
    module, name = place.split(":")
    policy: Policy = getattr(import_module(module), name)()
    return policy
