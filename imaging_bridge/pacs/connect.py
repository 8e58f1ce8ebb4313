"""From an address to a PACS that can be asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from halsted.imaging_bridge.errors import PacsError
from halsted.imaging_bridge.pacs.node import PacsNode, read_node
from halsted.imaging_bridge.pacs.records import Pacs


def open_pacs(
    address: str | PacsNode | None = None,
    via: Literal["get", "move"] | None = None,
    receiver_port: int | None = None,
) -> Pacs:
    """The PACS at an address, or at the one in ``HALSTED_PACS``.

    Args:
        address: See `node.read_node`.
        via: How images are fetched by DIMSE: ``get`` (the default) or ``move``.
        receiver_port: Port at which C-MOVE finds us, in place of the one in
            ``HALSTED_PACS_RECEIVER``.

    Raises:
        PacsError: the address or a setting in the environment is unusable.
        HalstedError: the extra ``pacs`` is not installed.
    """
    node = address if isinstance(address, PacsNode) else read_node(address)
    if receiver_port is not None:
        node = replace(node, receiver=(node.receiver[0], receiver_port))
    if node.is_dimse:
        from halsted.imaging_bridge.pacs.dimse import DimsePacs

        return DimsePacs(node, via or "get")
    if via is not None:
        raise PacsError(f"--via {via} is for dicom:// addresses, but this is {node.scheme}://")
    from halsted.imaging_bridge.pacs.dicomweb import WebPacs

    return WebPacs(node)
