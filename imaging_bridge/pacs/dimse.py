"""A PACS by DIMSE: C-ECHO, C-FIND, C-GET, C-MOVE and C-STORE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from halsted.imaging_bridge.errors import PacsError
from halsted.imaging_bridge.formats.extras import extra
from halsted.imaging_bridge.pacs import contexts
from halsted.imaging_bridge.pacs.association import accepted, associate, broken
from halsted.imaging_bridge.pacs.cfind import find_answers, identifier
from halsted.imaging_bridge.pacs.elements import code_in, uid_in
from halsted.imaging_bridge.pacs.node import RECEIVER, PacsNode
from halsted.imaging_bridge.pacs.receiver import receiver, store_handler
from halsted.imaging_bridge.pacs.records import (
    Instance,
    Keep,
    NotOffered,
    Outgoing,
    Query,
    Sent,
    Series,
    is_uid,
)
from halsted.imaging_bridge.pacs.statuses import check_status, storage_refusal

if TYPE_CHECKING:
    from pydicom import Dataset
    from pynetdicom.association import Association

# Study root information model (PS3.4, C.6.2)
_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
_GET = "1.2.840.10008.5.1.4.1.2.2.3"
_VERIFICATION = "1.2.840.10008.1.1"

_DESTINATION_UNKNOWN = 0xA801
_SOME_FAILED = 0xB000
_UIDS_AT_ONCE = 50

_T = TypeVar("_T")
Via = Literal["get", "move"]
Answers = Iterable[tuple["Dataset", "Dataset | None"]]


class DimsePacs:
    """A PACS spoken to by DIMSE; see `records.Pacs`."""

    def __init__(self, node: PacsNode, via: Via = "get") -> None:
        """Take a node; nothing is opened until something is asked.

        Args:
            node: Where the PACS is.
            via: Fetch by C-GET, on our own connection, or by C-MOVE, for which the PACS opens one
                to `PacsNode.receiver`.

        Raises:
            HalstedError: pynetdicom is not installed.
        """
        with extra("pacs"):
            import pynetdicom  # noqa: F401
        self.node = node
        self.via = via

    def echo(self) -> None:
        """C-ECHO."""
        with associate(self.node, _context(_VERIFICATION)) as association:
            status = association.send_c_echo()
        check_status(self.node, status, "C-ECHO")

    def find(self, query: Query) -> list[Series]:
        """C-FIND at the level of studies, then of each study's series."""
        found: list[Series] = []
        with associate(self.node, _context(_FIND)) as association:
            studies = self._studies(association, query)
        if not studies:
            return []
        # Another association: a PACS that was told to stop may have ended the first one.
        with associate(self.node, _context(_FIND)) as association:
            for study, date in studies.items():
                answers = self._ask(
                    association,
                    "SERIES",
                    StudyInstanceUID=study,
                    SeriesInstanceUID="",
                    Modality=query.modality or "",
                    NumberOfSeriesRelatedInstances="",
                )
                found += [_series(answer, study, date) for answer in answers]
        wanted = (one for one in found if is_uid(one.uid) and _is(one.modality, query.modality))
        return sorted(wanted, key=lambda one: (one.study, one.uid))

    def instances(self, study: str, series: str | None = None) -> list[Instance]:
        """C-FIND at the level of instances, series by series."""
        found = []
        with associate(self.node, _context(_FIND)) as association:
            for one in [series] if series else self._series_of(association, study):
                answers = self._ask(
                    association,
                    "IMAGE",
                    StudyInstanceUID=study,
                    SeriesInstanceUID=one,
                    SOPInstanceUID="",
                    SOPClassUID="",
                )
                found += [
                    Instance(study, one, uid_in(answer, "SOPInstanceUID"), _sop_class(answer))
                    for answer in answers
                ]
        return [one for one in found if one.uid]

    def fetch(self, wanted: Sequence[Instance], whole_series: bool, keep: Keep) -> None:
        """C-GET or C-MOVE: of the whole series, or of the instances by their UIDs."""
        if self.via == "move":
            self._move(_identifiers(wanted, whole_series), keep)
            return
        classes = sorted({one.sop_class for one in wanted})
        for group in _batches(classes, contexts.CLASSES_AT_ONCE):
            of_group = [one for one in wanted if one.sop_class in group]
            whole = whole_series and len(of_group) == len(wanted)
            self._get(group, _identifiers(of_group, whole), keep)

    def send(self, files: Sequence[Outgoing], sent: Sent) -> None:
        """C-STORE, with a context for each pair of SOP class and transfer syntax."""
        pairs = sorted({_pair(one) for one in files})
        for group in _batches(pairs, contexts.MOST // 2):
            of_group = [one for one in files if _pair(one) in group]
            proposed = {(sop_class, contexts.IMPLICIT) for sop_class, _ in group} | set(group)
            try:
                with associate(self.node, contexts.to_send(sorted(proposed))) as association:
                    for file in of_group:
                        sent(file, self._store(association, file))
            except NotOffered:
                for file in of_group:
                    sent(file, _not_accepted(file))

    def _studies(self, association: Association, query: Query) -> dict[str, str]:
        """Dates of the studies by UID."""
        answers = self._ask(
            association,
            "STUDY",
            query.limit,
            StudyInstanceUID=query.study or "",
            StudyDate=query.date or "",
            PatientID=query.patient_id or "",
            ModalitiesInStudy=query.modality or "",
        )
        studies = {uid_in(one, "StudyInstanceUID"): code_in(one, "StudyDate") for one in answers}
        studies.pop("", None)
        return studies

    def _series_of(self, association: Association, study: str) -> list[str]:
        answers = self._ask(association, "SERIES", StudyInstanceUID=study, SeriesInstanceUID="")
        return sorted({uid for one in answers if (uid := uid_in(one, "SeriesInstanceUID"))})

    def _ask(
        self, association: Association, level: str, limit: int | None = None, **keys: str
    ) -> list[Dataset]:
        return find_answers(self.node, association, identifier(level, **keys), _FIND, limit)

    def _get(self, classes: Sequence[str], identifiers: Sequence[Dataset], keep: Keep) -> None:
        from pynetdicom import build_role, evt

        if "" in classes:
            receive = contexts.to_receive_anything()
        else:
            receive = contexts.to_receive(classes)
        roles = [build_role(one, scp_role=True) for one in _classes(receive)]
        handlers = [(evt.EVT_C_STORE, store_handler(keep))]
        with associate(self.node, [*_context(_GET), *receive], roles, handlers) as association:
            if _GET not in {one for one, _ in accepted(association)}:
                raise NotOffered(
                    f"the PACS {self.node.called_aet} does not offer C-GET; pull with --via move"
                )
            for asked in identifiers:
                self._follow(association.send_c_get(asked, _GET), "C-GET")

    def _move(self, identifiers: Sequence[Dataset], keep: Keep) -> None:
        with receiver(self.node, keep), associate(self.node, _context(_MOVE)) as association:
            for asked in identifiers:
                answers = association.send_c_move(asked, self.node.calling_aet, _MOVE)
                self._follow(answers, "C-MOVE")

    def _follow(self, answers: Answers, service: str) -> None:
        """Wait for the last answer; that single instances failed is left to whoever counts."""
        status = [one for one, _ in answers][-1]
        code = status.Status if "Status" in status else None
        if code == _DESTINATION_UNKNOWN:
            host, port = self.node.receiver
            raise PacsError(
                f"the PACS {self.node.called_aet} does not know where {self.node.calling_aet} is; "
                f"have it registered at {host}:{port} ({RECEIVER}), or pull without --via move"
            )
        if code != _SOME_FAILED:
            check_status(self.node, status, service)

    def _store(self, association: Association, file: Outgoing) -> str:
        """Send one file, and return the reason why it was refused, or an empty text."""
        if not contexts.sendable(*_pair(file), accepted(association)):
            return _not_accepted(file)
        try:
            status = association.send_c_store(_content(file))
        except Exception as error:
            if not association.is_established:
                raise broken(self.node) from error
            return f"cannot be encoded ({type(error).__name__})"
        if "Status" not in status:
            raise broken(self.node)
        return storage_refusal(status.Status)


def _identifiers(wanted: Sequence[Instance], whole_series: bool) -> list[Dataset]:
    """What to ask for: a series, which every PACS knows, or instances by their UIDs."""
    uids = {"StudyInstanceUID": wanted[0].study, "SeriesInstanceUID": wanted[0].series}
    if whole_series:
        return [identifier("SERIES", **uids)]
    return [
        identifier("IMAGE", **uids, SOPInstanceUID=[one.uid for one in batch])
        for batch in _batches(wanted, _UIDS_AT_ONCE)
    ]


def _batches(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _context(sop_class: str) -> list[Any]:
    from pynetdicom import build_context

    return [build_context(sop_class)]


def _classes(receive: Iterable[Any]) -> list[str]:
    return sorted({str(one.abstract_syntax) for one in receive})


def _series(answer: Dataset, study: str, date: str) -> Series:
    count = code_in(answer, "NumberOfSeriesRelatedInstances")
    return Series(
        study,
        uid_in(answer, "SeriesInstanceUID"),
        code_in(answer, "Modality"),
        date,
        int(count) if count.isdecimal() else None,
    )


def _sop_class(answer: Dataset) -> str:
    return uid_in(answer, "SOPClassUID")


def _is(found: str, asked: str | None) -> bool:
    return asked is None or found == asked


def _pair(file: Outgoing) -> tuple[str, str]:
    return file.instance.sop_class, file.transfer_syntax


def _content(file: Outgoing) -> Path | Dataset:
    """What is sent: a deflated file byte for byte, because it may unpack to any size."""
    from pydicom import dcmread

    return file.path if file.transfer_syntax == contexts.DEFLATED else dcmread(file.path)


def _not_accepted(file: Outgoing) -> str:
    from pydicom.uid import UID

    sop_class, syntax = (UID(one).name for one in _pair(file))
    return f"{sop_class} in {syntax} is not accepted"
