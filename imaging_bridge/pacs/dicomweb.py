"""A PACS by DICOMweb: QIDO-RS, WADO-RS and STOW-RS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from halsted.imaging_bridge.pacs.elements import as_code, json_text, json_uid
from halsted.imaging_bridge.pacs.node import PacsNode
from halsted.imaging_bridge.pacs.records import Instance, Keep, Outgoing, Query, Sent, Series
from halsted.imaging_bridge.pacs.stow import batches, store
from halsted.imaging_bridge.pacs.web_client import as_pacs_errors, web_client, web_session

if TYPE_CHECKING:
    from pydicom import Dataset

_AS_STORED = (("application/dicom", "*"),)
_PAGE = 1000

_Json = dict[str, Any]


class WebPacs:
    """A PACS spoken to by DICOMweb; see `records.Pacs`."""

    def __init__(self, node: PacsNode) -> None:
        """Take a node; nothing is opened until something is asked.

        Raises:
            HalstedError: dicomweb-client is not installed.
        """
        self.node = node
        self._session = web_session(node)
        self._client = web_client(node, self._session)

    def echo(self) -> None:
        """Search for one study, because DICOMweb has no echo."""
        with as_pacs_errors(self.node):
            self._client.search_for_studies(limit=1)

    def find(self, query: Query) -> list[Series]:
        """QIDO-RS for studies, then for each study's series."""
        asked = {
            "StudyInstanceUID": query.study,
            "PatientID": query.patient_id,
            "StudyDate": query.date,
            "ModalitiesInStudy": query.modality,
        }
        filters = {key: value for key, value in asked.items() if value}
        found = []
        with as_pacs_errors(self.node):
            studies = self._client.search_for_studies(search_filters=filters, limit=query.limit)
            for study in studies[: query.limit]:
                if uid := json_uid(study, "0020000D"):
                    date = as_code(json_text(study, "00080020"))
                    found += [_series(one, uid, date) for one in self._all_series(uid)]
        wanted = (one for one in found if one.uid and query.modality in (None, one.modality))
        return sorted(wanted, key=lambda one: (one.study, one.uid))

    def instances(self, study: str, series: str | None = None) -> list[Instance]:
        """QIDO-RS for the instances of each series."""
        found = []
        with as_pacs_errors(self.node):
            all_series = (json_uid(one, "0020000E") for one in self._all_series(study))
            for one in [series] if series else filter(None, all_series):
                found += [
                    Instance(
                        study, one, json_uid(instance, "00080018"), json_uid(instance, "00080016")
                    )
                    for instance in self._all_instances(study, one)
                ]
        return [one for one in found if one.uid]

    def fetch(self, wanted: Sequence[Instance], whole_series: bool, keep: Keep) -> None:
        """WADO-RS, as stored: the series in one stream, or instance by instance."""
        with as_pacs_errors(self.node):
            for dataset in self._stream(wanted, whole_series):
                keep(dataset, lambda path, one=dataset: one.save_as(path))  # type: ignore[misc]

    def send(self, files: Sequence[Outgoing], sent: Sent) -> None:
        """STOW-RS in batches."""
        for batch in batches(files):
            with as_pacs_errors(self.node):
                refused = store(self.node, self._session, batch)
            for file in batch:
                sent(file, refused.get(file.instance.uid, ""))

    def _all_series(self, study: str) -> Iterator[_Json]:
        return _pages(lambda page: self._client.search_for_series(study, **page), "0020000E")

    def _all_instances(self, study: str, series: str) -> Iterator[_Json]:
        return _pages(
            lambda page: self._client.search_for_instances(study, series, **page), "00080018"
        )

    def _stream(self, wanted: Sequence[Instance], whole_series: bool) -> Iterator[Dataset]:
        study, series = wanted[0].study, wanted[0].series
        if whole_series:
            yield from self._client.iter_series(study, series, _AS_STORED)
            return
        for one in wanted:
            yield self._client.retrieve_instance(study, series, one.uid, _AS_STORED)


def _pages(ask: Callable[[_Json], list[_Json]], key: str) -> Iterator[_Json]:
    """All answers of a search whose server may give them in pages, each once."""
    known: set[str] = set()
    offset = 0
    while True:
        answers = ask({"limit": _PAGE, "offset": offset})
        new = [one for one in answers if json_uid(one, key) not in known]
        if not new:  # also where a server takes no notice of the offset
            return
        yield from new
        known.update(json_uid(one, key) for one in new)
        offset += len(answers)


def _series(answer: _Json, study: str, date: str) -> Series:
    count = json_text(answer, "00201209")
    return Series(
        study,
        json_uid(answer, "0020000E"),
        as_code(json_text(answer, "00080060")),
        date,
        int(count) if count.isdecimal() else None,
    )
