"""C-FIND: what is asked for, and the answers up to a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halsted.imaging_bridge.pacs.node import PacsNode
from halsted.imaging_bridge.pacs.statuses import check_status

if TYPE_CHECKING:
    from pydicom import Dataset
    from pynetdicom.association import Association

_PENDING = (0xFF00, 0xFF01)
_MESSAGE = 1


def identifier(level: str, **keys: str | list[str]) -> Dataset:
    """A query at a level (STUDY, SERIES or IMAGE): what must match, or is empty and asked for."""
    from pydicom import Dataset

    asked = Dataset()
    asked.QueryRetrieveLevel = level
    if not all(part.isascii() for value in keys.values() for part in value):
        asked.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    return asked


def find_answers(
    node: PacsNode, association: Association, asked: Dataset, model: str, limit: int | None = None
) -> list[Dataset]:
    """The data sets that match.

    Past `limit` of them the PACS is told to stop, and how it does so is all the same. One that has
    come to its end meanwhile may end the association, because there is nothing left to cancel.

    Raises:
        PacsError: the connection broke, or the PACS could not answer.
    """
    found: list[Dataset] = []
    cancelled = False
    for status, answer in association.send_c_find(asked, model, msg_id=_MESSAGE):
        if status.get("Status") not in _PENDING:
            if not cancelled:
                check_status(node, status, "C-FIND")
        elif answer is not None and len(found) != limit:
            found.append(answer)
        elif answer is not None and not cancelled:
            association.send_c_cancel(_MESSAGE, query_model=model)
            cancelled = True
    return found
