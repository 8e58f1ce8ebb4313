"""Robot arms by name: one folder under ``robot/arms`` each."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError

from halsted.imaging_bridge.cache import cache_folder
from halsted.imaging_bridge.files import write_text
from halsted.robot.arm_description import ArmDescription, GripperDescription
from halsted.robot.arm_urdf import check_jaws, dh_urdf, fixed_pose, serial_urdf, source_path
from halsted.robot.errors import ArmError
from halsted.robot.kinematics.chain import Chain, chain_from_urdf
from halsted.robot.kinematics.closed_form import closed_form_arm
from halsted.robot.kinematics.dh import DhArm


@dataclass(frozen=True)
class Gripper:
    """Two jaws that open symmetrically, each by its own joint.

    Attributes:
        joints: Names of the two joints in the URDF.
        links: Names of the two links.
        closed: Value of each joint where the jaws meet, rad or m.
        open: Value of each joint where they are widest, rad or m.
        max_force: Most that each jaw's motor exerts, N m or N.
    """

    joints: tuple[str, str]
    links: tuple[str, str]
    closed: float
    open: float
    max_force: float


class Arm:
    """An arm: its description, kinematics and URDF. Its base frame is the URDF's root.

    The tool frame's z axis points along the approach (of a scope, the view) and its y axis where
    the jaws open; its origin is the grasp point between the jaws' tips, a needle's tip, or a
    scope's optical centre.

    Attributes:
        name: Name of its folder.
        description: Its ``arm.yaml``.
        kinematics: Its forward and inverse.
        joint_names: (n) names, base first, without the jaws.
        lower: (n,) lower limits, rad or m.
        upper: (n,) upper limits, rad or m.
        home: (n,) joint values, rad or m, that it rests at.
        gripper: Its jaws, or None.
    """

    def __init__(self, name: str, description: ArmDescription) -> None:
        """Make the arm's kinematics; see `load_arm`."""
        self.name = name
        self.description = description
        self.kinematics = _kinematics(name, description)
        self.joint_names: tuple[str, ...] = self.kinematics.names
        self.lower: NDArray[np.float64] = self.kinematics.lower
        self.upper: NDArray[np.float64] = self.kinematics.upper
        self.gripper = _gripper(description.gripper)
        self.home: NDArray[np.float64] = np.array(description.home)
        if self.home.shape != self.lower.shape:
            raise ArmError(
                f"arm {name!r} has {len(self.lower)} joints, but home lists {len(self.home)}; "
                "give one value a joint"
            )
        for joint, at, least, most in zip(
            self.joint_names, self.home, self.lower, self.upper, strict=True
        ):
            if not least <= at <= most:
                raise ArmError(
                    f"arm {name!r} rests with joint {joint!r} at {at:g}, outside its limits "
                    f"{least:g} to {most:g}; correct home"
                )

    @property
    def chain(self) -> Chain:
        """The revolute joints in series of an arm that has a URDF of its own.

        Raises:
            ArmError: the arm's kinematics is a DH table.
        """
        if isinstance(self.kinematics, Chain):
            return self.kinematics
        raise ArmError(
            f"arm {self.name!r} is no chain of revolute joints; choose one whose kinematics is "
            "serial, such as kuka_lbr"
        )

    def forward(self, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        """Poses (..., 4, 4) of the tool frame in the base frame, m.

        Args:
            joints: (..., n) joint values, rad or m.

        Raises:
            ArmError: they are of another shape.
        """
        return self.kinematics.forward(joints)

    def inverse(
        self, poses: NDArray[np.float64], near: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Joint values within limits that bring the tool to poses.

        Of several solutions (whole turns of the roll, a flipped wrist) it is the one nearest to
        `near`. Where a pose is out of reach, outside limits, not finite or no rigid pose, the
        joints are those of `near` and `reached` is False: nothing is clipped. A scope has four
        joints: its pose is reached where position and roll are, whatever direction of view is
        given.

        Args:
            poses: (..., 4, 4) of the tool frame in the base frame, m.
            near: (..., n) joint values to stay close to, rad or m.

        Returns:
            The joint values (..., n), and whether each pose is reached (...).

        Raises:
            ArmError: the arrays are of other shapes, or do not fit each other.
        """
        return self.kinematics.inverse(poses, near)

    def urdf(self, visual: bool) -> Path:
        """A URDF for PyBullet, in the cache folder; its link ``tool`` is the tool frame.

        An arm that carries a needle also has the link ``needle``, whose origin is the hub.

        Args:
            visual: Whether to keep what only a camera sees.
        """
        compose = dh_urdf if self.description.joints else serial_urdf
        text = compose(self.name, self.description, visual)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        path = cache_folder() / f"{self.name}-{digest}.urdf"
        return path if path.exists() else write_text(path, text)


def arm_names() -> list[str]:
    """Names of the arms that `load_arm` knows."""
    folder = files("halsted.robot") / "arms"
    return sorted(entry.name for entry in folder.iterdir() if (entry / "arm.yaml").is_file())


@functools.cache
def load_arm(name: str) -> Arm:
    """The arm of this name.

    Raises:
        ArmError: there is no such arm, or its description is wrong.
    """
    if name not in arm_names():
        raise ArmError(f"there is no arm {name!r}; choose one of: {', '.join(arm_names())}")
    file = files("halsted.robot") / "arms" / name / "arm.yaml"
    try:
        return Arm(name, ArmDescription.model_validate(yaml.safe_load(file.read_bytes())))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ArmError(
            f"the description of arm {name!r} is no YAML ({' '.join(str(error).split())}); "
            f"correct {file}"
        ) from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        )
        raise ArmError(
            f"the description of arm {name!r} is wrong ({faults}); correct it"
        ) from error


def _kinematics(name: str, description: ArmDescription) -> Chain | DhArm:
    mount = fixed_pose(description.mount_xyz_m, description.mount_rpy_rad)
    tool = mount.copy()
    tool[:3, 3] += mount[:3, 2] * description.tool_length_m
    if description.urdf is None or description.flange is None:
        return closed_form_arm(name, description, tool)
    source = source_path(description.urdf)
    chain = chain_from_urdf(source, description.flange, tool)
    if description.gripper is not None:
        check_jaws(source, description.gripper)
    return chain


def _gripper(description: GripperDescription | None) -> Gripper | None:
    if description is None:
        return None
    d = description
    return Gripper(d.joints, d.links, d.closed, d.open, d.max_force)
