"""A scripted expert for soft tissue: retracts, cuts and sutures with privileged state."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from halsted.agents.scripted.task import task_of
from halsted.envs.surgery.tissue.cut import ELECTRODE_M, TissueCutEnv
from halsted.envs.surgery.tissue.retract import TissueRetractEnv
from halsted.envs.surgery.tissue.suture import NEEDLE, SutureEnv
from halsted.envs.surgery.tissue.tissue_env import TissueEnv

Vector = NDArray[np.float64]
Plan = Iterator[Vector]

_NEAR_M = 0.0012
_NEAR_RAD = 0.06
_HOVER_M = 0.012
_GRIP_BELOW_EDGE_M = 0.0045
_CUTTING_PACE = 0.4
_CLEAR_M, _CLEAR_RAD = 0.004, 0.2
_DRIVE_PACE = 0.25
_ROLL_RAD = 0.06
_ROLL_RADIUS_M = 0.0235
_ARC_RAD, _MOST_TILT_RAD = 1.2, 1.4


class TissueExpert:
    """The scripted expert. A plan is a generator of actions that looks at the environment."""

    name = "expert"
    environment: str | None = None

    def reset(self, env: gym.Env[Any, Any], seed: int) -> None:
        """Begin the plan of the environment's task.

        Raises:
            PolicyError: the environment is none of the tissue tasks.
        """
        unwrapped = task_of(env, TissueEnv, "handles soft tissue")
        self._plan = _plan_of(unwrapped)

    def act(self, observation: Any) -> NDArray[np.float32]:
        """The next step of the plan; the observation is not looked at."""
        return np.clip(next(self._plan), -1.0, 1.0).astype(np.float32)


def _plan_of(env: TissueEnv) -> Plan:
    if isinstance(env, TissueCutEnv):
        return _cut(env)
    if isinstance(env, SutureEnv):
        return _suture(env)
    assert isinstance(env, TissueRetractEnv)
    return _retract(env)


def _towards(env: TissueEnv, position: Vector, pace: float = 1.0) -> Vector:
    """The step of the tool, as part of an action, towards a position (3,), world m."""
    shift = position - env.guide.position
    return pace * shift / max(math.sqrt(shift @ shift), pace * env.preset.step_m)


def _up(height: float) -> Vector:
    return np.array([0.0, 0.0, height])


def _is_at(env: TissueEnv, position: Vector) -> bool:
    gap = position - env.tool
    return math.sqrt(gap @ gap) < _NEAR_M


# -- Retraction ------------------------------------------------------------------------------------


def _retract(env: TissueRetractEnv) -> Plan:
    """Take the edge between the jaws, lift it and roll it back over the fixed part."""
    while True:
        yield from _take_edge(env)
        start, backwards = env.tool.copy(), -env.placement[:3, 0]
        rolled = 0.0
        while env.is_holding:
            rolled += _ROLL_RAD
            turn = min(rolled, _ARC_RAD)
            aim = start + _ROLL_RADIUS_M * (
                np.array([0.0, 0.0, 1.0]) * math.sin(turn) + backwards * (1.0 - math.cos(turn))
            )
            aim += backwards * _ROLL_RADIUS_M * max(rolled - turn, 0.0)
            yield _hold(env, aim, min(rolled, _MOST_TILT_RAD))


def _take_edge(env: TissueRetractEnv) -> Plan:
    for height in (_HOVER_M, -_GRIP_BELOW_EDGE_M):
        while True:
            aim = env.edge + _up(height)
            if _is_at(env, aim) and abs(env.guide.heading) < _NEAR_RAD:
                break
            yield np.array([*_towards(env, aim), _tilt(env, 0.0), 1.0])
    for _ in range(20):
        if not env.is_holding:
            yield np.array([0.0, 0.0, 0.0, 0.0, -1.0])


def _tilt(env: TissueEnv, tilt: float) -> float:
    return (tilt - env.guide.heading) / env.preset.step_rad


def _hold(env: TissueEnv, aim: Vector, tilt: float) -> Vector:
    return np.array([*_towards(env, aim), _tilt(env, tilt), -1.0])


# -- Cutting ---------------------------------------------------------------------------------------


def _cut(env: TissueCutEnv) -> Plan:
    """Come down beside the line's beginning with the power on, and follow the line to its end."""
    above = env.line[0] + _up(_CLEAR_M)
    while not _is_tip_at(env, above):
        yield _cut_towards(env, above, -1.0)
    while True:
        for number in range(len(env.line)):
            while not env.is_cut[number]:
                yield _cut_towards(env, _at_bed(env, env.line[number]), 1.0)
        end = env.line[-1].copy()
        for _ in range(5):
            yield _cut_towards(env, _at_bed(env, end), 1.0)


def _at_bed(env: TissueCutEnv, point: Vector) -> Vector:
    """Below a point of the line, where the electrode's tip is as deep as it may be."""
    return np.array([point[0], point[1], env.workspace_m[2, 0] - ELECTRODE_M + 2e-4])


def _is_tip_at(env: TissueCutEnv, position: Vector) -> bool:
    gap = position - env.tip
    return math.sqrt(gap @ gap) < _NEAR_M


def _cut_towards(env: TissueCutEnv, tip: Vector, power: float) -> Vector:
    aim = tip + _up(ELECTRODE_M)
    return np.array([*_towards(env, aim, _CUTTING_PACE if power > 0.0 else 1.0), power])


# -- Suture ----------------------------------------------------------------------------------------


def _suture(env: SutureEnv) -> Plan:
    """Put the arc's centre where the arc goes through both marks, then turn the needle."""
    entry, leaving = env.marks
    half = float(np.linalg.norm(leaving - entry)) / 2
    centre = (entry + leaving) / 2
    centre[2] += math.sqrt(NEEDLE.radius_m**2 - half**2)
    waiting = -math.asin(half / NEEDLE.radius_m) - _CLEAR_RAD
    above = centre + _up(_CLEAR_M)
    for aim in (above, centre):
        while not _is_needle_at(env, aim, waiting):
            yield np.array([*_towards(env, aim), _tilt(env, waiting)])
    while True:
        shift = _towards(env, centre)
        yield np.array([*shift, _DRIVE_PACE])


def _is_needle_at(env: SutureEnv, centre: Vector, turn: float) -> bool:
    gap = centre - env.guide.position
    return math.sqrt(gap @ gap) < _NEAR_M / 4 and abs(turn - env.guide.heading) < _NEAR_RAD
