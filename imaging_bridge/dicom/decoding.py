"""Decoding compressed frames in child processes, out of harm's way.

Decoders are C code that a crafted file can crash, blow up or hang. A child has a memory limit and a
time limit, and takes nothing with it when it dies. Children are kept for the next request, because
starting one takes about as long as decoding 50 slices.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import math
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import ScanError

_CHILD = Path(__file__).with_name("decoder_child.py")
_MOST_CHILDREN = 4
_SPARE_BYTES = 64 << 20
# Decoders hold a frame as 32-bit integers beside the stored one, and wavelets once more.
_MEMORY_FACTOR = 4
SECONDS_FOR_A_FRAME = 10.0
"""Time after which a frame that is still being decoded is given up."""
_START_SECONDS = 30.0
# A head tells a frame's shape, or an error's type.
_LONGEST_HEAD = 4096
_PIPE_BYTES = 1 << 20


@dataclass(frozen=True)
class Encoding:
    """How the frames of a file are encoded.

    Attributes:
        syntax: TransferSyntaxUID.
        start: Byte of the file at which the encapsulated pixels start; None where the whole file
            has to be read to decode them.
        options: What pydicom's decoders need to know of the image.
    """

    syntax: str
    start: int | None
    options: Mapping[str, int | str]


@dataclass(frozen=True)
class Job:
    """Frames of one file to decode.

    Attributes:
        path: The file.
        encoding: How its frames are encoded; None for a file that has to be read whole.
        frames: Indices of the frames, from 0.
        frame_bytes: Size of one decoded frame, as the header announces it.
        take: Called with the index of each frame and its array as decoded.
    """

    path: Path
    encoding: Encoding | None
    frames: Sequence[int]
    frame_bytes: int
    take: Callable[[int, NDArray[Any]], None]

    def as_line(self) -> bytes:
        """The request to a child."""
        sought = self.encoding if self.encoding and self.encoding.start is not None else None
        request = {
            "path": str(self.path),
            "frames": list(self.frames),
            "limit": _MEMORY_FACTOR * self.frame_bytes + self.path.stat().st_size + _SPARE_BYTES,
            "syntax": sought and sought.syntax,
            "start": sought and sought.start,
            "options": dict(sought.options) if sought else {},
        }
        return json.dumps(request).encode() + b"\n"


class _DecoderDied(Exception):
    """The child crashed or was ended for taking too long."""


class _Child:
    """One decoding process, used by one thread at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout.fileno()
        with contextlib.suppress(OSError, AttributeError):  # fewer turns for a large frame
            fcntl.fcntl(self._answers, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._patience = _START_SECONDS

    @property
    def lives(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def run(self, job: Job) -> None:
        """Decode `job`, or raise what went wrong."""
        self._requests.write(job.as_line())
        for frame in job.frames:
            job.take(frame, self._answer(job))

    def _answer(self, job: Job) -> NDArray[Any]:
        deadline = time.monotonic() + SECONDS_FOR_A_FRAME + self._patience
        length = int.from_bytes(self._receive(4, deadline), "little")
        if length > _LONGEST_HEAD:
            raise _DecoderDied
        head = json.loads(self._receive(length, deadline))
        if "error" in head:
            raise _undecodable(job.path, str(head["error"]))
        shape, kind = [int(count) for count in head["shape"]], np.dtype(head["type"])
        size = math.prod(shape) * kind.itemsize
        if size > _MEMORY_FACTOR * job.frame_bytes + _SPARE_BYTES:
            raise _DecoderDied
        content = self._receive(size, deadline)
        self._patience = 0.0
        return np.frombuffer(content, kind).reshape(shape)

    def _receive(self, size: int, deadline: float) -> bytearray:
        content = bytearray(size)
        view = memoryview(content)
        while view:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise _DecoderDied
            count = os.readv(self._answers, [view])
            if count == 0:
                raise _DecoderDied
            view = view[count:]
        return content

    def end(self) -> None:
        """Kill the process, if it still lives."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # a request was left unread
                    stream.close()
        self._process.kill()
        self._process.wait()


_idle: list[_Child] = []
_owner = os.getpid()
_lock = threading.Lock()


def decode(jobs: Iterable[Job]) -> None:
    """Decode all jobs, several at a time.

    Raises:
        ScanError: a file cannot be decoded, crashes its decoder, or takes too long.
    """
    jobs = list(jobs)
    workers = min(_MOST_CHILDREN, os.cpu_count() or 1, len(jobs))
    if workers <= 1:
        for job in jobs:
            _run(job)
        return
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(_run, job) for job in jobs]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _run(job: Job) -> None:
    child = _taken()
    try:
        child.run(job)
    except (_DecoderDied, OSError, ValueError) as error:
        child.end()
        raise ScanError(
            f"{job.path} crashes its decoder, or takes it more than {SECONDS_FOR_A_FRAME:g} s, so "
            "it is damaged; get the file again from where it came"
        ) from error
    except ScanError:
        _give_back(child)
        raise
    except BaseException:
        child.end()  # whose answers nobody has read
        raise
    _give_back(child)


def _taken() -> _Child:
    global _owner
    with _lock:
        if _owner != os.getpid():  # forked: the children belong to the parent
            _idle.clear()
            _owner = os.getpid()
        while _idle:
            child = _idle.pop()
            if child.lives:
                return child
            child.end()
    return _Child()


def _give_back(child: _Child) -> None:
    with _lock:
        _idle.append(child)


@atexit.register
def _end_all() -> None:
    if _owner == os.getpid():
        while _idle:
            _idle.pop().end()


def _undecodable(path: Path, reason: str) -> ScanError:
    return ScanError(
        f"{path} is compressed and cannot be decoded ({reason}), so it is damaged or in an "
        "encoding that no decoder here knows; get the file again, or decompress it where it came "
        "from (dcmdjpeg, gdcmconv --raw)"
    )
