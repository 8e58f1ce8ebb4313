"""Tables from stored to measured values (PS3.3 C.11.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.elements import (
    Elements,
    items_of,
    numbers_of,
    whole_number_of,
)
from halsted.imaging_bridge.dicom.files import DicomHeader
from halsted.imaging_bridge.errors import ScanError


@dataclass(frozen=True)
class ModalityLut:
    """A table from stored to measured values.

    Attributes:
        first: Stored value of the first entry; smaller ones take it too, larger ones the last.
        values: The entries.
    """

    first: int
    values: NDArray[np.float32]

    def measured(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """The measured values of stored ones, of the same shape."""
        index = stored.astype(np.int64) - self.first
        return np.asarray(self.values[np.clip(index, 0, self.values.size - 1)])


def lut_of(header: DicomHeader, bits: int) -> ModalityLut | None:
    """The table of a file whose values take so many bits, if it has one.

    Raises:
        ScanError: its length is not what it says.
    """
    if "ModalityLUTSequence" not in header.elements:
        return None
    table = next(iter(items_of(header.elements, "ModalityLUTSequence")), {})
    described = numbers_of(table, "LUTDescriptor", 3)
    data = table.get("LUTData")
    if isinstance(data, bytes):  # 16 bits a value, in the byte order of the file
        order = "<" if header.syntax.is_little_endian else ">"
        data = np.frombuffer(data[: len(data) // 2 * 2], f"{order}u2")
    try:
        values = np.asarray(data if data is not None else [], dtype=np.float32).ravel()
    except (TypeError, ValueError):
        values = np.empty(0, dtype=np.float32)
    if described is None or not values.size or (described[0] or 65536) != values.size:
        raise ScanError(
            f"{header.path} has a ModalityLUTSequence whose table is not as long as it says; "
            "export the original series"
        )
    return ModalityLut(int(as_stored(header.elements, described[1], bits)), values)


def as_stored(elements: Elements, value: float, bits: int) -> float:
    """A value of the header as the pixels hold it: many writers give it unsigned, always."""
    is_signed = whole_number_of(elements, "PixelRepresentation") == 1
    return value - (1 << bits) if is_signed and value >= 1 << (bits - 1) else value
