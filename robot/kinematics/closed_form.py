"""The closed-form arms: a DH table of a known structure, and the inverse that belongs to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from halsted.robot.arm_description import ArmDescription
from halsted.robot.errors import ArmError
from halsted.robot.kinematics.dh import DhArm, dh_row
from halsted.robot.kinematics.ecm import ECM_ALPHA, ECM_THETA, ecm_inverse
from halsted.robot.kinematics.psm import PSM_ALPHA, PSM_THETA, psm_inverse

_FORMS = {
    "psm": (PSM_ALPHA, PSM_THETA, psm_inverse),
    "ecm": (ECM_ALPHA, ECM_THETA, ecm_inverse),
}
_PRISMATIC = 2  # the insertion is the third joint of all


def closed_form_arm(name: str, description: ArmDescription, tool: NDArray[np.float64]) -> DhArm:
    """The kinematics of a described DH table.

    Args:
        name: Of the arm, for errors.
        description: Its joints and kind.
        tool: 4x4 pose of the tool frame in the last frame, m.

    Raises:
        ArmError: the table has another structure than the closed form rests on.
    """
    alphas, thetas, kernel = _FORMS[description.kinematics]
    joints = description.joints
    prismatic = [joint.type == "prismatic" for joint in joints]
    if prismatic != [number == _PRISMATIC for number in range(len(alphas))]:
        raise ArmError(
            f"arm {name!r} lists joints of types {', '.join(joint.type for joint in joints)}, but "
            f"the closed form of {description.kinematics} has {len(alphas)} with the third "
            "prismatic; correct its joints"
        )
    rows = np.array(
        [
            dh_row(joint.alpha_rad, joint.a_m, joint.d_m, joint.offset, slides)
            for joint, slides in zip(joints, prismatic, strict=True)
        ]
    )
    for joint, alpha, theta in zip(joints, alphas, thetas, strict=True):
        turn = 0.0 if joint.type == "prismatic" else joint.offset
        if abs(joint.alpha_rad - alpha) > 1e-12 or abs(turn - theta) > 1e-12:
            raise ArmError(
                f"joint {joint.name!r} of arm {name!r} has alpha {joint.alpha_rad:g} and offset "
                f"{turn:g} rad, but the closed form of {description.kinematics} needs {alpha:g} "
                f"and {theta:g}; correct its row"
            )
    return DhArm(
        names=tuple(joint.name for joint in joints),
        rows=rows,
        lower=np.array([joint.lower for joint in joints]),
        upper=np.array([joint.upper for joint in joints]),
        tool=tool,
        kernel=kernel,
    )
