"""Which files are pushed, and which are refused before or by the PACS."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pydicom
import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from halsted.imaging_bridge.errors import PacsError, ScanError
from halsted.imaging_bridge.pacs.connect import open_pacs
from halsted.imaging_bridge.pacs.push import gather, push


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
    files, skipped = gather([tmp_path / "a", written.files()[2]])
    assert len(files) == 3 and len({one.instance.uid for one in files}) == 3
    assert skipped == 4  # the copy, the notes, the one without a study, and the third slice again
    assert {one.transfer_syntax for one in files} == {pydicom.uid.ExplicitVRLittleEndian}


def test_what_cannot_be_pushed(write_series: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no DICOM")
    (tmp_path / "broken").write_bytes(bytes(128) + b"DICM" + b"Secret^Person" * 3)
    (tmp_path / "empty").mkdir()
    for name, told in [
        ("none", "there is no file or folder"),
        ("notes.txt", "is no DICOM instance"),
        ("broken", "cannot be parsed|is no DICOM instance"),
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
    with pytest.raises(PacsError, match=r"HTTP 500.*; 0 of 2 instances are there"):
        push(server.open("web"), [written.folder])


class Archive(BaseHTTPRequestHandler):
    """A DICOMweb server that holds nothing and refuses the first instance of what is stored."""

    refused: ClassVar[str] = ""
    status: ClassVar[int] = 202

    def do_GET(self) -> None:
        self.answer(200, [])

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") != "chunked":
            self.rfile.read(int(self.headers["Content-Length"]))
        reason = {
            "00081155": {"vr": "UI", "Value": [self.refused]},
            "00081197": {"vr": "US", "Value": [0xA700]},
        }
        self.answer(self.status, {"00081198": {"vr": "SQ", "Value": [reason]}})

    def answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize("status", [202, 409])  # PS3.18, table 10.5.3-1: some failed, or all
def test_what_dicomweb_refuses_is_counted(
    alone: None, write_series: Callable[..., Any], tmp_path: Path, status: int
) -> None:
    written = write_series(tmp_path, shape=(1 if status == 409 else 3, 8, 8))
    uid = str(pydicom.dcmread(written.files()[0]).SOPInstanceUID)
    handler = type("Once", (Archive,), {"refused": uid, "status": status})
    with ThreadingHTTPServer(("127.0.0.1", 8099), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        pushed = push(open_pacs("http://127.0.0.1:8099"), [written.folder])
        server.shutdown()
    assert pushed.refused == {"status 0xA700 Refused: Out of Resources": 1}
    assert pushed.sent == len(written.files()) - 1
