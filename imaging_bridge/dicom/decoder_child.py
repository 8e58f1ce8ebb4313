"""Decode compressed frames in a process of its own, which may die or run out of memory.

Run by its path, so that nothing of Halsted is imported. Reads requests from standard input, a line
of JSON each: path, frames (indices), limit (bytes that decoding may allocate). Answers each frame
with a line of JSON (shape, type) and the bytes of the array, or with a line {error}, which ends the
request.
"""

import contextlib
import json
import os
import resource
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.filereader import read_file_meta_info
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian


def main() -> None:
    """Serve until standard input closes."""
    answers = _private_output()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            _limit_memory(request["limit"])
            for frame in _frames(request["path"], request["frames"]):
                _send(answers, frame)
        except Exception as error:  # each decoder has its own types
            answers.write(json.dumps({"error": type(error).__name__}).encode() + b"\n")
        answers.flush()


def _private_output() -> BinaryIO:
    """Standard output for answers only: decoders print to it."""
    answers = os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    return answers


def _limit_memory(allowed: int) -> None:
    with contextlib.suppress(OSError, ValueError):  # not every system can
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + allowed, hard))


def _frames(path: str, indices: list[int]) -> Iterator[NDArray[Any]]:
    syntax = UID(str(read_file_meta_info(path).get("TransferSyntaxUID", "")))
    if syntax == DeflatedExplicitVRLittleEndian:  # nothing in it can be sought
        yield from _decoded(dcmread(path), indices, "")
        return
    plugin = "pylibjpeg" if _has_pylibjpeg(syntax) else ""  # the fastest, measured
    done = 0
    try:
        for frame in _decoded(path, indices, plugin):
            done += 1
            yield frame
    except Exception:
        if not plugin:
            raise
        yield from _decoded(path, indices[done:], "")  # let pydicom try the other decoders


def _has_pylibjpeg(syntax: UID) -> bool:
    try:
        return "pylibjpeg" in get_decoder(syntax).available_plugins
    except NotImplementedError:  # uncompressed, or unknown
        return False


def _decoded(source: str | Dataset, indices: list[int], plugin: str) -> Iterator[NDArray[Any]]:
    header = Dataset() if isinstance(source, str) else source
    out = header if isinstance(source, str) else None
    for frame in iter_pixels(source, ds_out=out, indices=indices, decoding_plugin=plugin):
        if header.get("PhotometricInterpretation") == "PALETTE COLOR":
            frame = apply_color_lut(frame, header)
        yield frame


def _send(answers: BinaryIO, frame: NDArray[Any]) -> None:
    head = {"shape": frame.shape, "type": frame.dtype.str}
    answers.write(json.dumps(head).encode() + b"\n")
    answers.write(np.ascontiguousarray(frame).data)


if __name__ == "__main__":
    main()
