"""The scope's picture: depth, labels and light against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from halsted.robot.bodies import LABELS
from halsted.robot.camera import Camera
from halsted.robot.errors import ArmError
from halsted.robot.scope import Ball, DistanceField, Look, look_into

VOXEL_M = 0.002
RADIUS_M = 0.05


@pytest.fixture(scope="module")
def ball_cavity() -> DistanceField:
    """A spherical cavity around the origin, on a grid that is turned and shifted."""
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    to_world = np.eye(4)
    to_world[:3, :3] = turn * VOXEL_M
    index = np.indices((61, 61, 61)).reshape(3, -1)
    to_world[:3, 3] = -turn @ np.full(3, 30 * VOXEL_M)
    places = to_world[:3, :3] @ index + to_world[:3, 3:]
    values = RADIUS_M - np.linalg.norm(places, axis=0)
    return DistanceField(values.reshape(61, 61, 61).astype(np.float32), to_world)


def rays(camera: Camera) -> np.ndarray:
    """(height, width, 3) unit rays of a camera at x = y = 0 that looks along x, z up."""
    half = np.tan(np.radians(camera.field_of_view_deg) / 2)
    down, right = np.meshgrid(
        ((np.arange(camera.height) + 0.5) / camera.height * 2 - 1) * half,
        ((np.arange(camera.width) + 0.5) / camera.width * 2 - 1)
        * half * camera.width / camera.height,
        indexing="ij",
    )  # fmt: skip
    ray = np.stack([np.ones_like(right), -right, -down], axis=-1)
    return np.asarray(ray / np.linalg.norm(ray, axis=-1, keepdims=True))


CAMERA = Camera(96, 64, eye=(-0.02, 0.01, 0.0), target=(1.0, 0.01, 0.0), field_of_view_deg=90.0)


def test_depth_of_a_spherical_cavity_is_the_closed_form(ball_cavity: DistanceField) -> None:
    ray, eye = rays(CAMERA), np.array(CAMERA.eye)
    along = ray @ eye
    reach = -along + np.sqrt(along**2 - eye @ eye + RADIUS_M**2)
    frame = look_into(ball_cavity, CAMERA)
    error = np.abs(frame.depth_m - reach * ray[..., 0])
    assert error.max() < VOXEL_M / 2
    assert np.median(error) < VOXEL_M / 20
    assert (frame.labels == LABELS.index("tissue")).all()


@pytest.fixture(scope="module")
def floor() -> DistanceField:
    """The plane z = 0 under 8 cm of room, 4.5 m long in x."""
    to_world = np.diag([0.005, 0.005, 0.005, 1.0])
    to_world[:3, 3] = 0.0, -0.05, -0.012
    values = np.indices((900, 20, 20))[2] * 0.005 - 0.012
    return DistanceField(values.astype(np.float32), to_world)


@pytest.mark.parametrize("tilt", [0.0, 1e-4, 0.01, 0.1])
@pytest.mark.parametrize("height", [0.03, 0.004, 2e-4])
def test_a_grazed_floor_is_where_it_is(floor: DistanceField, height: float, tilt: float) -> None:
    """A ray that falls by a thousandth goes on until it meets the floor, or leaves the grid."""
    camera = Camera(
        1, 64, (0.1, 0.0, height), (1.1, 0.0, height - tilt), (0.0, 0.0, 1.0), field_of_view_deg=2.0
    )
    frame = look_into(floor, camera)
    depth, labels = frame.depth_m[:, 0].astype(float), frame.labels[:, 0]
    ahead = np.array([1.0, -tilt]) / np.hypot(1.0, tilt)
    down = np.array([-ahead[1], ahead[0]])
    rows = ((np.arange(64) + 0.5) / 32 - 1) * np.tan(np.radians(1.0))
    way = ahead - rows[:, None] * down  # x and z for a metre of depth
    true = np.where(way[:, 1] < 0, height / np.maximum(-way[:, 1], 1e-12), np.inf)
    end = 4.495 - 0.1  # of the grid, in x
    met = labels == LABELS.index("tissue")
    sure = np.abs(true * way[:, 0] - end) > 0.01
    np.testing.assert_array_equal(met[sure], (true * way[:, 0] < end)[sure])
    assert met.sum() >= 8
    assert np.abs(depth - true)[met].max() < 0.0025
    assert (depth[~met] == 10.0).all()


def test_a_ball_is_drawn_and_labelled_where_it_is(ball_cavity: DistanceField) -> None:
    centre, radius = np.array([0.02, 0.0, 0.01]), 0.006
    ray, eye = rays(CAMERA), np.array(CAMERA.eye)
    along = ray @ (centre - eye)
    gap = radius**2 - ((centre - eye) @ (centre - eye) - along**2)
    frame = look_into(ball_cavity, CAMERA, target=Ball((0.02, 0.0, 0.01), radius))
    shown = frame.labels == LABELS.index("target")
    assert shown.sum() > 50
    np.testing.assert_array_equal(shown, gap > 0)
    depth = (along - np.sqrt(np.maximum(gap, 0))) * ray[..., 0]
    np.testing.assert_allclose(frame.depth_m[shown], depth[shown], atol=1e-6)


def test_what_lies_behind_the_wall_is_not_seen(ball_cavity: DistanceField) -> None:
    frame = look_into(ball_cavity, CAMERA, target=Ball((0.07, 0.0, 0.0), 0.01))
    assert (frame.labels == LABELS.index("tissue")).all()


def test_light_falls_off_with_the_square_of_distance(ball_cavity: DistanceField) -> None:
    """From the middle of a sphere every ray meets the wall head on."""
    look = Look(wall=(0.5, 0.5, 0.5), exposure_m=RADIUS_M)
    middle = Camera(16, 16, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0))
    near = look_into(ball_cavity, middle, look).image.astype(float)
    far = look_into(ball_cavity, middle, Look((0.5, 0.5, 0.5), exposure_m=RADIUS_M / 2)).image
    assert np.ptp(near) <= 1.0
    ambient = 0.04 * 0.5 * 255
    np.testing.assert_allclose(near - ambient, (far - ambient) * 4, atol=5.0)


def test_the_same_picture_twice(ball_cavity: DistanceField) -> None:
    one, other = (look_into(ball_cavity, CAMERA, target=Ball((0.02, 0, 0), 0.01)) for _ in "ab")
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.depth_m, other.depth_m)


def test_rays_that_leave_the_grid_see_nothing() -> None:
    empty = DistanceField(np.full((8, 8, 8), 0.01, np.float32), np.diag([0.01, 0.01, 0.01, 1.0]))
    frame = look_into(empty, Camera(8, 8, (0.03, 0.03, 0.03), (0.03, 0.06, 0.03)))
    assert not frame.image.any()
    assert not frame.labels.any()
    assert (frame.depth_m == 10.0).all()


@pytest.mark.parametrize("eye", [(0.055, 0.0, 0.0), (1.0, 0.0, 0.0), (float("nan"), 0.0, 0.0)])
def test_a_camera_in_the_wall_is_refused(ball_cavity: DistanceField, eye) -> None:
    with pytest.raises(ArmError, match="in the wall or off the grid"):
        look_into(ball_cavity, Camera(8, 8, eye, (2.0, 0.0, 0.0)))
