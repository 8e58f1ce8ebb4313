"""STOW-RS: storing files as they are, and what the answer confirms of them (PS3.18, 10.5)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from halsted.imaging_bridge.dicom.files import broken
from halsted.imaging_bridge.errors import PacsError
from halsted.imaging_bridge.pacs.elements import json_items, json_text, json_uid
from halsted.imaging_bridge.pacs.node import PacsNode
from halsted.imaging_bridge.pacs.records import Outgoing
from halsted.imaging_bridge.pacs.statuses import storage_refusal
from halsted.imaging_bridge.pacs.web_client import TIMEOUT_S, content_type

if TYPE_CHECKING:
    from requests import Response, Session

BATCH_BYTES = 32 << 20
UNCONFIRMED = "the PACS did not confirm it"

_JSON = ("application/dicom+json", "application/json")
_FAILED, _STORED, _REFERENCED_UID, _REASON = "00081198", "00081199", "00081155", "00081197"


def store(node: PacsNode, session: Session, files: Sequence[Outgoing]) -> dict[str, str]:
    """Send files in one message; by UID, why those that are not known to be stored are not.

    Raises:
        PacsError: the answer is none of a DICOMweb service.
        ScanError: a file cannot be read any more.
        requests.RequestException: the connection broke, or the server refuses all of it.
    """
    boundary = uuid.uuid4().hex
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    response = session.post(
        f"{node.address}/studies",
        data=b"".join(_message(files, boundary)),
        headers={"Content-Type": kind, "Accept": _JSON[0]},
        timeout=TIMEOUT_S,
    )
    answer = _answer(node, response)
    failed = {json_uid(one, _REFERENCED_UID): _reason(one) for one in json_items(answer, _FAILED)}
    stored = {json_uid(one, _REFERENCED_UID) for one in json_items(answer, _STORED)}
    sent = {file.instance.uid for file in files}
    return {uid: failed.get(uid, UNCONFIRMED) for uid in sent - (stored - failed.keys())}


def batches(files: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    """Runs of files that together have about `BATCH_BYTES`, because each is one message."""
    batch: list[Outgoing] = []
    size = 0
    for file in files:
        batch.append(file)
        size += file.size
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _message(files: Sequence[Outgoing], boundary: str) -> Iterator[bytes]:
    """A multipart message (RFC 2046, 5.1.1) of the files byte for byte, deflated ones too."""
    for file in files:
        yield f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        try:
            yield file.path.read_bytes()
        except OSError as error:
            raise broken(file.path, error) from error
        yield b"\r\n"
    yield f"--{boundary}--".encode()


def _answer(node: PacsNode, response: Response) -> dict[str, Any]:
    """What the server says of each file; a login page, say, is no such answer."""
    if response.status_code != HTTPStatus.CONFLICT:  # the one that comes with a list of reasons
        response.raise_for_status()
    if not response.content:
        return {}
    if content_type(response).get_content_type() not in _JSON:
        response.raise_for_status()
        raise PacsError(
            f"the PACS at {node.host}:{node.port} does not answer in {_JSON[0]}, so nothing tells "
            "what it stored; check that the address is the root of its DICOMweb service, and "
            "whether it asks for a login"
        )
    answer: dict[str, Any] = response.json()
    return answer


def _reason(failed: dict[str, Any]) -> str:
    code = json_text(failed, _REASON)
    return (storage_refusal(int(code)) if code.isdecimal() else "") or UNCONFIRMED
