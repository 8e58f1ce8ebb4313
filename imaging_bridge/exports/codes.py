"""SNOMED CT codes of structures, as DICOM segments carry them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from halsted.imaging_bridge.structures import role_of

if TYPE_CHECKING:
    from pydicom.sr.coding import Code

# The start of a lower-case name, and pydicom's keyword of the code. The first that matches decides.
_KEYWORDS = (
    (r"carina", "Carina"),
    (r"spleen", "Spleen"),
    (r"kidney_cyst", "Cyst"),
    (r"kidney", "Kidney"),
    (r"gallbladder", "Gallbladder"),
    (r"liver", "Liver"),
    (r"stomach", "Stomach"),
    (r"pancreas", "Pancreas"),
    (r"adrenal", "AdrenalGland"),
    (r"lung_upper_lobe", "UpperLobeOfLung"),
    (r"lung_middle_lobe", "MiddleLobeOfRightLung"),
    (r"lung_lower_lobe", "LowerLobeOfLung"),
    (r"lung", "Lung"),
    (r"o?esophagus", "Esophagus"),
    (r"trachea", "Trachea"),
    (r"bronch", "Bronchus"),
    (r"thyroid", "Thyroid"),
    (r"small_bowel", "SmallIntestine"),
    (r"duodenum", "Duodenum"),
    (r"colon", "Colon"),
    (r"(urinary_)?bladder", "Bladder"),
    (r"prostate", "Prostate"),
    (r"sacrum", "Sacrum"),
    (r"vertebra", "Vertebra"),
    (r"rib", "Rib"),
    (r"sternum", "Sternum"),
    (r"costal_cartilage", "CostalCartilage"),
    (r"skull", "Skull"),
    (r"humerus", "Humerus"),
    (r"scapula", "Scapula"),
    (r"clavic", "Clavicle"),
    (r"femur", "Femur"),
    (r"bone", "Bone"),
    (r"heart", "Heart"),
    (r"aorta", "Aorta"),
    (r"pulmonary_vein", "PulmonaryVein"),
    (r"pulmonary_artery", "PulmonaryArtery"),
    (r"hepatic_vein", "HepaticVein"),
    (r"portal_vein", "PortalVein"),
    (r"superior_vena_cava", "SuperiorVenaCava"),
    (r"inferior_vena_cava", "InferiorVenaCava"),
    (r"brachiocephalic_trunk", "BrachiocephalicTrunk"),
    (r"brachiocephalic_vein", "BrachiocephalicVein"),
    (r"subclavian_artery", "SubclavianArtery"),
    (r"(common_)?carotid", "CommonCarotidArtery"),
    (r"iliac_artery", "CommonIliacArtery"),
    (r"iliac_ven", "CommonIliacVein"),
    (r"(great_)?vessel", "BloodVessel"),
    (r"spinal_cord", "SpinalCord"),
    (r"brain", "Brain"),
    (r"skin", "Skin"),
)


def category_of(name: str) -> Code:
    """What kind of thing a segment of this name is (PS3.16, CID 7150)."""
    if role_of(name) == "lesion":
        return _snomed("MorphologicallyAbnormalStructure")
    return _snomed("AnatomicalStructure")


def code_of(name: str) -> Code:
    """What a segment of this name is, as far as it is known; else only that it is anatomy."""
    if role_of(name) == "lesion":
        return _snomed("Lesion")
    lowered = _lowered(name)
    for pattern, keyword in _KEYWORDS:
        if re.match(pattern, lowered):
            return _snomed(keyword)
    return _snomed("AnatomicalStructure")


def side_of(name: str) -> Code | None:
    """Left or right, where the name says so as a word of its own."""
    words = _lowered(name).split("_")
    if "left" in words:
        return _snomed("Left")
    return _snomed("Right") if "right" in words else None


def _snomed(keyword: str) -> Code:
    from pydicom.sr.codedict import codes

    code: Code = getattr(codes.SCT, keyword)
    return code


def _lowered(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")
