"""The URDF files that PyBullet loads, composed from an arm's description."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from halsted.robot.arm_description import (
    ArmDescription,
    DhJoint,
    GripperDescription,
    Shape,
    Triple,
)
from halsted.robot.errors import ArmError
from halsted.robot.kinematics.chain import rotation_from_rpy


def fixed_pose(xyz: Sequence[float], rpy: Sequence[float]) -> NDArray[np.float64]:
    """4x4 pose of a URDF origin, m and rad."""
    pose = np.eye(4)
    pose[:3, :3] = rotation_from_rpy(rpy)
    pose[:3, 3] = xyz
    return pose


def source_path(name: str) -> Path:
    """A file of pybullet_data."""
    import pybullet_data

    return Path(pybullet_data.getDataPath()) / name


# -- From a DH table -------------------------------------------------------------------------


def dh_urdf(name: str, description: ArmDescription, visual: bool) -> str:
    """The URDF of an arm with a DH table; see `Arm.urdf`."""
    parts = [_link("base", 0.0, [0.0] * 3, [0.0] * 3, description.base_shapes, visual)]
    parent = "base"
    for joint in description.joints:
        parts += [_dh_joint(parent, joint), _dh_link(joint, visual)]
        parent = f"{joint.name}_link"
    if description.gripper is not None:
        parts += _jaws(parent, description, description.gripper, visual)
    parts.append(_tool(parent, description))
    return f'<robot name="{name}">\n' + "\n".join(parts) + "\n</robot>\n"


def _dh_link(joint: DhJoint, visual: bool) -> str:
    return _link(
        f"{joint.name}_link",
        joint.mass_kg,
        joint.centre_m,
        joint.inertia_kg_m2,
        joint.shapes,
        visual,
    )


def _dh_joint(parent: str, joint: DhJoint) -> str:
    slides = joint.type == "prismatic"
    turn = 0.0 if slides else joint.offset
    along = joint.d_m + (joint.offset if slides else 0.0)
    c, s = np.cos(joint.alpha_rad), np.sin(joint.alpha_rad)
    rotation = rotation_from_rpy([joint.alpha_rad, 0.0, 0.0]) @ rotation_from_rpy([0.0, 0.0, turn])
    origin = _origin([joint.a_m, -s * along, c * along], rpy_from_rotation(rotation))
    return _movable(
        joint.name,
        joint.type,
        parent,
        f"{joint.name}_link",
        origin,
        "0 0 1",
        (joint.lower, joint.upper, joint.max_force),
    )


def _jaws(
    parent: str, description: ArmDescription, gripper: GripperDescription, visual: bool
) -> list[str]:
    """Two jaws that turn about the mount's x axis, the first towards +y and the second -y."""
    origin = _origin(description.mount_xyz_m, description.mount_rpy_rad)
    low = gripper.closed if gripper.squeeze is None else gripper.squeeze
    limit = (low, gripper.open, gripper.max_force)
    centre = [0.0, 0.0, description.tool_length_m / 2]
    assert gripper.mass_kg is not None
    assert gripper.inertia_kg_m2 is not None
    parts = []
    for joint, link, side in zip(gripper.joints, gripper.links, (1.0, -1.0), strict=True):
        shapes = [_mirrored(shape) for shape in gripper.shapes] if side < 0 else gripper.shapes
        axis = f"{-side:g} 0 0"
        parts.append(_movable(joint, "revolute", parent, link, origin, axis, limit))
        parts.append(_link(link, gripper.mass_kg, centre, gripper.inertia_kg_m2, shapes, visual))
    return parts


def _mirrored(shape: Shape) -> Shape:
    (x, y, z), (roll, pitch, yaw) = shape.xyz_m, shape.rpy_rad
    return shape.model_copy(update={"xyz_m": [x, -y, z], "rpy_rad": [-roll, pitch, -yaw]})


