"""The errors that a user of Halsted meets.

Every message is one sentence that names what was found, where, what was expected and what to do.
The command line prints it and exits with code 2; a library user catches `HalstedError`.
"""


class HalstedError(Exception):
    """Root of all errors that Halsted raises on purpose."""


class ScanError(HalstedError):
    """A scan, or a file of one, that cannot be read as what it claims to be."""


class GeometryError(HalstedError):
    """Voxel grids or frames that do not fit together."""


class RegistrationError(GeometryError):
    """Two scans that do not lie on each other after registration."""


class StructureError(HalstedError):
    """A named structure that is missing, empty or unusable."""


class OutputError(HalstedError):
    """A result that cannot be written where it was asked for."""


class PacsError(HalstedError):
    """A PACS that cannot be reached, refuses, or does not deliver what it lists."""
