"""What an arm touches in a control step."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Contact:
    """What an arm, and what it holds, touches in a control step; looked at every few sub-steps.

    Attributes:
        fixed_n: Greatest normal force, N, on any one fixture.
        arm_n: Greatest normal force, N, on another arm.
        let_go_m: Greatest height, m, at which a body was let go that no other arm held.
        grasp_lost: Whether a grasp was torn away.
    """

    fixed_n: float = 0.0
    arm_n: float = 0.0
    let_go_m: float = -math.inf
    grasp_lost: bool = False


NO_CONTACT = Contact()


def greatest_sum(forces: Iterable[tuple[int, float]]) -> float:
    """Greatest of the sums of forces, N, by the body that they act on; 0 without any."""
    sums: defaultdict[int, float] = defaultdict(float)
    for body, force in forces:
        sums[body] += force
    return max(sums.values(), default=0.0)


def worse(first: Contact, second: Contact) -> Contact:
    """The worse of two looks at an arm, in every respect."""
    if second is NO_CONTACT:
        return first
    return Contact(
        max(first.fixed_n, second.fixed_n),
        max(first.arm_n, second.arm_n),
        max(first.let_go_m, second.let_go_m),
        first.grasp_lost or second.grasp_lost,
    )
