"""Annotation files of WFDB, in MIT format: https://physionet.org/physiotools/wag/annot-5.htm.

Read here and not by the wfdb package, which does not come back from some damaged files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.signals import Annotations

ANNOTATORS = "atr apn qrs ecg st sta stb stc ari man ann resp arousal wqrs gqrs sqrs".split()
"""File endings in PhysioNet's databases: beats, apnoea, sleep stages, ST changes, detectors."""

_MOST_BYTES = 64 << 20
_SKIP, _NUMBER, _SUBTYPE, _CHANNEL, _TEXT = 59, 60, 61, 62, 63
_NOTE = 22
_RESOLUTION = re.compile(rb"## time resolution: *([0-9.]{1,20})")

# Symbols of the codes 1 to 49, with a space where none is defined (ecgcodes.h).
_SYMBOLS = ' NLRaVFJASEj/Q~ | sT*D"=pB^t+u?![]en@xf()r'  # 0 to 41


def read_annotations(path: Path, rate_hz: float) -> Annotations:
    """Times and symbols; notes that only describe the file itself are left out.

    Args:
        path: The file.
        rate_hz: Ticks a second, where the file does not say.

    Raises:
        ScanError: the file is truncated, damaged, of another format, or too large.
    """
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise ScanError(
            f"{path} has {size} bytes, more than the {_MOST_BYTES} that annotations may have here; "
            "cut the recording into parts"
        )
    times, symbols = [], []
    try:
        for tick, code, text in _entries(path.read_bytes()):
            if code == _NOTE and text.startswith(b"## "):
                stated = _RESOLUTION.match(text)
                rate_hz = float(stated[1]) if stated else rate_hz
                continue
            if code == 0:  # no annotation: what writers use to step in time
                continue
            times.append(tick)
            symbols.append(_SYMBOLS[code] if code < len(_SYMBOLS) else f"[{code}]")
        return Annotations(np.array(times, dtype=np.float64) / rate_hz, tuple(symbols))
    except (ScanError, ValueError, ZeroDivisionError) as error:
        raise ScanError(
            f"{path} cannot be read as WFDB annotations: it is truncated, damaged, or of another "
            "format; get the file again"
        ) from error
    except OSError as error:
        raise ScanError(
            f"cannot open {path} ({error.strerror}); pass a file that you may read"
        ) from error


def _entries(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Tick, code and text of each annotation.

    Raises:
        ValueError: the data do not end with the mark of an end.
    """
    words = np.frombuffer(data[: len(data) // 2 * 2], "<u2").tolist()
    place = tick = 0
    waiting: tuple[int, int, bytes] | None = None  # until it is known whether a text follows
    while place < len(words):
        code, value = words[place] >> 10, words[place] & 1023
        place += 1
        if code == _TEXT:
            text = data[2 * place : 2 * place + value]
            place += (value + 1) // 2
            if waiting is not None:
                waiting = (*waiting[:2], text)
        elif code == _SKIP and place + 1 < len(words):
            # A signed number of 32 bits, the high half first.
            step = words[place] << 16 | words[place + 1]
            tick += step - (1 << 32) if step >= 1 << 31 else step
            place += 2
        elif code not in (_SKIP, _NUMBER, _SUBTYPE, _CHANNEL):
            if waiting is not None:
                yield waiting
            if code == 0 and value == 0:
                return
            tick += value
            waiting = tick, code, b""
    raise ValueError("no end")
