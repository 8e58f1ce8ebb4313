"""Ways to damage a file that was honest."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

Mutation = Callable[[bytes, np.random.Generator], bytes]

HEADER_BYTES = 2000


def damaged(content: bytes, seed: list[int]) -> tuple[str, bytes]:
    """How the content was damaged, and the damaged content; the same for the same seed."""
    rng = np.random.default_rng(seed)
    names = list(MUTATIONS)
    mutation = names[int(rng.choice(len(names), p=_WEIGHTS / _WEIGHTS.sum()))]
    return mutation, MUTATIONS[mutation](content, rng)


def _truncated(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(0, len(content)))]


def _bits_flipped(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    for place in rng.integers(0, len(damaged), int(rng.integers(1, 40))):
        damaged[place] ^= 1 << int(rng.integers(0, 8))
    return bytes(damaged)


def _header_flipped(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    for place in rng.integers(0, min(len(damaged), HEADER_BYTES), int(rng.integers(1, 8))):
        damaged[place] = int(rng.integers(0, 256))
    return bytes(damaged)


_TELLING = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 20_000, 65_535, 1 << 30)


def _wrong_number(content: bytes, rng: np.random.Generator) -> bytes:
    """A number of 2, 4 or 8 bytes near the start is another: a length, a count, a size."""
    damaged = bytearray(content)
    size = int(rng.choice([2, 4, 8]))
    place = int(rng.integers(0, max(min(len(damaged), HEADER_BYTES) - size, 1)))
    value = int(rng.choice(_TELLING)) % (1 << (8 * size))
    damaged[place : place + size] = value.to_bytes(size, str(rng.choice(["little", "big"])))  # type: ignore[arg-type]
    return bytes(damaged)


def _wrong_text(content: bytes, rng: np.random.Generator) -> bytes:
    """A number written as text is another."""
    found = list(re.finditer(rb"\d+(\.\d+)?", content[:HEADER_BYTES]))
    if not found:
        return _header_flipped(content, rng)
    one = found[int(rng.integers(0, len(found)))]
    other = [b"0", b"-1", b"999999999", b"1e308", b"nan", b"inf", b"99999", b"", b"7" * 400]
    return content[: one.start()] + other[int(rng.integers(0, len(other)))] + content[one.end() :]


def _wrong_syntax(content: bytes, rng: np.random.Generator) -> bytes:
    """Another transfer syntax of the same length, or a damaged one."""
    known = [b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.2",
             b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.4.50",
             b"1.2.840.10008.1.2.4.70", b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.4.90",
             b"1.2.840.10008.1.2.4.201"]  # fmt: skip
    start = content.find(b"1.2.840.10008.1.2")
    if start < 0:
        return _wrong_number(content, rng)
    end = start
    while content[end : end + 1] in b"0123456789." and content[end : end + 1]:
        end += 1
    other = known[int(rng.integers(0, len(known)))][: end - start]
    return content[:start] + other.ljust(end - start, b"\0") + content[end:]


def _repeated(content: bytes, rng: np.random.Generator) -> bytes:
    start, end = sorted(rng.integers(0, len(content), 2).tolist())
    return content[:end] + content[start : min(end, start + 4096)] + content[end:]


def _removed(content: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(0, len(content)))
    return content[:start] + content[start + int(rng.integers(1, 64)) :]


def _deep(content: bytes, rng: np.random.Generator) -> bytes:
    """Sequences in sequences in sequences, before what comes after the first elements."""
    level = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    place = content.find(b"\x20\x00\x0d\x00")
    place = place if place > 0 else min(len(content), 400)
    return content[:place] + level * int(rng.integers(10, 20_000)) + content[place:]


def _bomb(content: bytes, rng: np.random.Generator) -> bytes:
    """Zeros that inflate to 200 MB, in the wrapping of the file if it has one."""
    if content[:2] == b"PK":
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open("zeros", "w") as file:
                for _ in range(200):
                    file.write(bytes(1 << 20))
        return target.getvalue()
    wbits = 31 if content[:2] == b"\x1f\x8b" else -zlib.MAX_WBITS
    deflate = zlib.compressobj(9, zlib.DEFLATED, wbits)
    place = 0 if wbits == 31 else min(len(content), 340)
    bomb = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(200)) + deflate.flush()
    return content[:place] + bomb


def _wrong_vr(content: bytes, rng: np.random.Generator) -> bytes:
    """An element of explicit DICOM says that it is of another type."""
    known = b"AE AS CS DA DS DT IS LO LT PN SH ST TM UI UC UR UT SS US SL UL FL FD AT SQ OB OW UN"
    vrs = known.split()
    found = list(re.finditer(b"|".join(vrs), content[128:HEADER_BYTES]))
    if not found:
        return _header_flipped(content, rng)
    one = found[int(rng.integers(0, len(found)))]
    start = 128 + one.start()
    return content[:start] + vrs[int(rng.integers(0, len(vrs)))] + content[start + 2 :]


def _wrong_sequence(content: bytes, rng: np.random.Generator) -> bytes:
    """A sequence of explicit DICOM is numbers or text of the same length."""
    found = [one.start() for one in re.finditer(rb"SQ\0\0", content)]
    if not found:
        return _wrong_vr(content, rng)
    start = found[int(rng.integers(0, len(found)))]
    return (
        content[:start]
        + [b"UN", b"UT", b"OB", b"OW"][int(rng.integers(0, 4))]
        + content[start + 2 :]
    )


MUTATIONS: dict[str, Mutation] = {
    one.__name__.strip("_"): one
    for one in (
        _truncated,
        _bits_flipped,
        _header_flipped,
        _wrong_number,
        _wrong_text,
        _wrong_syntax,
        _repeated,
        _removed,
        _wrong_vr,
        _wrong_sequence,
        _deep,
        _bomb,
    )
}
# Making a bomb takes longer than reading one, and few tell as much as many.
_WEIGHTS = np.array([0.02 if name in ("bomb", "deep") else 0.12 for name in MUTATIONS])
