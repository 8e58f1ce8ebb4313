"""Soft tissue: speed, stiffness against the formula, stability, volume, and 1,000 rough episodes.

Usage: python benchmarks/tissue.py [--episodes N] [--out FILE]
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, every_tenth, platform_facts, say, write_and_print
from numpy.typing import NDArray

from halsted.robot.tissue import Capsules, Material, SoftBody, block
from halsted.robot.tissue.elasticity import longest_period

STEP_S = 1 / 60
SIDE, THICKNESS = 0.04, 0.006
# PyBullet's own deformables, measured once for the design and not again here: milliseconds of a
# step of 1 to 4 ms on another machine.
PYBULLET = {
    "source": "loadSoftBody, neo-Hookean, a rigid ball pressed in; measured for the design",
    "ms_per_step": {"1280": 14.0, "4320": 34.0, "10240": 82.0},
}


def sheet(cells: int, material: Material) -> SoftBody:
    """A square sheet, held at its edges, with `cells` along a side."""
    mesh = block(
        (SIDE, SIDE, THICKNESS), (cells, cells, max(1, cells // 5)), (-SIDE / 2, -SIDE / 2, 0.0)
    )
    edge = np.flatnonzero(np.abs(mesh.nodes[:, :2]).max(axis=1) > SIDE / 2 - 1e-9)
    return SoftBody(mesh, material, edge)


# -- Speed -------------------------------------------------------------------------------------


def speed(rounds: int = 7) -> list[dict[str, Any]]:
    """Nanoseconds of a tetrahedron and sub-step, without a tool and under one; and of a reset."""
    rows = []
    for cells in (5, 10, 15, 20):
        body = sheet(cells, Material())
        rod = np.array([[[0, 0, THICKNESS + 0.001], [0, 0, 0.1]]])
        pressed = Capsules(rod, rod, np.array([0.002]))
        row: dict[str, Any] = {
            "tetrahedra": len(body.mesh.tets),
            "substeps_per_s": round(1 / body.period_s),
        }
        for name, tools in (("free", None), ("under_a_tool", pressed)):
            body.step(STEP_S, tools)
            times = [_seconds(body, tools, 10) for _ in range(rounds)]
            per_simulated = min(times) / (10 * STEP_S)
            row[f"ns_per_tet_and_substep_{name}"] = round(
                per_simulated * body.period_s / len(body.mesh.tets) * 1e9, 1
            )
            row[f"times_real_time_{name}"] = round(1 / per_simulated, 2)
        started = time.process_time()
        for _ in range(1000):
            body.reset()
        row["reset_us"] = round((time.process_time() - started) * 1e3, 1)
        rows.append(row)
    return rows


def _seconds(body: SoftBody, tools: Capsules | None, steps: int) -> float:
    started = time.process_time()
    for _ in range(steps):
        body.step(STEP_S, tools)
    return time.process_time() - started


# -- Stiffness ---------------------------------------------------------------------------------


def elongation(young_pa: float, across: int, substeps_per_s: float | None) -> dict[str, Any]:
    """A strip, 10 x 10 x 100 mm, under its own weight after 4 s."""
    material = Material(young_pa=young_pa, damping=20.0)
    mesh = block((0.01, 0.01, 0.1), (across, across, 10 * across))
    top = np.flatnonzero(mesh.nodes[:, 2] > 0.1 - 1e-9)
    body = SoftBody(mesh, material, top, substeps_per_s=substeps_per_s)
    for _ in range(240):
        body.step(STEP_S)
    expected = material.density * 9.81 * 0.1**2 / (2 * young_pa)
    lowest = mesh.nodes[:, 2] < 1e-9
    return {
        "young_pa": young_pa,
        "tetrahedra": len(mesh.tets),
        "substeps_per_s": round(1 / body.period_s),
        "over_formula": round(-float(body.positions[lowest, 2].mean()) / expected, 4),
        "largest_speed_m_s": float(f"{np.abs(body.velocities).max():.1e}"),
    }


def stiffness() -> dict[str, Any]:
    """Elongation over rho g L^2 / (2 E): by mesh, and by sub-step on one mesh."""
    by_mesh = [
        elongation(young, across, None) for young in (30e3, 100e3) for across in (1, 2, 3, 4)
    ]
    mesh = block((0.01, 0.01, 0.1), (2, 2, 20))
    fewest = 1 / longest_period(mesh, Material(young_pa=30e3))
    rates = [60 * int(np.ceil(factor * fewest / 60)) for factor in (1.0, 1.25, 2.0, 4.0)]
    return {
        "formula": "rho g L^2 / (2 E)",
        "by_mesh": by_mesh,
        "by_substep": [elongation(30e3, 2, rate) for rate in rates],
    }


# -- Handling ----------------------------------------------------------------------------------


def at(place: NDArray[np.float64]) -> NDArray[np.float64]:
    """A pose without rotation."""
    pose = np.eye(4)
    pose[:3, 3] = place
    return pose


def handle(body: SoftBody, rng: np.random.Generator, steps: int) -> dict[str, float]:
    """Grip, pull, push and release at random; a grip and a rod of up to 0.24 m/s an axis."""
    pads = np.array([[0, 0, THICKNESS + 0.0005], [0, 0, -0.0005]])
    place, worst = np.zeros(3), {"speed": 0.0, "force": 0.0}
    rod = np.array([[[0, 0, 0.02], [0.03, 0, 0.1]]])
    radius = np.array([rng.uniform(0.0005, 0.004)])
    for number in range(steps):
        if number % 20 == 0:
            for grip in body.grips:
                body.release(grip)
            place = rng.uniform([-0.015, -0.015, 0], [0.015, 0.015, 0])
            body.grip(at(place), pads + place, 0.003)
        place = np.clip(place + rng.uniform(-0.004, 0.004, 3), -0.03, 0.03)
        for grip in body.grips:
            body.move_grip(grip, at(place))
        moved = np.clip(rod + rng.uniform(-0.004, 0.004, 3), -0.1, 0.1)
        result = body.step(STEP_S, Capsules(rod, moved, radius))
        rod = moved
        worst["speed"] = max(worst["speed"], float(np.abs(body.velocities).max()))
        worst["force"] = max(worst["force"], float(np.abs(result.tool_forces).max()))
    return worst


def episodes(count: int) -> dict[str, Any]:
    """Random episodes of 2 s, each followed by 1 s left alone; half of them can tear."""
    bodies = [sheet(8, Material(tear_stretch=limit)) for limit in (np.inf, 2.0)]
    rows, tell = [], every_tenth("episodes", count)
    for seed in range(count):
        rng, body = np.random.default_rng(seed), bodies[seed % 2]
        body.reset()
        worst = handle(body, rng, 120)
        for grip in body.grips:
            body.release(grip)
        for _ in range(60):
            body.step(STEP_S)
        rows.append(worst | settled(body))
        tell(None)
    return {
        "episodes": count,
        "tetrahedra": len(bodies[0].mesh.tets),
        "not_finite": sum(not row["finite"] for row in rows),
        # Torn-off fragments fall, with no floor: that is no blow-up.
        "blown_up_attached": sum(row["widest_attached_m"] > 0.1 for row in rows),
        "blown_up_or_fragment_away": sum(
            row["widest_m"] > 0.1 or row["speed"] > 50.0 for row in rows
        ),
        "left_inside_out": sum(row["least_volume"] <= 0.0 for row in rows),
        "tore": sum(row["torn"] > 0 for row in rows),
        "largest_speed_m_s": round(max(row["speed"] for row in rows), 2),
        "largest_force_n": round(max(row["force"] for row in rows), 2),
        "largest_settled_energy_j": float(f"{max(row['energy'] for row in rows):.2e}"),
        "most_settled_volume_change_untorn": round(
            max(abs(row["volume"] - 1) for row in rows if not row["torn"]), 4
        ),
    }


def attached_nodes(body: SoftBody) -> NDArray[np.int64]:
    """Nodes that intact tetrahedra connect with the fixed edge."""
    tets = body.mesh.tets[body.fate == 0]
    reached = np.abs(body.mesh.nodes[:, :2]).max(axis=1) > SIDE / 2 - 1e-9
    while True:
        touching = reached[tets].any(axis=1)
        count = int(reached.sum())
        reached[tets[touching]] = True
        if int(reached.sum()) == count:
            return np.flatnonzero(reached)


def settled(body: SoftBody) -> dict[str, Any]:
    """What a body looks like after an episode."""
    in_use = np.unique(body.mesh.tets[body.fate == 0])
    attached = attached_nodes(body)
    return {
        "finite": body.is_within(math.inf),
        "widest_attached_m": float(np.abs(body.positions[attached]).max()),
        "widest_m": float(np.abs(body.positions[in_use, :2]).max()),
        "least_volume": body.least_volume_ratio,
        "volume": body.volume_ratio,
        "energy": body.elastic_energy,
        "torn": int((body.fate == 1).sum()),
    }


def volume() -> dict[str, Any]:
    """Largest change of volume over 10 s of lifting and stroking, by Poisson's ratio."""
    rows: dict[str, Any] = {"limit": 0.03}
    for poisson in (0.3, 0.45, 0.49):
        body = sheet(10, Material(poisson=poisson, tear_stretch=np.inf))
        pads = np.array([[0, 0, THICKNESS + 0.0005], [0, 0, -0.0005]])
        grip = body.grip(np.eye(4), pads, 0.003)
        assert grip is not None
        most = 0.0
        for number in range(600):
            angle = number / 20
            way = np.array([0.003 * np.sin(angle), 0, 0.005 * (1 - np.cos(angle))])
            body.move_grip(grip, at(way))
            body.step(STEP_S)
            most = max(most, abs(body.volume_ratio - 1))
        rows[f"poisson_{poisson}"] = round(most, 4)
    return rows


def main() -> None:
    """Measure everything and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=RESULTS / "tissue.json")
    options = parser.parse_args()
    content: dict[str, Any] = {"benchmark": "tissue", "platform": platform_facts("numba")}
    for name, part in (("speed", speed), ("stiffness", stiffness), ("volume", volume)):
        content[name] = part()
        say(f"{name}: done")
    content["pybullet"] = PYBULLET
    content["handling"] = episodes(options.episodes)
    write_and_print(options.out, content)


if __name__ == "__main__":
    main()
