"""A serial arm of revolute joints, read from a URDF."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from halsted.robot.errors import ArmError
from halsted.robot.kinematics.arrays import joint_array, joints_by, poses_by, start_array
from halsted.robot.kinematics.needle_line import forward, inverse
from halsted.robot.kinematics.serial_pose import serial_forward, serial_inverse


@dataclass(frozen=True, eq=False)
class Chain:
    """Revolute joints in series from an arm's base to a tool frame.

    Attributes:
        names: Joint names, base first.
        origins: (n, 4, 4) pose of each joint's frame, at zero angle, in its parent link, m.
        axes: (n, 3) unit axis of each joint in its own frame.
        lower: (n,) lower limits, rad.
        upper: (n,) upper limits, rad.
        tool: 4x4 pose of the tool frame in the last link, m; its z axis points along a needle.
    """

    names: tuple[str, ...]
    origins: NDArray[np.float64]
    axes: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    tool: NDArray[np.float64]

    def forward(self, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        """Poses (..., 4, 4) of the tool frame in the base frame, m, at joints (..., n)."""
        table = self.origins, self.axes, self.tool
        return poses_by(serial_forward, table, joints, len(self.lower))

    def inverse(
        self, poses: NDArray[np.float64], near: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Joints (..., n) of tool poses (..., 4, 4), and where they are reached; see `Arm`."""
        table = self.origins, self.axes, self.tool, self.lower, self.upper
        return joints_by(serial_inverse, table, poses, near, len(self.lower))

    def tip(self, joints: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Position (3,), m, and direction (3,) of the needle in the base frame.

        Args:
            joints: (n,) joint angles, rad.
        """
        joints = joint_array(joints, len(self.lower))
        position, direction = np.empty(3), np.empty(3)
        jacobian = np.empty((6, len(joints)))
        forward(self.origins, self.axes, self.tool, joints, position, direction, jacobian)
        return position, direction

    def solve(
        self,
        position: NDArray[np.float64],
        direction: NDArray[np.float64],
        start: NDArray[np.float64],
        home: NDArray[np.float64],
        iterations: int = 100,
    ) -> tuple[NDArray[np.float64], float]:
        """Joint angles that bring the needle to a position and direction, within limits.

        Args:
            position: (3,) of the tip in the base frame, m.
            direction: (3,) unit vector along the needle in the base frame.
            start: (n,) joint angles to begin at, rad.
            home: (n,) joint angles that redundancy is drawn to, rad.
            iterations: Most steps taken.

        Returns:
            The angles (n,), rad, and the distance, m, by which the tip misses (a direction error
            counts as that of a 0.1 m lever). The caller decides what miss it can accept.
        """
        joints = start_array(start, self.lower.shape)
        miss = inverse(
            self.origins,
            self.axes,
            self.tool,
            self.lower,
            self.upper,
            position,
            direction,
            joint_array(home, len(self.lower)),
            iterations,
            joints,
        )
        return joints, float(miss)


def chain_from_urdf(urdf: Path, flange: str, tool: NDArray[np.float64]) -> Chain:
    """The chain of revolute joints from the root of a URDF to its link `flange`.

    Fixed joints between are taken into the frames; of two limits (a ``safety_controller`` states
    its own) the tighter holds.

    Args:
        urdf: The file.
        flange: Name of the link that carries the tool.
        tool: 4x4 pose of the tool frame in the flange, m.

    Raises:
        ArmError: the file is no URDF, the link is missing, a joint between neither turns nor is
            fixed, none turns, two have one name, or one has reversed limits, no axis, or words
            for numbers.
    """
    names, origins, axes, limits = [], [], [], []
    pose = np.eye(4)
    for joint in _joints_to(urdf, flange):
        pose = pose @ _origin(joint, urdf)
        kind = joint.get("type")
        if kind == "fixed":
            continue
        if kind not in ("revolute", "continuous"):
            raise ArmError(
                f"joint {joint.get('name')!r} of {urdf} is {kind}, but only revolute "
                "joints are supported between base and flange"
            )
        names.append(str(joint.get("name")))
        origins.append(pose)
        axes.append(_axis(joint, urdf))
        limits.append(_limits(joint, urdf))
        pose = np.eye(4)
    if not names:
        raise ArmError(
            f"no joint of {urdf} up to {flange!r} turns, so that it is no arm; name another flange"
        )
    if len(set(names)) < len(names):
        raise ArmError(
            f"two joints of {urdf} have one name ({', '.join(names)}); give each its own"
        )
    lower, upper = np.array(limits, dtype=np.float64).reshape(-1, 2).T.copy()
    return Chain(tuple(names), np.array(origins), np.array(axes), lower, upper, pose @ tool)


def _joints_to(urdf: Path, flange: str) -> list[ElementTree.Element]:
    """The joints from the root to a link, base first."""
    try:
        root = ElementTree.parse(urdf).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ArmError(f"{urdf} cannot be read as a URDF ({error}); check the arm.yaml") from error
    by_child = {_attribute(joint, "child", "link"): joint for joint in root.iter("joint")}
    joints, link = [], flange
    while link in by_child:
        joints.append(by_child.pop(link))
        link = _attribute(joints[-1], "parent", "link")
    if not joints:
        raise ArmError(f"{urdf} has no link {flange!r} at the end of a joint; check the arm.yaml")
    return joints[::-1]


def _limits(joint: ElementTree.Element, urdf: Path) -> tuple[float, float]:
    """Lower and upper limit, rad; half a turn each way where none is stated."""
    lower, upper = -np.pi, np.pi
    hard, soft = joint.find("limit"), joint.find("safety_controller")
    if hard is not None:
        lower, upper = (
            _number(hard.get(name, default), joint, urdf)
            for name, default in (("lower", str(lower)), ("upper", str(upper)))
        )
    if soft is not None:
        lower = max(lower, _number(soft.get("soft_lower_limit", str(lower)), joint, urdf))
        upper = min(upper, _number(soft.get("soft_upper_limit", str(upper)), joint, urdf))
    if not lower < upper:
        raise ArmError(
            f"joint {joint.get('name')!r} of {urdf} has limits {lower:g} to {upper:g} rad, which "
            "is no range; exchange them"
        )
    return lower, upper


def _attribute(joint: ElementTree.Element, child: str, name: str) -> str:
    element = joint.find(child)
    value = None if element is None else element.get(name)
    if value is None:
        raise ArmError(f"joint {joint.get('name')!r} of the URDF lacks {child}/{name}; complete it")
    return value


def _number(text: str, joint: ElementTree.Element, urdf: Path) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ArmError(
            f"joint {joint.get('name')!r} of {urdf} has {text!r} where a finite number belongs; "
            "correct it"
        )
    return value


def _three(text: str, joint: ElementTree.Element, urdf: Path) -> list[float]:
    words = text.split()
    if len(words) != 3:
        raise ArmError(
            f"joint {joint.get('name')!r} of {urdf} has {text!r} where three numbers belong; "
            "correct it"
        )
    return [_number(word, joint, urdf) for word in words]


def _axis(joint: ElementTree.Element, urdf: Path) -> NDArray[np.float64]:
    """The unit axis (3,) of a joint, of whatever length it is stated."""
    axis = np.array(_three(_attribute(joint, "axis", "xyz"), joint, urdf))
    length = np.linalg.norm(axis)
    if not length > 0.0:
        raise ArmError(
            f"the axis of joint {joint.get('name')!r} of {urdf} has no length; give it a direction"
        )
    # One of unit length is left alone to the last bit.
    return axis if abs(length - 1.0) < 1e-12 else np.asarray(axis / length)


def _origin(joint: ElementTree.Element, urdf: Path) -> NDArray[np.float64]:
    element = joint.find("origin")
    pose = np.eye(4)
    if element is not None:
        pose[:3, :3] = rotation_from_rpy(_three(element.get("rpy", "0 0 0"), joint, urdf))
        pose[:3, 3] = _three(element.get("xyz", "0 0 0"), joint, urdf)
    return pose


def rotation_from_rpy(rpy: Sequence[float]) -> NDArray[np.float64]:
    """The 3x3 rotation of URDF's fixed-axis roll, pitch and yaw, rad."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy), np.sin(rpy)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )
