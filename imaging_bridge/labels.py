"""Integer voxels whose values are named structures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import StructureError
from halsted.imaging_bridge.volume import Grid

Provenance = Literal["manual", "model", "generated", "unknown"]


@dataclass(frozen=True, eq=False)
class LabelMap(Grid):
    """Named structures on a grid; value 0 is background.

    Attributes:
        names: Voxel value of each structure by its name.
        provenance: Who drew the labels: a person, a model, or a program.

    Raises:
        StructureError: a voxel value has no name, or the voxels are not unsigned integers.
    """

    names: Mapping[str, int] = field(default_factory=dict)
    provenance: Provenance = "unknown"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "names", MappingProxyType(dict(self.names)))
        if self.voxels.dtype not in (np.uint8, np.uint16):
            raise StructureError(
                f"the voxels of a label map are uint8 or uint16, not {self.voxels.dtype}; "
                "convert them first"
            )
        present = set(np.flatnonzero(np.bincount(self.voxels.ravel())).tolist()) - {0}
        nameless = sorted(present - set(self.names.values()))
        if nameless:
            raise StructureError(
                f"the label values {nameless[:8]} have no name; give a name for every value"
            )

    def mask(self, *names: str) -> NDArray[np.bool_]:
        """Voxels, shape (z, y, x), that belong to any of `names`.

        Raises:
            StructureError: a name is not one of this label map's.
        """
        values = []
        for name in names:
            if name not in self.names:
                known = ", ".join(sorted(self.names)) or "none"
                raise StructureError(
                    f"there is no structure named {name!r} in the labels; choose one of: {known}"
                )
            values.append(self.names[name])
        return np.isin(self.voxels, values)

    @cached_property
    def volumes_ml(self) -> Mapping[str, float]:
        """Volume in millilitres of every named structure."""
        voxel_ml = abs(np.linalg.det(self.affine[:3, :3])) / 1000.0
        counts = np.bincount(self.voxels.ravel(), minlength=max(self.names.values(), default=0) + 1)
        return MappingProxyType(
            {name: float(counts[value] * voxel_ml) for name, value in self.names.items()}
        )

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of grid, names and provenance."""
        rest = json.dumps([sorted(self.names.items()), self.provenance])
        return hashlib.sha256((super().content_hash + rest).encode()).hexdigest()

    def with_structure(
        self, name: str, mask: NDArray[np.bool_], provenance: Provenance | None = None
    ) -> LabelMap:
        """A copy in which the voxels of `mask`, shape (z, y, x), belong to `name`."""
        value = self.names.get(name, max(self.names.values(), default=0) + 1)
        voxels = self.voxels.astype(np.uint16 if value > 255 else self.voxels.dtype)
        voxels[mask] = value
        return LabelMap(
            voxels, self.affine, {**self.names, name: value}, provenance or self.provenance
        )
