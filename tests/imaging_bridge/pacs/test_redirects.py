"""A query may name a patient, so it goes nowhere but to the PACS."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from halsted.imaging_bridge.errors import PacsError
from halsted.imaging_bridge.pacs import node
from halsted.imaging_bridge.pacs.connect import open_pacs
from halsted.imaging_bridge.pacs.records import Query


class Server(ThreadingHTTPServer):
    """Redirects what it is asked below ``/old``, and finds nothing to everything else."""

    def __init__(self, port: int) -> None:
        self.target = ""
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", port), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,)).start()

    def encrypt(self, ca: trustme.CA) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True)


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        away = self.path.startswith("/old")
        self.send_response(307 if away else 200)
        if away:
            self.send_header("Location", self.server.target + self.path.removeprefix("/old"))
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def serve(alone: None) -> Iterator[Callable[[int], Server]]:
    servers: list[Server] = []

    def start(port: int) -> Server:
        servers.append(Server(port))
        return servers[-1]

    yield start
    for one in servers:
        one.shutdown()
        one.server_close()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv(node.CA, str(tmp_path / "ca.pem"))
    return ca


def find(address: str) -> Any:
    return open_pacs(address).find(Query(patient_id="MRN-12345"))


@pytest.mark.parametrize(
    "other", ["http://localhost:8098", "//localhost:8098", "http://127.0.0.1:8098"]
)
def test_another_machine_or_port_is_not_gone_to(serve: Callable[[int], Server], other: str) -> None:
    here, there = serve(8097), serve(8098)
    here.target = other
    with pytest.raises(PacsError, match="redirects to another place") as caught:
        find("http://127.0.0.1:8097/old")
    assert there.asked == [] and "MRN-12345" not in str(caught.value)


def test_encryption_is_not_given_up(serve: Callable[[int], Server], authority: trustme.CA) -> None:
    here, there = serve(8097), serve(8098)
    here.encrypt(authority)
    here.target = "http://127.0.0.1:8098"
    with pytest.raises(PacsError, match="from https to http"):
        find("https://127.0.0.1:8097/old")
    assert len(here.asked) == 1 and there.asked == []


def test_a_redirect_on_the_same_server_or_to_tls_is_followed(
    serve: Callable[[int], Server], authority: trustme.CA
) -> None:
    here, there = serve(8097), serve(8098)
    there.encrypt(authority)
    here.target = "/new"
    assert find("http://127.0.0.1:8097/old") == []
    assert here.asked[-1].startswith("/new/studies?")
    here.target = "https://127.0.0.1:8098"
    assert find("http://127.0.0.1:8097/old") == []
    assert there.asked[-1].startswith("/studies?")
