"""XML of annotation programs, read so that a hostile file cannot take the memory."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from halsted.imaging_bridge.errors import ScanError

_MOST_BYTES = 256 << 20


def read_xml(path: Path) -> Element:
    """The root of a file, its names without namespaces.

    Raises:
        ScanError: the file is too large, declares a document type or entities, is in an encoding
            that the parser does not know, or is no XML.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise ScanError(
            f"{path} has more than {_MOST_BYTES >> 20} MiB; pass annotations of one case"
        )

    def refuse(*_: object) -> None:
        raise ScanError(
            f"{path} declares entities, which annotations have no use for; do not use it"
        )

    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.StartElementHandler = lambda name, told: builder.start(_plain(name), told)
    parser.EndElementHandler = lambda name: builder.end(_plain(name))
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(path.read_bytes(), True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise ScanError(
            f"{path} is no XML, or a damaged file (line {parser.CurrentLineNumber}); get it again"
        ) from error
    return builder.close()


def _plain(name: str) -> str:
    return name.rpartition("}")[2]
