"""Errors of environments."""

from halsted.imaging_bridge import HalstedError


class EnvironmentOptionError(HalstedError):
    """An environment was made or reset with something that it cannot use."""
