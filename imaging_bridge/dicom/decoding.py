"""Decoding compressed frames in child processes, out of harm's way.

Decoders are C code that a crafted file can crash, blow up or hang. A child has a memory limit and a
time limit, and takes nothing with it when it dies. Children are kept for the next request, because
starting one takes about as long as decoding 50 slices.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
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
# A line of JSON that tells a frame's shape, or an error's type.
_LONGEST_LINE = 4096


@dataclass(frozen=True)
class Job:
    """Frames of one file to decode.

    Attributes:
        path: The file.
        frames: Indices of the frames, from 0.
        frame_bytes: Size of one decoded frame, as the header announces it.
        take: Called with the index of each frame and its array as decoded.
    """

    path: Path
    frames: Sequence[int]
    frame_bytes: int
    take: Callable[[int, NDArray[Any]], None]


class _DecoderDied(Exception):
    """The child crashed or was ended for taking too long."""


class _Child:
    """One decoding process, used by one thread at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._fresh = True

    @property
    def lives(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def run(self, job: Job) -> None:
        """Decode `job`, or raise what went wrong."""
        limit = _MEMORY_FACTOR * job.frame_bytes + job.path.stat().st_size + _SPARE_BYTES
        request = {"path": str(job.path), "frames": list(job.frames), "limit": limit}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        for frame in job.frames:
            job.take(frame, self._answer(job))

    def _answer(self, job: Job) -> NDArray[Any]:
        seconds = SECONDS_FOR_A_FRAME + (_START_SECONDS if self._fresh else 0.0)
        watch = threading.Timer(seconds, self._process.kill)
        watch.start()
        try:
            return self._read(job)
        finally:
            watch.cancel()
            self._fresh = False

    def _read(self, job: Job) -> NDArray[Any]:
        stream = self._process.stdout
        assert stream is not None
        line = stream.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise _DecoderDied
        answer = json.loads(line)
        if "error" in answer:
            raise _undecodable(job.path, str(answer["error"]))
        shape, kind = [int(count) for count in answer["shape"]], np.dtype(answer["type"])
        size = math.prod(shape) * kind.itemsize
        if size > _MEMORY_FACTOR * job.frame_bytes + _SPARE_BYTES:
            raise _undecodable(job.path, "it is larger than announced")
        content = stream.read(size)
        if len(content) != size:
            raise _DecoderDied
        return np.frombuffer(content, kind).reshape(shape)

    def end(self) -> None:
        """Kill the process, if it still lives."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:  # a request was left unread
                    pass
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
    except (_DecoderDied, BrokenPipeError, ValueError) as error:
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
