"""Decoding in child processes, out of harm's way.

Decoders are C code that a crafted file can crash, blow up or hang. A child has a memory limit and a
time limit, and takes nothing with it when it dies. Children are kept for the next request, because
starting one takes about as long as decoding 50 slices.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from halsted.imaging_bridge.child_process import Child, ChildDiedError, RefusedError, Request
from halsted.imaging_bridge.errors import ScanError

MOST_CHILDREN = 4
"""Children that work for one caller at a time, and that are kept idle."""

_started: weakref.WeakSet[Child] = weakref.WeakSet()
_idle: list[Child] = []
_lock = threading.Lock()


def decode(requests: Iterable[Request]) -> None:
    """Serve all requests, several at a time.

    Raises:
        ScanError: a file cannot be decoded, crashes its decoder, or takes too long.
    """
    requests = list(requests)
    workers = min(MOST_CHILDREN, os.cpu_count() or 1, len(requests))
    if workers <= 1:
        for request in requests:
            _serve(request)
        return
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(_serve, request) for request in requests]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _serve(request: Request) -> None:
    child = _ready_child(request)
    is_free = False
    try:
        child.ask(request)
        for number in range(request.arrays):
            request.take(number, child.answer(request))
        is_free = True
    except RefusedError as refused:
        is_free = True
        raise request.refusal(request.path, str(refused)) from refused
    except ChildDiedError as error:
        raise ScanError(
            f"{request.path} crashes its decoder, or takes it more than {request.seconds:g} s, so "
            "it is damaged; get the file again from where it came"
        ) from error
    finally:
        if is_free:
            _give_back(child)
        else:
            child.end()  # whose answers nobody has read


def _ready_child(request: Request) -> Child:
    """An idle child that runs the program of `request`, or a new one."""
    while (child := _idle_child(request.program)) is not None:
        if child.lives:
            return child
        child.end()
    try:
        return _new_child(request.program)
    except (ChildDiedError, OSError) as error:
        raise ScanError(
            f"{request.path} cannot be decoded because {request.program.name} does not start; "
            "free some memory, or install Halsted again"
        ) from error


def _new_child(program: Path) -> Child:
    child = Child(program)
    _started.add(child)
    try:
        child.wait_until_ready()
    except BaseException:
        child.end()
        raise
    return child


def _idle_child(program: Path) -> Child | None:
    with _lock:
        for place, child in enumerate(_idle):
            if child.program == program:
                return _idle.pop(place)
    return None


def _give_back(child: Child) -> None:
    """Keep `child`, and end the one that is idle for longest where there are too many."""
    with _lock:
        _idle.insert(0, child)
        surplus = _idle[MOST_CHILDREN:]
        del _idle[MOST_CHILDREN:]
    for one in surplus:
        one.end()


@atexit.register
def end_children() -> None:
    """End the children that are idle; the next request starts others."""
    with _lock:
        idle = _idle[:]
        _idle.clear()
    for child in idle:
        child.end()


def _forget_children() -> None:
    """The lock may have been held, and the children are the parent's."""
    global _lock
    _lock = threading.Lock()
    for child in list(_started):
        child.forget()
    _started.clear()
    _idle.clear()


os.register_at_fork(after_in_child=_forget_children)
