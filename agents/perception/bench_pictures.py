"""Pictures of the ring bench by its own camera, to train and test networks on."""

from __future__ import annotations

from collections.abc import Sequence
from colorsys import hsv_to_rgb
from dataclasses import replace

import numpy as np

from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.bench import Scene
from halsted.envs.surgery.dexterity.instrument_env import pose_at
from halsted.envs.surgery.dexterity.ring_sight import ring_picture
from halsted.envs.surgery.dexterity.ring_transfer import RingTransferEnv
from halsted.envs.surgery.dexterity.things import gauze, needle, piece
from halsted.imaging_bridge import Patient
from halsted.robot.bodies import Body, Colour

_MOST_STEPS = 12
_TOOL_M = np.array([[-0.06, 0.04], [-0.05, 0.05], [0.01, 0.07]])
"""Where the camera sees it."""
_ASIDE_M = 0.075
_CLUTTER = 5
_HUES = {"ring": (-0.08, 0.1)}
"""Of a ring from pink over red to orange; other things may be of any hue, these too."""
_SATURATIONS = {"ring": (0.6, 1.0), "table": (0.0, 0.35)}


class _VariedBench(RingTransferEnv):
    """The bench in other colours, with things on it that are neither arm nor ring."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__(render_mode="rgb_array")
        self._random = rng

    def _bodies(self) -> Sequence[Body]:
        clutter = [_clutter(f"clutter_{n}", self._random) for n in range(_CLUTTER)]
        things = [self._painted(body) for body in super()._bodies()]
        return *things, *clutter

    def _painted(self, body: Body) -> Body:
        random = self._random
        hue = random.uniform(*_HUES.get(body.name, (0.0, 1.0)))
        saturation = random.uniform(*_SATURATIONS.get(body.name, (0.0, 0.6)))
        return replace(body, colour=_colour(hue, saturation, random))

    def _sample_scene(self) -> Scene:
        scene = super()._sample_scene()
        random = self._random
        scene["tools"] = [*random.uniform(*_TOOL_M.T).tolist(), float(random.uniform(-1.0, 1.0))]
        for number in range(_CLUTTER):
            x, y = random.uniform(-_ASIDE_M, _ASIDE_M, 2)
            yaw = float(random.uniform(-np.pi, np.pi))
            scene[f"pose_clutter_{number}"] = pose_at(float(x), float(y), 0.002, yaw)
        return scene


def ring_scene(seed: int) -> Patient:
    """A picture of a drawn scene after some random steps, by the camera of the environment."""
    rng = np.random.default_rng(seed)
    env = _VariedBench(rng)
    try:
        _reset_within_reach(env, seed)
        env.action_space.seed(seed)
        for _ in range(int(rng.integers(_MOST_STEPS))):
            env.step(env.action_space.sample())
        images, labels = ring_picture(env, rng)
    finally:
        env.close()
    facts = {"phantom": "ring-transfer", "seed": str(seed)}
    return Patient(images, labels, kind="phantom", facts=facts)


def _reset_within_reach(env: RingTransferEnv, seed: int) -> None:
    """Draw scenes until the arm reaches the start of one."""
    while True:
        try:
            env.reset(seed=seed)
        except EnvironmentOptionError:
            continue
        return


def _colour(hue: float, saturation: float, rng: np.random.Generator) -> Colour:
    """A colour of this hue and saturation, 0 to 1, and of any brightness."""
    return *hsv_to_rgb(hue % 1.0, saturation, rng.uniform(0.4, 1.0)), 1.0


def _clutter(name: str, rng: np.random.Generator) -> Body:
    """Something that lies on the table, fixed to it."""
    kind = rng.integers(3)
    if kind == 0:
        body = needle(name)
    elif kind == 1:
        body = gauze(name)
    else:
        x, y, z = rng.uniform(0.004, 0.02, 3).tolist()
        body = piece(name, (x, y, z), "object", (1.0, 1.0, 1.0, 1.0))
    return replace(
        body, mass_kg=0.0, label="object", colour=_colour(rng.random(), rng.random(), rng)
    )
