"""XML of annotation programs, read so that a hostile file cannot take the memory."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from halsted.imaging_bridge.errors import ScanError

_MOST_BYTES = 256 << 20


def read_xml(path: Path) -> ElementTree.Element:
    """The root of a file, its names without namespaces.

    Raises:
        ScanError: the file is too large, declares entities, or is no XML.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise ScanError(
            f"{path} has more than {_MOST_BYTES >> 20} MiB; pass annotations of one case"
        )
    data = path.read_bytes()
    if b"<!ENTITY" in data or b"<!DOCTYPE" in data:
        raise ScanError(
            f"{path} declares entities, which annotations have no use for; do not use it"
        )
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise ScanError(
            f"{path} is no XML, or a damaged file (line {error.position[0]}); get it again"
        ) from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
