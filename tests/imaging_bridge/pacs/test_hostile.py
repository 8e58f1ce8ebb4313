"""A PACS that lies in the UIDs that it lists and in what it sends, or that can do little."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.presentation import build_context

from halsted.imaging_bridge.errors import PacsError
from halsted.imaging_bridge.pacs import dimse
from halsted.imaging_bridge.pacs.connect import open_pacs
from halsted.imaging_bridge.pacs.pull import pull
from halsted.imaging_bridge.pacs.records import Query

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY, SERIES = "1.2.3", "1.2.3.4"


class Liar:
    """A server that lists what it is told to list, and sends what it is told to send."""

    address = "dicom://LIAR@127.0.0.1:4301"

    def __init__(self) -> None:
        self.server: Any = None
        self.series = [SERIES]
        self.instances: list[str] = []
        self.sends: list[Dataset] = []
        self.tells_classes = True
        self.studies = [STUDY]
        self.told = 0

    def find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        asked = event.identifier
        keyword = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID"}.get(
            asked.QueryRetrieveLevel, "SOPInstanceUID"
        )
        listed = {"STUDY": self.studies, "SERIES": self.series, "IMAGE": self.instances}
        for uid in listed[asked.QueryRetrieveLevel]:
            if event.is_cancelled:
                yield 0xFE00, None
                return
            self.told += 1
            answer = Dataset()
            answer.add_new(keyword, "LO", uid)  # UI would be padded otherwise
            answer.PatientName = "Secret^Person"
            if keyword == "SOPInstanceUID" and self.tells_classes:
                answer.SOPClassUID = CT
            yield 0xFF00, answer
        yield 0x0000, None

    def move(self, event: Any) -> Iterator[Any]:
        yield None, None  # the destination is not known

    def get(self, event: Any) -> Iterator[Any]:
        yield len(self.sends)
        for dataset in self.sends:
            yield 0xFF00, dataset


@pytest.fixture
def liar(alone: None) -> Iterator[Liar]:
    one, peer = Liar(), AE("LIAR")
    peer.supported_contexts = [
        build_context(dimse._FIND),
        build_context(dimse._GET),
        build_context(dimse._MOVE),
    ]
    peer.add_supported_context(CT, scu_role=True, scp_role=True)
    handlers = [(evt.EVT_C_FIND, one.find), (evt.EVT_C_GET, one.get), (evt.EVT_C_MOVE, one.move)]
    one.server = peer.start_server(("127.0.0.1", 4301), block=False, evt_handlers=handlers)  # type: ignore[arg-type]
    yield one
    one.server.shutdown()


@pytest.fixture
def slices(write_series: Callable[..., Any], tmp_path: Path) -> list[Dataset]:
    written = write_series(tmp_path / "sent", shape=(2, 10, 12))
    read: list[Dataset] = [pydicom.dcmread(path) for path in written.files()]
    for number, one in enumerate(read):
        one.StudyInstanceUID, one.SeriesInstanceUID = STUDY, SERIES
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = UID(f"{SERIES}.{number}")
    return read


@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning", "ignore:The value length")
@pytest.mark.parametrize(
    "uid", ["../../../escaped", "/tmp/escaped", "1.2.3/4", "..", "Secret^Person"]
)
def test_what_is_listed_as_a_uid_and_is_none_names_no_file(
    liar: Liar, tmp_path: Path, uid: str
) -> None:
    liar.instances = [uid]
    with pytest.raises(PacsError, match=f"lists no study {STUDY}"):
        pull(open_pacs(liar.address), STUDY, tmp_path / "out")
    liar.series, liar.instances = [uid], [f"{SERIES}.0"]
    with pytest.raises(PacsError, match=f"lists no study {STUDY}"):
        pull(open_pacs(liar.address), STUDY, tmp_path / "out")
    assert open_pacs(liar.address).find(Query()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_server_with_too_many_studies_is_told_to_stop(liar: Liar) -> None:
    liar.studies = [f"{STUDY}.{number}" for number in range(20000)]
    found = open_pacs(liar.address).find(Query(limit=3))
    assert [one.study for one in found] == liar.studies[:3]
    assert liar.told < 10000
    liar.studies = liar.studies[:3]
    assert len(open_pacs(liar.address).find(Query(limit=3))) == 3


def test_what_was_not_asked_for_is_not_kept(
    liar: Liar, slices: list[Dataset], tmp_path: Path
) -> None:
    liar.instances = [one.SOPInstanceUID for one in slices]
    other_study = slices[1]
    other_study.StudyInstanceUID = "9.9.9"
    liar.sends = slices
    with pytest.raises(PacsError, match=r"did not send all .*; 1 of 2 instances are here"):
        pull(open_pacs(liar.address), STUDY, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    kept = [path.name for path in (tmp_path / ".partial-out").rglob("*") if path.is_file()]
    assert kept == [f"{SERIES}.0.dcm"]


def test_what_is_no_longer_listed_is_dropped(
    liar: Liar, slices: list[Dataset], tmp_path: Path
) -> None:
    liar.instances = [slices[0].SOPInstanceUID, f"{SERIES}.9"]
    liar.sends = slices
    with pytest.raises(PacsError):
        pull(open_pacs(liar.address), STUDY, tmp_path / "out")
    liar.instances = [slices[1].SOPInstanceUID]
    pull(open_pacs(liar.address), STUDY, tmp_path / "out")
    names = [path.name for path in (tmp_path / "out" / SERIES).iterdir()]
    assert names == [f"{SERIES}.1.dcm"]


def test_classes_that_are_not_told_are_guessed(
    liar: Liar, slices: list[Dataset], tmp_path: Path
) -> None:
    liar.tells_classes = False
    liar.instances, liar.sends = [one.SOPInstanceUID for one in slices], slices
    assert pull(open_pacs(liar.address), STUDY, tmp_path / "out").fetched == 2


def test_a_destination_that_is_not_registered(liar: Liar, tmp_path: Path) -> None:
    liar.instances = [f"{SERIES}.0"]
    with pytest.raises(PacsError, match=r"does not know where HALSTED is; have it registered at"):
        pull(open_pacs(liar.address, "move"), STUDY, tmp_path / "out")


def test_a_server_without_c_get(liar: Liar, tmp_path: Path) -> None:
    liar.instances = [f"{SERIES}.0"]
    liar.server.contexts = [
        one for one in liar.server.contexts if one.abstract_syntax != dimse._GET
    ]
    with pytest.raises(PacsError, match="does not offer C-GET; pull with --via move"):
        pull(open_pacs(liar.address), STUDY, tmp_path / "out")


def test_nothing_of_a_patient_is_logged(
    liar: Liar, slices: list[Dataset], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    liar.instances, liar.sends = [one.SOPInstanceUID for one in slices], slices
    open_pacs(liar.address).find(Query(patient_id="MRN-12345"))
    pull(open_pacs(liar.address), STUDY, tmp_path / "out")
    with pytest.raises(PacsError):
        open_pacs("http://127.0.0.1:9").find(Query(patient_id="MRN-12345"))
    assert "Secret" not in caplog.text
    assert "MRN-12345" not in caplog.text
