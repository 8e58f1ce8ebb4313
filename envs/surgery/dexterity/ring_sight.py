"""Perception at the ring's bench: a picture in colour and depth, and where its labels say it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.bench import Vector
from halsted.envs.surgery.dexterity.camera_faults import faulty, moved
from halsted.envs.surgery.dexterity.things import RING_RADIUS_M, RING_WIRE_M
from halsted.imaging_bridge import LabelMap, Segmenter, Volume
from halsted.imaging_bridge.phantoms.textures import picture_affine
from halsted.robot.bodies import LABELS
from halsted.robot.camera import Camera
from halsted.robot.rotations import quaternion_of_yaw

if TYPE_CHECKING:
    from halsted.envs.surgery.dexterity.instrument_env import InstrumentEnv

PICTURE_CAMERA = Camera(
    192, 192, eye=(0.18, 0.0, 0.17), target=(0.0, 0.0, 0.042), field_of_view_deg=36.0
)
"""Looks across the line of the posts, so that no wall stands before one; it sees the tool too."""

PICTURE_NAMES = {"arm": 1, "ring": 2}
_VALUES = np.zeros(len(LABELS), np.uint8)
_VALUES[LABELS.index("arm")] = PICTURE_NAMES["arm"]
_VALUES[LABELS.index("target")] = PICTURE_NAMES["ring"]

_COLOURS = ("red", "green", "blue")
_LEAST_PIXELS = 20
"""A ring in full view has about 250."""
_SAMPLED_AT = np.reshape((1.0, 0.0), (2, 1, 1))
"""Where in a pixel TinyRenderer looks, rows and columns from its upper left corner."""
_DRAWN_WIRE_M = RING_WIRE_M + 0.001
"""PyBullet draws a capsule with the margin of its collision shape, 1 mm."""
_SURE_M = 0.0005
"""Beyond this distance from the ring's surface a point pulls less and less."""
_NEAR_RADII = 2.0
_LEVEL_M = 0.002
"""Distance that a tilt of 1 rad counts for: a ring lies flat, unless its pixels say otherwise."""
_SETTLED_S = 0.3
"""From letting go to the next picture; a fall from where it is carried takes 0.09 s."""
_NOWHERE_M = (1.0, 1.0, 1.0)
"""Of a ring that was missed: where neither a goal can be nor anything that is near one."""


def ring_picture(
    env: InstrumentEnv, rng: np.random.Generator | None = None
) -> tuple[dict[str, Volume], LabelMap]:
    """A picture of the bench at this moment, and its true labels.

    Args:
        env: An environment that has been reset, with cameras: one with a segmenter, a `sight` or a
            `render_mode`.
        rng: Where given, camera, light, colours and depth vary as those of cameras do.

    Returns:
        ``red``, ``green`` and ``blue`` (uint8) and ``depth`` (float32, m along the viewing axis; 0
        where it could not be measured), each (1, y, x); labels ``arm`` and ``ring``.
    """
    camera = PICTURE_CAMERA if rng is None else moved(PICTURE_CAMERA, rng)
    frame = env.world.look(camera)
    image, depth = frame.image, frame.depth_m
    if rng is not None:
        image, depth = faulty(image, depth, rng)
    affine = picture_affine(None)
    images = {
        name: Volume(image[None, :, :, place].copy(), affine, "XC", spacing_known=False)
        for place, name in enumerate(_COLOURS)
    }
    images["depth"] = Volume(depth[None], affine, "XC", "m", spacing_known=False)
    return images, LabelMap(_VALUES[frame.labels][None], affine, PICTURE_NAMES, "generated")


def locate_ring(
    labels: LabelMap, depth: Volume, camera: Camera = PICTURE_CAMERA
) -> NDArray[np.float64] | None:
    """The ring's centre (3,), world m; None where too little of it was seen.

    Its pixels are brought to the world by their depth, and a ring of known size is laid through
    them by least squares whose loss grows slowly for points that do not belong to it.

    Args:
        labels: Of a picture; their structure ``ring``.
        depth: (1, y, x) m along the viewing axis; 0 where it could not be measured.
        camera: That took the picture.
    """
    from scipy.optimize import least_squares

    seen = labels.mask("ring")[0] & (depth.voxels[0] > 0.0)
    points = world_points(depth.voxels[0], camera)[seen]
    if len(points) < _LEAST_PIXELS:
        return None
    middle = np.median(points, axis=0)
    points = points[np.linalg.norm(points - middle, axis=1) < _NEAR_RADII * RING_RADIUS_M]
    if len(points) < _LEAST_PIXELS:
        return None
    start = [*_behind(middle, camera), 0.0, 0.0]
    found = least_squares(_from_ring, start, loss="soft_l1", f_scale=_SURE_M, args=(points,))
    return np.asarray(found.x[:3], np.float64)


