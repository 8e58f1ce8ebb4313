"""Soft tissue that rigid tools push, grip, pierce, tear and cut; see `body.SoftBody`."""

from halsted.robot.tissue.body import SoftBody
from halsted.robot.tissue.curved_needle import CurvedNeedle, NeedleState
from halsted.robot.tissue.errors import TissueError
from halsted.robot.tissue.exchange import Capsules, Cut, Snapshot, StepResult
from halsted.robot.tissue.markers import Markers
from halsted.robot.tissue.material import Material
from halsted.robot.tissue.mesh import TetMesh, block

__all__ = [
    "Capsules",
    "CurvedNeedle",
    "Cut",
    "Markers",
    "Material",
    "NeedleState",
    "Snapshot",
    "SoftBody",
    "StepResult",
    "TetMesh",
    "TissueError",
    "block",
]
