"""Errors of soft tissue."""

from halsted.imaging_bridge import HalstedError


class TissueError(HalstedError):
    """A mesh, a material or a tool that the soft body cannot use as asked."""
