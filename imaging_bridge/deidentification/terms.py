"""Values that the standard defines, and that therefore tell of nobody, whatever his name is."""

from __future__ import annotations

_IMAGE_TYPES = (
    "ORIGINAL DERIVED MIXED PRIMARY SECONDARY AXIAL LOCALIZER REFORMATTED OTHER VOLUME NONE "
    "ANGIO CARDIAC MPR MAX_IP MIN_IP RESAMPLED M P R I M_SE M_FFE DIFFUSION PERFUSION"
)
_POSITIONS = "HFP HFS HFDR HFDL FFDR FFDL FFP FFS LFP LFS RFP RFS AFP AFS PFP PFS"
_SCRIPTS = "6 100 101 109 110 144 127 126 138 148 166 203 13 192 87 159 149 58"

TERMS: dict[str, frozenset[str]] = {
    keyword: frozenset(values.split())
    for keyword, values in {
        "BurnedInAnnotation": "YES NO",
        "ContourGeometricType": "POINT OPEN_PLANAR OPEN_NONPLANAR CLOSED_PLANAR CLOSEDPLANAR_XOR",
        "CorrectedImage": "DECY ATTN SCAT DTIM MOTN PMOT CLIN RAN RADL DCAL NORM",
        "CountsSource": "EMISSION TRANSMISSION",
        "DecayCorrection": "NONE START ADMIN",
        "DoseSummationType": "PLAN MULTI_PLAN PLAN_OVERVIEW FRACTION BEAM BRACHY CONTROL_POINT",
        "DoseType": "PHYSICAL EFFECTIVE ERROR",
        "DoseUnits": "GY RELATIVE",
        "FrameType": _IMAGE_TYPES,
        "ImageLaterality": "R L U B",
        "ImageType": _IMAGE_TYPES,
        "Laterality": "R L",
        "LossyImageCompression": "00 01",
        "MRAcquisitionType": "2D 3D",
        "Modality": (
            "CT MR PT NM CR DX MG IO PX RF XA US IVUS OT SC SEG REG RTIMAGE RTDOSE RTSTRUCT RTPLAN "
            "RTRECORD SR PR KO M3D SM GM XC ES OP OPT ECG BI RG TG"
        ),
        "PatientOrientation": "A P R L H F",
        "PatientPosition": _POSITIONS,
        "PhotometricInterpretation": (
            "MONOCHROME1 MONOCHROME2 RGB YBR_FULL YBR_FULL_422 YBR_ICT YBR_RCT XYB YBR_PARTIAL_420 "
            "YBR_PARTIAL_422"
        ),
        "PixelPresentation": "MONOCHROME COLOR MIXED TRUE_COLOR",
        "PresentationLUTShape": "IDENTITY INVERSE",
        "ROIGenerationAlgorithm": "AUTOMATIC SEMIAUTOMATIC MANUAL",
        "RTROIInterpretedType": (
            "EXTERNAL PTV CTV GTV TREATED_VOLUME IRRAD_VOLUME OAR BOLUS AVOIDANCE ORGAN MARKER "
            "REGISTRATION ISOCENTER CONTRAST_AGENT CAVITY SUPPORT FIXATION DOSE_REGION CONTROL"
        ),
        "RescaleType": "OD HU US MGML Z_EFF ED EDW HU_MOD PCT",
        "ScanningSequence": "SE IR GR EP RM",
        "SegmentAlgorithmType": "AUTOMATIC SEMIAUTOMATIC MANUAL",
        "SegmentationType": "BINARY FRACTIONAL LABELMAP",
        "SequenceVariant": "SK MTC SS TRSS SP MP OSP NONE",
        "SeriesType": "STATIC DYNAMIC GATED IMAGE REPROJECTION",
        "Units": "CNTS NONE CM2 PCNT CPS BQML MGMINML UMOLMINML MLMING MLG 1CM UMOLML PROPCNTS",
        "VolumetricProperties": "VOLUME SAMPLED DISTORTED MIXED",
    }.items()
}
"""Defined terms (PS3.3) by the keyword of the element in which an object needs them."""

TERMS["PhotometricInterpretation"] |= {"PALETTE COLOR"}
TERMS["SpecificCharacterSet"] = frozenset(
    f"{start} {number}" for start in ("ISO_IR", "ISO 2022 IR") for number in _SCRIPTS.split()
) | {"GB18030", "GBK"}
