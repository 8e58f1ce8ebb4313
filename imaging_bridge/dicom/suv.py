"""From the activity in a PET voxel to the standardised uptake value.

SUV by body weight as the QIBA FDG-PET/CT profile's pseudo-code for DICOM has it
(https://qibawiki.rsna.org/index.php/Standardized_Uptake_Value_(SUV)): activity per ml, divided by
the injected dose, decayed to the time that the voxels refer to, per gram of body weight.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from halsted.imaging_bridge.dicom.files import Elements, numbers_of, text_of

if TYPE_CHECKING:
    from pydicom import Dataset

SUV_TAGS = tuple(
    (
        "Units CorrectedImage DecayCorrection PatientWeight RadiopharmaceuticalInformationSequence "
        "SeriesDate SeriesTime AcquisitionDate AcquisitionTime"
    ).split()
)
"""Elements that `suv_factor` needs."""

_LONGEST = timedelta(days=3)


def suv_factor(elements: Elements) -> float | str:
    """Factor from Bq/ml to SUV by body weight (g/ml), or why there is none, in words."""
    if text_of(elements, "Units") != "BQML":
        return f"its values are in {text_of(elements, 'Units') or 'an unknown unit'}"
    corrected = str(elements.get("CorrectedImage", ""))
    if "ATTN" not in corrected or "DECY" not in corrected:
        return "it is not corrected for attenuation and decay"
    weight = numbers_of(elements, "PatientWeight", 1)
    if weight is None or weight[0] <= 0:
        return "it does not state the patient's weight"
    injected = elements.get("RadiopharmaceuticalInformationSequence")
    if not injected:
        return "it does not describe the injection"
    dose = numbers_of(injected[0], "RadionuclideTotalDose", 1)
    half_life = numbers_of(injected[0], "RadionuclideHalfLife", 1)
    if dose is None or half_life is None or min(dose[0], half_life[0]) <= 0:
        return "it does not state the injected dose and the half-life"
    elapsed = _seconds_of_decay(elements, injected[0])
    if isinstance(elapsed, str):
        return elapsed
    return float(weight[0] * 1000.0 / (dose[0] * 2.0 ** (-elapsed / half_life[0])))


def _seconds_of_decay(elements: Elements, injected: Elements | Dataset) -> float | str:
    """Seconds from the injection to the time that the voxels are corrected to."""
    correction = text_of(elements, "DecayCorrection")
    if correction == "ADMIN":
        return 0.0
    if correction != "START":
        return "its DecayCorrection is neither START nor ADMIN"
    scan = _moment(elements, "SeriesDate", "SeriesTime")
    acquired = _moment(elements, "AcquisitionDate", "AcquisitionTime")
    if scan is None:
        return "it does not state when the series began"
    if acquired is not None and acquired < scan:
        return "its SeriesTime is later than its AcquisitionTime, so the series is derived"
    start = _injection(injected, scan)
    if start is None or not timedelta(0) <= scan - start <= _LONGEST:
        return "the time of the injection does not fit the time of the series"
    return (scan - start).total_seconds()


def _injection(injected: Elements | Dataset, scan: datetime) -> datetime | None:
    stated = text_of(injected, "RadiopharmaceuticalStartDateTime")
    if stated:
        return _parsed(stated[:8], stated[8:])
    time = text_of(injected, "RadiopharmaceuticalStartTime")
    start = _parsed(f"{scan:%Y%m%d}", time) if time else None
    if start is not None and start > scan:  # injected before midnight
        start -= timedelta(days=1)
    return start


def _moment(elements: Elements, date: str, time: str) -> datetime | None:
    return _parsed(text_of(elements, date), text_of(elements, time))


def _parsed(date: str, time: str) -> datetime | None:
    """A DICOM date and time; a fraction of a second and an offset from UTC are left out."""
    try:
        return datetime.strptime(date[:8] + time[:6].ljust(6, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return None
