"""Which files are pushed, and which are refused before or by the PACS."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.pacs.connect import open_pacs
from halsted.imaging_bridge.pacs.push import gather, push
from halsted.imaging_bridge.pacs.records import Query

CT = "1.2.840.10008.5.1.4.1.1.2"


def bare(path: Path) -> Any:
    dataset = pydicom.dcmread(path)
    dataset.SOPInstanceUID = pydicom.uid.generate_uid()
    dataset.file_meta, dataset.preamble = pydicom.dataset.FileMetaDataset(), None
    return dataset


def test_folders_are_searched_and_each_instance_is_taken_once(
    write_series: Callable[..., Any], tmp_path: Path
) -> None:
    written = write_series(tmp_path / "a" / "b", shape=(3, 8, 8))
    copy = tmp_path / "a" / "copy.dcm"
    copy.write_bytes(written.files()[0].read_bytes())
    (tmp_path / "a" / "notes.txt").write_text("no DICOM")
    unnamed = pydicom.dcmread(written.files()[1])
    del unnamed.StudyInstanceUID
    unnamed.save_as(tmp_path / "a" / "unnamed.dcm")
    pydicom.dcmwrite(tmp_path / "a" / "bare", bare(written.files()[1]), enforce_file_format=False)
    files, skipped = gather([tmp_path / "a", written.files()[2]])
    assert len(files) == 3 and len({one.instance.uid for one in files}) == 3
    assert skipped == 5  # copy, notes, one without a study, one without header, third slice again
    assert {one.transfer_syntax for one in files} == {pydicom.uid.ExplicitVRLittleEndian}


def test_what_cannot_be_pushed(write_series: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no DICOM")
    (tmp_path / "broken").write_bytes(bytes(128) + b"DICM" + b"Secret^Person" * 3)
    (tmp_path / "empty").mkdir()
    for name, told in [
        ("none", "there is no file or folder"),
        ("notes.txt", "is no DICOM instance"),
        ("broken", "states no TransferSyntaxUID"),
        ("empty", "there is no DICOM file in"),
    ]:
        with pytest.raises(ScanError, match=told) as caught:
            gather([tmp_path / name])
        assert "Secret" not in str(caught.value)


def test_a_server_that_stores_nothing(
    alone: None, write_series: Callable[..., Any], tmp_path: Path
) -> None:
    peer = AE("ECHO")
    peer.add_supported_context(Verification)
    server = peer.start_server(("127.0.0.1", 4302), block=False)
    assert server is not None
    written = write_series(tmp_path, shape=(3, 8, 8))
    pushed = push(open_pacs("dicom://ECHO@127.0.0.1:4302"), [written.folder])
    server.shutdown()
    reason = "CT Image Storage in Explicit VR Little Endian is not accepted"
    assert (pushed.sent, pushed.refused) == (0, {reason: 3})


def test_a_server_without_room(
    make_orthanc: Callable[..., Any], write_series: Callable[..., Any], tmp_path: Path
) -> None:
    no_room = {"MaximumStorageSize": 1, "AuthenticationEnabled": False}  # MB
    server = make_orthanc(settings=no_room)
    written = write_series(tmp_path / "sent", shape=(2, 1024, 1024))
    pushed = push(server.open("get"), [written.folder])
    assert pushed.sent == 0 and pushed.refused.total() == 2
    (reason,) = pushed.refused
    assert reason.startswith("status 0x")
    pushed = push(server.open("web"), [written.folder])  # answered with 200 and empty sequences
    assert (pushed.sent, pushed.refused) == (0, {"the PACS did not confirm it": 2})
    assert server.open("get").find(Query()) == []


@pytest.fixture
def deflating(alone: None) -> Iterator[list[bytes]]:
    """What a server receives that takes nothing but deflated images, without unpacking it."""
    received: list[bytes] = []

    def keep(event: Any) -> int:
        received.append(event.request.DataSet.getvalue())
        return 0

    peer = AE("DEFLATE")
    peer.add_supported_context(CT, DeflatedExplicitVRLittleEndian)
    server = peer.start_server(
        ("127.0.0.1", 4302), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)]
    )
    assert server is not None
    yield received
    server.shutdown()


def deflate(dataset: Any, number: int) -> None:
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian


def blow_up(path: Path) -> None:
    """Give a deflated file 512 MiB of pixels, all 0."""
    content = path.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")
    unpacked = zlib.decompress(content[start:], -15)
    pixels = unpacked.index(b"\xe0\x7f\x10\x00OW\0\0") + 8
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(unpacked[:pixels] + (512 << 20).to_bytes(4, "little"))
    for _ in range(512):
        packed += packer.compress(bytes(1 << 20))
    path.write_bytes(content[:start] + packed + packer.flush())


def test_a_small_file_that_unpacks_to_a_huge_one_is_sent_as_it_is(
    deflating: list[bytes], write_series: Callable[..., Any], tmp_path: Path
) -> None:
    (path,) = write_series(tmp_path, shape=(1, 8, 8), edit=deflate).files()
    blow_up(path)
    pacs = open_pacs("dicom://DEFLATE@127.0.0.1:4302")
    tracemalloc.start()
    pushed = push(pacs, [path])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pushed.sent == 1
    assert deflating[0] and path.read_bytes().endswith(deflating[0])
    assert path.stat().st_size < 1 << 20 and peak < 256 << 20