def _tool(parent: str, description: ArmDescription) -> str:
    mount = fixed_pose(description.mount_xyz_m, description.mount_rpy_rad)
    at = mount[:3, 3] + mount[:3, 2] * description.tool_length_m
    return (
        '<link name="tool"><inertial><mass value="1e-4"/>'
        '<inertia ixx="1e-8" ixy="0" ixz="0" iyy="1e-8" iyz="0" izz="1e-8"/></inertial></link>\n'
        f'<joint name="tool_mount" type="fixed"><parent link="{parent}"/><child link="tool"/>'
        f"{_origin(at, description.mount_rpy_rad)}</joint>"
    )


def _movable(
    name: str,
    kind: str,
    parent: str,
    child: str,
    origin: str,
    axis: str,
    limit: tuple[float, float, float],
) -> str:
    lower, upper, effort = limit
    return (
        f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
        f'{origin}<axis xyz="{axis}"/>'
        f'<limit lower="{lower!r}" upper="{upper!r}" effort="{effort!r}" velocity="10"/></joint>'
    )


def _link(
    name: str,
    mass: float,
    centre: Triple,
    inertia: Triple,
    shapes: list[Shape],
    visual: bool,
) -> str:
    ixx, iyy, izz = inertia
    parts = [
        f'<link name="{name}"><inertial>{_origin(centre, [0.0] * 3)}<mass value="{mass!r}"/>'
        f'<inertia ixx="{ixx!r}" ixy="0" ixz="0" iyy="{iyy!r}" iyz="0" izz="{izz!r}"/></inertial>'
    ]
    for number, shape in enumerate(shapes):
        solid = f"{_origin(shape.xyz_m, shape.rpy_rad)}<geometry>{_solid(shape)}</geometry>"
        if shape.collides:
            parts.append(f"<collision>{solid}</collision>")
        if visual:
            rgba = " ".join(f"{value:g}" for value in shape.rgb)
            parts.append(
                f'<visual>{solid}<material name="{name}_{number}"><color rgba="{rgba} 1"/>'
                "</material></visual>"
            )
    return "".join(parts) + "</link>"


def _solid(shape: Shape) -> str:
    if shape.kind == "box":
        return f'<box size="{" ".join(map(repr, shape.size_m))}"/>'
    radius, length = shape.size_m
    return f'<capsule radius="{radius!r}" length="{length!r}"/>'


def _origin(xyz: Sequence[float] | NDArray[np.float64], rpy: Sequence[float]) -> str:
    return f'<origin xyz="{_words(xyz)}" rpy="{_words(rpy)}"/>'


def _words(values: Sequence[float] | NDArray[np.float64]) -> str:
    return " ".join(repr(float(value)) for value in values)


def rpy_from_rotation(rotation: NDArray[np.float64]) -> list[float]:
    """URDF's fixed-axis roll, pitch and yaw, rad, of a 3x3 rotation."""
    r = rotation
    level = np.hypot(r[0, 0], r[1, 0])
    pitch = np.arctan2(-r[2, 0], level)
    if level > 1e-9:
        return [np.arctan2(r[2, 1], r[2, 2]), pitch, np.arctan2(r[1, 0], r[0, 0])]
    # Pitched by a quarter turn, roll and yaw are one: yaw is put at zero.
    return [np.arctan2(-r[1, 2], r[1, 1]), pitch, 0.0]


# -- From a URDF of pybullet_data ------------------------------------------------------------


def serial_urdf(name: str, description: ArmDescription, visual: bool) -> str:
    """The URDF of an arm of pybullet_data with its tool; see `Arm.urdf`.

    Moving links collide as capsules; meshes are kept only where a camera looks, and for jaws.
    """
    source = source_path(str(description.urdf))
    root = ElementTree.parse(source).getroot()
    radius = description.link_radius_m or 0.0
    hand = _hand_links(root, description.gripper)
    ends = {
        joint.find("parent").get("link"): origin.get("xyz", "0 0 0")  # type: ignore[union-attr]
        for joint in root.iter("joint")
        if (origin := joint.find("origin")) is not None
    }
    for link in root.iter("link"):
        link_name = str(link.get("name"))
        _strip(link, source.parent, link_name in hand, visual)
        end = np.array([float(word) for word in ends.get(link_name, "0 0 0").split()])
        if link_name not in hand and np.linalg.norm(end) > radius:
            link.append(_capsule(end, radius))
    if description.needle_radius_m is None:
        tool = f"<robot>{_tool(str(description.flange), description)}</robot>"
    else:
        tool = _needle(description, description.needle_radius_m)
    root.extend(list(ElementTree.fromstring(tool)))
    return ElementTree.tostring(root, encoding="unicode")


