"""Presentation contexts: which objects are sent or received, in which encodings.

Every transfer syntax has a context of its own. A PACS accepts one syntax per context, and must
convert what it stores in another one of that context. Orthanc without a transcoder then sends no
compressed image at all, and with that of GDCM it sets the scaling of a dose to 1 where it converts
implicit to explicit VR.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pynetdicom.presentation import PresentationContext

IMPLICIT, EXPLICIT, BIG_ENDIAN = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
)
DEFLATED = "1.2.840.10008.1.2.1.99"
_UNCOMPRESSED = (EXPLICIT, IMPLICIT, BIG_ENDIAN)
# Deflated is left out: zlib may blow a small message up to any size.
_COMPRESSED = (
    "1.2.840.10008.1.2.5",  # RLE
    *(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70)),  # JPEG
    *(f"1.2.840.10008.1.2.4.{number}" for number in (80, 81)),  # JPEG-LS
    *(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91)),  # JPEG 2000
    *(f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203)),  # high-throughput JPEG 2000
    *(f"1.2.840.10008.1.2.4.{number}" for number in (100, 102, 103, 107)),  # video
)
_SYNTAXES = (*_UNCOMPRESSED, *_COMPRESSED)
MOST = 128
"""Presentation contexts in one association (PS3.8, 9.3.2.2: odd numbers up to 255)."""
CLASSES_AT_ONCE = (MOST - 1) // len(_SYNTAXES)
"""SOP classes that one association can receive, beside the service that asks for them."""


def to_receive(classes: Iterable[str]) -> list[PresentationContext]:
    """Contexts for receiving these SOP classes, at most `CLASSES_AT_ONCE`, however encoded."""
    from pynetdicom import build_context

    return [build_context(one, syntax) for one in classes for syntax in _SYNTAXES]


def to_receive_anything() -> list[PresentationContext]:
    """Contexts for the SOP classes in common use, uncompressed: where a PACS names no classes."""
    from pynetdicom import StoragePresentationContexts, build_context

    classes = StoragePresentationContexts[: MOST - 1]
    return [build_context(str(one.abstract_syntax), list(_UNCOMPRESSED)) for one in classes]


def to_serve() -> list[PresentationContext]:
    """Contexts of a receiver, for which there is no limit: all SOP classes, however encoded."""
    from pynetdicom import AllStoragePresentationContexts, build_context

    return [
        build_context(str(one.abstract_syntax), list(_SYNTAXES))
        for one in AllStoragePresentationContexts
    ]


def to_send(pairs: Sequence[tuple[str, str]]) -> list[PresentationContext]:
    """A context for each pair of SOP class and transfer syntax, at most `MOST`."""
    from pynetdicom import build_context

    return [build_context(sop_class, syntax) for sop_class, syntax in pairs]


def sendable(sop_class: str, syntax: str, accepted: set[tuple[str, str]]) -> bool:
    """Whether a file can be sent as it is; little-endian files may change between their two forms.

    A file in big endian may not: its pixels would have to be swapped too.
    """
    if syntax in (IMPLICIT, EXPLICIT):
        return bool({(sop_class, IMPLICIT), (sop_class, EXPLICIT)} & accepted)
    return (sop_class, syntax) in accepted
