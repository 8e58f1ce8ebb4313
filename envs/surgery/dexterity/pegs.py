"""The peg board's scene, for one instrument or two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.bench import Scene, Vector
from halsted.envs.surgery.dexterity.instrument_env import pose_at
from halsted.envs.surgery.dexterity.things import (
    BLOCK_HEIGHT_M,
    BLUE,
    PEG_HEIGHT_M,
    PEGS_M,
    RED,
    block,
    peg_board,
)
from halsted.robot.bodies import Body

TARGET = "block"
PEG_CLEARANCE_M = PEG_HEIGHT_M + BLOCK_HEIGHT_M / 2 + 0.003
"""Height of a block's origin at which it passes over the pegs."""
_FREE_PEGS = 6
_ACROSS_M = 0.005
_HEIGHT_M = 0.004
_MOST_YAW = float(np.deg2rad(30.0))


def peg_things(others: int) -> Sequence[Body]:
    """The board, the red block and some blue ones."""
    blue = [block(f"other_{number}", "object", BLUE) for number in range(others)]
    return peg_board(), block(TARGET, "target", RED), *blue


def peg_scene(random: np.random.Generator, others: int, tools: list[float]) -> Scene:
    """Blocks on different pegs of one half, and a goal on a peg of the other."""
    taken = random.permutation(np.arange(_FREE_PEGS, len(PEGS_M)))[: others + 1]
    names = [TARGET, *(f"other_{number}" for number in range(others))]
    scene: Scene = {"tools": tools}
    for name, (x, y) in zip(names, PEGS_M[taken].tolist(), strict=True):
        yaw = float(random.uniform(-_MOST_YAW, _MOST_YAW))
        scene[f"pose_{name}"] = pose_at(x, y, BLOCK_HEIGHT_M / 2, yaw)
    scene["goal"] = [*PEGS_M[random.integers(_FREE_PEGS)].tolist(), BLOCK_HEIGHT_M / 2]
    return scene


def pegged(achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
    """Whether blocks (..., 3), m, lie around the pegs that they should (SurRoL's tolerances)."""
    away = achieved - desired
    across = np.linalg.norm(away[..., :2], axis=-1)
    return np.asarray((across < _ACROSS_M) & (np.abs(away[..., 2]) < _HEIGHT_M))
