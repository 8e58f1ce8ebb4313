"""A scripted expert for the dexterity suite: grips, lifts, carries and lets go.

A planner does the same where perception says that things are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from halsted.agents.scripted.task import task_of
from halsted.envs.surgery.dexterity.bi_peg_transfer import BiPegTransferEnv
from halsted.envs.surgery.dexterity.instrument_env import InstrumentEnv
from halsted.envs.surgery.dexterity.needle_reach import NeedleReachEnv
from halsted.envs.surgery.dexterity.needle_regrasp import NeedleRegraspEnv
from halsted.robot.rotations import wrapped

_FLOOR_M = 0.0026
"""Lowest height of a tool: its jaws reach 2.4 mm beyond it."""
_HOVER_M = 0.012
_HOVER = np.array([0.0, 0.0, _HOVER_M])
_ALIGNED_M = 0.0012
_ALIGNED_RAD = 0.06
_NEAR_M = 0.004
_PAUSE_STEPS = 6
_MOST_HEADING_RAD = math.radians(105.0)


@dataclass
class Aim:
    """Where one tool should go, world m, how it should be turned, rad, and whether it closes."""

    position: NDArray[np.float64]
    heading: float
    closed: bool


class Truth:
    """What an expert knows of the thing that is handled: where it is."""

    def __init__(self, env: InstrumentEnv) -> None:
        """Look at this environment."""
        self.env = env

    def grip(self, arm: int) -> tuple[NDArray[np.float64], float]:
        """Where an arm grips it: position (3,), world m, and heading, rad."""
        return self.env.grip(arm)

    @property
    def way_to_goal(self) -> NDArray[np.float64]:
        """(3,) from it to its goal, m."""
        return self.env.way_to_goal

    @property
    def height(self) -> float:
        """Of its origin over the table, m."""
        return float(self.env.world.body_pose(self.env.handled)[0][2])

    def has_succeeded(self) -> bool:
        """Whether the goal is met at this moment."""
        return self.env.has_succeeded()


class Seen(Truth):
    """The same as far as perception sees."""

    def grip(self, arm: int) -> tuple[NDArray[np.float64], float]:
        """See the base."""
        return self.env.seen_grip(arm)

    @property
    def way_to_goal(self) -> NDArray[np.float64]:
        """See the base."""
        return self.env.seen_way_to_goal

    @property
    def height(self) -> float:
        """See the base."""
        return float(self.env.seen_pose[0][2])

    def has_succeeded(self) -> bool:
        """See the base."""
        return self.env.seems_to_have_succeeded()


class InstrumentExpert:
    """The scripted expert. It sees where everything is and follows a plan of a few stages.

    A plan is a generator: it looks at the environment, yields an aim for every instrument and goes
    on to its next stage when the tools are there.
    """

    name = "expert"
    environment: str | None = None
    knows: type[Truth] = Truth

    def reset(self, env: gym.Env[Any, Any], seed: int) -> None:
        """Begin the plan of the environment's task.

        Raises:
            PolicyError: the environment is none of the dexterity suite.
        """
        unwrapped = task_of(env, InstrumentEnv, "handles the dexterity suite")
        self._env = unwrapped
        self._plan = _plan_of(self.knows(unwrapped))

    def act(self, observation: Any) -> NDArray[np.float32]:
        """The next step of the plan; the observation is not looked at."""
        preset = self._env.preset
        action = np.zeros((self._env.arms, 5))
        for own, aim, guide in zip(action, next(self._plan), self._env.guides, strict=True):
            shift = aim.position - guide.position
            own[:3] = shift / max(math.sqrt(shift @ shift), preset.step_m)
            own[3] = wrapped(aim.heading - guide.heading) / preset.step_rad
            own[4] = -1.0 if aim.closed else 1.0
        return np.clip(action.ravel(), -1.0, 1.0).astype(np.float32)


class InstrumentPlanner(InstrumentExpert):
    """The same plan, made on what perception sees: its scores tell what perception is worth."""

    name = "planner"
    knows = Seen


Plan = Iterator[list[Aim]]


def _plan_of(thing: Truth) -> Plan:
    env = thing.env
    if isinstance(env, NeedleReachEnv):
        return _reach(env)
    if isinstance(env, NeedleRegraspEnv):
        return _regrasp(thing)
    if isinstance(env, BiPegTransferEnv):
        return _hand_over_pegs(thing)
    return _transfer(thing)


def _reach(env: InstrumentEnv) -> Plan:
    while True:
        yield [Aim(env.goal_in_world, 0.0, True)]


def _transfer(thing: Truth) -> Plan:
    """One instrument grips the thing and brings it to its goal, on the table or in the air."""
    env = thing.env
    on_table = env.carried_at_m is not None
    while True:
        for aim in _grip(thing, 0):
            yield [aim]
        for aim in _carry(thing, 0):
            yield [aim]
        yield [_stay(env, 0, closed=not on_table)]
        while on_table and thing.has_succeeded():
            yield [_stay(env, 0, closed=False)]


def _regrasp(thing: Truth) -> Plan:
    """The first instrument brings the needle to the middle, the second takes it to the goal."""
    env = thing.env
    middle = np.array([0.02, 0.025, 0.045])
    while env.world.held[1] is None:
        while np.linalg.norm(env.tool(0) - middle) > _ALIGNED_M:
            yield [Aim(middle, env.guides[0].heading, True), _stay(env, 1, closed=False)]
        for aim in _grip(thing, 1):
            yield [_stay(env, 0, closed=True), aim]
    yield from _part(env, giver=0, taker=1)
    while True:
        for aim in _carry(thing, 1):
            yield [_stay(env, 0, closed=False), aim]
        yield [_stay(env, 0, closed=False), _stay(env, 1, closed=True)]


def _hand_over_pegs(thing: Truth) -> Plan:
    """The second instrument lifts the block to the middle, the first puts it over its peg."""
    env = thing.env
    while env.world.held[0] is None:
        for aim in _grip(thing, 1):
            yield [_waiting(env), aim]
        for aim in _lift(thing, 1):
            yield [_waiting(env), aim]
        middle = np.array([-0.01, 0.0, env.tool(1)[2] + 0.002])
        while env.world.held[1] and np.linalg.norm((env.tool(1) - middle)[:2]) > _ALIGNED_M:
            yield [_waiting(env), Aim(middle, env.guides[1].heading, True)]
        for aim in _grip(thing, 0):
            yield [aim, _stay(env, 1, closed=True)]
    yield from _part(env, giver=1, taker=0)
    aside = np.array([-0.04, -0.05, 0.08])
    while True:
        away = Aim(aside, env.guides[1].heading, False)
        for aim in _carry(thing, 0):
            yield [aim, away]
        yield [_stay(env, 0, closed=False), away]
        while thing.has_succeeded():
            yield [_stay(env, 0, closed=False), away]


def _waiting(env: InstrumentEnv) -> Aim:
    """The first instrument, out of the way of the second."""
    return Aim(np.array([-0.02, 0.05, 0.09]), env.guides[0].heading, False)


def _part(env: InstrumentEnv, giver: int, taker: int) -> Plan:
    """The giver opens, and rises clear of the thing that the taker holds."""
    above = env.tool(giver) + np.array([0.0, 0.01 if giver == 0 else -0.01, _HOVER_M])
    for step in range(3 * _PAUSE_STEPS):
        stay = _stay(env, taker, closed=True)
        rising = step >= _PAUSE_STEPS
        leave = Aim(above, env.guides[giver].heading, False)
        give = leave if rising else _stay(env, giver, closed=False)
        yield [give, stay] if giver == 0 else [stay, give]
        if np.linalg.norm(env.tool(giver) - above) < _NEAR_M:
            return


def _grip(thing: Truth, arm: int) -> Iterator[Aim]:
    """Come from above, straddle the thing and close until it is held; try again if it is missed."""
    env = thing.env
    while env.world.held[arm] is None:
        position, heading = _grip_pose(thing, arm)
        above = position + _HOVER
        while not _is_there(env, arm, above, heading):
            yield Aim(above, heading, False)
            position, heading = _grip_pose(thing, arm)
            above = position + _HOVER
        for _ in range(4 * _PAUSE_STEPS):
            if _is_there(env, arm, position, heading):
                break
            yield Aim(position, heading, False)
            position, heading = _grip_pose(thing, arm)
        for _ in range(2 * _PAUSE_STEPS):
            if env.world.held[arm] is None:
                yield Aim(position, heading, True)


def _carry(thing: Truth, arm: int) -> Iterator[Aim]:
    """Bring the held thing to the goal: straight, or over what stands on the table."""
    env = thing.env
    if env.carried_at_m is not None:
        yield from _lift(thing, arm)
        while env.world.held[arm] and np.linalg.norm(thing.way_to_goal[:2]) > _ALIGNED_M:
            across = env.tool(arm) + thing.way_to_goal * (1.0, 1.0, 0.0)
            across[2] = env.guides[arm].position[2]
            yield Aim(across, _goal_heading(env, arm), True)
    while env.world.held[arm] and np.linalg.norm(thing.way_to_goal) > _ALIGNED_M:
        yield Aim(env.tool(arm) + thing.way_to_goal, _goal_heading(env, arm), True)


def _lift(thing: Truth, arm: int) -> Iterator[Aim]:
    """Raise the held thing to where it is carried."""
    env = thing.env
    assert env.carried_at_m is not None
    start = env.guides[arm].position.copy()
    while env.world.held[arm]:
        left = env.carried_at_m - thing.height
        if left < 0.001:
            return
        target = start.copy()
        target[2] = env.tool(arm)[2] + left + 0.001
        yield Aim(target, env.guides[arm].heading, True)


def _stay(env: InstrumentEnv, arm: int, closed: bool) -> Aim:
    guide = env.guides[arm]
    return Aim(guide.position, guide.heading, closed)


def _grip_pose(thing: Truth, arm: int) -> tuple[NDArray[np.float64], float]:
    """Where to grip, kept over the table, and the nearest of the headings that are as good."""
    position, heading = thing.grip(arm)
    position[2] = max(position[2], _FLOOR_M)
    return position, _reachable_heading(heading, thing.env.guides[arm].heading)


def _goal_heading(env: InstrumentEnv, arm: int) -> float:
    now = env.guides[arm].heading
    return _reachable_heading(now + env.turn_to_goal(), now)


def _reachable_heading(heading: float, now: float) -> float:
    """The nearest to `now` of the headings that are as good: jaws look alike from both sides."""
    half_turn = wrapped(2.0 * heading) / 2.0
    others = [half_turn - math.pi, half_turn, half_turn + math.pi]
    within = [other for other in others if abs(other) < _MOST_HEADING_RAD]
    return min(within, key=lambda other: abs(other - now))


def _is_there(env: InstrumentEnv, arm: int, position: NDArray[np.float64], heading: float) -> bool:
    away = position - env.tool(arm)
    turn = wrapped(heading - env.guides[arm].heading)
    return math.sqrt(away @ away) < _ALIGNED_M and abs(turn) < _ALIGNED_RAD
