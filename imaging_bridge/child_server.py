"""Run a decoding program in a process of its own, which may die or run out of memory.

Run by its path, so that nothing of Halsted is imported::

    python -I child_server.py PROGRAM [FOLDER ...]

PROGRAM is a Python file with a function `decoded`, from a request to an iterator of arrays; FOLDERs
are where it may look for packages. Once it is imported, a byte is written to standard output. Then
requests are read from standard input, a line of JSON each, of which ``memory`` is the bytes that
decoding may allocate. Each array is answered with the length of a head in 4 bytes, the head in JSON
(shape, type), and the bytes of the array; or with a head {error}, which ends the request.
"""

import contextlib
import json
import os
import resource
import runpy
import sys
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


def main() -> None:
    """Serve until standard input closes."""
    answers = _private_output()
    program, *folders = sys.argv[1:]
    sys.path += [folder for folder in folders if folder not in sys.path]
    decoded = runpy.run_path(program)["decoded"]
    answers.write(b"\n")
    answers.flush()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            _limit_memory(request["memory"])
            for array in decoded(request):
                if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
                    raise TypeError
                head = {"shape": array.shape, "type": array.dtype.str}
                _send(answers, head, np.ascontiguousarray(array))
        except Exception as error:  # each decoder has its own types
            _send(answers, {"error": type(error).__name__})


def _private_output() -> BinaryIO:
    """Standard output for answers only: decoders print to it."""
    answers = os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    return answers


def _send(answers: BinaryIO, head: dict[str, Any], array: NDArray[Any] | None = None) -> None:
    text = json.dumps(head).encode()
    answers.write(len(text).to_bytes(4, "little") + text)
    if array is not None:
        answers.write(array.data)
    answers.flush()


def _limit_memory(allowed: int) -> None:
    with contextlib.suppress(OSError, ValueError):  # not every system can
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + allowed, hard))


if __name__ == "__main__":
    main()
