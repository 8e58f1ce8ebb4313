"""Status codes of DIMSE, as words and errors."""

from __future__ import annotations

from typing import Any

from halsted.imaging_bridge.errors import PacsError
from halsted.imaging_bridge.pacs.association import broken
from halsted.imaging_bridge.pacs.node import PacsNode


def storage_refusal(code: int) -> str:
    """Why an instance was not stored (PS3.4, table B.2-1); empty where it was.

    Warnings, such as an element that the PACS changed on the way in, mean that it was.
    """
    from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS

    category, meaning = STORAGE_SERVICE_CLASS_STATUS.get(code, ("", ""))
    if category in ("Success", "Warning"):
        return ""
    return f"status 0x{code:04X} {meaning}".strip()


def check_status(node: PacsNode, status: Any, service: str) -> None:
    """Raise `PacsError` where the last answer of a service is missing, or is no success."""
    from pynetdicom.status import code_to_category

    if "Status" not in status:
        raise broken(node)
    if code_to_category(status.Status) not in ("Success", "Warning"):
        raise PacsError(
            f"the PACS {node.called_aet} at {node.host}:{node.port} could not do {service} (status "
            f"0x{status.Status:04X}); its own log says why"
        )
