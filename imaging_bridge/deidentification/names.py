"""Names of structures that can be no person's."""

from __future__ import annotations

import re

from halsted.imaging_bridge.structures import NAMING_SCHEMES

_MORE_WORDS = (
    "body skin external lesion tumor tumour nodule metastasis gtv ctv ptv itv igtv lung lungs "
    "carina vertebra bone vessel artery vein node lymph ln nodal airway bronchus mediastinum "
    "lobe chest wall eye lens optic nerve chiasm brainstem parotid mandible larynx rectum bowel "
    "cord cavity oral femoral head dose oar avoid ring boost primary total and of background"
).split()


def safe_structure_name(name: str, number: object) -> str:
    """The name itself, where anatomy and planning have a word for each part of it.

    Numbers of at most two digits are parts, too. Any other name becomes ``structure_<number>``.
    """
    parts = re.findall(r"[^\W\d_]+|\d+", name)
    if parts and all(_is_known(part) for part in parts):
        return name
    return f"structure_{number}"


def _is_known(part: str) -> bool:
    return len(part) <= 2 if part.isdigit() else part.lower() in _WORDS


def _words() -> frozenset[str]:
    listed = [name for scheme in NAMING_SCHEMES.values() for name in scheme]
    parts = {part.lower() for name in listed for part in re.findall(r"[^\W\d_]+", name)}
    return frozenset(parts | set(_MORE_WORDS))


_WORDS = _words()
