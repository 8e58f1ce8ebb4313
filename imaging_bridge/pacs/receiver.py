"""Our own storage server, to which a PACS sends what C-MOVE asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from halsted.imaging_bridge.errors import PacsError
from halsted.imaging_bridge.pacs.association import entity
from halsted.imaging_bridge.pacs.contexts import to_serve
from halsted.imaging_bridge.pacs.node import RECEIVER, PacsNode
from halsted.imaging_bridge.pacs.records import Keep

_NOT_ASKED_FOR = 0xA900  # PS3.4, B.2.3: refused, the data set is not what was agreed on
_STORED = 0x0000


def store_handler(keep: Keep) -> Any:
    """A handler of C-STORE requests that passes each instance, byte for byte as sent, to `keep`."""

    def handle(event: Any) -> int:
        content = event.encoded_dataset()
        wanted = keep(event.dataset, lambda path: path.write_bytes(content))
        return _STORED if wanted else _NOT_ASKED_FOR

    return handle


@contextmanager
def receiver(node: PacsNode, keep: Keep) -> Iterator[None]:
    """Listen where the PACS expects us, and take what was asked for and nothing else.

    Whoever calls must bear the AE title of the PACS. Only TLS proves that it is the PACS.

    Raises:
        PacsError: the port is taken, TLS is asked for and there is no certificate, or C-MOVE failed
            after somebody with another AE title was turned away.
    """
    from pynetdicom import evt

    ours = entity(node)
    ours.require_called_aet = True
    ours.require_calling_aet = [node.called_aet]
    strangers: set[str] = set()
    tls = node.credentials.server_context() if node.uses_tls else None
    host, port = node.receiver
    try:
        server = ours.start_server(
            node.receiver,
            block=False,
            contexts=to_serve(),
            evt_handlers=[
                (evt.EVT_C_STORE, store_handler(keep)),
                (evt.EVT_REJECTED, lambda event: strangers.add(event.assoc.requestor.ae_title)),
            ],
            ssl_context=tls,
        )
    except OSError as error:
        raise PacsError(
            f"cannot listen at {host}:{port} ({error.strerror}) for what the PACS sends; set "
            f"{RECEIVER} to a free host:port that the PACS knows"
        ) from error
    assert server is not None
    try:
        yield
    except PacsError as error:
        strangers.discard(node.called_aet)  # called us by another title than ours
        if not strangers:
            raise
        raise PacsError(
            f"{error}; {', '.join(map(repr, sorted(strangers)))} called here and was turned away, "
            f"because images are taken from {node.called_aet} only; if that is the PACS, put this "
            "AE title into its address, or pull without --via move"
        ) from error
    finally:
        server.shutdown()
