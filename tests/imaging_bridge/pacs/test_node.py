"""Addresses and the settings in the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from halsted.imaging_bridge.errors import PacsError
from halsted.imaging_bridge.pacs import node
from halsted.imaging_bridge.pacs.connect import open_pacs
from halsted.imaging_bridge.pacs.node import read_node
from halsted.imaging_bridge.pacs.records import Query, is_uid
from halsted.imaging_bridge.pacs.worklist import find_scheduled


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        *(node.ADDRESS, node.AE_TITLE, node.USER, node.PASSWORD, node.TOKEN),
        *(node.CA, node.CERTIFICATE, node.KEY, node.RECEIVER),
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("address", "host", "port", "called", "dimse", "tls"),
    [
        ("dicom://ORTHANC@pacs.example.org:4242", "pacs.example.org", 4242, "ORTHANC", True, False),
        ("dicom://A%20B@10.0.0.1", "10.0.0.1", 104, "A B", True, False),
        ("dicoms://X@[::1]", "::1", 2762, "X", True, True),
        ("http://h:8042/dicom-web/", "h", 8042, "", False, False),
        ("https://h/a/b", "h", 443, "", False, True),
    ],
)
def test_addresses(address: str, host: str, port: int, called: str, dimse: bool, tls: bool) -> None:
    read = read_node(address)
    assert (read.host, read.port, read.called_aet) == (host, port, called)
    assert (read.is_dimse, read.uses_tls) == (dimse, tls)


@pytest.mark.parametrize(
    "address",
    [
        "dicom://ORTHANC:hunter2@host:4242",
        "http://user:hunter2@host/dicom-web",
        "https://hunter2@host/dicom-web",
        "ftp://user:hunter2@host",
    ],
)
def test_a_password_in_the_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(PacsError, match=node.PASSWORD) as caught:
        read_node(address)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ORTHANC@host:4242",
        "dicom://host:4242",
        "dicom://SEVENTEEN-LETTERS@host",
        "dicom://A%5CB@host",
        "dicom://X@host:port",
        "dicom://X@host:99999",
        "http:///dicom-web",
        "http://[host/dicom-web",
        "http://host/dicom-web?token=1",
        "/some/folder",
    ],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(PacsError):
        read_node(address)


def test_settings_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(node.ADDRESS, "dicom://PACS@host:11")
    monkeypatch.setenv(node.AE_TITLE, "US")
    monkeypatch.setenv(node.RECEIVER, "0.0.0.0:4000")
    monkeypatch.setenv(node.PASSWORD, "hunter2")
    monkeypatch.setenv(node.TOKEN, "sesame")
    (tmp_path / "ca.pem").touch()
    monkeypatch.setenv(node.CA, str(tmp_path / "ca.pem"))
    read = read_node()
    assert (read.called_aet, read.calling_aet, read.receiver) == ("PACS", "US", ("0.0.0.0", 4000))
    assert read.credentials.password == "hunter2"
    assert read.credentials.ca == tmp_path / "ca.pem"
    assert "hunter2" not in repr(read) and "sesame" not in repr(read)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        (node.AE_TITLE, "MUCH-TOO-LONG-A-TITLE"),
        (node.RECEIVER, "host"),
        (node.RECEIVER, "host:port"),
        (node.CA, "/no/such/file"),
        (node.KEY, "/no/such/file"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(PacsError, match=variable):
        read_node("dicom://X@host")


def test_files_without_certificates_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").touch()
    for variable in (node.CA, node.CERTIFICATE):
        with monkeypatch.context() as patch:
            patch.setenv(variable, str(tmp_path / "empty.pem"))
            with pytest.raises(PacsError, match=variable):
                read_node("dicoms://X@host").credentials.client_context()


def test_an_address_that_the_client_does_not_take() -> None:
    with pytest.raises(PacsError, match="name the host instead"):
        open_pacs("http://[::1]:8042/dicom-web")


def test_options_that_do_not_fit_the_protocol() -> None:
    with pytest.raises(PacsError, match="--via move is for dicom://"):
        open_pacs("http://host/dicom-web", "move")
    with pytest.raises(PacsError, match="a worklist is asked for by DIMSE"):
        find_scheduled(read_node("http://host/dicom-web"))


@pytest.mark.parametrize("date", ["2024", "2024-01-01", "20240101-20240131-", "*", "-"])
def test_what_is_no_date(date: str) -> None:
    with pytest.raises(PacsError, match="YYYYMMDD"):
        Query(date=date)


@pytest.mark.parametrize(
    "keys",
    [{"modality": "ct"}, {"modality": "C*"}, {"patient_id": "a\\b"}, {"patient_id": "9" * 65}],
)
def test_what_no_pacs_can_be_asked_for(keys: Any) -> None:
    with pytest.raises(PacsError, match=r"the modality is|the patient ID is none"):
        Query(**keys)


@pytest.mark.parametrize(
    "text", ["", "1", ".", "..", "1..2", "1.2/3", "../1.2", "1.2\n", "1." * 33]
)
def test_what_is_no_uid(text: str) -> None:
    assert not is_uid(text)
