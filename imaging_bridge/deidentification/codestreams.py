"""Compressed frames without remarks: what decodes to the pixels, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from struct import pack, unpack

# The end of entropy-coded data: a marker that is neither a stuffed byte nor a restart marker.
_NEXT_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]", re.DOTALL)
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_APPLICATION, _COMMENT = range(0xE0, 0xF0), 0xFE
# Frame headers, tables and intervals of JPEG (ITU-T T.81), and of JPEG-LS (ITU-T T.87).
_JPEG_SEGMENTS = {*range(0xC0, 0xD0), *range(0xDB, 0xE0), 0xF7, 0xF8}
_END_OF_SPIFF_DIRECTORY = b"\0\0\0\1\xff\xd8"

_SOC, _SOT, _SOD, _EOC, _J2K_COMMENT, _TLM = 0xFF4F, 0xFF90, 0xFF93, 0xFFD9, 0xFF64, 0xFF55
# Segments of JPEG 2000 (ITU-T T.800, Table A.2) and of high throughput (T.814).
_J2K_SEGMENTS = {*range(0xFF50, 0xFF54), *range(0xFF55, 0xFF5A), *range(0xFF5C, 0xFF62), 0xFF63}

_RLE_HEADER_BYTES = 64


def jpeg_without_remarks(frame: bytes) -> bytes:
    """A JPEG or JPEG-LS frame without comments, application data, and bytes behind its end.

    Of application data stays what says how colours are to be decoded: JFIF, Adobe, SPIFF, and the
    colour transform of JPEG-LS; without thumbnails.

    Raises:
        ValueError: the frame is no such stream, or has no end.
    """
    if frame[:2] != b"\xff\xd8":
        raise ValueError("no start of an image")
    kept, at = [frame[:2]], 2
    while (marker := _jpeg_marker(frame, at)) != _EOI:
        at += 2
        if marker == 0xFF:  # a fill byte
            at -= 1
            continue
        end = at + unpack(">H", frame[at : at + 2])[0]
        payload = _jpeg_payload(marker, frame[at + 2 : end])
        if payload is not None:
            kept.append(pack(">BBH", 0xFF, marker, len(payload) + 2) + payload)
        at = end
        if marker == _SOS:
            found = _NEXT_MARKER.search(frame, at)
            if found is None:
                raise ValueError("no end of an image")
            kept.append(frame[at : found.start()])
            at = found.start()
    return b"".join((*kept, b"\xff\xd9"))


def _jpeg_marker(frame: bytes, at: int) -> int:
    if at + 2 > len(frame) or frame[at] != 0xFF:
        raise ValueError("no marker where one belongs")
    return frame[at + 1]


def _jpeg_payload(marker: int, payload: bytes) -> bytes | None:
    """What stays of a segment; None where nothing does."""
    if marker == _COMMENT:
        return None
    if marker in _APPLICATION:
        return _needed_to_decode(marker, payload)
    if marker != _SOS and marker not in _JPEG_SEGMENTS:
        raise ValueError("a segment of unknown kind")
    return payload


def _needed_to_decode(marker: int, payload: bytes) -> bytes | None:
    if marker == 0xE0 and payload.startswith(b"JFIF\0"):
        return payload[:12] + b"\0\0"  # no thumbnail
    if marker == 0xEE and payload.startswith(b"Adobe"):
        return payload[:12]
    if marker == 0xE8 and payload.startswith(b"SPIFF\0"):
        return payload[:30]
    if marker == 0xE8 and payload.startswith(b"mrfx"):
        return payload[:5]
    if marker == 0xE8 and payload == _END_OF_SPIFF_DIRECTORY:
        return payload
    return None


def jpeg_2000_without_remarks(frame: bytes) -> bytes:
    """A JPEG 2000 codestream without comments and bytes behind its end.

    Raises:
        ValueError: the frame is no such stream, or is cut short.
    """
    if frame[:2] != b"\xff\x4f":
        raise ValueError("no start of a codestream")
    header, at = _j2k_header(frame, 2, _SOT)
    parts, is_shorter = [], False
    while at < len(frame) and _word(frame, at) != _EOC:
        end = _end_of_tile_part(frame, at)
        segments, data_at = _j2k_header(frame[:end], at + 12, _SOD)
        body = b"".join(segment for _, segment in segments) + frame[data_at:end]
        is_shorter = is_shorter or 12 + len(body) < end - at
        parts.append(frame[at : at + 6] + pack(">I", 12 + len(body)) + frame[at + 10 : at + 12])
        parts.append(body)
        at = end
    # Lengths of tile parts are listed twice; the list is optional, and wrong once one is shorter.
    main = [segment for marker, segment in header if not (is_shorter and marker == _TLM)]
    return b"".join((frame[:2], *main, *parts, b"\xff\xd9"))


def _j2k_header(frame: bytes, at: int, until: int) -> tuple[list[tuple[int, bytes]], int]:
    """Segments of a header but for comments, and where it ends."""
    segments = []
    while (marker := _word(frame, at)) != until:
        end = at + 2 + _word(frame, at + 2)
        if marker in _J2K_SEGMENTS:
            segments.append((marker, frame[at:end]))
        elif marker != _J2K_COMMENT:
            raise ValueError("a segment of unknown kind")
        at = end
    return segments, at


def _end_of_tile_part(frame: bytes, at: int) -> int:
    if _word(frame, at) != _SOT:
        raise ValueError("no tile part where one belongs")
    (length,) = unpack(">I", frame[at + 6 : at + 10])
    end = at + int(length) if length else frame.find(b"\xff\xd9", at)  # 0: until the end
    if not at < end <= len(frame):
        raise ValueError("a tile part is cut short")
    return end


def _word(frame: bytes, at: int) -> int:
    if at + 2 > len(frame):
        raise ValueError("the frame is cut short")
    return frame[at] << 8 | frame[at + 1]


def rle_without_remarks(frame: bytes, pixels: int) -> bytes:
    """An RLE frame (PS3.5, Annex G) of so many pixels, without bytes between or behind segments.

    Raises:
        ValueError: a segment has fewer bytes than the frame has pixels.
    """
    if len(frame) < _RLE_HEADER_BYTES:
        raise ValueError("no header of a frame")
    count, *starts = unpack("<16I", frame[:_RLE_HEADER_BYTES])
    if not 1 <= count <= len(starts):
        raise ValueError("an impossible number of segments")
    segments = [b"".join(_runs(frame, start, pixels)) for start in starts[:count]]
    even = [segment + b"\0" * (len(segment) % 2) for segment in segments]
    at = [_RLE_HEADER_BYTES + sum(map(len, even[:number])) for number in range(count)]
    return pack("<16I", count, *at, *[0] * (15 - count)) + b"".join(even)


def _runs(frame: bytes, at: int, left: int) -> Iterator[bytes]:
    """The runs of a segment until `left` bytes are made."""
    while left:
        if at + 2 > len(frame):
            raise ValueError("a segment is cut short")
        control = frame[at]
        if control < 128:
            length = min(control + 1, left)
            yield bytes((length - 1,)) + frame[at + 1 : at + 1 + length]
            at += control + 2
        elif control > 128:
            length = min(257 - control, left)
            yield frame[at : at + 2] if length > 1 else b"\0" + frame[at + 1 : at + 2]
            at += 2
        else:
            length, at = 0, at + 1
        left -= length
