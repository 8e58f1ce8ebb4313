"""What a named structure means to a needle, and the names that public segmentations use.

Names follow TotalSegmentator's (Wasserthal et al. 2023, doi:10.1148/ryai.230024), which most
public CT label maps now share; contour names from treatment planning are matched by their start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, get_args

Role = Literal["body", "lesion", "vessel", "bone", "lung", "organ", "other"]
ROLES: tuple[Role, ...] = get_args(Role)

# The first pattern that matches the start of a lower-case name decides.
_PATTERNS: tuple[tuple[Role, str], ...] = (
    ("body", r"body$|skin$|external$"),
    ("lesion", r"lesion|tumou?r|nodule|metasta|gtv|.*_(lesion|tumou?r|nodule)"),
    (
        "vessel",
        r"aorta|.*vena_cava|portal_vein|pulmonary_(vein|artery)|iliac_(artery|vena|vein)|"
        r"hepatic_(vein|vessel|artery)|brachiocephalic|subclavian|(common_)?carotid|"
        r"(great_)?vessel|lung_vessel|celiac|mesenteric|renal_(vein|artery)",
    ),
    (
        "bone",
        r"bone|rib|vertebra|sternum|spine$|hip|sacrum|scapula|clavic|humerus|femur|skull|"
        r"costal_cartilage",
    ),
    ("lung", r"lung"),
    (
        "organ",
        r"liver|heart|kidney|spleen|pancreas|gallbladder|stomach|duodenum|colon|small_bowel|"
        r"bowel|esophagus|oesophagus|trachea|bronch|carina|spinal_cord|adrenal|thyroid|"
        r"urinary_bladder|bladder|prostate|brain|atrial|airway|mediastinum",
    ),
)


def role_of(name: str) -> Role:
    """The part that a structure of this name plays in a procedure; ``other`` if unknown."""
    lowered = name.strip().lower().replace(" ", "_").replace("-", "_")
    for role, pattern in _PATTERNS:
        if re.match(pattern, lowered):
            return role
    return "other"


def names_with_role(names: Iterable[str], *roles: Role) -> list[str]:
    """Those of `names` whose role is one of `roles`, in their order."""
    return [name for name in names if role_of(name) in roles]


def is_part_of(name: str, organ: str) -> bool:
    """Whether a structure is an organ or one of its parts, as ``lung_left`` is of ``lung``."""
    return name == organ or name.startswith(f"{organ}_")


def _totalsegmentator_v2() -> dict[str, int]:
    """Name and value of the 117 classes of TotalSegmentator's task ``total``, version 2."""
    sides = ("left", "right")
    names = (
        "spleen kidney_right kidney_left gallbladder liver stomach pancreas adrenal_gland_right "
        "adrenal_gland_left lung_upper_lobe_left lung_lower_lobe_left lung_upper_lobe_right "
        "lung_middle_lobe_right lung_lower_lobe_right esophagus trachea thyroid_gland "
        "small_bowel duodenum colon urinary_bladder prostate kidney_cyst_left "
        "kidney_cyst_right sacrum"
    ).split()
    names += ["vertebrae_S1"]
    names += [f"vertebrae_L{level}" for level in range(5, 0, -1)]
    names += [f"vertebrae_T{level}" for level in range(12, 0, -1)]
    names += [f"vertebrae_C{level}" for level in range(7, 0, -1)]
    names += (
        "heart aorta pulmonary_vein brachiocephalic_trunk subclavian_artery_right "
        "subclavian_artery_left common_carotid_artery_right common_carotid_artery_left "
        "brachiocephalic_vein_left brachiocephalic_vein_right atrial_appendage_left "
        "superior_vena_cava inferior_vena_cava portal_vein_and_splenic_vein"
    ).split()
    paired = "iliac_artery iliac_vena humerus scapula clavicula femur hip".split()
    names += [f"{name}_{side}" for name in paired for side in sides]
    names += ["spinal_cord"]
    paired = "gluteus_maximus gluteus_medius gluteus_minimus autochthon iliopsoas".split()
    names += [f"{name}_{side}" for name in paired for side in sides]
    names += ["brain", "skull"]
    names += [f"rib_{side}_{number}" for side in sides for number in range(1, 13)]
    names += ["sternum", "costal_cartilages"]
    return {name: value for value, name in enumerate(names, start=1)}


NAMING_SCHEMES: dict[str, dict[str, int]] = {"totalsegmentator-v2": _totalsegmentator_v2()}
"""Voxel values by structure name, of public label schemes whose files carry no names."""
