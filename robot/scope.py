"""A scope's picture: rays marched through a distance field, lit from the camera itself.

Sphere tracing after Hart 1996 (doi:10.1007/s003710050084): at a distance d from the nearest wall a
ray may go d ahead. No mesh and no light elsewhere, so its cost grows with pixels alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halsted.robot.bodies import LABELS
from halsted.robot.camera import Camera, Frame
from halsted.robot.errors import ArmError
from halsted.robot.scope_rays import FAR_M, sample, trace


@dataclass(frozen=True, eq=False)
class DistanceField:
    """Distances to the wall of a cavity, on a grid.

    Attributes:
        values: (i, j, k) distance, m, positive where the cavity is empty.
        to_world: 4x4 affine from voxel indices to the world, m.
    """

    values: NDArray[np.float32]
    to_world: NDArray[np.float64]

    @property
    def voxel_m(self) -> float:
        """The shortest edge of a voxel, m."""
        return float(np.linalg.norm(self.to_world[:3, :3], axis=0).min())


@dataclass(frozen=True)
class Look:
    """How the cavity is lit and coloured.

    Attributes:
        wall: Red, green and blue of the wall, 0 to 1.
        target: The same of the target.
        exposure_m: Distance at which a surface that faces the light is as bright as its colour.
    """

    wall: tuple[float, float, float] = (0.85, 0.45, 0.40)
    target: tuple[float, float, float] = (0.95, 0.90, 0.35)
    exposure_m: float = 0.1


@dataclass(frozen=True)
class Ball:
    """The target: a sphere, drawn exactly.

    Attributes:
        centre: (3,) world, m.
        radius_m: 0 for none.
    """

    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    radius_m: float = 0.0


def look_into(
    field: DistanceField, camera: Camera, look: Look | None = None, target: Ball | None = None
) -> Frame:
    """A camera's picture of a cavity, with a headlight that falls off with the square of distance.

    Args:
        field: The cavity. A ray that leaves its grid sees nothing: black, 10 m deep.
        camera: It must be in the empty part of the grid.
        look: Light and colours; a moist red wall if left out.
        target: A ball; none if left out.

    Returns:
        Colour, depth along the view and labels (``background``, ``target``, ``tissue``). The same
        arguments give the same picture bit for bit.

    Raises:
        ArmError: the camera is inside the wall or off the grid.
    """
    look, target = look or Look(), target or Ball()
    to_voxel = np.linalg.inv(field.to_world)
    eye = np.array(camera.eye)
    start = to_voxel[:3, :3] @ eye + to_voxel[:3, 3]
    if not sample(field.values.ravel(), field.values.shape, start[0], start[1], start[2]) > 0.0:
        raise ArmError(
            f"the scope at {eye.round(3).tolist()} m is in the wall or off the grid of the cavity; "
            "place it in the empty part"
        )
    right, down, ahead = _axes(camera)
    half = math.tan(math.radians(camera.field_of_view_deg) / 2.0)
    shape = (camera.height, camera.width)
    image, labels = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8)
    depth = np.full(shape, FAR_M, np.float32)
    ball = np.array([*target.centre, target.radius_m])
    colours = np.array([look.wall, look.target]) * 255.0
    names = (LABELS.index("tissue"), LABELS.index("target"))
    grid = (field.values.ravel(), field.values.shape, field.voxel_m)
    trace(
        grid, to_voxel, eye, start, np.array([right, down, ahead]), half, ball, colours,
        look.exposure_m, names, image, depth, labels,
    )  # fmt: skip
    return Frame(image, depth, labels)


def _axes(camera: Camera) -> tuple[NDArray[np.float64], ...]:
    """Unit vectors (3,) to the right of the picture, down and along the view."""
    ahead = np.subtract(camera.target, camera.eye)
    ahead = ahead / np.linalg.norm(ahead)
    right = np.cross(ahead, camera.up)
    size = np.linalg.norm(right)
    if not size > 1e-9:
        raise ArmError(f"the camera looks along its up direction {camera.up}; choose another up")
    right = right / size
    return right, np.cross(ahead, right), ahead
