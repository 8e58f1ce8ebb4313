"""Errors of arms and worlds."""

from halsted.imaging_bridge import HalstedError


class ArmError(HalstedError):
    """An arm, or its description, that cannot be used as asked."""
