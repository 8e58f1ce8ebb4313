"""Behaviour cloning on the policies of stable-baselines3, and demonstrations in their buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from halsted.agents.demonstrations import Demonstration, stacked
from halsted.agents.guided import GuidedSac

_BATCH = 256
_LEARNING_RATE = 1e-3


class Cloner:
    """Draws a learner's policy towards the demonstrated actions, a batch at a time."""

    def __init__(self, model: Any, demonstrations: Sequence[Demonstration], seed: int) -> None:
        """Take a SAC or PPO and the episodes that it shall act like."""
        self._policy = model.policy
        self._loss = _loss_of(model)
        learned = model.actor if hasattr(model, "actor") else model.policy
        self._optimiser = torch.optim.Adam(learned.parameters(), lr=_LEARNING_RATE)
        self._parameters = list(learned.parameters())
        self._rng = np.random.default_rng(seed)
        observations = [one.observation(slice(0, len(one))) for one in demonstrations]
        self._observations = _joined(observations)
        self._actions = torch.as_tensor(np.concatenate([one.advised for one in demonstrations]))

    def clone(self, batches: int) -> float:
        """Take so many steps of the optimiser; the mean loss of the last tenth."""
        losses = [self._step() for _ in range(batches)]
        return float(np.mean(losses[-max(1, batches // 10) :]))

    def loss(self) -> torch.Tensor:
        """How far the policy is from the actions of a batch."""
        rows = self._rng.integers(len(self._actions), size=min(_BATCH, len(self._actions)))
        return self._loss(self._policy, _rows(self._observations, rows), self._actions[rows])

    def _step(self) -> float:
        loss = self.loss()
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimiser.step()
        return float(loss.detach())


def _loss_of(model: Any) -> Callable[[Any, Any, torch.Tensor], torch.Tensor]:
    if isinstance(model, GuidedSac):
        return _absolute_error
    return _squashed_error if hasattr(model, "actor") else _surprise


def _absolute_error(policy: Any, observations: Any, actions: torch.Tensor) -> torch.Tensor:
    """Mean absolute error of what SAC's actor does without exploration.

    An expert that corrects noise is not wholly predictable; its median is a better guide than
    its mean, which lies between opening and closing the jaws.
    """
    mean, _, _ = policy.actor.get_action_dist_params(observations)
    return torch.nn.functional.l1_loss(torch.tanh(mean), actions)


def _squashed_error(policy: Any, observations: Any, actions: torch.Tensor) -> torch.Tensor:
    """Mean squared error of what SAC's actor does without exploration."""
    mean, _, _ = policy.actor.get_action_dist_params(observations)
    return torch.nn.functional.mse_loss(torch.tanh(mean), actions)


def _surprise(policy: Any, observations: Any, actions: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood of the actions under PPO's policy."""
    _, log_likelihood, _ = policy.evaluate_actions(observations, actions)
    loss: torch.Tensor = -log_likelihood.mean()
    return loss


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], dict):
        return {key: _joined([part[key] for part in parts]) for key in parts[0]}
    return torch.as_tensor(np.concatenate(parts))


def _rows(observations: Any, rows: NDArray[np.int64]) -> Any:
    if isinstance(observations, dict):
        return {key: values[rows] for key, values in observations.items()}
    return observations[rows]


def fill_replay_buffer(model: Any, demonstrations: Sequence[Demonstration]) -> None:
    """Put episodes into the replay buffer of an off-policy learner.

    A buffer has a column for each of the learner's environments, and a row fills them all. So
    the columns take the episodes in turns, and begin anew where they have fewer steps than others;
    what is cut off at the last row counts as truncated.
    """
    count = model.n_envs
    columns = [
        [
            (one, step)
            for one in demonstrations[start::count] or demonstrations
            for step in range(len(one))
        ]
        for start in range(count)
    ]
    last = max(map(len, columns)) - 1
    for number in range(last + 1):
        _add_row(model, [column[number % len(column)] for column in columns], number == last)
    model.replay_buffer.mark_demonstrations()


def _add_row(model: Any, row: Sequence[tuple[Demonstration, int]], is_last: bool) -> None:
    following = stacked([one.observation(step + 1) for one, step in row])
    at_end = np.array([step == len(one) - 1 for one, step in row])
    terminated = at_end & [one.terminated for one, _ in row]
    ended = at_end | is_last
    infos = [
        {"cost": float(one.costs[step]), "TimeLimit.truncated": bool(cut)}
        for (one, step), cut in zip(row, ended & ~terminated, strict=True)
    ]
    model.replay_buffer.add(
        stacked([one.observation(step) for one, step in row]),
        following,
        np.stack([one.actions[step] for one, step in row]),
        _rewards(model, following, infos),
        ended,
        infos,
    )


def _rewards(model: Any, following: Any, infos: list[dict[str, Any]]) -> NDArray[np.float32]:
    """Rewards as the learner's own environment gives them, whatever the recorded ones were."""
    (rewards,) = model.env.env_method(
        "compute_reward", following["achieved_goal"], following["desired_goal"], infos, indices=[0]
    )
    return np.asarray(rewards, np.float32)
