"""SNOMED CT codes of structures, as DICOM segments carry them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from halsted.imaging_bridge.structures import role_of

if TYPE_CHECKING:
    from pydicom.sr.coding import Code

# A whole lower-case name, less its side and number, and pydicom's keyword of the code.
_KEYWORDS = (
    (r"carina", "Carina"),
    (r"spleen", "Spleen"),
    (r"kidney_cysts?", "Cyst"),
    (r"kidneys?", "Kidney"),
    (r"gall_?bladder", "Gallbladder"),
    (r"liver", "Liver"),
    (r"stomach", "Stomach"),
    (r"pancreas", "Pancreas"),
    (r"adrenals?|adrenal_glands?", "AdrenalGland"),
    (r"lung_upper_lobe", "UpperLobeOfLung"),
    (r"lung_middle_lobe", "MiddleLobeOfRightLung"),
    (r"lung_lower_lobe", "LowerLobeOfLung"),
    (r"lungs?", "Lung"),
    (r"o?esophagus", "Esophagus"),
    (r"trachea", "Trachea"),
    (r"bronch(us|i)", "Bronchus"),
    (r"thyroid(_gland)?", "Thyroid"),
    (r"small_bowel", "SmallIntestine"),
    (r"duodenum", "Duodenum"),
    (r"colon", "Colon"),
    (r"(urinary_)?bladder", "Bladder"),
    (r"prostate", "Prostate"),
    (r"sacrum", "Sacrum"),
    (r"vertebrae?(_[ctls]\d+)?", "Vertebra"),
    (r"ribs?", "Rib"),
    (r"sternum", "Sternum"),
    (r"costal_cartilages?", "CostalCartilage"),
    (r"skull", "Skull"),
    (r"humerus", "Humerus"),
    (r"scapula", "Scapula"),
    (r"clavic(ula|le)", "Clavicle"),
    (r"femur", "Femur"),
    (r"bones?", "Bone"),
    (r"heart", "Heart"),
    (r"aorta", "Aorta"),
    (r"pulmonary_veins?", "PulmonaryVein"),
    (r"pulmonary_arter(y|ies)", "PulmonaryArtery"),
    (r"hepatic_veins?", "HepaticVein"),
    (r"portal_vein(_and_splenic_vein)?", "PortalVein"),
    (r"superior_vena_cava", "SuperiorVenaCava"),
    (r"inferior_vena_cava", "InferiorVenaCava"),
    (r"brachiocephalic_trunk", "BrachiocephalicTrunk"),
    (r"brachiocephalic_vein", "BrachiocephalicVein"),
    (r"subclavian_artery", "SubclavianArtery"),
    (r"common_carotid(_artery)?", "CommonCarotidArtery"),
    (r"(common_)?iliac_artery", "CommonIliacArtery"),
    (r"(common_)?iliac_(vena|vein)", "CommonIliacVein"),
    (r"((great|lung|liver|hepatic)_)?vessels?", "BloodVessel"),
    (r"spinal_cord", "SpinalCord"),
    (r"brain", "Brain"),
    (r"skin", "Skin"),
)
_SIDE_OR_NUMBER = r"^(left|right)_|_(left|right)(?=_|$)|_\d+$"


def category_of(name: str) -> Code:
    """What kind of thing a segment of this name is (PS3.16, CID 7150)."""
    if role_of(name) == "lesion":
        return _snomed("MorphologicallyAbnormalStructure")
    return _snomed("AnatomicalStructure")


def code_of(name: str) -> Code:
    """What a segment of this name is, as far as it is known; else only that it is anatomy."""
    if role_of(name) == "lesion":
        return _snomed("Lesion")
    plain = re.sub(_SIDE_OR_NUMBER, "", _lowered(name))
    for pattern, keyword in _KEYWORDS:
        if re.fullmatch(pattern, plain):
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
