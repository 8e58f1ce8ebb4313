"""Scans without the person: the confidentiality profile of DICOM PS3.15, Annex E."""

from halsted.imaging_bridge.deidentification.folder import deidentify
from halsted.imaging_bridge.deidentification.profile import OPTIONS, Option
from halsted.imaging_bridge.deidentification.pseudonyms import Pseudonyms, pseudonyms
from halsted.imaging_bridge.deidentification.report import Report

__all__ = ["OPTIONS", "Option", "Pseudonyms", "Report", "deidentify", "pseudonyms"]
