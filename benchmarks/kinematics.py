"""Speed and accuracy of the arms' kinematics, beside PyBullet's own on the same URDF.

Prints one JSON and writes it to a file::

    python benchmarks/kinematics.py [--quick] [--out FILE]

Times are CPU time. Each round asks Halsted and PyBullet for the same poses in turn; joints begin
displaced from the answer, as they are from one control step to the next.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, platform_facts, say, write_and_print
from numpy.typing import NDArray

from halsted.robot.arm import Arm, arm_names, load_arm
from halsted.robot.bullet import POSITION_GAIN, start_bullet

DISPLACEMENT = 0.05  # standard deviation of the joints' displacement, rad; of slides, m, a fifth
ROUNDS = 15
SINGLE, BATCH, STEPS = 400, 100_000, 1000
BULLET_ITERATIONS = (20, 100)  # its default, and where its accuracy comes near to a millimetre
SINGLE_TARGET_US = 10.0

Joints = NDArray[np.float64]


class Peer:
    """PyBullet with an arm's URDF, its joints and its tool."""

    def __init__(self, arm: Arm) -> None:
        """Load the arm into a world of its own."""
        self.arm = arm
        self.bullet, self.client = start_bullet()
        self.body = self.bullet.loadURDF(
            str(arm.urdf(visual=False)), useFixedBase=True, physicsClientId=self.client
        )
        count = self.bullet.getNumJoints(self.body, self.client)
        infos = [self.bullet.getJointInfo(self.body, k, self.client) for k in range(count)]
        self.numbers = [k for k, info in enumerate(infos) if info[2] != self.bullet.JOINT_FIXED]
        self.forces = [infos[k][10] for k in self.numbers]
        links = {info[12].decode(): info[0] for info in infos}
        self.tool = links.get("tool", links.get("needle"))
        self.ahead = 0.0 if "tool" in links else arm.description.tool_length_m

    def place(self, joints: Joints) -> None:
        """Put the arm's joints, not its jaws, where they are asked for."""
        for number, value in zip(self.numbers, joints.tolist(), strict=False):
            self.bullet.resetJointState(self.body, number, value, physicsClientId=self.client)

    def tip(self) -> NDArray[np.float64]:
        """Position of the tool frame, m."""
        state = self.bullet.getLinkState(
            self.body, self.tool, computeForwardKinematics=1, physicsClientId=self.client
        )
        rotation = np.reshape(self.bullet.getMatrixFromQuaternion(state[5]), (3, 3))
        return np.array(state[4]) + self.ahead * rotation[:, 2]

    def target(self, joints: Joints) -> tuple[Any, Any]:
        """Position and quaternion of the tool's link at these joints."""
        self.place(joints)
        state = self.bullet.getLinkState(
            self.body, self.tool, computeForwardKinematics=1, physicsClientId=self.client
        )
        return state[4], state[5]

    def solve(self, target: tuple[Any, Any], iterations: int) -> Joints:
        """The joints by PyBullet's damped least squares, from where the arm stands."""
        found = self.bullet.calculateInverseKinematics(
            self.body,
            self.tool,
            *target,
            maxNumIterations=iterations,
            residualThreshold=1e-12,
            physicsClientId=self.client,
        )
        return np.array(found[: len(self.arm.joint_names)])


def sample(arm: Arm, count: int) -> tuple[Joints, Joints]:
    """Joints over the middle nine tenths of their ranges, and the same displaced."""
    rng = np.random.default_rng(0)
    margin = 0.05 * (arm.upper - arm.lower)
    joints = rng.uniform(arm.lower + margin, arm.upper - margin, (count, len(arm.lower)))
    width = np.where(arm.upper - arm.lower < 0.5, DISPLACEMENT / 5.0, DISPLACEMENT)
    return joints, np.clip(joints + rng.normal(0.0, width, joints.shape), arm.lower, arm.upper)


