"""Trained networks on disk: a folder with weights, and a card that tells what they are.

Weights are read as plain tensors and never unpickled, so that a network from elsewhere can do no
more than see badly.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from halsted.agents.errors import PerceptionError
from halsted.agents.perception.architectures import build
from halsted.agents.perception.folders import CARD, WEIGHTS, networks_folder
from halsted.agents.perception.inference import device
from halsted.agents.perception.specification import Network
from halsted.imaging_bridge.files import make_folder, write_text, write_whole

FORMAT = "halsted-network-1"

State = Mapping[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Trained:
    """A network with its weights.

    Attributes:
        network: What it sees.
        members: State dictionaries of the members of an ensemble; often one.
        facts: How it was trained, ready for JSON.
        reliability: What calibration found; empty before it. See `reliability`.
    """

    network: Network
    members: Sequence[State]
    facts: Mapping[str, Any] = field(default_factory=dict)
    reliability: Mapping[str, Any] = field(default_factory=dict)

    def modules(self) -> list[nn.Module]:
        """The members as torch modules, ready to look, on the GPU where there is one."""
        made = []
        for state in self.members:
            module = build(self.network)
            module.load_state_dict(dict(state))
            made.append(module.to(device()).eval())
        return made


def save_trained(trained: Trained, folder: Path) -> None:
    """Write weights and card; the card last, so that a folder with a card is whole.

    Raises:
        OutputError: the folder cannot be written.
    """
    make_folder(folder)
    weights = {"members": [dict(state) for state in trained.members]}
    write_whole(folder / WEIGHTS, lambda path: torch.save(weights, path))
    card = {
        "format": FORMAT,
        "network": trained.network.as_dict(),
        "weights_sha256": _digest(folder / WEIGHTS),
        "facts": dict(trained.facts),
        "reliability": dict(trained.reliability),
    }
    write_text(folder / CARD, json.dumps(card, indent=1) + "\n")


def load_trained(folder: Path) -> Trained:
    """The network that `save_trained` wrote into a folder.

    Raises:
        PerceptionError: the folder holds none, it is damaged, or its weights are of another
            network or of a format that this version does not read.
    """
    card = _read_card(folder)
    if card["format"] != FORMAT:
        raise PerceptionError(
            f"{folder / CARD} has the format {card['format']!r}, but {FORMAT!r} was expected; "
            "train the network again, or use the version that wrote it"
        )
    network = Network.from_dict(card["network"])
    if _digest(folder / WEIGHTS) != card["weights_sha256"]:
        raise PerceptionError(
            f"the weights in {folder / WEIGHTS} are not those that its {CARD} tells of; copy the "
            "whole folder again, or train the network again"
        )
    try:
        members = torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True)["members"]
        trained = Trained(network, members, card["facts"], card["reliability"])
        trained.modules()
    except Exception as error:  # torch raises whatever zipfile and its unpickler raise
        raise PerceptionError(
            f"the weights in {folder / WEIGHTS} do not fit the network {network.name} "
            f"({type(error).__name__}); train it again"
        ) from error
    return trained


def find_trained(name: str) -> Trained:
    """A trained network by its folder, or by its name in `networks_folder`.

    Raises:
        PerceptionError: there is none.
    """
    for folder in (Path(name), networks_folder() / name):
        if (folder / CARD).is_file():
            return load_trained(folder)
    raise PerceptionError(
        f"there is no trained network {name!r}, neither as a folder nor in {networks_folder()}; "
        f"train one with 'halsted perceive train', or set HALSTED_NETWORKS"
    )


def _read_card(folder: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
        kept = {key: card[key] for key in _FIELDS}
        if not all(isinstance(kept[key], dict) for key in ("network", "facts", "reliability")):
            raise TypeError
        return kept
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PerceptionError(
            f"{folder} holds no trained network ({CARD} and {WEIGHTS}); give the folder that "
            "'halsted perceive train' wrote"
        ) from error


_FIELDS = ("format", "network", "weights_sha256", "facts", "reliability")


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise PerceptionError(
            f"the weights {path} cannot be read ({error.strerror}); copy the whole folder again"
        ) from error
