"""Objects that may show or tell who the patient is in ways that no header rule can clean."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset

_IMAGES = "1.2.840.10008.5.1.4.1.1."
# Classes whose content is prose, drawings or whole documents, by the start of their UID.
_FREE_CONTENT = {
    f"{_IMAGES}88.": "a structured report",
    f"{_IMAGES}104.": "an encapsulated document",
    f"{_IMAGES}11.": "a presentation state",
    f"{_IMAGES}9.": "a waveform, whose annotations may be text",
    "1.2.840.10008.5.1.4.34.": "a worklist item or procedure record",
    "1.2.840.10008.5.1.4.38.": "a hanging protocol",
}
# Classes whose pixels often carry the name: screen shots, scanned paper, ultrasound, video.
_RISKY_PIXELS = {
    f"{_IMAGES}7": "a secondary capture",
    f"{_IMAGES}3.1": "an ultrasound image",
    f"{_IMAGES}6.": "an ultrasound image",
    f"{_IMAGES}77.1.": "a photograph or video",
    f"{_IMAGES}12.77": "a retired image kind",
}
_SCREENS = ("SCREEN", "DOSE_INFO", "DOSE INFO", "REPORT", "CAPTURE")


def reason_to_refuse(dataset: Dataset, allow_unknown_pixels: bool = False) -> str | None:
    """Why an object cannot be de-identified here, or None.

    Args:
        dataset: The object.
        allow_unknown_pixels: Let pixels pass that often carry text, where the object does not say
            whether they do. What says that they do is always refused.
    """
    kind = str(dataset.get("SOPClassUID") or "")
    for start, what in _FREE_CONTENT.items():
        if kind.startswith(start):
            return f"it is {what}"
    burned = str(dataset.get("BurnedInAnnotation") or "").strip().upper()
    if burned == "YES":
        return "text is burnt into its pixels (BurnedInAnnotation is YES)"
    if _overlay_in_pixels(dataset):
        return "an overlay is hidden in the unused bits of its pixels"
    if burned == "NO" or allow_unknown_pixels:
        return None
    risky = _risky(kind, dataset)
    return risky and f"it is {risky} and does not say that no text is burnt into its pixels"


def _risky(kind: str, dataset: Dataset) -> str | None:
    for start, what in _RISKY_PIXELS.items():
        if kind == start or kind.startswith(start if start.endswith(".") else f"{start}."):
            return what
    stated = "\\".join(map(str, dataset.get("ImageType") or [])).upper()
    return "a picture of a screen" if any(word in stated for word in _SCREENS) else None


def _overlay_in_pixels(dataset: Dataset) -> bool:
    """Whether an overlay group has no data of its own, as in DICOM before 2004."""
    for group in range(0x6000, 0x6020, 2):
        if (group, 0x0100) in dataset and (group, 0x3000) not in dataset:
            return True
    return False
