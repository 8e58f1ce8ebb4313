"""The task that a scripted expert is asked to do."""

from __future__ import annotations

from typing import Any, TypeVar

import gymnasium as gym

from halsted.agents.errors import PolicyError

Task = TypeVar("Task")


def task_of(env: gym.Env[Any, Any], kind: type[Task], does: str) -> Task:
    """The environment without its wrappers, if it is of the kind that an expert can do.

    Args:
        env: The environment.
        kind: What the expert can do.
        does: The same in words, after "this expert".

    Raises:
        PolicyError: it is something else.
    """
    unwrapped = env.unwrapped
    if not isinstance(unwrapped, kind):
        raise PolicyError(
            f"this expert {does}, but the environment is {type(unwrapped).__name__}; choose "
            "another policy"
        )
    return unwrapped
