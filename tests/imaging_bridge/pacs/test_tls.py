"""TLS both ways, and every wrong certificate refused."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
import trustme

from halsted.imaging_bridge.errors import PacsError
from halsted.imaging_bridge.pacs import node
from halsted.imaging_bridge.pacs.connect import open_pacs
from halsted.imaging_bridge.pacs.pull import pull
from halsted.imaging_bridge.pacs.push import push
from halsted.imaging_bridge.pacs.receiver import receiver


class Files:
    """An authority, and a certificate with its key that it issued, as files."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir()
        issued = trustme.CA()
        certificate = issued.issue_cert(name)
        self.ca, self.certificate, self.key = (folder / one for one in ("ca", "crt", "key"))
        self.both = folder / "both"
        issued.cert_pem.write_to_path(self.ca)
        certificate.cert_chain_pems[0].write_to_path(self.certificate)
        certificate.private_key_pem.write_to_path(self.key)
        certificate.private_key_and_cert_chain_pem.write_to_path(self.both)


@pytest.fixture
def server_files(tmp_path: Path) -> Files:
    return Files(tmp_path / "server", "127.0.0.1")


@pytest.fixture
def our_files(tmp_path: Path) -> Files:
    return Files(tmp_path / "ours", "127.0.0.1")


@pytest.fixture
def dimse_server(make_orthanc: Callable[..., Any], server_files: Files, our_files: Files) -> Any:
    """An Orthanc whose DIMSE is encrypted, and that wants our certificate too."""
    return make_orthanc(
        settings={
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": str(server_files.certificate),
            "DicomTlsPrivateKey": str(server_files.key),
            "DicomTlsTrustedCertificates": str(our_files.ca),
            "DicomModalities": {
                "us": {"AET": "HALSTED", "Host": "127.0.0.1", "Port": 11112, "UseDicomTls": True}
            },
        }
    )


class Front(socketserver.ThreadingTCPServer):
    """Ends the TLS in front of Orthanc, whose own HTTPS server crashes as Debian 12 builds it."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, files: Files, behind: int) -> None:
        self.behind = behind
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(files.certificate, files.key)
        super().__init__(("127.0.0.1", 8443), _Relay)


class _Relay(socketserver.BaseRequestHandler):
    server: Front

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # a client that does not trust us hangs up
            with (
                self.server.context.wrap_socket(self.request, server_side=True) as outer,
                socket.create_connection(("127.0.0.1", self.server.behind)) as inner,
            ):
                back = threading.Thread(target=self._copy, args=(inner, outer))
                back.start()
                self._copy(outer, inner)
                back.join()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(1 << 16):
                target.sendall(content)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def https(orthanc: Any, server_files: Files) -> Iterator[str]:
    """Address of the shared Orthanc behind TLS."""
    with Front(server_files, orthanc.http_port) as front:
        threading.Thread(target=front.serve_forever, args=(0.05,)).start()
        yield f"https://127.0.0.1:{front.server_address[1]}/dicom-web"
        front.shutdown()


def trust(monkeypatch: pytest.MonkeyPatch, server: Files, ours: Files | None = None) -> None:
    monkeypatch.setenv(node.CA, str(server.ca))
    if ours:
        monkeypatch.setenv(node.CERTIFICATE, str(ours.certificate))
        monkeypatch.setenv(node.KEY, str(ours.key))


@pytest.mark.parametrize("via", ["get", "move"])
def test_dimse_is_encrypted_both_ways(
    dimse_server: Any,
    server_files: Files,
    our_files: Files,
    monkeypatch: pytest.MonkeyPatch,
    write_series: Callable[..., Any],
    tmp_path: Path,
    via: Any,
) -> None:
    trust(monkeypatch, server_files, our_files)
    pacs = open_pacs(dimse_server.address.replace("dicom:", "dicoms:"), via)
    pacs.echo()
    written = write_series(tmp_path / "sent")
    study = str(pydicom.dcmread(written.files()[0]).StudyInstanceUID)
    assert push(pacs, [written.folder]).sent == 8
    assert pull(pacs, study, tmp_path / "back").fetched == 8


def test_https(
    https: str,
    server_files: Files,
    monkeypatch: pytest.MonkeyPatch,
    write_series: Callable[..., Any],
    tmp_path: Path,
) -> None:
    trust(monkeypatch, server_files)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file")  # ours counts, and nothing else
    pacs = open_pacs(https)
    written = write_series(tmp_path / "sent")
    study = str(pydicom.dcmread(written.files()[0]).StudyInstanceUID)
    assert push(pacs, [written.folder]).sent == 8
    assert pull(pacs, study, tmp_path / "back").fetched == 8


def refusal(address: str, **options: Any) -> str:
    with pytest.raises(PacsError) as caught:
        open_pacs(address, **options).echo()
    return str(caught.value)


def test_a_certificate_of_another_authority(
    dimse_server: Any, our_files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refusal(dimse_server.address.replace("dicom:", "dicoms:"))
    assert "not trusted" in said and node.CA in said
    trust(monkeypatch, our_files, our_files)
    assert "not trusted" in refusal(dimse_server.address.replace("dicom:", "dicoms:"))


def test_a_certificate_of_another_machine(
    https: str, server_files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "not trusted" in refusal(https)
    trust(monkeypatch, server_files)
    said = refusal(https.replace("127.0.0.1", "localhost"))
    assert "not trusted (Hostname mismatch" in said


def test_a_certificate_of_ours_that_is_missing_or_unknown(
    dimse_server: Any, server_files: Files, our_files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = dimse_server.address.replace("dicom:", "dicoms:")
    trust(monkeypatch, server_files)
    assert "asks for a certificate" in refusal(address)
    trust(monkeypatch, server_files, server_files)
    assert "asks for a certificate" in refusal(address)


def test_a_server_without_tls_and_one_with_it(
    dimse_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "whether it asks for TLS" in refusal(dimse_server.address)


def test_a_receiver_takes_nothing_unencrypted_and_nothing_from_strangers(
    run_program: Callable[..., Any],
    write_series: Callable[..., Any],
    server_files: Files,
    our_files: Files,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    kept: list[Any] = []

    def keep(dataset: Any, write: Any) -> bool:
        kept.append(dataset)
        return True

    send = (
        "storescu",
        "-aet",
        "X",
        "-aec",
        "HALSTED",
        "127.0.0.1",
        "11112",
        write_series(tmp_path).files()[0],
    )
    trusting = ("storescu", "+cf", our_files.ca)
    trust(monkeypatch, server_files)
    with pytest.raises(PacsError, match="would send images back unencrypted"):
        with receiver(node.read_node("dicoms://X@127.0.0.1"), keep):
            pass
    trust(monkeypatch, server_files, our_files)
    with receiver(node.read_node("dicoms://X@127.0.0.1"), keep):
        assert run_program(*send).returncode != 0
        stranger = ("+tls", our_files.key, our_files.certificate)
        assert run_program(*trusting, *stranger, *send[1:]).returncode != 0
        assert kept == []
        known = ("+tls", server_files.key, server_files.certificate)
        done = run_program(*trusting, *known, *send[1:])
        assert done.returncode == 0, done.stderr
    assert len(kept) == 1
