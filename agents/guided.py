"""Soft actor-critic that learns sparse tasks of manipulation, with demonstrations or without."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3 import SAC
from stable_baselines3.common.utils import polyak_update
from torch.nn.functional import mse_loss


class GuidedSac(SAC):
    """SAC whose values stay possible and whose actor keeps to demonstrations.

    Targets of the critic are cut to what sparse rewards can add up to (Andrychowicz et al. 2017,
    "Hindsight experience replay", NeurIPS, arXiv:1707.01495, section 4.1; here entropy is left out
    of them). Where demonstrations are given, the actor's loss has a term of cloning for those of
    their actions that the critic thinks better than the actor's own (Nair et al. 2018, "Overcoming
    exploration in reinforcement learning with demonstrations", ICRA, arXiv:1709.10089).
    """

    cloner: Any = None
    """A `cloning.Cloner`, or None."""
    cloning_weight: float = 10.0
    q_filter: bool = False

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
        self.logger.record("train/ent_coef", float(self.log_ent_coef.detach().exp()))

    def _improve_critic(self, data: Any) -> float:
        with torch.no_grad():
            actions, log_likelihood = self.actor.action_log_prob(data.next_observations)
            values = torch.cat(self.critic_target(data.next_observations, actions), dim=1)
            following = values.min(dim=1, keepdim=True).values.clamp(-1.0 / (1.0 - self.gamma), 0.0)
            target = data.rewards + (1.0 - data.dones) * self.gamma * following
        values = self.critic(data.observations, data.actions)
        loss = sum(mse_loss(one, target) for one in values)
        self.critic.optimizer.zero_grad()
        loss.backward()
        self.critic.optimizer.step()
        return float(loss.detach())

    def _improve_actor(self, data: Any) -> float:
        self.critic.requires_grad_(False)
        actions, log_likelihood = self.actor.action_log_prob(data.observations)
        alpha = self.log_ent_coef.detach().exp()
        values = torch.cat(self.critic(data.observations, actions), dim=1)
        loss = (alpha * log_likelihood - values.min(dim=1).values).mean()
        if self.cloner is not None:
            loss = loss + self.cloning_weight * self.cloner.loss(self.critic if self.q_filter else None)
        self.actor.optimizer.zero_grad()
        loss.backward()
        self.actor.optimizer.step()
        self.critic.requires_grad_(True)
        entropy_loss = -(self.log_ent_coef * (log_likelihood.detach() + self.target_entropy).mean())
        self.ent_coef_optimizer.zero_grad()
        entropy_loss.backward()
        self.ent_coef_optimizer.step()
        return float(loss.detach())

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "cloner"]
