"""Errors of agents."""

from halsted.imaging_bridge import HalstedError


class PolicyError(HalstedError):
    """A policy that does not exist, cannot be read, or was made for something else."""


class PerceptionError(HalstedError):
    """A network that does not exist, cannot be read or trained, or is shown the wrong images."""
