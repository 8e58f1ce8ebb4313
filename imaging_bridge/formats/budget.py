"""How large a volume may be, checked before its voxels are touched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from halsted.imaging_bridge.dicom.series import VOXEL_BUDGET_BYTES
from halsted.imaging_bridge.errors import ScanError

# Of all phases together, which are unpacked once to see that the file is whole.
_MOST_FILE_BYTES = 4 * VOXEL_BUDGET_BYTES


def check_budget(path: Path, size: Sequence[int]) -> None:
    """Refuse a volume of too many voxels.

    Args:
        path: Named in the error.
        size: Voxels along each axis; a fourth axis is one of phases, read one at a time.

    Raises:
        ScanError: an axis has no voxel, one phase takes more than the budget as float32, or all
            together far more.
    """
    if min(size, default=0) < 1:
        raise ScanError(
            f"{path} has {' x '.join(map(str, size)) or 'no'} voxels, but at least one along each "
            "axis was expected; get the file again"
        )
    needed = 4 * math.prod(int(count) for count in size[:3])
    total = 4 * math.prod(int(count) for count in size)
    if needed > VOXEL_BUDGET_BYTES or total > _MOST_FILE_BYTES:
        raise ScanError(
            f"{path} has {' x '.join(map(str, size))} voxels, which take {total / 2**30:.1f} GiB "
            f"as float32, over the budget of {VOXEL_BUDGET_BYTES / 2**30:.1f} GiB (all phases "
            f"together {_MOST_FILE_BYTES / 2**30:.1f} GiB); crop or resample it"
        )
