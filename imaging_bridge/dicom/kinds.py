"""Which DICOM objects are read, and as what."""

from __future__ import annotations

from halsted.imaging_bridge.dicom.elements import is_uid

_STORAGE = "1.2.840.10008.5.1.4.1.1."

VOLUMES = {
    _STORAGE + suffix: modality
    for suffix, modality in {
        "2": "CT",
        "2.1": "CT",  # Enhanced
        "2.2": "CT",  # Legacy Converted Enhanced
        "4": "MR",
        "4.1": "MR",
        "4.4": "MR",
        "128": "PT",
        "128.1": "PT",
        "130": "PT",
        "13.1.1": "XA",  # X-Ray 3D Angiographic
        "13.1.2": "DX",  # X-Ray 3D Craniofacial
        "13.1.3": "MG",  # Breast Tomosynthesis
        "30": "OT",  # Parametric Map
    }.items()
}
"""Modality of objects whose frames have a place in the patient, by SOP class."""

PICTURES = {
    _STORAGE + suffix: modality
    for suffix, modality in {
        "1": "CR",
        "1.1": "DX",
        "1.1.1": "DX",
        "1.2": "MG",
        "1.2.1": "MG",
        "1.3": "IO",
        "1.3.1": "IO",
        "3.1": "US",
        "6.1": "US",
        "7": "OT",  # Secondary Capture
        "7.1": "OT",
        "7.2": "OT",
        "7.3": "OT",
        "7.4": "OT",
        "12.1": "XA",
        "12.1.1": "XA",
        "12.2": "RF",
        "12.2.1": "RF",
        "77.1.1": "ES",
        "77.1.1.1": "ES",
        "77.1.2": "GM",
        "77.1.2.1": "GM",
        "77.1.3": "SM",
        "77.1.4": "XC",
        "77.1.4.1": "XC",
        "77.1.5.1": "OP",
        "77.1.5.2": "OP",
        "77.1.7": "DMS",
    }.items()
}
"""Modality of projections and photographs, by SOP class."""

SEGMENTATIONS = {_STORAGE + "66.4", _STORAGE + "66.7"}
"""Segmentation and Label Map Segmentation."""

STRUCTURE_SET = _STORAGE + "481.3"
DOSE = _STORAGE + "481.2"
DIRECTORY = "1.2.840.10008.1.3.10"
"""Media Storage Directory (DICOMDIR)."""

RESCALE_TYPES = {"HU", "OD", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"}
"""Defined terms of RescaleType (PS3.3 C.11.1.1.2) that name a unit."""

PET_UNITS = set(
    "CNTS NONE CM2 CM2ML PCNT CPS BQML MGMINML UMOLMINML MLMING MLG 1CM UMOLML PROPCNTS PROPCPS "
    "MLMINML MLML GML STDDEV SUV".split()
)
"""Defined terms of Units in a PET series (PS3.3 C.8.9.1)."""

MODALITIES = set(
    "CR CT DMS DX ES GM IO IVOCT IVUS MG MR NM OCT OP OPM OPT OT PT PX RF RG SM TG US XA XC".split()
)
"""Terms of Modality that an image may have (PS3.3 C.7.3.1.1.1)."""

PHOTOMETRIC = {
    "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422",
    "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT",
}  # fmt: skip
"""Defined terms of PhotometricInterpretation that an image here may have (PS3.3 C.7.6.3.1.2)."""


def name_of(sop_class: str) -> str:
    """What the standard calls an object."""
    from pydicom.uid import UID

    return UID(sop_class).name if is_uid(sop_class) else "unknown object"
