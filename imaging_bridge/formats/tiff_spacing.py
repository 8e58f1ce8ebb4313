"""Size of a pixel of a TIFF or PNG picture, where the file says so credibly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tifffile import TiffPage

_TO_MM = {2: 25.4, 3: 10.0}  # TIFF 6.0, tag ResolutionUnit: inch, centimetre
# Prints and screens are given 72 to 600 dots an inch whatever they show; nothing but a microscope
# or its like resolves this finely.
_FINEST_PRINT_MM = 0.01

# Patterns and no XML parser, so that nothing in the file can make one expand entities.
_APERIO_MPP = re.compile(r"\bMPP\s*=\s*([0-9.]+)")
_OME_SIZE = r'\bPhysicalSize{0}="([0-9.eE+-]+)"'
_OME_UNIT = r'\bPhysicalSize{0}Unit="([^"]{{1,4}})"'
_UNIT_MM = {"nm": 1e-6, "µm": 1e-3, "um": 1e-3, "mm": 1.0, "cm": 10.0}


def stated_spacing(page: TiffPage) -> tuple[float, float] | None:
    """Millimetres between pixels along (y, x): Aperio's MPP, OME-XML, or a fine resolution."""
    text = page.description or ""
    if found := _APERIO_MPP.search(text):
        return _credible(1e-3 * float(found[1]), 1e-3 * float(found[1]))
    if "PhysicalSizeX" in text:
        return _credible(_ome_size(text, "Y"), _ome_size(text, "X"))
    unit = _TO_MM.get(int(page.tags.valueof(296, default=2)))
    resolution = [page.tags.valueof(tag, default=(0, 1)) for tag in (283, 282)]
    if unit is None or not all(numerator and denominator for numerator, denominator in resolution):
        return None
    down, across = (unit * denominator / numerator for numerator, denominator in resolution)
    return unless_print(down, across)


def unless_print(down: float, across: float) -> tuple[float, float] | None:
    """A stated size of a pixel, mm, or None where a program may have stated it for a print."""
    return _credible(down, across) if max(down, across) < _FINEST_PRINT_MM else None


def _ome_size(text: str, axis: str) -> float:
    size = re.search(_OME_SIZE.format(axis), text)
    unit = re.search(_OME_UNIT.format(axis), text)
    return float(size[1]) * _UNIT_MM.get(unit[1] if unit else "µm", 0.0) if size else 0.0


def _credible(down: float, across: float) -> tuple[float, float] | None:
    """The spacing, or None where it cannot be one."""
    if 1e-7 < min(down, across) and max(down, across) < 100.0:
        return down, across
    return None
