"""From the activity in a PET voxel to the standardised uptake value.

SUV by body weight as the QIBA FDG-PET/CT profile's pseudo-code for DICOM has it
(https://qibawiki.rsna.org/index.php/Standardized_Uptake_Value_(SUV)): activity per ml, divided by
the injected dose, decayed to the time that the voxels refer to, per gram of body weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from halsted.imaging_bridge.dicom.elements import (
    Elements,
    items_of,
    numbers_of,
    term_of,
    text_of,
)
from halsted.imaging_bridge.dicom.kinds import PET_UNITS

SUV_TAGS = tuple(
    (
        "Units CorrectedImage DecayCorrection PatientWeight RadiopharmaceuticalInformationSequence "
        "SeriesDate SeriesTime AcquisitionDate AcquisitionTime"
    ).split()
)
"""Elements that `suv_factor` needs."""

_LONGEST = timedelta(days=3)


def suv_factor(headers: Sequence[Elements]) -> float | str:
    """Factor of a series from Bq/ml to SUV by body weight (g/ml), or in words why there is none."""
    acquired = [_moment(one, "AcquisitionDate", "AcquisitionTime") for one in headers]
    first = min((one for one in acquired if one is not None), default=None)
    factors = {_factor(one, first) for one in headers}
    if len(factors) > 1:
        return "the headers of its slices differ in dose, time, weight or correction"
    return factors.pop()


def _factor(elements: Elements, acquired: datetime | None) -> float | str:
    units = term_of(elements, "Units", PET_UNITS)
    if units != "BQML":
        return f"its values are in {units or 'an unknown unit'}"
    corrected = str(elements.get("CorrectedImage", ""))
    if "ATTN" not in corrected or "DECY" not in corrected:
        return "it is not corrected for attenuation and decay"
    weight = numbers_of(elements, "PatientWeight", 1)
    if weight is None or weight[0] <= 0:
        return "it does not state the patient's weight"
    injected = next(iter(items_of(elements, "RadiopharmaceuticalInformationSequence")), {})
    dose = numbers_of(injected, "RadionuclideTotalDose", 1)
    half_life = numbers_of(injected, "RadionuclideHalfLife", 1)
    if dose is None or half_life is None or min(dose[0], half_life[0]) <= 0:
        return "it does not state the injected dose and the half-life"
    elapsed = _seconds_of_decay(elements, injected, acquired)
    if isinstance(elapsed, str):
        return elapsed
    return float(weight[0] * 1000.0 / (dose[0] * 2.0 ** (-elapsed / half_life[0])))


def _seconds_of_decay(
    elements: Elements, injected: Elements, acquired: datetime | None
) -> float | str:
    """Seconds from the injection to the time that the voxels are corrected to."""
    correction = text_of(elements, "DecayCorrection")
    if correction == "ADMIN":
        return 0.0
    if correction != "START":
        return "its DecayCorrection is neither START nor ADMIN"
    scan = _moment(elements, "SeriesDate", "SeriesTime")
    if scan is None:
        return "it does not state when the series began"
    if acquired is not None and acquired < scan:
        return "its SeriesTime is later than its AcquisitionTime, so the series is derived"
    start = _injection(injected, scan)
    if start is None or not timedelta(0) <= scan - start <= _LONGEST:
        return "the time of the injection does not fit the time of the series"
    return (scan - start).total_seconds()


def _injection(injected: Elements, scan: datetime) -> datetime | None:
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
