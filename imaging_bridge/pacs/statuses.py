"""Status codes of the storage service, as words."""

from __future__ import annotations


def storage_refusal(code: int) -> str:
    """Why an instance was not stored (PS3.4, table B.2-1); empty where it was.

    Warnings, such as an element that the PACS changed on the way in, mean that it was.
    """
    from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS

    category, meaning = STORAGE_SERVICE_CLASS_STATUS.get(code, ("", ""))
    if category in ("Success", "Warning"):
        return ""
    return f"status 0x{code:04X} {meaning}".strip()
