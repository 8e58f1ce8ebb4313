"""The force between a straight needle and layered tissue.

The law has the three parts of Okamura, Simone and O'Leary (2004), "Force modeling for needle
insertion into soft tissue", IEEE Transactions on Biomedical Engineering 51(10), 1707-1716,
doi:10.1109/TBME.2004.831542: before a membrane is punctured, the stiffness of a nonlinear spring,
a1 x + a2 x^2 of its deflection x; afterwards a cutting force that is constant in one tissue; and
friction along the shaft, a force per inserted length. Karnopp's stick band is replaced by a steep
tanh of the speed, which has no state of its own. Which tissue the tip and shaft are in is read off
the patient's distance fields.

The paper gives the law and values for one liver. The values below are of that order (fractions of
a newton to a few newtons for a biopsy needle), chosen by us for a plausible ranking of tissues;
they are not calibrated against measurements, and no clinical meaning should be read into them.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, field

import numpy as np
from numba import njit
from numpy.typing import NDArray

from halsted.robot.anatomy import (
    BODY,
    BONE,
    LESION,
    LUNG,
    ORGAN,
    RISK,
    VESSEL,
    Anatomy,
    sample_point,
)
from halsted.robot.kinematics.chain import Chain
from halsted.robot.kinematics.needle_line import forward

_SHAFT_SAMPLES = 12


@dataclass(frozen=True)
class NeedleForces:
    """Parameters of the force law, SI units.

    Attributes:
        skin_linear: a1 of the skin, N/m.
        skin_quadratic: a2 of the skin, N/m^2.
        skin_puncture: Deflection at which the skin gives way, m.
        capsule_linear: a1 of the target organ's capsule or pleura, N/m.
        capsule_quadratic: a2 of the same, N/m^2.
        capsule_puncture: Deflection at which it gives way, m.
        cut_soft: Cutting force in muscle and fat, N.
        cut_organ: Cutting force in a solid organ, N.
        cut_lung: Cutting force in aerated lung, N.
        cut_lesion: Cutting force in a lesion, N.
        friction_soft: Friction per inserted length in all tissue but lung, N/m.
        friction_lung: Friction per inserted length in lung, N/m.
        bone: Stiffness of bone, which is never punctured, N/m.
        slip_speed: Speed at which friction is at 76 % of its full value, m/s.
    """

    skin_linear: float = 200.0
    skin_quadratic: float = 5.0e4
    skin_puncture: float = 0.004
    capsule_linear: float = 50.0
    capsule_quadratic: float = 3.0e4
    capsule_puncture: float = 0.003
    cut_soft: float = 0.6
    cut_organ: float = 0.9
    cut_lung: float = 0.1
    cut_lesion: float = 1.5
    friction_soft: float = 15.0
    friction_lung: float = 2.0
    bone: float = 2.0e4
    slip_speed: float = 0.005


# Entries of the contact's state, which lasts from one skin puncture to the retraction after it.
PIERCED, ENTRY_X, ENTRY_Y, ENTRY_Z, IN_ORGAN, IN_LUNG, FRICTION, FORCE, TIP_SEEN = range(9)
_STATE_SIZE = 9
# Entries of what was worst since `NeedleContact.begin_step`.
WORST_FIELDS = ("vessel", "bone", "risk", "force", "pleura_crossings")
_W_VESSEL, _W_BONE, _W_RISK, _W_FORCE, _W_PLEURA = range(len(WORST_FIELDS))


@dataclass(eq=False)
class NeedleContact:
    """One needle in one patient: what is pierced, and what was touched during a control step.

    Attributes:
        chain: Kinematics that tell where the tip is.
        anatomy: Distance fields of the patient.
        index_of_world: 4x4, world m to index of the fields.
        forces: Parameters of the force law.
        shift: (3,) world m, by which breathing has carried the inner organs.
        state: What lasts over control steps; see the constants above.
        worst: Least distances (m) to vessel, bone and organ at risk, largest force (N) and number
            of pleural crossings during this control step, in the order of `WORST_FIELDS`.
        tip: (3,) world m, at the last sub-step.
        direction: (3,) of the needle in the world.
        distances: (field,) m, at the tip.
    """

    chain: Chain
    anatomy: Anatomy
    index_of_world: NDArray[np.float64]
    forces: NeedleForces = field(default_factory=NeedleForces)
    shift: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    state: NDArray[np.float64] = field(default_factory=lambda: np.zeros(_STATE_SIZE))
    worst: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(WORST_FIELDS)))
    tip: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    direction: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    distances: NDArray[np.float64] = field(default_factory=lambda: np.zeros(7))

    def __post_init__(self) -> None:
        self._parameters = np.array(astuple(self.forces))
        # Gathered once: looking them up for every sub-step costs as much as the law itself.
        self._arguments = (
            self.chain.origins,
            self.chain.axes,
            self.chain.tool,
            np.empty((6, len(self.chain.lower))),
            self.anatomy.fields,
            self.anatomy.beyond_mm,
            self.index_of_world,
            self.shift,
            self._parameters,
            self.tip,
            self.direction,
            self.distances,
            self.state,
            self.worst,
        )

    @property
    def is_inserted(self) -> bool:
        """Whether the tip has touched the skin and not been drawn back out since."""
        return bool(self.state[PIERCED] > 0.0 or self.distances[BODY] < 0.0)

    @property
    def force(self) -> float:
        """Force along the needle at the last sub-step, N; positive against insertion."""
        return float(self.state[FORCE])

    def begin_step(self) -> None:
        """Start a control step: forget what was worst, and measure friction along the shaft."""
        self.worst[:3] = np.inf
        self.worst[3:] = 0.0
        _measure_friction(
            self.anatomy.fields,
            self.anatomy.beyond_mm,
            self.index_of_world,
            self.shift,
            self.tip,
            self._parameters,
            self.state,
        )

    def update(self, joints: NDArray[np.float64], period_s: float) -> float:
        """Follow the needle to where the joints (n,), rad, have brought it.

        Args:
            joints: Joint angles, rad.
            period_s: Time since the last update, s.

        Returns:
            The force along the needle, N, positive against insertion.
        """
        force: float = _follow(joints, period_s, *self._arguments)
        return force


@njit(cache=True, error_model="numpy")
def _follow(  # type: ignore[no-untyped-def]
    joints,
    period,
    origins,
    axes,
    tool,
    jacobian,
    fields,
    beyond_mm,
    index_of_world,
    shift,
    p,
    tip,
    direction,
    distances,
    state,
    worst,
):
    before_x, before_y, before_z = tip[0], tip[1], tip[2]
    forward(origins, axes, tool, joints, tip, direction, jacobian)
    sample_point(fields, beyond_mm, index_of_world, tip, shift, distances)
    speed = 0.0
    if state[TIP_SEEN] > 0.0:
        speed = (
            (tip[0] - before_x) * direction[0]
            + (tip[1] - before_y) * direction[1]
            + (tip[2] - before_z) * direction[2]
        ) / period
    state[TIP_SEEN] = 1.0
    force = _law(p, tip, distances, speed, state, worst)
    state[FORCE] = force
    worst[_W_FORCE] = max(worst[_W_FORCE], abs(force))
    if distances[BODY] < 0.0:
        worst[_W_VESSEL] = min(worst[_W_VESSEL], distances[VESSEL])
        worst[_W_BONE] = min(worst[_W_BONE], distances[BONE])
        worst[_W_RISK] = min(worst[_W_RISK], distances[RISK])
    return force


@njit(cache=True, error_model="numpy")
def _law(p, tip, distances, speed, state, worst):  # type: ignore[no-untyped-def]
    """The force, N, for the tip's distances and speed, m/s; updates what is pierced."""
    depth = -distances[BODY]
    if depth <= 0.0:  # outside: every puncture is left behind
        state[PIERCED] = 0.0
        state[IN_ORGAN] = 0.0
        state[IN_LUNG] = 0.0
        return 0.0
    force = 0.0
    if state[PIERCED] == 0.0:
        if depth < p[2]:
            force += p[0] * depth + p[1] * depth * depth
        else:
            state[PIERCED] = 1.0
            state[ENTRY_X], state[ENTRY_Y], state[ENTRY_Z] = tip[0], tip[1], tip[2]
    in_organ = -distances[ORGAN]
    if in_organ <= 0.0:
        state[IN_ORGAN] = 0.0
    elif state[IN_ORGAN] == 0.0:
        if in_organ < p[5]:
            force += p[3] * in_organ + p[4] * in_organ * in_organ
        else:
            state[IN_ORGAN] = 1.0
    in_lung = distances[LUNG] < 0.0
    if in_lung and state[IN_LUNG] == 0.0:
        worst[_W_PLEURA] += 1.0
    state[IN_LUNG] = 1.0 if in_lung else 0.0
    slip = np.tanh(speed / p[13])
    if state[PIERCED] > 0.0:
        cut = p[6]
        if distances[LESION] < 0.0:
            cut = p[9]
        elif in_lung:
            cut = p[8]
        elif in_organ > 0.0 or distances[RISK] < 0.0:
            cut = p[7]
        force += cut * max(slip, 0.0) + state[FRICTION] * slip
    if distances[BONE] < 0.0:
        force += p[12] * -distances[BONE]
    return force


@njit(cache=True, error_model="numpy")
def _measure_friction(fields, beyond_mm, index_of_world, shift, tip, p, state):  # type: ignore[no-untyped-def]
    """Sum friction per length over the shaft from the skin to the tip into the state."""
    state[FRICTION] = 0.0
    if state[PIERCED] == 0.0:
        return
    at = np.empty(3)
    distances = np.empty(fields.shape[3])
    way = np.empty(3)
    for a in range(3):
        way[a] = tip[a] - state[ENTRY_X + a]
    length = np.sqrt((way * way).sum()) + p[2]
    for number in range(_SHAFT_SAMPLES):
        share = (number + 0.5) / _SHAFT_SAMPLES
        for a in range(3):
            at[a] = state[ENTRY_X + a] + share * way[a]
        sample_point(fields, beyond_mm, index_of_world, at, shift, distances)
        per_metre = p[11] if distances[LUNG] < 0.0 else p[10]
        state[FRICTION] += per_metre * length / _SHAFT_SAMPLES
