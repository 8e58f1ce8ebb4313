"""Public data sets as they lie in the folders into which they are unpacked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.layouts.apnea_ecg import APNEA_ECG
from halsted.imaging_bridge.layouts.brats import BRATS
from halsted.imaging_bridge.layouts.endocv import ENDOCV
from halsted.imaging_bridge.layouts.instances import INSTANCES
from halsted.imaging_bridge.layouts.isic import ISIC
from halsted.imaging_bridge.layouts.lidc import LIDC
from halsted.imaging_bridge.layouts.msd import MSD
from halsted.imaging_bridge.layouts.nuclei import DSB2018, MONUSAC
from halsted.imaging_bridge.layouts.pairs import KVASIR, PLAIN
from halsted.imaging_bridge.layouts.polypgen import POLYPGEN
from halsted.imaging_bridge.layouts.source import Layout, Source, existing
from halsted.imaging_bridge.layouts.studies import STUDIES
from halsted.imaging_bridge.layouts.via import VIA

__all__ = ["LAYOUTS", "Layout", "Source", "find_layout"]

_IN_ORDER = (
    *(MSD, BRATS, LIDC, APNEA_ECG, KVASIR, POLYPGEN, ISIC, DSB2018, MONUSAC, INSTANCES),
    *(VIA, ENDOCV, PLAIN, STUDIES),
)
LAYOUTS: Mapping[str, Layout] = MappingProxyType({one.name: one for one in _IN_ORDER})
"""Layouts by name; the first that recognises a folder is taken, so the more general come last."""


def find_layout(folder: Path | str) -> Layout:
    """The layout of a folder.

    Raises:
        ScanError: there is no such folder, or no layout recognises it.
    """
    folder = existing(folder)
    for layout in LAYOUTS.values():
        if layout.recognises(folder):
            return layout
    known = "; ".join(f"{one.name}: {one.looks_for}" for one in LAYOUTS.values())
    raise ScanError(
        f"{folder} is laid out like no data set that is known here ({known}); put pictures into "
        "images/ and their masks, of the same names, into masks/"
    )
