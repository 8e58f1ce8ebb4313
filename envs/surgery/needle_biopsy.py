"""Needle biopsy of a lesion in a patient's own scan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import EzPickle
from numpy.typing import NDArray

from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.biopsy_patients import BiopsyPatient, BiopsyPatients, PatientLike
from halsted.envs.surgery.biopsy_scene import BiopsyScene, sample_scene
from halsted.envs.surgery.biopsy_task import (
    CAUSES,
    BiopsyLimits,
    dense_reward,
    harm,
    sparse_reward,
    success,
)
from halsted.imaging_bridge import Segmenter
from halsted.robot.anatomy import BODY, BONE, LUNG, RISK, VESSEL, sample_fields
from halsted.robot.arm import load_arm
from halsted.robot.guidance import NeedleGuide, tilt_of_direction
from halsted.robot.needle import NeedleContact
from halsted.robot.registration import ISOCENTRE_IN_WORLD, transform_points
from halsted.robot.specification import (
    GOAL_SCALE_M,
    LOOKAHEAD_BINS,
    LOOKAHEAD_M,
    NEEDLE_COMMAND,
    NEEDLE_STATE,
    NEEDLE_STATE_AND_TARGET,
    Specification,
)
from halsted.robot.view import SceneView
from halsted.robot.world import World

_HAZARD_FIELDS = [VESSEL, BONE, LUNG, RISK]
_SCENE_TRIES = 50
_GOAL_BOUND = 2.0
_ISOCENTRE = np.array(ISOCENTRE_IN_WORLD)
_BIN_STARTS = [0, *(1 + start for start, _ in LOOKAHEAD_BINS)]  # the tip itself is the first


class NeedleBiopsyEnv(gym.Env[Any, NDArray[np.float32]], EzPickle):
    """Biopsy a lesion with a straight needle on a robot arm.

    ## Description
    A patient lies supine before a KUKA LBR iiwa that carries an 18-gauge biopsy needle. The agent
    chooses where and how steeply the needle enters the skin, and drives it to the lesion past
    vessels, bone, pleura and other organs. Anatomy comes from the patient's own scan as signed
    distance fields; the force on the needle follows the layered law of `halsted.robot.needle`.
    Perception is handed in: observations come from a segmenter's labels, success and harm are
    judged on the true ones.

    ## Action Space
    `Box(-1, 1, (5,), float32)`, a Cartesian step of the needle each control period (30 Hz). Lateral
    motion and tilt act outside the skin only: once the needle is in, it advances or retracts, and
    to choose another entry it must be drawn back out. A step out of reach is not taken,
    nor an advance against more force than `force_limit_n`.

    Its entries are `NEEDLE_COMMAND` of `halsted.robot.specification`.

    ## Observation Space
    `Box` of float32. The workspace frame has the world's axes (x to the patient's left, y to the
    head, z up) and its origin at the isocentre.

    Its entries are `NEEDLE_STATE_AND_TARGET` of `halsted.robot.specification`.

    ## Rewards
    1 for each centimetre that the tip gains on the lesion's centre, 10 on success, -0.05 a step,
    and -`harm_price` for each unit of cost. `info["task_reward"]` holds it in every form.

    ## Costs
    `info["cost"]` is the sum of `info["costs"]`: a step with the tip in a `vessel` or in `bone`,
    each puncture of the `pleura` beyond `pleura_allowed`, a step within `risk_margin_mm` of an
    `organ_at_risk`, a step with more `force` than `force_limit_n`. Structures count as far as the
    patient's labels name them.

    ## Starting State
    A patient is drawn, the couch brings the lesion to the isocentre, give or take 30 mm an axis,
    and the needle points straight down, 20 to 40 mm over the skin and at most 30 mm to either side
    of the lesion. `reset(options={"patient": number})` chooses the patient, and
    `options={"scene": record}` replays a recorded scene (`info["scene"]`).

    ## Episode End
    Terminated on success (`info["is_success"]`): the tip within `tolerance_mm` of the centre of
    the lesion, which is never more than its radius. Where perception missed the lesion
    (`info["lesion_missed"]`) nobody would begin: the first step ends the episode without success.
    Truncated after `horizon` steps.

    ## Arguments
    `patient`: a path to a scan, a `Patient`, a case, or a list of them; by default phantoms.
    `organ`: the organ that holds the lesion. `segmenter`: perception; by default an oracle.
    `arm`: name of the arm. `breathing_mm`: amplitude of breathing; 0 is a held breath. `horizon`:
    steps. `tolerance_mm`, `risk_margin_mm`, `pleura_allowed` (by default 1 for the lung, else 0),
    `force_limit_n`, `harm_price`: see above. `render_mode`: `rgb_array` or None.

    ## Version History
    * v0: first version.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012 - Gymnasium's own

    command: Specification = NEEDLE_COMMAND
    specification: Specification = NEEDLE_STATE_AND_TARGET

    def __init__(
        self,
        patient: PatientLike | Sequence[PatientLike] | None = None,
        organ: str = "liver",
        segmenter: Segmenter | None = None,
        arm: str = "kuka_lbr",
        breathing_mm: float = 0.0,
        horizon: int = 80,
        tolerance_mm: float = 5.0,
        risk_margin_mm: float = 2.0,
        pleura_allowed: int | None = None,
        force_limit_n: float = 8.0,
        harm_price: float = 0.2,
        render_mode: str | None = None,
    ) -> None:
        """Make the environment; patients are read at the first reset. See the class."""
        EzPickle.__init__(
            self, patient, organ, segmenter, arm, breathing_mm, horizon, tolerance_mm,
            risk_margin_mm, pleura_allowed, force_limit_n, harm_price, render_mode,
        )  # fmt: skip
        if render_mode not in (None, "rgb_array"):
            raise EnvironmentOptionError(
                f"render_mode is {render_mode!r}; choose 'rgb_array' or leave it out"
            )
        if pleura_allowed is None:
            pleura_allowed = 1 if organ == "lung" else 0
        self.limits = BiopsyLimits(
            tolerance_mm, risk_margin_mm, pleura_allowed, force_limit_n, harm_price
        )
        self.render_mode = render_mode
        self.horizon = horizon
        self.breathing_mm = breathing_mm
        self.patients = BiopsyPatients(patient, organ, segmenter, tolerance_mm)
        self.arm = load_arm(arm)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (NEEDLE_COMMAND.size,), np.float32)
        self.observation_space = self._observation_space()
        self._limit = self.specification.limits
        self._unscale = 1.0 / self.specification.scales
        self._command_scale = NEEDLE_COMMAND.scales
        self._world: World | None = None
        self._guide = NeedleGuide(self.arm)
        self._view: SceneView | None = None
        self._distance = self._pleura = 0.0
        self._steps = 0
        self._ahead = np.empty((len(LOOKAHEAD_M) + 1, 7))
        self._reach = np.array((0.0, *LOOKAHEAD_M))[:, None]

    # -- Gymnasium ---------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Draw a scene, or take the one in `options`, and apply it."""
        super().reset(seed=seed)
        self._apply(self._choose_scene(options or {}))
        info = self._info(np.zeros(len(CAUSES)), succeeded=False)
        info["scene"] = self.scene.as_dict()
        info["patient"] = self.patient.name
        return self._observe(), info

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Carry out one action; see the class."""
        if self._world is None:
            raise gym.error.ResetNeeded("reset the environment before its first step")
        action = np.asarray(action, dtype=np.float64)
        if not math.isfinite(action.sum()):
            raise EnvironmentOptionError(
                f"an action holds numbers that are not finite ({action.tolist()}); check the policy"
            )
        distance_before, pleura_before = self._distance, self._pleura
        command = np.minimum(np.maximum(action, -1.0), 1.0) * self._command_scale
        if self.contact.force > self.limits.force_limit_n:
            command[4] = min(command[4], 0.0)  # an arm's force guard: it pushes no further
        self._guide.move(command, self.contact.is_inserted)
        self._world.step(self._guide.joints, self.contact)
        self._steps += 1
        self._breathe()
        self._distance = float(np.linalg.norm(self.target_in_world - self.contact.tip))
        vessel, bone, risk, force, crossings = self.contact.worst.tolist()
        self._pleura += crossings
        costs = harm(vessel, bone, risk, force, pleura_before, self._pleura, self.limits)
        succeeded = bool(success(self._distance, self.limits)) and not self.patient.is_missed
        info = self._info(costs, succeeded)
        info["task_reward"] = float(
            dense_reward(distance_before, self._distance, info["cost"], self.limits)
        )
        observation = self._observe()
        reward = self._reward(observation, info)
        terminated = succeeded or self.patient.is_missed
        return observation, reward, terminated, self._steps >= self.horizon, info

    def render(self) -> NDArray[np.uint8] | None:
        """A camera's view of arm and patient, (height, width, 3), in mode ``rgb_array``."""
        if self.render_mode is None or self._world is None:
            return None
        if self._view is None:
            self._view = SceneView(self.arm)
        source = self.patients.source
        number = self.scene.patient
        self._view.show_patient(number, lambda: source(number), self.registration)
        return self._view.picture(self._world.joints)

    def close(self) -> None:
        """End the physics clients."""
        for part in (self._world, self._view):
            if part is not None:
                part.close()
        self._world = self._view = None

    # -- What an expert, a recorder or a report may look at -----------------------------------

    @property
    def target_in_world(self) -> NDArray[np.float64]:
        """(3,) m, true centre of the lesion where breathing has carried it."""
        return self._target_at_rest + self.contact.shift

    @property
    def perceived_target_in_world(self) -> NDArray[np.float64]:
        """(3,) m, centre of the lesion as perception saw it, where breathing has carried it."""
        return self._target_seen + self.contact.shift

    @property
    def commanded_pose(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Commanded tip (3,), world m, and tilt (2,), rad, at this moment."""
        return self._guide.tip, self._guide.tilt

    # -- Inside ------------------------------------------------------------------------------

    def _observation_space(self) -> gym.Space[Any]:
        limits = self.specification.limits
        return gym.spaces.Box(-limits, limits, dtype=np.float32)

    def _choose_scene(self, options: Mapping[str, Any]) -> BiopsyScene:
        unknown = set(options) - {"patient", "scene"}
        if unknown:
            raise EnvironmentOptionError(
                f"reset has no options {sorted(unknown)}; it takes 'patient' and 'scene'"
            )
        if len(options) > 1:
            raise EnvironmentOptionError(
                "reset was given both 'patient' and 'scene'; a scene names its own patient"
            )
        if "scene" in options:
            scene = BiopsyScene.from_dict(options["scene"])
            self._check_number(scene.patient)
            if not self._is_reachable(scene):
                raise EnvironmentOptionError(
                    "the arm cannot reach the start of this recorded scene; replay it with the "
                    "arm and patient that it was recorded with"
                )
            return scene
        number = options.get("patient")
        if number is not None:
            self._check_number(number)
        for _ in range(_SCENE_TRIES):
            scene = sample_scene(self.np_random, len(self.patients), number)
            if self._is_reachable(scene):
                return scene
        raise EnvironmentOptionError(
            f"no reachable start was found for patient {scene.patient} in {_SCENE_TRIES} draws; "
            "its lesion lies too deep for this arm and needle"
        )

    def _check_number(self, number: object) -> None:
        if not isinstance(number, int | np.integer) or not 0 <= number < len(self.patients):
            raise EnvironmentOptionError(
                f"there is no patient {number!r}; choose a number from 0 to "
                f"{len(self.patients) - 1}"
            )

    def _is_reachable(self, scene: BiopsyScene) -> bool:
        tip = scene.start_tip(self.patients[scene.patient].truth)
        return self._guide.place(tip, np.zeros(2))

    def _apply(self, scene: BiopsyScene) -> None:
        """Set up the scene whose start the guide has just been placed at."""
        if self._world is None:
            self._world = World(self.arm)
        self.scene = scene
        self.patient: BiopsyPatient = self.patients[scene.patient]
        truth = self.patient.truth
        self.registration = scene.registration(truth)
        self._breathing = scene.breathing(self.breathing_mm)
        self.contact = NeedleContact(self.arm.chain, truth, truth.index_of_world(self.registration))
        self._seen_index = self.patient.seen.index_of_world(self.registration)
        self._target_at_rest = transform_points(self.registration, truth.target_in_patient)
        self._target_seen = transform_points(self.registration, self.patient.seen.target_in_patient)
        self._steps = 0
        self._pleura = 0.0
        self._world.reset(self._guide.joints)
        self._breathe()
        self.contact.begin_step()
        self.contact.update(self._world.joints, self._world.control_period_s)
        self._distance = float(np.linalg.norm(self.target_in_world - self.contact.tip))

    def _breathe(self) -> None:
        """Carry the inner organs to where they are now; the feet lie towards -y."""
        if self.breathing_mm and self._world is not None:
            time_s = self._steps * self._world.control_period_s
            self.contact.shift[1] = -self._breathing.shift_m(time_s)

    def _info(self, costs: NDArray[np.float64], succeeded: bool) -> dict[str, Any]:
        return {
            "is_success": succeeded,
            "cost": float(costs.sum()),
            "costs": dict(zip(CAUSES, costs.tolist(), strict=True)),
            "distance_m": self._distance,
            "force_n": self.contact.force,
            "lesion_missed": self.patient.is_missed,
        }

    def _reward(self, observation: Any, info: dict[str, Any]) -> float:
        reward: float = info["task_reward"]
        return reward

    def _observe(self) -> Any:
        return self._vector(np.concatenate([self._state(), self._target()]))

    def _vector(self, quantities: NDArray[np.float64]) -> NDArray[np.float32]:
        scaled = (quantities * self._unscale).astype(np.float32)
        return np.asarray(np.minimum(np.maximum(scaled, -self._limit), self._limit), np.float32)

    def _state(self) -> NDArray[np.float64]:
        """The quantities of `specification.NEEDLE_STATE`, in SI units."""
        contact, seen, ahead = self.contact, self.patient.seen, self._ahead
        points = contact.tip + self._reach * contact.direction
        sample_fields(seen.fields, seen.beyond_mm, self._seen_index, points, contact.shift, ahead)
        hazards = ahead[:, _HAZARD_FIELDS]
        state = np.empty(NEEDLE_STATE.size)
        state[0:3] = contact.tip - _ISOCENTRE
        state[3:5] = tilt_of_direction(contact.direction)
        state[5:8] = ahead[0, BODY], contact.is_inserted, contact.force
        state[8:12] = hazards[0]
        # By hazard, then near, middle and far.
        state[12:24] = np.minimum.reduceat(hazards, _BIN_STARTS, axis=0).T[:, 1:].ravel()
        state[24:26] = -contact.shift[1], 1.0 - self._steps / self.horizon
        return state

    def _target(self) -> NDArray[np.float64]:
        """The target's entries of `specification.NEEDLE_STATE_AND_TARGET`, m."""
        away = self.perceived_target_in_world - self.contact.tip
        d = self.contact.direction
        # Normals of the needle that stay near world x and y for every tilt below 90 degrees.
        lean = 1.0 / (1.0 - d[2])
        first = np.array([1.0 - d[0] * d[0] * lean, -d[0] * d[1] * lean, d[0]])
        second = np.array([-d[0] * d[1] * lean, 1.0 - d[1] * d[1] * lean, d[1]])
        return np.concatenate([away, (first @ away, second @ away, d @ away)])


class NeedleBiopsyGoalEnv(NeedleBiopsyEnv):
    """Biopsy a lesion with a straight needle on a robot arm, as a goal environment.

    ## Description
    `NeedleBiopsyEnv` in the form of Gymnasium-Robotics, for hindsight experience replay.

    ## Action Space
    As `NeedleBiopsyEnv`.

    ## Observation Space
    `Dict` of float32: `observation` as below; `achieved_goal` (3,), the tip, and `desired_goal`
    (3,), the perceived centre of the lesion, both in the workspace frame and in units of 0.15 m.

    The entries of `observation` are `NEEDLE_STATE` of `halsted.robot.specification`.

    ## Rewards
    -1 for each step whose achieved goal is farther than `tolerance_mm` from the desired one, less
    `harm_price` for each unit of cost. `compute_reward` gives the same for batches; costs reach it
    through `info["cost"]`. Goals are what perception sees, success is judged on the truth.

    ## Costs
    As `NeedleBiopsyEnv`.

    ## Starting State
    As `NeedleBiopsyEnv`.

    ## Episode End
    As `NeedleBiopsyEnv`.

    ## Arguments
    As `NeedleBiopsyEnv`.

    ## Version History
    * v0: first version.
    """

    specification = NEEDLE_STATE

    def compute_reward(
        self,
        achieved_goal: NDArray[np.floating[Any]],
        desired_goal: NDArray[np.floating[Any]],
        info: Any,
    ) -> Any:
        """The reward of goals (3,) or (n, 3), in units of 0.15 m.

        Args:
            achieved_goal: Tip.
            desired_goal: Centre of the lesion.
            info: One info, or a sequence of n; `cost` is taken as 0 where it is missing.

        Returns:
            A float, or an array (n,).
        """
        away = np.asarray(achieved_goal, np.float64) - np.asarray(desired_goal, np.float64)
        distance = np.linalg.norm(away, axis=-1) * GOAL_SCALE_M
        infos = [info] if isinstance(info, Mapping) else info
        cost = np.array([one.get("cost", 0.0) for one in infos]).reshape(distance.shape)
        reward = sparse_reward(distance, cost, self.limits)
        return float(reward) if reward.ndim == 0 else reward

    def _observation_space(self) -> gym.Space[Any]:
        goal = gym.spaces.Box(-_GOAL_BOUND, _GOAL_BOUND, (3,), np.float32)
        return gym.spaces.Dict(
            {
                "observation": super()._observation_space(),
                "achieved_goal": goal,
                "desired_goal": goal,
            }
        )

    def _observe(self) -> Any:
        return {
            "observation": self._vector(self._state()),
            "achieved_goal": _goal(self.contact.tip),
            "desired_goal": _goal(self._target_seen + self.contact.shift),
        }

    def _reward(self, observation: Any, info: dict[str, Any]) -> float:
        return float(
            self.compute_reward(observation["achieved_goal"], observation["desired_goal"], info)
        )


def _goal(point_in_world: NDArray[np.float64]) -> NDArray[np.float32]:
    scaled = ((point_in_world - _ISOCENTRE) / GOAL_SCALE_M).astype(np.float32)
    return np.asarray(np.minimum(np.maximum(scaled, -_GOAL_BOUND), _GOAL_BOUND), np.float32)
