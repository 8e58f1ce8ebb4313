"""A camera on arm and patient, in a PyBullet client of its own.

The world that is simulated knows nothing of it: rendering can neither change a trajectory nor add
a body there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.cases import PreparedPatient
from halsted.imaging_bridge.structures import Role, names_with_role
from halsted.imaging_bridge.surfaces import surface_of
from halsted.robot.anatomy import thinned
from halsted.robot.arm import Arm
from halsted.robot.bullet import import_bullet
from halsted.robot.registration import ISOCENTRE_IN_WORLD
from halsted.robot.rotations import quaternion_of

Colour = tuple[float, float, float, float]

_SHOWN: tuple[tuple[Role, Colour, int], ...] = (
    ("bone", (0.93, 0.90, 0.80, 1.0), 4000),
    ("vessel", (0.80, 0.12, 0.12, 1.0), 2000),
    ("lung", (0.85, 0.55, 0.60, 1.0), 2000),
    ("organ", (0.62, 0.32, 0.22, 1.0), 3000),
)
_LESION: Colour = (0.15, 0.85, 0.20, 1.0)
_SKIN: Colour = (0.95, 0.80, 0.70, 1.0)
_SKIN_FACES = 3000
_LESION_FACES = 300
_LOOK_AT_M = (-0.08, 0.0, 0.14)  # from the isocentre: between patient and wrist


class SceneView:
    """A view of an arm and of the surfaces of one patient at a time."""

    def __init__(self, arm: Arm, width: int = 480, height: int = 360) -> None:
        """Start a client without a window and load the arm with its meshes."""
        self._bullet: Any = import_bullet()
        self._client: int = self._bullet.connect(self._bullet.DIRECT)
        self._size = (width, height)
        self._shown: int | None = None
        self._bodies: list[int] = []
        self._body: int = self._bullet.loadURDF(
            str(arm.urdf(visual=True)), useFixedBase=True, physicsClientId=self._client
        )
        names = {
            self._bullet.getJointInfo(self._body, number, physicsClientId=self._client)[1]: number
            for number in range(self._bullet.getNumJoints(self._body, physicsClientId=self._client))
        }
        self._movable = [names[name.encode()] for name in arm.chain.names]

    def show_patient(
        self,
        number: int,
        read: Callable[[], PreparedPatient],
        registration: NDArray[np.float64],
    ) -> None:
        """Show a patient's surfaces, made anew only if it is another than the last.

        Args:
            number: Tells patients apart.
            read: Reads the patient.
            registration: 4x4, LPS mm to world m.
        """
        if self._shown != number:
            for body in self._bodies:
                self._bullet.removeBody(body, physicsClientId=self._client)
            self._bodies = [self._add(*part) for part in _parts(read())]
            self._shown = number
        # A body's vertices are its LPS points in metres, so registration is its pose.
        rotation = registration[:3, :3] * 1e3
        quaternion = quaternion_of(rotation)
        for body in self._bodies:
            self._bullet.resetBasePositionAndOrientation(
                body, registration[:3, 3].tolist(), quaternion, physicsClientId=self._client
            )

    def picture(
        self, joints: NDArray[np.float64], yaw_deg: float = 35.0, distance_m: float = 1.15
    ) -> NDArray[np.uint8]:
        """An RGB picture (height, width, 3) of the arm at joint angles (n,), rad."""
        bullet, client = self._bullet, self._client
        for number, angle in zip(self._movable, joints, strict=True):
            bullet.resetJointState(self._body, number, angle, physicsClientId=client)
        width, height = self._size
        view = bullet.computeViewMatrixFromYawPitchRoll(
            np.add(ISOCENTRE_IN_WORLD, _LOOK_AT_M).tolist(),
            distance_m,
            yaw_deg,
            -28.0,
            0.0,
            2,
        )
        projection = bullet.computeProjectionMatrixFOV(50.0, width / height, 0.05, 4.0)
        pixels = bullet.getCameraImage(
            width,
            height,
            view,
            projection,
            lightDirection=[0.5, -1.0, 2.0],
            renderer=bullet.ER_TINY_RENDERER,
            flags=bullet.ER_NO_SEGMENTATION_MASK,
            physicsClientId=client,
        )[2]
        return np.asarray(pixels, dtype=np.uint8).reshape(height, width, 4)[:, :, :3]

    def close(self) -> None:
        """End the client; safe to call twice."""
        if self._client >= 0:
            self._bullet.disconnect(physicsClientId=self._client)
            self._client = -1

    def _add(self, points: NDArray[np.float32], faces: NDArray[np.int32], colour: Colour) -> int:
        shape = self._bullet.createVisualShape(
            self._bullet.GEOM_MESH,
            vertices=(points * 1e-3).tolist(),
            indices=faces.ravel().tolist(),
            rgbaColor=colour,
            physicsClientId=self._client,
        )
        return int(
            self._bullet.createMultiBody(baseVisualShapeIndex=shape, physicsClientId=self._client)
        )


def _parts(
    prepared: PreparedPatient,
) -> list[tuple[NDArray[np.float32], NDArray[np.int32], Colour]]:
    """Points (n, 3) in LPS mm, faces (m, 3) and colour of what is shown of a patient."""
    assert prepared.patient.labels is not None  # a prepared patient has labels
    labels = thinned(prepared.patient.labels)
    parts = []
    present = [name for name, volume in labels.volumes_ml.items() if volume > 0.0]
    for role, colour, faces in _SHOWN:
        names = [n for n in names_with_role(present, role) if n != prepared.lesion]
        if names:
            surface = surface_of(labels, *names, max_faces=faces)
            parts.append((surface.points, surface.faces, colour))
    lesion = surface_of(labels, prepared.lesion, max_faces=_LESION_FACES)
    parts.append((lesion.points, lesion.faces, _LESION))
    skin = surface_of(labels, *present, max_faces=_SKIN_FACES)
    parts.append((*_back_half(skin.points, skin.faces), _SKIN))
    return parts


def _back_half(
    points: NDArray[np.float32], faces: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The skin cut open, so that a camera from above looks in: TinyRenderer has no glass."""
    middle = (points[:, 1].min() + 2.0 * points[:, 1].max()) / 3.0
    return points, faces[(points[faces][:, :, 1] > middle).all(axis=1)]
