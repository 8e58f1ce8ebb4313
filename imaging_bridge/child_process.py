"""A child process that decodes, as its parent sees it; `child_server` is its own side."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import ScanError

_SERVER = Path(__file__).with_name("child_server.py")
SECONDS_FOR_AN_ARRAY = 10.0
"""Time after which an array that is still being decoded is given up, unless it is very large."""
_SLOWEST_BYTES_PER_SECOND = 10e6
_START_SECONDS = 30.0
_SPARE_BYTES = 64 << 20
# Decoders hold an image as 32-bit integers beside the stored one, and wavelets once more.
_MEMORY_FACTOR = 4
# A head tells an array's shape, or an error's type.
_LONGEST_HEAD = 4096
_HARMLESS_TYPE = re.compile(r"[<>|][biuf][1248]")
_PIPE_BYTES = 1 << 20
_PIECE_BYTES = 4096  # a pipe that select calls writable takes so many without blocking


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where it cannot be opened, which its decoder will say."""
    return path.stat().st_size if path.is_file() else 0


@dataclass(frozen=True)
class Request:
    """Arrays of one file to decode.

    Attributes:
        program: Python file with a function `decoded`; see `child_server`.
        path: The file.
        what: What the program has to know besides the path, as JSON can tell it.
        arrays: How many it answers with.
        array_bytes: Size of the largest, as the file's header announces it.
        more_bytes: What decoding needs besides four times `array_bytes`.
        take: Called with the number of each array, from 0, and the array.
        refusal: What to raise where the program raises an error of the type that is named.
    """

    program: Path
    path: Path
    what: Mapping[str, Any]
    arrays: int
    array_bytes: int
    more_bytes: int
    take: Callable[[int, NDArray[Any]], None]
    refusal: Callable[[Path, str], ScanError]

    @property
    def seconds(self) -> float:
        """Time for one array."""
        size = self.array_bytes + self.more_bytes
        return max(SECONDS_FOR_AN_ARRAY, size / _SLOWEST_BYTES_PER_SECOND)

    def as_line(self) -> bytes:
        """The request as a child reads it; its working directory need not be this one's."""
        memory = _MEMORY_FACTOR * self.array_bytes + self.more_bytes + _SPARE_BYTES
        line = {"path": os.path.abspath(self.path), "memory": memory, **self.what}
        return json.dumps(line).encode() + b"\n"


class ChildDiedError(Exception):
    """The child crashed, takes too long, or answers nonsense."""


class RefusedError(Exception):
    """The program raised an error of the type that is named."""


class Child:
    """One decoding process, used by one thread at a time."""

    def __init__(self, program: Path) -> None:
        """Start `program`; see `wait_until_ready`."""
        self.program = program
        folders = [folder for folder in sys.path if os.path.isabs(folder)]
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_SERVER), str(program), *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._streams = (self._process.stdin, self._process.stdout)
        self._requests, self._answers = (stream.fileno() for stream in self._streams)
        with contextlib.suppress(OSError, AttributeError):  # fewer turns for a large array
            fcntl.fcntl(self._answers, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def wait_until_ready(self) -> None:
        """Wait for the program to be imported."""
        self._receive(1, time.monotonic() + _START_SECONDS)

    @property
    def lives(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def ask(self, request: Request) -> None:
        """Send `request`, whose answers are to be fetched one by one."""
        deadline = time.monotonic() + request.seconds
        left = memoryview(request.as_line())
        while left:
            _wait([], [self._requests], deadline)
            try:
                left = left[os.write(self._requests, left[:_PIECE_BYTES]) :]
            except BrokenPipeError as error:
                raise ChildDiedError from error

    def answer(self, request: Request) -> NDArray[Any]:
        """The next array."""
        deadline = time.monotonic() + request.seconds
        length = int.from_bytes(self._receive(4, deadline), "little")
        if length > _LONGEST_HEAD:
            raise ChildDiedError
        shape, kind = _shape_and_type(self._receive(length, deadline))
        size = math.prod(shape) * kind.itemsize
        if size > _MEMORY_FACTOR * request.array_bytes + _SPARE_BYTES:
            raise ChildDiedError
        return np.frombuffer(self._receive(size, deadline), kind).reshape(shape)

    def _receive(self, size: int, deadline: float) -> bytearray:
        content = bytearray(size)
        view = memoryview(content)
        while view:
            _wait([self._answers], [], deadline)
            count = os.readv(self._answers, [view])
            if count == 0:
                raise ChildDiedError
            view = view[count:]
        return content

    def end(self) -> None:
        """Kill the process, if it still lives."""
        self._close()
        self._process.kill()
        self._process.wait()

    def forget(self) -> None:
        """Let go, after a fork, of what belongs to the parent, whose child goes on."""
        self._close()
        self._process.returncode = 0  # so that nobody waits for it here

    def _close(self) -> None:
        for stream in self._streams:
            stream.close()


def _wait(readable: list[int], writable: list[int], deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0 or not any(select.select(readable, writable, [], left)):
        raise ChildDiedError


def _shape_and_type(text: bytearray) -> tuple[list[int], np.dtype[Any]]:
    """What a head tells of the array that follows."""
    try:
        head = json.loads(text)
        if "error" in head:
            raise RefusedError(str(head["error"]))
        shape, kind = [int(count) for count in head["shape"]], str(head["type"])
    except (ValueError, TypeError, KeyError) as error:
        raise ChildDiedError from error
    if min(shape, default=0) < 0 or not _HARMLESS_TYPE.fullmatch(kind):
        raise ChildDiedError
    return shape, np.dtype(kind)
