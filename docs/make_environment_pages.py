"""Write a page for every environment from its docstring and its specifications.

Run it as ``python docs/make_environment_pages.py``; a test holds the pages to the code.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import gymnasium as gym

from halsted.registration import ENVIRONMENTS

FOLDER = Path(__file__).parent / "environments"


def pages() -> dict[Path, str]:
    """The text of every page by its path."""
    return {FOLDER / f"{name.split('/')[1]}.md": page(name) for name in ENVIRONMENTS}


def page(name: str) -> str:
    """The page of one environment."""
    environment: Any = gym.envs.registration.load_env_creator(ENVIRONMENTS[name])
    specification, command = environment.specification, environment.command
    return "\n".join(
        [
            f"# `{name}`",
            "",
            inspect.getdoc(environment) or "",
            *(_sections_of_base(environment)),
            "",
            "## Entries of the action",
            "",
            command.as_markdown(),
            "",
            "## Entries of the observation",
            "",
            specification.as_markdown(),
            "",
        ]
    )


def _sections_of_base(environment: Any) -> list[str]:
    """What the family of an environment shares, where its own text refers to it."""
    own = inspect.getdoc(environment) or ""
    for base in environment.__mro__[1:]:
        if f"those of `{base.__name__}`" in own:
            text = inspect.getdoc(base) or ""
            return ["", text[text.index("## ") :]]
    return []


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
