"""Scans in: volumes, labels, patients, their surfaces and fields, and phantoms."""

from halsted.imaging_bridge.dicom.rtstruct import read_rtstruct
from halsted.imaging_bridge.dicom.series import read_dicom_series
from halsted.imaging_bridge.errors import (
    GeometryError,
    HalstedError,
    OutputError,
    ScanError,
    StructureError,
)
from halsted.imaging_bridge.formats.volumes import read_labels, read_volume
from halsted.imaging_bridge.inspect import ScanReport, describe
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.read import read_patient, read_scan
from halsted.imaging_bridge.segmenter import (
    DegradedSegmenter,
    OracleSegmenter,
    Segmentation,
    Segmenter,
)
from halsted.imaging_bridge.volume import Grid, Volume

__all__ = [
    "DegradedSegmenter",
    "GeometryError",
    "Grid",
    "HalstedError",
    "LabelMap",
    "OracleSegmenter",
    "OutputError",
    "Patient",
    "ScanError",
    "ScanReport",
    "Segmentation",
    "Segmenter",
    "StructureError",
    "Volume",
    "describe",
    "read_dicom_series",
    "read_labels",
    "read_patient",
    "read_rtstruct",
    "read_scan",
    "read_volume",
]
