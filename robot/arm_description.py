"""What an ``arm.yaml`` says."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, model_validator

Triple = Annotated[list[float], Field(min_length=3, max_length=3)]
Moments = Annotated[list[PositiveFloat], Field(min_length=3, max_length=3)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Shape(_Strict):
    """A simple solid in a link's frame: a box, or a capsule along its z axis.

    Attributes:
        kind: Which of them.
        size_m: Edges of a box; radius and length between the centres of the caps of a capsule.
        xyz_m: Its centre.
        rpy_rad: Its rotation.
        collides: Whether contact is computed, or a camera sees it only.
        rgb: Its colour.
    """

    kind: Literal["box", "capsule"]
    size_m: Annotated[list[PositiveFloat], Field(min_length=2, max_length=3)]
    xyz_m: Triple = [0.0, 0.0, 0.0]
    rpy_rad: Triple = [0.0, 0.0, 0.0]
    collides: bool = True
    rgb: Triple = [0.75, 0.77, 0.8]

    @model_validator(mode="after")
    def _count_sizes(self) -> Self:
        if len(self.size_m) != (3 if self.kind == "box" else 2):
            raise ValueError(f"size_m of a {self.kind} has {len(self.size_m)} numbers")
        return self


class DhJoint(_Strict):
    """A joint of a modified DH table (Craig), and the link that it moves; SI units.

    Attributes:
        name: Of the joint; the link's is the same with ``_link``.
        type: Whether it turns about z or slides along it.
        alpha_rad: Rotation about x.
        a_m: Translation along x.
        d_m: Translation along z.
        offset: What is added to the joint's value, rad or m.
        lower: Lower limit, rad or m.
        upper: Upper limit, rad or m.
        max_force: Most that the motor exerts, N m or N.
        mass_kg: Of the link.
        centre_m: Its centre of mass.
        inertia_kg_m2: Its principal moments, along the axes of its frame.
        shapes: What it looks like and collides as.
    """

    name: str
    type: Literal["revolute", "prismatic"]
    alpha_rad: float
    a_m: float = 0.0
    d_m: float = 0.0
    offset: float = 0.0
    lower: float
    upper: float
    max_force: PositiveFloat
    mass_kg: PositiveFloat
    centre_m: Triple = [0.0, 0.0, 0.0]
    inertia_kg_m2: Moments
    shapes: list[Shape] = []

    @model_validator(mode="after")
    def _order_limits(self) -> Self:
        if not self.lower < self.upper:
            raise ValueError(
                f"limits of joint {self.name!r} are {self.lower:g} to {self.upper:g}, which is no "
                "range"
            )
        return self


class GripperDescription(_Strict):
    """Two jaws that open symmetrically.

    Attributes:
        joints: Names of the two joints.
        links: Names of the two links.
        closed: Value of each joint where the jaws meet, rad or m.
        open: Value of each joint where they are widest, rad or m.
        squeeze: Value that each joint may be commanded to beyond closed, rad or m.
        max_force: Most that each jaw's motor exerts, N m or N.
        mass_kg: Of each jaw, for arms of a DH table.
        inertia_kg_m2: Its principal moments, for the same.
        shapes: The jaw that opens towards +y, in the mount's frame, for the same; the other one is
            its mirror image.
    """

    joints: tuple[str, str]
    links: tuple[str, str]
    closed: float
    open: float
    squeeze: float | None = None
    max_force: PositiveFloat
    mass_kg: PositiveFloat | None = None
    inertia_kg_m2: Moments | None = None
    shapes: list[Shape] = []

    @model_validator(mode="after")
    def _order_limits(self) -> Self:
        least = self.closed if self.squeeze is None else self.squeeze
        if not least <= self.closed < self.open:
            raise ValueError(
                f"jaws go from {least:g} over closed at {self.closed:g} to open at {self.open:g}, "
                "which is not in order"
            )
        return self


class BenchPose(_Strict):
    """Where the base of the first arm stands at the bench; the second's is mirrored in y.

    Attributes:
        xyz_m: From the middle of the table's upper side, z up.
        rpy_rad: Its rotation.
    """

    xyz_m: Triple
    rpy_rad: Triple


class ArmDescription(_Strict):
    """An arm; units are in the names, or SI.

    Attributes:
        kinematics: Which inverse it has: the closed form of ``psm`` or ``ecm``, or damped least
            squares for revolute joints in series.
        joints: The DH table, for ``psm`` and ``ecm``.
        base_shapes: What does not move, for ``psm`` and ``ecm``.
        urdf: File in pybullet_data, for ``serial``.
        flange: Link of that file that carries the tool.
        link_radius_m: Radius of the capsules that stand for its links in contacts.
        mount_xyz_m: Where the tool is mounted in the last link.
        mount_rpy_rad: Its rotation; z is the approach, y the direction in which jaws open.
        tool_length_m: Distance of the tool frame from the mount along z.
        needle_radius_m: Radius of the straight needle of that length which it carries, if any.
        gripper: Its jaws, if any.
        home: Joint values at rest, rad or m.
        bench: Where it stands for the tasks of the bench, if it can do them.
    """

    kinematics: Literal["psm", "ecm", "serial"]
    joints: list[DhJoint] = []
    base_shapes: list[Shape] = []
    urdf: str | None = None
    flange: str | None = None
    link_radius_m: PositiveFloat | None = None
    mount_xyz_m: Triple = [0.0, 0.0, 0.0]
    mount_rpy_rad: Triple = [0.0, 0.0, 0.0]
    tool_length_m: NonNegativeFloat = 0.0
    needle_radius_m: PositiveFloat | None = None
    gripper: GripperDescription | None = None
    home: list[float]
    bench: BenchPose | None = None

    @property
    def needle_length_m(self) -> float:
        """Distance of the needle's tip from its hub."""
        return self.tool_length_m

    @model_validator(mode="after")
    def _have_a_source(self) -> Self:
        serial = (self.urdf, self.flange, self.link_radius_m)
        if self.kinematics == "serial" and (None in serial or self.joints):
            raise ValueError("a serial arm has urdf, flange and link_radius_m, and no joints")
        if self.kinematics != "serial" and (serial != (None, None, None) or not self.joints):
            raise ValueError(f"an arm of kind {self.kinematics} has joints, and no URDF")
        return self

    @model_validator(mode="after")
    def _weigh_the_jaws(self) -> Self:
        gripper = self.gripper
        if self.joints and gripper and None in (gripper.mass_kg, gripper.inertia_kg_m2):
            raise ValueError(
                f"the gripper of an arm of kind {self.kinematics} has mass_kg and inertia_kg_m2"
            )
        return self

    @model_validator(mode="after")
    def _tell_joints_apart(self) -> Self:
        joints = [joint.name for joint in self.joints]
        links = [f"{name}_link" for name in joints]
        if self.gripper is not None:
            joints += self.gripper.joints
            links += self.gripper.links
        for kind, names in (("joints", joints), ("links", links)):
            if len(set(names)) < len(names):
                raise ValueError(f"two {kind} have one name among {', '.join(names)}")
        return self
