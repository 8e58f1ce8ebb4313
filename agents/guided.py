"""Soft actor-critic for sparse tasks of manipulation, with demonstrations or without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from stable_baselines3 import SAC
from stable_baselines3.common.utils import polyak_update
from torch.nn.functional import mse_loss

from halsted.agents.errors import PolicyError

if TYPE_CHECKING:
    from halsted.agents.cloning import Cloner

_CLONING_WEIGHT = 10.0
_MOST_CAUSES = 3.0
"""Cost of a step, at most, to which the critic is held: three causes of harm at once."""


class GuidedSac(SAC):
    """SAC whose values stay possible and whose actor keeps to what it was shown.

    The critic's targets are cut to what -1 a step and the price of harm can add up to, as in
    Andrychowicz et al. (2017), "Hindsight experience replay", NeurIPS, arXiv:1707.01495, appendix
    A; so the bonus for entropy stays out of them, and guides the actor only. Where episodes are
    demonstrated, the actor's loss has a term of cloning, as in Nair et al. (2018), "Overcoming
    exploration in reinforcement learning with demonstrations", ICRA, arXiv:1709.10089. One loss and
    one optimiser for both: cloning in turns with updates let a critic that knew nothing yet undo
    it.
    """

    cloner: Cloner | None = None
    least_reward: float = -1.0

    def expect_harm(self, price: float) -> None:
        """Let values be as low as rewards with this `harm_price` make them."""
        self.least_reward = -1.0 - price * _MOST_CAUSES

    def _setup_model(self) -> None:
        super()._setup_model()
        if self.log_ent_coef is None:
            raise PolicyError(
                f"ent_coef is {self.ent_coef!r}, but sac-her learns it; give 'auto' or 'auto_0.05'"
            )

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Take gradient steps on batches of the replay buffer."""
        buffer: Any = self.replay_buffer
        for _ in range(gradient_steps):
            data = buffer.sample(batch_size)
            critic_loss = self._improve_critic(data)
            polyak_update(self.critic.parameters(), self.critic_target.parameters(), self.tau)
            actor_loss = self._improve_actor(data)
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/critic_loss", critic_loss)
        self.logger.record("train/actor_loss", actor_loss)
        self.logger.record("train/ent_coef", float(self._temperature()))

    def _improve_critic(self, data: Any) -> float:
        with torch.no_grad():
            actions, _ = self.actor.action_log_prob(data.next_observations)
            following = self._lower_value(self.critic_target, data.next_observations, actions)
            possible = following.clamp(self.least_reward / (1.0 - self.gamma), 0.0)
            target = data.rewards + (1.0 - data.dones) * self.gamma * possible
        losses = [mse_loss(one, target) for one in self.critic(data.observations, data.actions)]
        return _descend(self.critic.optimizer, torch.stack(losses).sum())

    def _improve_actor(self, data: Any) -> float:
        actions, log_likelihood = self.actor.action_log_prob(data.observations)
        entropy = -log_likelihood.mean()
        self.critic.requires_grad_(False)  # spares half of the way back
        value = self._lower_value(self.critic, data.observations, actions).mean()
        loss = -value - self._temperature() * entropy
        if self.cloner is not None:
            loss = loss + _CLONING_WEIGHT * self.cloner.loss()
        told = _descend(self.actor.optimizer, loss)
        self.critic.requires_grad_(True)
        assert self.log_ent_coef is not None and self.ent_coef_optimizer is not None
        surplus = entropy.detach() - float(self.target_entropy)
        _descend(self.ent_coef_optimizer, (self.log_ent_coef * surplus).sum())
        return told

    def _temperature(self) -> torch.Tensor:
        assert self.log_ent_coef is not None
        return self.log_ent_coef.detach().exp()

    def _lower_value(self, critic: Any, observations: Any, actions: torch.Tensor) -> torch.Tensor:
        """The smaller answer of the two critics, (batch, 1)."""
        return torch.cat(critic(observations, actions), dim=1).amin(dim=1, keepdim=True)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "cloner"]


def _descend(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> float:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return float(loss.detach())
