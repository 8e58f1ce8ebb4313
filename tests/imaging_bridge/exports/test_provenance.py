"""Who drew the labels is known again after a round trip."""

from __future__ import annotations

import typing

import numpy as np
import pytest
import SimpleITK as sitk

from halsted.imaging_bridge import read_patient, read_scan
from halsted.imaging_bridge.exports.convert import Conversion, convert
from halsted.imaging_bridge.labels import Provenance


@pytest.mark.parametrize("provenance", typing.get_args(Provenance))
@pytest.mark.parametrize("to", ["seg", "rtstruct"])
def test_provenance_comes_back(tmp_path, write_series, to, provenance):
    written = write_series(
        tmp_path / "scan", edit=lambda dataset, n: setattr(dataset, "SliceThickness", 2.5)
    )
    scan = read_scan(written.folder)
    voxels = np.zeros(scan.shape, np.uint8)
    voxels[2:5, 3:6, 4:8] = 1
    path = tmp_path / "labels.nrrd"
    image = sitk.GetImageFromArray(voxels)
    image.CopyInformation(scan.to_sitk())
    sitk.WriteImage(image, str(path))
    out = tmp_path / "out.dcm"
    convert(Conversion(written.folder, to, out, path, provenance=provenance))
    labels = read_patient(written.folder, out).labels
    assert labels is not None
    assert labels.provenance == provenance
    np.testing.assert_array_equal(labels.voxels > 0, voxels > 0)
