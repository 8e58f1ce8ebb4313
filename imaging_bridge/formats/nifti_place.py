"""Where a NIfTI-1 file says its voxels lie, held against where SimpleITK puts them.

SimpleITK takes the qform, without a word, where the sform is sheared or of another frame than that
of the scanner (code 2 and more). As the sform is what most programs take, neither is then sure.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import GeometryError
from halsted.imaging_bridge.formats.nifti_header import NiftiHeader

TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From NIfTI's RAS points."""

_PERPENDICULAR = 1e-4
# Of a voxel, at a corner of the volume: sform and qform are rounded differently.
_SHIFT = 0.1


def are_perpendicular(axes: NDArray[np.float64]) -> bool:
    """Whether the columns of a 3x3 matrix are perpendicular, and none is zero."""
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(axes, axis=0)
    if not np.isfinite(lengths).all() or not lengths.all():
        return False
    steps = axes / lengths
    return bool(np.allclose(steps.T @ steps, np.eye(3), atol=_PERPENDICULAR))


def sheared(path: Path) -> GeometryError:
    """What is said of a file whose axes are not perpendicular."""
    return GeometryError(
        f"{path} has axes that are not perpendicular (a sheared sform); resample it onto a "
        "rectangular grid first"
    )


def check_sform(path: Path, header: NiftiHeader) -> None:
    """Refuse a sheared sform.

    Raises:
        GeometryError: its columns are not perpendicular.
    """
    if header.sform is not None and not are_perpendicular(header.sform[:3, :3]):
        raise sheared(path)


def check_taken(
    path: Path, header: NiftiHeader, affine: NDArray[np.float64], shape: tuple[int, ...]
) -> None:
    """Make sure that an affine from (z, y, x, 1) to LPS, mm, is that of the sform, if any.

    Raises:
        GeometryError: a corner lies more than a tenth of a voxel elsewhere.
    """
    if header.sform is None:
        return
    stated = TO_LPS @ header.sform[:, [2, 1, 0, 3]]
    corners = np.array([(*corner, 1.0) for corner in product(*((0, n - 1) for n in shape))])
    with np.errstate(all="ignore"):
        shift = np.linalg.norm(corners @ (affine - stated).T, axis=1).max()
    if not shift <= _SHIFT * np.linalg.norm(stated[:3, :3], axis=0).min():
        raise GeometryError(
            f"the qform and the sform of {path} lie up to {shift:.3g} mm apart, so that its place "
            "in the patient is not sure; set the code of the wrong one to 0"
        )