def check_jaws(urdf: Path, gripper: GripperDescription) -> None:
    """Whether a URDF has the jaws that a description names.

    Raises:
        ArmError: it lacks one of the joints or links.
    """
    root = ElementTree.parse(urdf).getroot()
    for kind, names in (("joint", gripper.joints), ("link", gripper.links)):
        there = {element.get("name") for element in root.iter(kind)}
        for name in names:
            if name not in there:
                raise ArmError(
                    f"{urdf} has no {kind} {name!r}, which the gripper names; check the arm.yaml"
                )


def _hand_links(root: ElementTree.Element, gripper: GripperDescription | None) -> set[str]:
    """Jaws and what carries them, whose own collision shapes are kept."""
    if gripper is None:
        return set()
    carriers = {
        joint.find("parent").get("link", "")  # type: ignore[union-attr]
        for joint in root.iter("joint")
        if joint.get("name") in gripper.joints
    }
    return carriers | set(gripper.links)


def _strip(link: ElementTree.Element, folder: Path, keep: bool, visual: bool) -> None:
    unwanted = [] if keep else link.findall("collision")
    unwanted += [] if visual else link.findall("visual")
    for element in unwanted:
        link.remove(element)
    for mesh in link.iter("mesh"):
        name = str(mesh.get("filename")).removeprefix("package://")
        mesh.set("filename", str(folder / name))


def _capsule(end: NDArray[np.float64], radius: float) -> ElementTree.Element:
    """A collision capsule from a link's origin to `end`, m, in the link's frame."""
    length = float(np.linalg.norm(end))
    x, y, z = end / length
    middle = " ".join(map(str, end / 2))
    rpy = f"0 {np.arctan2(np.hypot(x, y), z)} {np.arctan2(y, x)}"
    return ElementTree.fromstring(
        f'<collision><origin xyz="{middle}" rpy="{rpy}"/>'
        f'<geometry><capsule radius="{radius}" length="{length}"/></geometry></collision>'
    )


def _needle(description: ArmDescription, radius: float) -> str:
    length = description.tool_length_m
    xyz = " ".join(map(str, description.mount_xyz_m))
    rpy = " ".join(map(str, description.mount_rpy_rad))
    return f"""<robot name="needle">
        <link name="needle">
          <inertial><mass value="0.05"/>
            <inertia ixx="1e-4" ixy="0" ixz="0" iyy="1e-4" iyz="0" izz="1e-5"/></inertial>
          <visual><origin xyz="0 0 {length / 2}"/><geometry>
            <cylinder radius="{max(radius, 0.0015)}" length="{length}"/>
          </geometry><material name="steel"><color rgba="0.75 0.77 0.8 1"/></material>
          </visual>
          <visual><origin xyz="0 0 -0.01"/><geometry><box size="0.03 0.03 0.05"/></geometry>
          <material name="hub"><color rgba="0.1 0.45 0.6 1"/></material></visual>
        </link>
        <joint name="needle_mount" type="fixed"><parent link="{description.flange}"/>
          <child link="needle"/><origin xyz="{xyz}" rpy="{rpy}"/></joint>
        <link name="tool"><inertial><mass value="0"/>
          <inertia ixx="0" ixy="0" ixz="0" iyy="0" iyz="0" izz="0"/></inertial></link>
        <joint name="tool_mount" type="fixed"><parent link="needle"/><child link="tool"/>
          <origin xyz="0 0 {length}"/></joint>
        </robot>"""
