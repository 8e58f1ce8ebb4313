"""The networks that come with Halsted. Their weights are trained by one command each."""

from __future__ import annotations

from collections.abc import Mapping

from halsted.agents.errors import PerceptionError
from halsted.agents.perception.specification import Network

_SIDES = r"(_(left|right))?"
_COLOURS = ("red", "green", "blue")


def _diagnosis(name: str, title: str, cut_out: bool) -> Network:
    return Network(
        name=name,
        title=title,
        task="diagnosis",
        modalities=("DMS",),
        channels=_COLOURS,
        needed=_COLOURS,
        classes={"malignant": "malignant"},
        intensity="colour",
        size=128,
        patch=(128, 128),
        phantoms=("skin",),
        architecture="densenet",
        features=(24, 12),
        mirrored=(0, 1),
        people=320,
        steps=400,
        batch=16,
        learning_rate=1e-3,
        cut_out=cut_out,
    )


NETWORKS: Mapping[str, Network] = {
    network.name: network
    for network in (
        Network(
            name="trunk",
            title="Chest and abdomen on CT: organs, vessels, bone, and a lesion of lung or liver",
            modalities=("CT",),
            channels=("ct",),
            needed=("ct",),
            classes={
                "lesion": r"lesion|.*tumou?r.*|.*nodule.*|gtv.*",
                "lung": r"lung(_(upper|middle|lower)_lobe)?" + _SIDES,
                "liver": "liver",
                "spleen": "spleen",
                "kidney": "kidney" + _SIDES,
                "heart": r"heart|atrial_appendage_left",
                "stomach": "stomach",
                "colon": "colon",
                "small_bowel": "small_bowel|duodenum",
                "pancreas": "pancreas",
                "gallbladder": "gallbladder",
                "esophagus": "o?esophagus",
                "trachea": "trachea",
                "spinal_cord": "spinal_cord",
                "vessel": (
                    r"aorta|.*vena_cava|portal_vein.*|hepatic_vein|pulmonary_(artery|vein)|"
                    r"lung_vessel|iliac_(artery|vena).*"
                ),
                "bone": r"rib_.*|vertebrae_.*|sternum|costal_cartilages|scapula.*|clavicula.*|"
                r"humerus.*|hip.*|sacrum|femur.*",
                "body": "body",
            },
            lesions=("lesion",),
            intensity="ct",
            spacing_mm=3.0,
            patch=(48, 48, 48),
            phantoms=("thorax", "abdomen"),
            steps=900,
            batch=4,
            lesion_share=0.7,
        ),
        Network(
            name="brain",
            title="Brain tumour on MR: tissue, core, enhancing rim and oedema",
            modalities=("MR",),
            channels=("t1c", "t1", "t2", "flair"),
            needed=("t1c",),
            classes={
                "tumour_core": r"tumou?r_core|necro.*",
                "tumour_enhancing": r"tumou?r_enhancing|enhancing.*",
                "oedema": "o?edema",
                "grey_matter": "grey_matter|eloquent_cortex",
                "white_matter": "white_matter",
                "csf": "csf|ventricle.*",
            },
            lesions=("tumour_core", "tumour_enhancing", "oedema"),
            intensity="mr",
            spacing_mm=2.0,
            patch=(48, 48, 48),
            phantoms=("brain",),
            mirrored=(2,),
            steps=600,
            batch=4,
        ),
        Network(
            name="polyp",
            title="Polyps on colonoscopy",
            modalities=("ES",),
            channels=_COLOURS,
            needed=_COLOURS,
            classes={"polyp": "polyp.*|mask"},
            lesions=("polyp",),
            intensity="colour",
            size=192,
            patch=(192, 192),
            phantoms=("colon",),
            mirrored=(0, 1),
            steps=900,
            people=320,
            batch=8,
            features=(16, 32, 64, 128, 256),
        ),
        Network(
            name="skin-lesion",
            title="Skin lesions on dermoscopy",
            modalities=("DMS",),
            channels=_COLOURS,
            needed=_COLOURS,
            classes={"lesion": "lesion|mask"},
            lesions=("lesion",),
            intensity="colour",
            size=192,
            patch=(192, 192),
            phantoms=("skin",),
            mirrored=(0, 1),
            steps=450,
            people=160,
            batch=8,
            features=(16, 32, 64, 128, 256),
        ),
        Network(
            name="arm-ring",
            title="Instrument arm and ring on the bench, by RGB-D",
            modalities=("XC", "ES"),
            channels=(*_COLOURS, "depth"),
            needed=_COLOURS,
            classes={"arm": "arm|instrument.*|tool", "ring": "ring"},
            intensity="colour+depth",
            size=192,
            patch=(192, 192),
            phantoms=("ring-transfer",),
            steps=400,
            people=96,
            batch=8,
        ),
        Network(
            name="nuclei",
            title="Nuclei one by one, with their classes, on H&E and fluorescence",
            modalities=("SM", "GM"),
            channels=_COLOURS,
            needed=_COLOURS,
            classes={
                "epithelial": r"epithelial_\d+",
                "lymphocyte": r"lymphocyte_\d+",
                "neutrophil": r"neutrophil_\d+",
                "macrophage": r"macrophage_\d+",
            },
            task="instances",
            intensity="stretched",
            patch=(192, 192),
            phantoms=("slide", "slide-fluorescence"),
            mirrored=(0, 1),
            steps=800,
            people=160,
            batch=8,
        ),
        _diagnosis("skin-diagnosis", "Benign or malignant, from the whole picture", False),
        _diagnosis("skin-diagnosis-segmented", "Benign or malignant, from the lesion alone", True),
        Network(
            name="apnea",
            title="Apnoea minute by minute, from beats and the ECG",
            task="minutes",
            modalities=(),
            channels=("heart_rate", "breathing"),
            needed=("heart_rate",),
            classes={"apnea": "A"},
            intensity="heart",
            patch=(1920,),
            phantoms=("sleep",),
            steps=400,
            people=60,
            batch=16,
            features=(16, 32, 64, 64, 64, 64),
        ),
    )
}


def network_named(name: str) -> Network:
    """The network of this name.

    Raises:
        PerceptionError: there is none.
    """
    if name not in NETWORKS:
        raise PerceptionError(
            f"there is no network {name!r}; choose one of: {', '.join(sorted(NETWORKS))}"
        )
    return NETWORKS[name]