def _behind(point: NDArray[np.float64], camera: Camera) -> NDArray[np.float64]:
    """The middle of a wire of which a camera sees this point (3,): half a thickness farther off."""
    way = point - np.array(camera.eye)
    return np.asarray(point + way * (_DRAWN_WIRE_M / np.linalg.norm(way)))


def _from_ring(guess: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances, m, of points (n, 3) from the surface of a ring, and what its tilt counts for.

    Args:
        guess: Centre (3,), m, and slope of the axis along x and y.
        points: World, m.
    """
    axis = np.array([guess[3], guess[4], 1.0])
    axis /= np.linalg.norm(axis)
    away = points - guess[:3]
    height = away @ axis
    across = np.linalg.norm(away - height[:, None] * axis, axis=1)
    distance = np.hypot(across - RING_RADIUS_M, height) - _DRAWN_WIRE_M
    tilt = _LEVEL_M * np.sqrt(len(points)) * guess[3:]
    return np.concatenate([distance, tilt])


def world_points(depth_m: NDArray[np.floating[Any]], camera: Camera) -> NDArray[np.float64]:
    """Points (y, x, 3), world m, that the pixels of a depth picture (y, x) show."""
    forward = np.subtract(camera.target, camera.eye)
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, camera.up)
    right = right / np.linalg.norm(right)
    up = np.cross(right, forward)
    half = np.tan(np.deg2rad(camera.field_of_view_deg) / 2) / (camera.height / 2)
    rows, columns = np.indices(depth_m.shape) + _SAMPLED_AT
    aside = (columns - camera.width / 2)[..., None] * half * right
    above = (camera.height / 2 - rows)[..., None] * half * up
    return np.asarray(camera.eye + np.asarray(depth_m)[..., None] * (forward + aside + above))


class RingSight:
    """Where the ring seems to be, from picture to picture.

    A ring on the table lies where it was last seen. A held one moves with the tool, to which it
    keeps the place that it seemed to have when it was gripped. Some time after it was let go, a new
    picture is taken; where that does not show it, it is taken to lie where it was let go. So is one
    after the jaws have opened, or closed and hold nothing, as they may have pushed it. A ring is
    round: its heading is 0 when it is seen, and turns with the tool.

    Attributes:
        is_missed: Whether the first picture did not show it; it is then nowhere near the table.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        """See by this segmenter."""
        self._segmenter = segmenter
        self.is_missed = False
        self._position = np.array(_NOWHERE_M)
        self._heading = 0.0
        self._was_closing = False
        self._in_hand: tuple[Vector, float] | None = None
        self._wait_s: float | None = None

    @property
    def pose(self) -> tuple[Vector, tuple[float, float, float, float]]:
        """Position (3,), world m, and quaternion (x, y, z, w)."""
        return self._position, quaternion_of_yaw(self._heading)

    def begin(self, env: InstrumentEnv) -> None:
        """Take the first picture of a scene.

        Raises:
            EnvironmentOptionError: the segmenter tells nothing of rings.
        """
        self._in_hand, self._wait_s, self._was_closing = None, None, False
        self._position, self._heading = np.array(_NOWHERE_M), 0.0
        self.is_missed = not self._look(env)

    def follow(self, env: InstrumentEnv, is_closing: bool) -> None:
        """Go on for one control step, in which the jaws were told to close or to open."""
        has_turned, self._was_closing = is_closing != self._was_closing, is_closing
        if env.world.held[0] is not None:
            self._carry(env.tool(0), env.heading(0))
        elif self._in_hand is not None or has_turned:
            self._in_hand, self._wait_s = None, _SETTLED_S
        elif self._wait_s is not None:
            self._wait_s -= env.world.control_period_s
            if self._wait_s <= 0.0:
                self._wait_s = None
                self._look(env)

    def _carry(self, tool: Vector, heading: float) -> None:
        self._wait_s = None
        if self._in_hand is None:
            offset = _turned(self._position - tool, -heading)
            self._in_hand = offset, self._heading - heading
        offset, turn = self._in_hand
        self._position, self._heading = tool + _turned(offset, heading), turn + heading

    def _look(self, env: InstrumentEnv) -> bool:
        """Take a picture; whether it shows the ring."""
        images, truth = ring_picture(env)
        given = truth if self._segmenter.is_oracle else None
        labels = self._segmenter.segment(images, given).labels
        _check_names(labels.names)
        found = locate_ring(labels, images["depth"])
        if found is None:
            return False
        self._position, self._heading = found, 0.0
        return True


def _check_names(names: Mapping[str, int]) -> None:
    if "ring" not in names:
        raise EnvironmentOptionError(
            f"the segmenter tells {', '.join(names) or 'nothing'} of a picture, but the ring's "
            "transfer needs the ring; use one that sees it, such as arm-ring"
        )


def _turned(vector: Vector, angle: float) -> Vector:
    """A vector (3,) turned about the vertical, rad."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([c * vector[0] - s * vector[1], s * vector[0] + c * vector[1], vector[2]])
