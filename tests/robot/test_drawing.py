"""Surfaces drawn into a frame: where they are seen, and what hides them."""

import numpy as np
import pytest

from halsted.robot.bodies import LABELS
from halsted.robot.camera import Camera, Frame
from halsted.robot.drawing import ball, disc, draw_over

CAMERA = Camera(100, 80, eye=(0.0, 0.0, 0.1), target=(0.0, 0.0, 0.0), up=(0.0, 1.0, 0.0))
RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
FOCAL = 40 / np.tan(np.deg2rad(22.5))


def blank(distance: float) -> Frame:
    shape = (80, 100)
    return Frame(
        np.zeros((*shape, 3), np.uint8),
        np.full(shape, distance, np.float32),
        np.zeros(shape, np.uint8),
    )


def test_a_disc_is_where_and_as_large_as_the_pinhole_has_it() -> None:
    drawn = draw_over(blank(2.0), CAMERA, [disc(np.array([0.02, 0.01, 0.0]), 0.01, RED, "target")])
    rows, columns = np.nonzero(drawn.labels == LABELS.index("target"))
    assert columns.mean() == pytest.approx(50 + FOCAL * 0.2, abs=1.0)
    assert rows.mean() == pytest.approx(40 - FOCAL * 0.1, abs=1.0)
    assert len(rows) == pytest.approx(np.pi * (FOCAL * 0.1) ** 2, rel=0.08)
    assert drawn.depth_m[rows, columns] == pytest.approx(0.1, abs=1e-4)


def test_the_nearer_hides_the_farther_in_either_order() -> None:
    near, far = ball((0, 0, 0.02), 0.005, RED, "object"), ball((0, 0, 0), 0.01, BLUE, "target")
    one, other = (draw_over(blank(2.0), CAMERA, pair) for pair in ([near, far], [far, near]))
    assert one.image.tobytes() == other.image.tobytes()
    assert one.labels[40, 50] == LABELS.index("object")
    assert (one.labels == LABELS.index("target")).any()


def test_what_the_frame_shows_nearer_stays() -> None:
    drawn = draw_over(blank(0.05), CAMERA, [ball((0, 0, 0), 0.01, RED, "target")])
    assert not drawn.labels.any() and not drawn.image.any()


def test_what_lies_behind_the_camera_is_not_drawn() -> None:
    drawn = draw_over(blank(2.0), CAMERA, [ball((0, 0, 0.2), 0.01, RED, "target")])
    assert not drawn.labels.any()
