"""Patients made by seeded programs, with ground truth."""

from halsted.imaging_bridge.phantoms.anatomy import ThoraxAbdomen
from halsted.imaging_bridge.phantoms.kinds import KINDS, make_phantom
from halsted.imaging_bridge.phantoms.thorax_abdomen import build, phantom, sample_anatomy

__all__ = ["KINDS", "ThoraxAbdomen", "build", "make_phantom", "phantom", "sample_anatomy"]
