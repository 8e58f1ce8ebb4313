"""What a DICOMweb server confirms that it has stored, and everything else that it may answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest

from halsted.imaging_bridge.errors import PacsError
from halsted.imaging_bridge.pacs.connect import open_pacs
from halsted.imaging_bridge.pacs.push import push

JSON = "application/dicom+json"
FAILED, STORED, REFERENCED, REASON = "00081198", "00081199", "00081155", "00081197"
UNCONFIRMED = "the PACS did not confirm it"


def item(uid: str | None = None, reason: int | None = None) -> dict[str, Any]:
    stated = {} if uid is None else {REFERENCED: {"vr": "UI", "Value": [uid]}}
    return stated if reason is None else {**stated, REASON: {"vr": "US", "Value": [reason]}}


def answer(stored: list[Any], failed: list[Any]) -> bytes:
    both = {STORED: stored, FAILED: failed}
    return json.dumps({tag: {"vr": "SQ", "Value": one} for tag, one in both.items()}).encode()


class Archive(ThreadingHTTPServer):
    """A DICOMweb server that holds nothing, and answers as it is told to what it shall store."""

    address = "http://127.0.0.1:8099"
    tell: Callable[[list[str]], tuple[int, str, bytes]]

    def __init__(self) -> None:
        self.received: list[bytes] = []
        super().__init__(("127.0.0.1", 8099), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Archive

    def do_GET(self) -> None:
        self._answer(200, JSON, b"[]")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        boundary = self.headers.get_boundary()
        parts = body.split(f"--{boundary}".encode())[1:-1]
        self.server.received = [one.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n") for one in parts]
        read = (pydicom.dcmread(BytesIO(one)) for one in self.server.received)
        self._answer(*self.server.tell([str(one.SOPInstanceUID) for one in read]))

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def archive(alone: None) -> Iterator[Archive]:
    with Archive() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield server
        server.shutdown()


@pytest.fixture
def series(write_series: Callable[..., Any], tmp_path: Path) -> Any:
    return write_series(tmp_path, shape=(3, 8, 8))


def test_files_travel_byte_for_byte_and_count_as_sent_when_confirmed(
    archive: Archive, series: Any
) -> None:
    archive.tell = lambda uids: (200, f"{JSON}; charset=utf-8", answer([*map(item, uids)], []))
    pushed = push(open_pacs(archive.address), [series.folder])
    assert (pushed.sent, pushed.refused) == (3, {})
    assert archive.received == [path.read_bytes() for path in series.files()]


@pytest.mark.parametrize("status", [202, 409])  # PS3.18, table 10.5.3-1: some failed, or all
def test_what_is_refused_is_counted_with_its_reason(
    archive: Archive, series: Any, status: int
) -> None:
    kept = 0 if status == 409 else 2

    def tell(uids: list[str]) -> tuple[int, str, bytes]:
        failed = [item(one, 0xA700) for one in uids[kept:]]
        return status, JSON, answer([*map(item, uids[:kept])], failed)

    archive.tell = tell
    pushed = push(open_pacs(archive.address), [series.folder])
    assert pushed.sent == kept
    assert pushed.refused == {"status 0xA700 Refused: Out of Resources": 3 - kept}


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (200, JSON, b"{}"),
        (200, JSON, b""),
        (200, JSON, answer([item("1.2.3")], [])),
        (200, JSON, answer([item()], [])),
        (202, JSON, answer([], [item(reason=0xA700)])),
        (202, JSON, answer([], [item(), item(), item()])),
        (204, "", b""),
    ],
    ids=["nothing", "empty", "other", "unnamed", "failed-unnamed", "failed-bare", "no-content"],
)
def test_what_is_not_confirmed_was_not_sent(
    archive: Archive, series: Any, status: int, kind: str, body: bytes
) -> None:
    archive.tell = lambda uids: (status, kind, body)
    pushed = push(open_pacs(archive.address), [series.folder])
    assert (pushed.sent, pushed.refused) == (0, {UNCONFIRMED: 3})


@pytest.mark.parametrize("reason", [0x0000, 0xB000, None])
def test_what_failed_was_not_sent_whatever_the_reason(
    archive: Archive, series: Any, reason: int | None
) -> None:
    def tell(uids: list[str]) -> tuple[int, str, bytes]:
        return 202, JSON, answer([*map(item, uids)], [item(one, reason) for one in uids])

    archive.tell = tell
    assert push(open_pacs(archive.address), [series.folder]).refused == {UNCONFIRMED: 3}


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        ("text/html", b"<form>user, password</form>", "whether it asks for a login"),
        ("text/html", answer([item("1.2.3")], []), "whether it asks for a login"),
        (JSON, b"[]", "something that is no DICOMweb"),
        (JSON, b"<form>", "something that is no DICOMweb"),
    ],
)
def test_an_answer_of_another_kind(
    archive: Archive, series: Any, kind: str, body: bytes, told: str
) -> None:
    archive.tell = lambda uids: (200, kind, body)
    with pytest.raises(PacsError, match=rf"{told}.*; 0 of 3 instances are there"):
        push(open_pacs(archive.address), [series.folder])


def test_a_conflict_without_reasons(archive: Archive, series: Any) -> None:
    archive.tell = lambda uids: (409, "text/html", b"<p>conflict</p>")
    with pytest.raises(PacsError, match=r"HTTP 409.*; 0 of 3 instances are there"):
        push(open_pacs(archive.address), [series.folder])
