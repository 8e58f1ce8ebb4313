"""Scans, labels and doses out, as what other programs read."""

from halsted.imaging_bridge.exports.headers import Source, read_source
from halsted.imaging_bridge.exports.identity import SeededIdentity
from halsted.imaging_bridge.exports.images import write_labels, write_volume
from halsted.imaging_bridge.exports.meshes import write_obj, write_stl
from halsted.imaging_bridge.exports.rtdose import write_rtdose
from halsted.imaging_bridge.exports.rtstruct import write_rtstruct
from halsted.imaging_bridge.exports.seg import write_seg
from halsted.imaging_bridge.exports.series import SeriesNames, write_series

__all__ = [
    "SeededIdentity",
    "SeriesNames",
    "Source",
    "read_source",
    "write_labels",
    "write_obj",
    "write_rtdose",
    "write_rtstruct",
    "write_seg",
    "write_series",
    "write_stl",
    "write_volume",
]
