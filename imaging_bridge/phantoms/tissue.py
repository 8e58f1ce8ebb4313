"""What tissues measure on a contrast-enhanced CT of the portal venous phase.

Where a published range was at hand the value lies in it and the range is named. All others are
typical ones, about 70 s after the injection; they differ by tens of HU between patients and
protocols, and no exact source is claimed for them.
"""

from __future__ import annotations

from dataclasses import dataclass

RANGES = "radclass.mudr.org, Hounsfield units (after Buzug 2008; Prokop and Galanski 2003)"
PICKHARDT = (
    "typical; above the 160 HU in L1 below which Pickhardt et al., Ann Intern Med 2013; "
    "158:588-595, suspect osteoporosis"
)
TYPICAL = "typical, portal venous phase"


@dataclass(frozen=True)
class Tissue:
    """Attenuation of a tissue, HU, and where the number is from."""

    hu: float
    source: str


TISSUES: dict[str, Tissue] = {
    "air": Tissue(-1000.0, RANGES),
    "lung": Tissue(-850.0, RANGES),
    "fat": Tissue(-100.0, RANGES),
    "skin": Tissue(10.0, "typical; a thin layer, blurred by the scanner"),
    "muscle": Tissue(60.0, TYPICAL),
    "cortical_bone": Tissue(750.0, RANGES),
    "cancellous_bone": Tissue(220.0, "typical, between marrow and cortex"),
    "vertebral_bone": Tissue(180.0, PICKHARDT),
    "cartilage": Tissue(110.0, "typical, partly calcified costal cartilage"),
    "disc": Tissue(80.0, "typical"),
    "spinal_canal": Tissue(30.0, "typical; cord, roots and fluid together"),
    "bile": Tissue(8.0, "typical, near water"),
    "bowel_content": Tissue(25.0, "typical"),
    "stool": Tissue(-30.0, "typical; solid with gas between"),
    "bowel_wall": Tissue(75.0, TYPICAL),
    "liver": Tissue(110.0, TYPICAL),
    "spleen": Tissue(120.0, TYPICAL),
    "pancreas": Tissue(95.0, TYPICAL),
    "kidney": Tissue(185.0, TYPICAL),
    "kidney_medulla": Tissue(150.0, TYPICAL),
    "myocardium": Tissue(105.0, TYPICAL),
    "cardiac_blood": Tissue(150.0, TYPICAL),
    "artery": Tissue(155.0, TYPICAL),
    "portal_vein": Tissue(175.0, TYPICAL),
    "hepatic_vein": Tissue(165.0, TYPICAL),
    "vein": Tissue(140.0, TYPICAL),
    "lung_vessel": Tissue(140.0, TYPICAL),
    "lung_lesion": Tissue(30.0, "typical solid nodule"),
}


def hu(tissue: str) -> float:
    """Attenuation of a tissue of the table, HU."""
    return TISSUES[tissue].hu
