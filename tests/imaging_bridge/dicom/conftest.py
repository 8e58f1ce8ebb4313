"""Series written again in other shapes: phases, enhanced files."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom
import pydicom
import pytest
from pydicom.uid import generate_uid


def _to_enhanced(folder: Path, target: Path) -> Path:
    """The classic CT or MR series of a folder as one legacy-converted enhanced file."""
    datasets = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    for number, dataset in enumerate(datasets):
        dataset.FrameType = dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.InstanceNumber = number + 1
        dataset.AcquisitionNumber = 1
        dataset.ContentDate, dataset.ContentTime = "20200101", "120000"
        dataset.Manufacturer, dataset.BodyPartExamined = "none", "CHEST"
    kind = {
        "CT": highdicom.legacy.LegacyConvertedEnhancedCTImage,
        "MR": highdicom.legacy.LegacyConvertedEnhancedMRImage,
    }[datasets[0].Modality]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted = kind(
            datasets,
            series_instance_uid=generate_uid(),
            series_number=2,
            sop_instance_uid=generate_uid(),
            instance_number=1,
        )
    converted.save_as(target)
    return target


@pytest.fixture
def to_enhanced() -> Callable[..., Any]:
    return _to_enhanced
