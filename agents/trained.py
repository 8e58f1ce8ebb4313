"""Trained policies on disk: a folder with the network and a card that tells where it belongs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from halsted.agents.errors import PolicyError
from halsted.scenarios.schema import Scenario

NETWORK = "policy.zip"
CARD = "policy.json"
ALGORITHMS = ("sac-her", "sac", "ppo")
_CARD_FIELDS = ("scenario", "algorithm", "steps", "environment")


class TrainedPolicy:
    """A stable-baselines3 policy, acting without exploration."""

    def __init__(self, model: Any, name: str, environment: str) -> None:
        """Wrap a loaded model; see `load_trained`."""
        self.name = name
        self.environment: str | None = environment
        self._model = model

    def reset(self, env: gym.Env[Any, Any], seed: int) -> None:
        """Hold the environment's spaces against those that were learned in.

        Raises:
            PolicyError: they are others.
        """
        for what in ("observation_space", "action_space"):
            learned, met = _shapes(getattr(self._model, what)), _shapes(getattr(env, what))
            if learned != met:
                raise PolicyError(
                    f"{self.name} was trained with the {what.replace('_', ' ')} {learned}, but the "
                    f"environment has {met}; pose it as it was trained, or train another"
                )

    def act(self, observation: Any) -> NDArray[np.float32]:
        """The network's action."""
        action, _ = self._model.predict(observation, deterministic=True)
        return np.asarray(action, dtype=np.float32)


def load_trained(folder: Path, scenario: Scenario) -> TrainedPolicy:
    """The policy that `training.train` wrote into a folder.

    A network is stored as stable-baselines3 stores it, by pickle: load only what you trust.

    Raises:
        PolicyError: the folder holds none, it is damaged, or it was trained for another scenario.
    """
    card = _read_card(folder)
    if card["scenario"] != scenario.name:
        raise PolicyError(
            f"the policy in {folder} was trained for the scenario {card['scenario']!r}, not "
            f"{scenario.name!r}; evaluate it there or train another"
        )
    if card["environment"] not in scenario.ids:
        raise PolicyError(
            f"{folder / CARD} names the environment {card['environment']!r}, but the scenario "
            f"{scenario.name!r} has {' and '.join(scenario.ids)}; train it again"
        )
    import torch

    from halsted.agents.learners import LEARNERS

    torch.set_num_threads(1)
    learner = LEARNERS[card["algorithm"]]
    try:
        model = learner.load(folder / NETWORK, device="cpu", custom_objects=_fields_not_needed())
    except Exception as error:  # stable-baselines3 raises whatever zipfile and torch raise
        raise PolicyError(
            f"the network in {folder / NETWORK} cannot be read ({type(error).__name__}); train "
            "it again"
        ) from error
    name = f"{card['algorithm']} {card['steps']} steps"
    if card["demonstrations"]:
        name += f" and {card['demonstrations']} demonstrations"
    return TrainedPolicy(model, name, card["environment"])


def _shapes(space: gym.Space[Any]) -> Any:
    """Shapes by name; sorted, for stable-baselines3 turns pictures to have channels first."""
    if isinstance(space, gym.spaces.Dict):
        return {name: _shapes(part) for name, part in sorted(space.spaces.items())}
    return sorted(space.shape or ())


def _fields_not_needed() -> dict[str, Any]:
    """Fields of a saved model that are not needed to act."""
    return {
        "lr_schedule": lambda _: 0.0,
        "clip_range": lambda _: 0.0,
        "replay_buffer_class": None,
        "replay_buffer_kwargs": {},
        "buffer_size": 1,
    }


def _read_card(folder: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
        if card["algorithm"] not in ALGORITHMS or not (folder / NETWORK).is_file():
            raise KeyError("algorithm")
        return {"demonstrations": 0, **card} | {key: card[key] for key in _CARD_FIELDS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PolicyError(
            f"{folder} holds no trained policy ({CARD} and {NETWORK}); give the folder that "
            "'halsted train' wrote"
        ) from error
