"""Write a page for every environment from its docstring and its specifications.

Run it as ``python docs/make_environment_pages.py``; a test holds the pages to the code.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import gymnasium as gym

from halsted.registration import ENVIRONMENTS
from halsted.robot.specification import NEEDLE_COMMAND

FOLDER = Path(__file__).parent / "environments"


def pages() -> dict[Path, str]:
    """The text of every page by its path."""
    return {FOLDER / f"{name.split('/')[1]}.md": page(name) for name in ENVIRONMENTS}


def page(name: str) -> str:
    """The page of one environment."""
    environment = gym.envs.registration.load_env_creator(ENVIRONMENTS[name])
    specification = environment.specification  # type: ignore[attr-defined]
    return "\n".join(
        [
            f"# `{name}`",
            "",
            inspect.getdoc(environment) or "",
            "",
            "## Entries of the action",
            "",
            NEEDLE_COMMAND.as_markdown(),
            "",
            "## Entries of the observation",
            "",
            specification.as_markdown(),
            "",
        ]
    )


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
