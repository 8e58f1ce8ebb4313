"""A DICOM association: opened with TLS and time limits, and if refused, with the reason why."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from halsted.imaging_bridge.errors import PacsError
from halsted.imaging_bridge.formats.extras import extra
from halsted.imaging_bridge.pacs.node import AE_TITLE, CA, CERTIFICATE, KEY, PacsNode
from halsted.imaging_bridge.pacs.records import NotOffered

if TYPE_CHECKING:
    from pynetdicom import AE
    from pynetdicom.association import Association
    from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
    from pynetdicom.presentation import PresentationContext

CONNECT_S = 10.0
ANSWER_S = 60.0
"""How long a PACS may be silent: it may have to read a series from tape first."""


def entity(node: PacsNode) -> AE:
    """Our application entity, with limits on every wait, and with nothing of what it sees logged.

    pynetdicom would write every query and answer, identifiers of patients included, to its log.
    """
    with extra("pacs"):
        from pynetdicom import AE, _config
    _config.LOG_HANDLER_LEVEL = "none"
    _config.STORE_SEND_CHUNKED_DATASET = True  # a file that is named is sent as it is
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    ours = AE(ae_title=node.calling_aet)
    ours.connection_timeout = ours.acse_timeout = CONNECT_S
    ours.dimse_timeout = ours.network_timeout = ANSWER_S
    return ours


@contextmanager
def associate(
    node: PacsNode,
    contexts: Sequence[PresentationContext],
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
    handlers: Sequence[tuple[Any, Any]] = (),
) -> Iterator[Association]:
    """An association with a PACS, released at the end, or aborted after an error.

    Raises:
        PacsError: it cannot be reached, refuses us, or accepts none of the contexts.
    """
    ours = entity(node)
    from pynetdicom import evt

    tls = (node.credentials.client_context(), node.host) if node.uses_tls else None
    try:
        association = ours.associate(
            node.host,
            node.port,
            contexts=list(contexts),
            ae_title=node.called_aet,
            ext_neg=list(roles),
            evt_handlers=[*handlers, (evt.EVT_CONN_CLOSE, _wake)],
            tls_args=tls,
        )
    except OSError as error:
        raise PacsError(_no_connection(node) or _ended(node)) from error
    if not association.is_established:
        raise _refusal(node, association)
    try:
        yield association
        if association.is_established:
            association.release()
    except RuntimeError as error:  # raised for a request after the connection has ended
        raise broken(node) from error
    finally:
        if association.is_established:
            association.abort()


def _wake(event: Any) -> None:
    """End a wait for an answer, if there is one, once the connection is closed.

    pynetdicom puts a mark into the queue of answers, but its own thread may be the one that takes
    it out, and then whoever waits for an answer waits for all of `ANSWER_S`.
    """
    waker = threading.Timer(0.5, event.assoc.dimse.msg_queue.put, [(None, None)])
    waker.daemon = True
    waker.start()


def broken(node: PacsNode) -> PacsError:
    """The error for a connection that ended, or stayed silent, before the answer was complete."""
    return PacsError(
        f"the connection to the PACS {node.called_aet} at {node.host}:{node.port} broke off, or "
        f"it was silent for {ANSWER_S:.0f} s; see whether it still runs, and whether it allows "
        f"{node.calling_aet} to do this"
    )


def accepted(association: Association) -> set[tuple[str, str]]:
    """Pairs of SOP class and transfer syntax that the PACS takes."""
    return {
        (str(context.abstract_syntax), str(context.transfer_syntax[0]))
        for context in association.accepted_contexts
    }


def _refusal(node: PacsNode, association: Association) -> PacsError:
    """Why there is no association."""
    from pydicom.uid import UID

    where = f"the PACS at {node.host}:{node.port}"
    if association.is_rejected:
        return PacsError(_rejection(node, association.acceptor.primitive))
    if association.rejected_contexts:
        refused = {str(one.abstract_syntax) for one in association.rejected_contexts}
        names = sorted(UID(one).name for one in refused)
        return NotOffered(
            f"{where} does not offer {', '.join(names[:3])}; ask its administrator to enable it"
        )
    return PacsError(_no_connection(node) or _ended(node))


def _ended(node: PacsNode) -> str:
    """The sentence for a server that takes a connection and ends it without a word."""
    if node.uses_tls:
        wish = f"asks for a certificate ({CERTIFICATE}, {KEY})"
    else:
        wish = "asks for TLS (dicoms://)"
    return (
        f"the PACS at {node.host}:{node.port} ends the connection without an answer; check that it "
        f"speaks DICOM there, and whether it {wish}"
    )


def _rejection(node: PacsNode, answer: Any) -> str:
    where = f"the PACS at {node.host}:{node.port}"
    reason = (answer.result_source, answer.diagnostic)
    if reason == (1, 7):  # PS3.8, table 9-21
        return (
            f"{where} does not answer to the AE title {node.called_aet}; put its own AE title into "
            "the address, dicom://AE_TITLE@host:port"
        )
    if reason == (1, 3):
        return (
            f"{where} does not know our AE title {node.calling_aet}; set {AE_TITLE} to one "
            "that its administrator has registered for this machine"
        )
    return (
        f"{where} refused the association ({answer.reason_str}); ask its administrator to allow "
        f"{node.calling_aet} from this machine"
    )


def _no_connection(node: PacsNode) -> str:
    """Why a connection cannot be opened: pynetdicom does not tell, so another one is tried."""
    where = f"{node.host}:{node.port}"
    try:
        with socket.create_connection((node.host, node.port), CONNECT_S) as plain:
            return _no_tls(node, plain) if node.uses_tls else ""
    except socket.gaierror:
        return f"there is no machine {node.host}; check the address of the PACS"
    except OSError as error:
        reason = error.strerror or "no answer in time"
        return f"nothing answers at {where} ({reason}); check the address and whether the PACS runs"


def _no_tls(node: PacsNode, plain: socket.socket) -> str:
    where = f"{node.host}:{node.port}"
    try:
        context = node.credentials.client_context()
        context.wrap_socket(plain, server_hostname=node.host).close()
    except ssl.SSLCertVerificationError as error:
        return certificate_refused(where, error.verify_message)
    except OSError as error:  # ssl.SSLError is one
        reason = getattr(error, "reason", None) or error.strerror or "no answer in time"
        return f"there is no TLS at {where} ({reason}); check the port, or whether it is dicom://"
    return ""


def certificate_refused(where: str, reason: str) -> str:
    """The sentence for a server whose certificate does not prove who it is."""
    return (
        f"the PACS at {where} shows a certificate that is not trusted ({reason}); set {CA} to the "
        "certificate of the authority that issued it, if you know that it is the right machine"
    )
