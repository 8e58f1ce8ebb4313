"""Decode compressed frames in a process of its own, which may die or run out of memory.

Run by its path, so that nothing of Halsted is imported. Reads requests from standard input, a line
of JSON each: path, frames (indices), limit (bytes that decoding may allocate), syntax, start (byte
of the file at which the encapsulated pixels start, or null) and options (of pydicom's decoders).
Answers each frame with the length of a head in 4 bytes, the head in JSON (shape, type), and the
bytes of the array; or with a head {error}, which ends the request.
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
from pydicom import dcmread
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID


def main() -> None:
    """Serve until standard input closes."""
    answers = _private_output()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            _limit_memory(request["limit"])
            for frame in _frames(request):
                head = {"shape": frame.shape, "type": frame.dtype.str}
                _send(answers, head, np.ascontiguousarray(frame))
        except Exception as error:  # each decoder has its own types
            _send(answers, {"error": type(error).__name__})


def _private_output() -> BinaryIO:
    """Standard output for answers only: decoders print to it."""
    answers = os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    return answers


def _send(answers: BinaryIO, head: dict[str, Any], frame: NDArray[Any] | None = None) -> None:
    text = json.dumps(head).encode()
    answers.write(len(text).to_bytes(4, "little") + text)
    if frame is not None:
        answers.write(frame.data)
    answers.flush()


def _limit_memory(allowed: int) -> None:
    with contextlib.suppress(OSError, ValueError):  # not every system can
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + allowed, hard))


def _frames(request: dict[str, Any]) -> Iterator[NDArray[Any]]:
    if request["start"] is None:
        yield from _of_dataset(request["path"], request["frames"])
        return
    decoder = get_decoder(UID(request["syntax"]))
    # pylibjpeg's decoders are the fastest of those that are here; pydicom tries the rest.
    plugins = ["pylibjpeg"] if "pylibjpeg" in decoder.available_plugins else []
    done = 0
    for plugin in (*plugins, ""):
        try:
            for frame in _encapsulated(request, decoder, plugin, request["frames"][done:]):
                done += 1
                yield frame
            return
        except Exception:
            if not plugin:
                raise


def _encapsulated(
    request: dict[str, Any], decoder: Decoder, plugin: str, frames: list[int]
) -> Iterator[NDArray[Any]]:
    with open(request["path"], "rb") as file:
        file.seek(request["start"])
        decoded = decoder.iter_array(
            file, indices=frames, decoding_plugin=plugin, **request["options"]
        )
        for frame, _ in decoded:
            yield frame


def _of_dataset(path: str, frames: list[int]) -> Iterator[NDArray[Any]]:
    """Frames whose file has to be read whole: deflated, with a palette, or in colour."""
    dataset = dcmread(path)
    for frame in iter_pixels(dataset, indices=frames):
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            frame = apply_color_lut(frame, dataset)
        yield frame


if __name__ == "__main__":
    main()
