"""What a PACS refuses, or cannot do, is one clear sentence, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from halsted.imaging_bridge.errors import PacsError
from halsted.imaging_bridge.pacs import node
from halsted.imaging_bridge.pacs.connect import open_pacs
from halsted.imaging_bridge.pacs.pull import pull
from halsted.imaging_bridge.pacs.push import push
from halsted.imaging_bridge.pacs.records import Query

STUDY = "1.2.840.1.2"


def refusal(tmp_path: Path, address: str, **options: Any) -> str:
    """What a pull from this address is refused with; it must leave no folder behind."""
    before = sorted(tmp_path.iterdir())
    with pytest.raises(PacsError) as caught:
        pull(open_pacs(address, **options), STUDY, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before
    return str(caught.value)


def test_a_wrong_ae_title_of_the_pacs(orthanc: Any, tmp_path: Path) -> None:
    said = refusal(tmp_path, orthanc.address.replace("ORTHANC", "NOBODY"))
    assert "does not answer to the AE title NOBODY" in said


def test_an_ae_title_of_ours_that_the_pacs_does_not_know(
    orthanc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(node.AE_TITLE, "STRANGER")
    said = refusal(tmp_path, orthanc.address)
    assert "does not know our AE title STRANGER" in said and node.AE_TITLE in said


def test_an_association_that_is_refused(alone: None, tmp_path: Path) -> None:
    peer = AE("BUSY")
    peer.add_supported_context(Verification)
    peer.maximum_associations = 1
    server = peer.start_server(("127.0.0.1", 4299), block=False)
    first = AE()
    first.add_requested_context(Verification)
    association = first.associate("127.0.0.1", 4299)
    said = refusal(tmp_path, "dicom://BUSY@127.0.0.1:4299")
    association.release()
    assert server is not None
    server.shutdown()
    assert "refused the association (Local limit exceeded)" in said


def test_a_service_that_is_not_offered(alone: None, tmp_path: Path) -> None:
    peer = AE("ECHO")
    peer.add_supported_context(Verification)
    server = peer.start_server(("127.0.0.1", 4299), block=False)
    open_pacs("dicom://ECHO@127.0.0.1:4299").echo()
    said = refusal(tmp_path, "dicom://ECHO@127.0.0.1:4299")
    assert server is not None
    server.shutdown()
    assert "does not offer Study Root Query/Retrieve Information Model - FIND" in said


def test_a_service_that_is_not_allowed(make_orthanc: Callable[..., Any], tmp_path: Path) -> None:
    us = {"AET": "HALSTED", "Host": "127.0.0.1", "Port": 1, "AllowFind": False}
    server = make_orthanc(settings={"DicomModalities": {"us": us}})
    open_pacs(server.address).echo()
    assert "whether it allows HALSTED" in refusal(tmp_path, server.address)


@pytest.mark.parametrize(("user", "told"), [("halsted", "were sent"), ("", "were not set")])
def test_a_wrong_password(
    orthanc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, told: str
) -> None:
    monkeypatch.setenv(node.USER, user)
    monkeypatch.setenv(node.PASSWORD, "battery staple")
    said = refusal(tmp_path, orthanc.web)
    assert "HTTP 401" in said and told in said and node.PASSWORD in said
    assert "battery" not in said


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("dicom://X@127.0.0.1:9", "nothing answers at 127.0.0.1:9 (Connection refused)"),
        ("dicoms://X@127.0.0.1:9", "nothing answers at 127.0.0.1:9 (Connection refused)"),
        ("http://127.0.0.1:9/dicom-web", "nothing answers at 127.0.0.1:9"),
        ("https://127.0.0.1:9/dicom-web", "nothing answers at 127.0.0.1:9"),
        ("dicom://X@no.such.host:104", "there is no machine no.such.host"),
        ("http://no.such.host/dicom-web", "nothing answers at no.such.host:80"),
    ],
)
def test_a_server_that_is_not_there(alone: None, tmp_path: Path, address: str, told: str) -> None:
    assert told in refusal(tmp_path, address)


@pytest.mark.parametrize(
    ("scheme", "port", "path", "told"),
    [
        ("http", "http_port", "/no-such-root", "HTTP 404"),
        ("http", "dicom_port", "/dicom-web", "broke off"),
        ("dicom://X@", "http_port", "", "check that it speaks DICOM"),
        ("dicoms://X@", "dicom_port", "", "there is no TLS"),
        ("https", "http_port", "/dicom-web", "there is no TLS"),
    ],
)
def test_a_server_of_another_kind(
    orthanc: Any, tmp_path: Path, scheme: str, port: str, path: str, told: str
) -> None:
    start = scheme if "@" in scheme else f"{scheme}://"
    assert told in refusal(tmp_path, f"{start}127.0.0.1:{getattr(orthanc, port)}{path}")


@pytest.mark.parametrize("way", ["address", "web"])
def test_a_study_that_the_pacs_does_not_hold(orthanc: Any, tmp_path: Path, way: str) -> None:
    assert f"lists no study {STUDY}" in refusal(tmp_path, getattr(orthanc, way))
    assert open_pacs(getattr(orthanc, way)).find(Query(study=STUDY)) == []


def test_a_receiver_that_the_pacs_does_not_find(
    orthanc: Any, write_series: Callable[..., Any], tmp_path: Path
) -> None:
    written = write_series(tmp_path / "sent")
    push(open_pacs(orthanc.address), [written.folder])
    (found,) = [
        one for one in open_pacs(orthanc.address).find(Query()) if one.uid == written.series
    ]
    elsewhere = open_pacs(orthanc.address, "move", 11999)  # the PACS has another port registered
    with pytest.raises(PacsError, match=r"C-MOVE .*0 of 8 instances are here"):
        pull(elsewhere, found.study, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_port_that_is_taken(
    orthanc: Any, write_series: Callable[..., Any], tmp_path: Path
) -> None:
    written = write_series(tmp_path / "sent")
    push(open_pacs(orthanc.address), [written.folder])
    (found,) = [
        one for one in open_pacs(orthanc.address).find(Query()) if one.uid == written.series
    ]
    with pytest.raises(
        PacsError, match=r"cannot listen at 127\.0\.0\.1:\d+ \(Address already in use"
    ):
        pull(open_pacs(orthanc.address, "move", orthanc.http_port), found.study, tmp_path / "back")
