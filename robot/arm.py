"""Robot arms by name: one folder under ``robot/arms`` each."""

from __future__ import annotations

import functools
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from halsted.imaging_bridge.cache import cache_folder
from halsted.imaging_bridge.files import write_text
from halsted.robot.errors import ArmError
from halsted.robot.kinematics import Chain, chain_from_urdf, rotation_from_rpy

Triple = Annotated[list[float], Field(min_length=3, max_length=3)]


class ArmDescription(BaseModel):
    """What an ``arm.yaml`` says; units are in the names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    urdf: str
    flange: str
    needle_hub_xyz_m: Triple
    needle_hub_rpy_rad: Triple
    needle_length_m: PositiveFloat
    needle_radius_m: PositiveFloat
    home_rad: list[float]
    link_radius_m: PositiveFloat


class Arm:
    """An arm that carries a straight needle: its description, kinematics and URDF.

    Attributes:
        name: Name of its folder.
        description: Its ``arm.yaml``.
        chain: Kinematics from base to needle tip; the base is the world's origin.
        home: (n,) joint angles, rad, that it rests at and is drawn to.
    """

    def __init__(self, name: str, description: ArmDescription) -> None:
        """Read the arm's URDF; see `load_arm`."""
        self.name = name
        self.description = description
        self.source = _pybullet_data() / description.urdf
        hub = np.eye(4)
        hub[:3, :3] = rotation_from_rpy(description.needle_hub_rpy_rad)
        hub[:3, 3] = description.needle_hub_xyz_m
        tool = hub.copy()
        tool[:3, 3] += hub[:3, 2] * description.needle_length_m
        self.chain: Chain = chain_from_urdf(self.source, description.flange, tool)
        self.home: NDArray[np.float64] = np.array(description.home_rad)
        if self.home.shape != self.chain.lower.shape:
            raise ArmError(
                f"arm {name!r} has {len(self.chain.lower)} joints, but home_rad lists "
                f"{len(self.home)}; give one angle a joint"
            )

    def urdf(self, visual: bool) -> Path:
        """A URDF of arm and needle for PyBullet, in the cache folder.

        Moving links collide as capsules; meshes are kept only where a camera looks.

        Args:
            visual: Whether to keep the meshes that a camera sees.
        """
        text = self._compose(visual)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        path = cache_folder() / f"{self.name}-{digest}.urdf"
        return path if path.exists() else write_text(path, text)

    def _compose(self, visual: bool) -> str:
        root = ElementTree.parse(self.source).getroot()
        offsets = {
            joint.find("parent").get("link"): joint.find("origin").get("xyz", "0 0 0")  # type: ignore[union-attr]
            for joint in root.iter("joint")
        }
        for link in root.iter("link"):
            for collision in link.findall("collision"):
                link.remove(collision)
            for shown in link.findall("visual"):
                if not visual:
                    link.remove(shown)
            for mesh in link.iter("mesh"):
                mesh.set("filename", str(self.source.parent / mesh.get("filename", "")))
            end = np.array([float(w) for w in offsets.get(str(link.get("name")), "0 0 0").split()])
            if np.linalg.norm(end) > self.description.link_radius_m:
                link.append(_capsule(end, self.description.link_radius_m))
        root.extend(self._needle())
        return ElementTree.tostring(root, encoding="unicode")

    def _needle(self) -> list[ElementTree.Element]:
        d = self.description
        xyz = " ".join(map(str, d.needle_hub_xyz_m))
        rpy = " ".join(map(str, d.needle_hub_rpy_rad))
        half = d.needle_length_m / 2
        return list(
            ElementTree.fromstring(
                f"""<robot name="needle">
                <link name="needle">
                  <inertial><mass value="0.05"/>
                    <inertia ixx="1e-4" ixy="0" ixz="0" iyy="1e-4" iyz="0" izz="1e-5"/></inertial>
                  <visual><origin xyz="0 0 {half}"/><geometry>
                    <cylinder radius="{max(d.needle_radius_m, 0.0015)}" length="{2 * half}"/>
                  </geometry><material name="steel"><color rgba="0.75 0.77 0.8 1"/></material>
                  </visual>
                  <visual><origin xyz="0 0 -0.01"/><geometry><box size="0.03 0.03 0.05"/></geometry>
                  <material name="hub"><color rgba="0.1 0.45 0.6 1"/></material></visual>
                </link>
                <joint name="needle_mount" type="fixed"><parent link="{d.flange}"/>
                  <child link="needle"/><origin xyz="{xyz}" rpy="{rpy}"/></joint>
                </robot>"""
            )
        )


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
    text = (files("halsted.robot") / "arms" / name / "arm.yaml").read_text(encoding="utf-8")
    try:
        return Arm(name, ArmDescription.model_validate(yaml.safe_load(text)))
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        )
        raise ArmError(
            f"the description of arm {name!r} is wrong ({faults}); correct it"
        ) from error


def _pybullet_data() -> Path:
    import pybullet_data

    return Path(pybullet_data.getDataPath())
