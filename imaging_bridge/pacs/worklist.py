"""The modality worklist: which procedures are scheduled (PS3.4, annex K)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from halsted.imaging_bridge.errors import PacsError
from halsted.imaging_bridge.formats.extras import extra
from halsted.imaging_bridge.pacs.association import associate
from halsted.imaging_bridge.pacs.cfind import find_answers
from halsted.imaging_bridge.pacs.elements import code_in, uid_in
from halsted.imaging_bridge.pacs.node import PacsNode, check_ae_title
from halsted.imaging_bridge.pacs.records import check_date, check_modality

if TYPE_CHECKING:
    from pydicom import Dataset

_WORKLIST = "1.2.840.10008.5.1.4.31"


@dataclass(frozen=True)
class ScheduledStep:
    """A scheduled procedure step, without anything that tells whose it is.

    Attributes:
        date: Start as ``YYYYMMDD``.
        time: Start as ``HHMMSS``.
        modality: Modality, e.g. ``CT``.
        station: AE title of the machine it is scheduled on.
        step: Scheduled procedure step ID.
        study: StudyInstanceUID that its images will have.
    """

    date: str
    time: str
    modality: str
    station: str
    step: str
    study: str


def find_scheduled(
    node: PacsNode,
    date: str | None = None,
    modality: str | None = None,
    station: str | None = None,
) -> list[ScheduledStep]:
    """The procedure steps that are scheduled, in the order of their start.

    Args:
        node: A worklist server, by DIMSE.
        date: ``YYYYMMDD`` or a range; see `records.Query`.
        modality: Modality.
        station: AE title of the machine.

    Raises:
        PacsError: the server cannot be reached, or offers no worklist.
    """
    if not node.is_dimse:
        raise PacsError(
            f"a worklist is asked for by DIMSE, but this is {node.scheme}://; pass the address of "
            "the worklist server as dicom://AE_TITLE@host:port"
        )
    check_date(date)
    check_modality(modality)
    if station is not None:
        check_ae_title(station, "of the station")
    with extra("pacs"):
        from pynetdicom import build_context
    asked = _query(date or "", modality or "", station or "")
    with associate(node, [build_context(_WORKLIST)]) as association:
        answers = find_answers(node, association, asked, _WORKLIST)
    try:
        steps = [_step(answer, item) for answer in answers for item in _scheduled(answer)]
    except Exception as error:  # pydicom parses the items only here
        raise PacsError(
            f"the worklist of {node.called_aet} cannot be parsed ({type(error).__name__}); ask its "
            "administrator to check its entries"
        ) from error
    return sorted(steps, key=lambda one: (one.date, one.time, one.station, one.step))


def _query(date: str, modality: str, station: str) -> Dataset:
    from pydicom import Dataset

    step = Dataset()
    step.ScheduledStationAETitle = station
    step.ScheduledProcedureStepStartDate = date
    step.ScheduledProcedureStepStartTime = ""
    step.Modality = modality
    step.ScheduledProcedureStepID = ""
    asked = Dataset()
    asked.StudyInstanceUID = ""
    asked.ScheduledProcedureStepSequence = [step]
    return asked


def _scheduled(answer: Dataset) -> list[Dataset]:
    return list(answer.get("ScheduledProcedureStepSequence") or [])


def _step(answer: Dataset, item: Dataset) -> ScheduledStep:
    return ScheduledStep(
        code_in(item, "ScheduledProcedureStepStartDate"),
        code_in(item, "ScheduledProcedureStepStartTime"),
        code_in(item, "Modality"),
        code_in(item, "ScheduledStationAETitle"),
        code_in(item, "ScheduledProcedureStepID"),
        uid_in(answer, "StudyInstanceUID"),
    )
