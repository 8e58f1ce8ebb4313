"""Tools push tissue and feel it: nothing slips through, and no momentum is lost."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.robot.tissue import Capsules, Material, SoftBody, TissueError, block
from halsted.robot.tissue.closeness import closest

STEP_S = 1 / 60


def probe(start: float, end: float, radius: float, x: float = 0.001, y: float = 0.0007) -> Capsules:
    """An upright rod whose lower end goes from height `start` to `end`."""
    rod = np.array([[x, y, 0.0], [x, y, 0.1]])
    return Capsules(
        np.add(rod, (0, 0, start))[None],
        np.add(rod, (0, 0, end))[None],
        np.array([radius]),
        friction=0.3,
    )


def deepest_under(body: SoftBody, x: float = 0.001, y: float = 0.0007) -> float:
    """Height at which a vertical line first meets the surface from above."""
    corners = body.positions[body.surface]
    heights = []
    for a, b, c in corners:
        edges = np.column_stack([b[:2] - a[:2], c[:2] - a[:2]])
        if abs(np.linalg.det(edges)) < 1e-14:
            continue
        v, w = np.linalg.solve(edges, np.array([x, y]) - a[:2])
        if v >= 0 and w >= 0 and v + w <= 1:
            heights.append(a[2] + v * (b - a)[2] + w * (c - a)[2])
    return float(max(heights))


@pytest.mark.parametrize("speed", [0.05, 0.5, 5.0])
def test_a_tool_finer_than_the_elements_does_not_slip_through(
    sheet: SoftBody, speed: float
) -> None:
    radius, height, depth = 0.0003, 0.004, -0.006
    while height > depth:
        lower = max(height - speed * STEP_S, depth)
        sheet.step(STEP_S, probe(height, lower, radius))
        height = lower
    for _ in range(20):
        sheet.step(STEP_S, probe(depth, depth, radius))
    # All tissue on the tool's line lies under the tool.
    assert deepest_under(sheet) < depth + 1e-4
    assert sheet.is_within(np.inf)


def test_the_force_on_a_tool_is_the_momentum_given_to_the_tissue() -> None:
    mesh = block((0.02, 0.02, 0.02), (3, 3, 3), (-0.01, -0.01, -0.02))
    body = SoftBody(mesh, Material(damping=0.0), gravity=(0, 0, 0))
    height = 0.002
    for _ in range(30):
        before = body.momentum
        result = body.step(STEP_S, probe(height, height - 0.0005, 0.002))
        height -= 0.0005
        given = body.momentum - before
        assert -result.tool_forces[0] * STEP_S == pytest.approx(given, abs=1e-12)
    assert np.linalg.norm(body.momentum) > 1e-4


def test_the_force_under_a_resting_tool_points_up_and_grows_with_depth(sheet: SoftBody) -> None:
    forces = []
    for depth in (0.002, 0.004):
        for _ in range(60):
            result = sheet.step(STEP_S, probe(-depth, -depth, 0.002))
        forces.append(result.tool_forces[0, 2])
    assert 0.0 < forces[0] < forces[1]


def test_friction_drags_tissue_along_and_without_it_nothing_does(
    sheet_mesh: object, edge: NDArray[np.int64]
) -> None:
    drags = []
    for friction in (0.0, 0.5):
        body = SoftBody(sheet_mesh, Material(tear_stretch=np.inf), edge)  # type: ignore[arg-type]
        rod = np.array([[[-0.01, -0.005, 0.0005], [-0.01, 0.005, 0.0005]]])
        for _ in range(30):
            moved = np.add(rod, (0.0002, 0, 0))
            result = body.step(STEP_S, Capsules(rod, moved, np.array([0.002]), friction))
            rod = moved
        drags.append(result.tool_forces[0, 0] / result.tool_forces[0, 2])
    assert drags[1] < drags[0] - 0.2
    assert -0.75 < drags[1]


def test_the_nearest_places_of_segment_and_triangle_agree_with_a_search() -> None:
    rng = np.random.default_rng(0)
    shares = np.linspace(0, 1, 41)
    grid = np.array([(u, v) for u, v in itertools.product(shares, shares) if u + v <= 1])
    weights = np.column_stack([1 - grid.sum(axis=1), grid])
    for _ in range(100):
        p, q, a, b, c = rng.normal(size=(5, 3))
        square, along, mixed = closest(*(tuple(map(float, x)) for x in (p, q, a, b, c)))
        on_triangle = weights @ np.array([a, b, c])
        on_segment = p + shares[:, None] * (q - p)
        searched = np.linalg.norm(on_triangle[:, None] - on_segment[None], axis=2).min()
        assert np.sqrt(square) <= searched + 1e-9
        assert searched - np.sqrt(square) < 0.15
        gap = np.array(mixed) @ np.array([a, b, c]) - (p + along * (q - p))
        assert np.linalg.norm(gap) == pytest.approx(np.sqrt(square), abs=1e-9)


def test_tools_that_cannot_be_are_refused(sheet: SoftBody) -> None:
    with pytest.raises(TissueError, match="radius"):
        sheet.step(STEP_S, probe(0.0, 0.0, 0.0))
    with pytest.raises(TissueError, match="finite"):
        sheet.step(STEP_S, probe(0.0, float("nan"), 0.001))
    for friction in (-1.0, float("nan"), float("inf")):
        rod = probe(0.0, 0.0, 0.001)
        with pytest.raises(TissueError, match="friction of tools"):
            sheet.step(STEP_S, Capsules(rod.starts, rod.ends, rod.radii, friction))
