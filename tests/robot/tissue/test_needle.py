"""A suturing needle: punctured by force, slides on its arc, tears when moved off it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.robot.tissue import CurvedNeedle, Material, SoftBody, TetMesh, TissueError

STEP_S = 1 / 60
NEEDLE = CurvedNeedle(radius_m=0.008)


def pose(angle: float, height: float = 0.002) -> NDArray[np.float64]:
    """The arc stands upright over the sheet; at angle 0 the tip points straight down."""
    # Needle x to world -x, y to world -z, z to world -y: driving turns tip first into the tissue.
    upright = np.array([[-1.0, 0, 0], [0, 0, -1], [0, -1, 0]]).T
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = upright @ turn, (0.0003, 0.0002, height)
    return result


@pytest.fixture
def body(sheet_mesh: TetMesh, edge: NDArray[np.int64]) -> SoftBody:
    body = SoftBody(sheet_mesh, Material(), edge, needle=NEEDLE)
    body.place_needle(pose(-0.5))
    return body


def drive(body: SoftBody, start: float, end: float, steps: int = 100) -> list[float]:
    """Turn the needle about its arc; the largest depth and force met."""
    forces = []
    for angle in np.linspace(start, end, steps + 1)[1:]:
        body.move_needle(pose(float(angle)))
        body.step(STEP_S)
        forces.append(float(np.linalg.norm(body.needle.force)))
    return forces


def test_the_surface_gives_way_at_the_puncture_force(body: SoftBody) -> None:
    pressed = []
    for angle in np.linspace(-0.5, 1.5, 200):
        body.move_needle(pose(float(angle)))
        body.step(STEP_S)
        if body.needle.is_pressing:
            pressed.append(float(np.linalg.norm(body.needle.force)))
            assert body.needle.entries == 0 and body.needle.depth_m == 0.0
        if body.needle.entries:
            break
    assert body.needle.entries == 1
    assert 0.5 * NEEDLE.puncture_n < max(pressed) <= 1.2 * NEEDLE.puncture_n


def test_a_needle_driven_along_its_arc_goes_in_and_comes_out_and_tears_nothing(
    body: SoftBody,
) -> None:
    drive(body, -0.5, 3.4, 200)
    assert body.needle.entries == 1
    assert body.needle.exits == 1
    assert body.needle.lost == 0 and not body.fate.any()
    # The chord of the arc within the undeformed sheet, 6 mm thick, 2 mm under the centre.
    assert 0.01 < body.needle.depth_m < np.pi * NEEDLE.radius_m
    centre = pose(0.0)[:3, 3]
    distances = np.linalg.norm(body.needle.points - centre, axis=1)
    assert distances == pytest.approx(NEEDLE.radius_m, abs=1e-4)


def test_depth_grows_by_what_the_needle_is_driven(body: SoftBody) -> None:
    drive(body, -0.5, 1.2, 100)
    before = body.needle.depth_m
    drive(body, 1.2, 1.5, 30)
    assert body.needle.depth_m - before == pytest.approx(0.3 * NEEDLE.radius_m, rel=0.25)


def test_a_needle_drawn_back_leaves_the_tissue(body: SoftBody) -> None:
    drive(body, -0.5, 1.2, 100)
    assert body.needle.is_tip_inside
    drive(body, 1.2, -1.2, 100)
    assert not body.needle.is_tip_inside
    assert body.needle.depth_m == 0.0 and len(body.needle.points) == 0
    assert body.needle.exits == 0


def test_a_needle_moved_off_its_arc_feels_more_and_tears_tissue(body: SoftBody) -> None:
    along = max(drive(body, -0.5, 2.0, 120))
    lifted = []
    for number in range(120):
        body.move_needle(pose(2.0, 0.002 + 0.0002 * (number + 1)))
        body.step(STEP_S)
        lifted.append(float(np.linalg.norm(body.needle.force)))
    assert max(lifted) > 1.5 * along
    assert (body.fate == 1).any()


def test_the_force_on_the_needle_is_the_momentum_given_to_the_tissue(
    sheet_mesh: TetMesh,
) -> None:
    body = SoftBody(sheet_mesh, Material(damping=0.0), gravity=(0, 0, 0), needle=NEEDLE)
    body.place_needle(pose(-0.5))
    for angle in np.linspace(-0.5, 1.5, 60):
        before = body.momentum
        body.move_needle(pose(float(angle)))
        body.step(STEP_S)
        assert -body.needle.force * STEP_S == pytest.approx(body.momentum - before, abs=1e-12)
    assert np.linalg.norm(body.momentum) > 0.0


def test_a_drive_is_the_same_to_the_bit_after_a_reset(body: SoftBody) -> None:
    ends = []
    for _ in range(2):
        body.reset()
        body.place_needle(pose(-0.5))
        ends.append((drive(body, -0.5, 2.0, 60), body.positions.tobytes()))
    assert ends[0] == ends[1]


def test_a_needle_that_is_placed_forgets_the_turn_it_was_told(body: SoftBody) -> None:
    body.move_needle(pose(1.2))
    body.place_needle(pose(-0.5))
    body.step(STEP_S)
    assert body.needle.entries == 0 and not body.needle.is_pressing
    assert not body.needle.force.any()


def test_a_needle_that_cannot_be_is_refused() -> None:
    with pytest.raises(TissueError, match="radius_m"):
        CurvedNeedle(radius_m=0.0)
    with pytest.raises(TissueError, match="wider"):
        CurvedNeedle(spacing_m=1e-4)
    with pytest.raises(TissueError, match="puncture_n of the needle is nan"):
        CurvedNeedle(puncture_n=float("nan"))
    with pytest.raises(TissueError, match="cutting_n of the needle is -1"):
        CurvedNeedle(cutting_n=-1.0)