def microseconds(work: Callable[[], object], calls: int) -> float:
    """CPU microseconds of a call, of which `work` makes so many."""
    started = time.process_time()
    work()
    return (time.process_time() - started) / calls * 1e6


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most."""
    median, least, most = statistics.median(values), min(values), max(values)
    return {
        "median": float(f"{median:.4g}"),
        "min": float(f"{least:.4g}"),
        "max": float(f"{most:.4g}"),
    }


def speed(arm: Arm, rounds: int) -> dict[str, Any]:
    """Microseconds a call of forward and inverse, single and in a batch, of ours and PyBullet's."""
    joints, near = sample(arm, SINGLE)
    many, many_near = sample(arm, BATCH if arm.description.joints else BATCH // 10)
    poses, many_poses = arm.forward(joints), arm.forward(many)
    peer = Peer(arm)
    targets = [peer.target(one) for one in joints]

    def place_peer() -> None:
        for start in near:
            peer.place(start)

    def ask_peer() -> None:
        for start, target in zip(near, targets, strict=True):
            peer.place(start)
            peer.solve(target, BULLET_ITERATIONS[0])

    parts: dict[str, tuple[Callable[[], object], int]] = {
        "forward_single": (lambda: [arm.forward(one) for one in joints], SINGLE),
        "forward_batch": (lambda: arm.forward(many), len(many)),
        "inverse_single": (
            lambda: [arm.inverse(a, b) for a, b in zip(poses, near, strict=True)],
            SINGLE,
        ),
        "inverse_batch": (lambda: arm.inverse(many_poses, many_near), len(many)),
        "pybullet_placing": (place_peer, SINGLE),
        "pybullet_placing_and_inverse": (ask_peer, SINGLE),
    }
    for work, _ in parts.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(rounds):
        for name, (work, calls) in parts.items():
            times[name].append(microseconds(work, calls))
    peer.bullet.disconnect(peer.client)
    return {f"{name}_us": spread(values) for name, values in times.items()}


def accuracy(arm: Arm) -> dict[str, Any]:
    """How far the tool is from the pose that was asked for, of ours and PyBullet's."""
    joints, near = sample(arm, SINGLE)
    poses = arm.forward(joints)
    found, reached = arm.inverse(poses, near)
    miss = np.linalg.norm(arm.forward(found)[:, :3, 3] - poses[:, :3, 3], axis=1)
    peer = Peer(arm)
    rows: dict[str, Any] = {
        "reached": float(np.mean(reached)),
        "tip_error_mm": spread((1e3 * miss[reached]).tolist()),
    }
    apart = []
    for one, pose in zip(joints, poses, strict=True):
        peer.place(one)
        apart.append(1e3 * float(np.linalg.norm(peer.tip() - pose[:3, 3])))
    rows["forward_beside_pybullet_mm"] = spread(apart)
    for iterations in BULLET_ITERATIONS:
        misses = []
        for one, start, pose in zip(joints, near, poses, strict=True):
            target = peer.target(one)
            peer.place(start)
            peer.place(peer.solve(target, iterations))
            misses.append(1e3 * float(np.linalg.norm(peer.tip() - pose[:3, 3])))
        rows[f"pybullet_{iterations}_iterations_tip_error_mm"] = spread(misses)
    peer.bullet.disconnect(peer.client)
    return rows


def stepping(arm: Arm, rounds: int) -> dict[str, float]:
    """Microseconds of a PyBullet step of the moving arm, with its motors on and no contact."""
    peer, rng = Peer(arm), np.random.default_rng(0)
    bullet, jaws = peer.bullet, len(peer.numbers) - len(arm.home)
    peer.place(arm.home)
    times = []
    for _ in range(rounds):
        used = 0.0
        for _ in range(STEPS // 8):
            target = arm.home + rng.uniform(-0.02, 0.02, len(arm.home)) * (arm.upper - arm.lower)
            bullet.setJointMotorControlArray(
                peer.body,
                peer.numbers,
                bullet.POSITION_CONTROL,
                targetPositions=[*target.tolist(), *([0.02] * jaws)],
                forces=peer.forces,
                positionGains=[POSITION_GAIN] * len(peer.numbers),
                physicsClientId=peer.client,
            )
            started = time.process_time()
            for _ in range(8):
                bullet.stepSimulation(physicsClientId=peer.client)
            used += time.process_time() - started
        times.append(used / (STEPS // 8 * 8) * 1e6)
    bullet.disconnect(peer.client)
    return spread(times)


def main() -> None:
    """Measure every arm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run, for checking only")
    parser.add_argument("--out", type=Path, default=RESULTS / "kinematics.json")
    options = parser.parse_args()
    rounds = 3 if options.quick else ROUNDS
    arms: dict[str, dict[str, Any]] = {}
    for name in arm_names():
        say(f"measuring {name}")
        arm = load_arm(name)
        arms[name] = {
            "joints": len(arm.home),
            "kinematics": arm.description.kinematics,
            "speed": speed(arm, rounds),
            "accuracy": accuracy(arm),
            "pybullet_step_us": stepping(arm, rounds),
        }
    single = arms["psm"]["speed"]["inverse_single_us"]["median"]
    write_and_print(
        options.out,
        {
            "command": "python benchmarks/kinematics.py" + (" --quick" if options.quick else ""),
            "platform": platform_facts("numba"),
            "rounds": rounds,
            "displacement_rad": DISPLACEMENT,
            "psm_inverse_single_target_us": SINGLE_TARGET_US,
            "psm_inverse_single_met": bool(single <= SINGLE_TARGET_US),
            "arms": arms,
        },
    )


if __name__ == "__main__":
    main()
