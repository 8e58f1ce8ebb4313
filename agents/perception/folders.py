"""Where trained networks lie."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path

WEIGHTS = "weights.pt"
CARD = "network.json"


def is_trained(name: str) -> bool:
    """Whether all networks of a name, joined by ``+``, lie trained in `networks_folder`."""
    return all((networks_folder() / one / CARD).is_file() for one in name.split("+"))


def networks_folder() -> Path:
    """Where networks lie by name: ``HALSTED_NETWORKS``, or a folder of the user's data."""
    given = os.environ.get("HALSTED_NETWORKS")
    return Path(given) if given else user_data_path("halsted") / "networks"
