"""A PyBullet client as every world of ours starts it."""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
from typing import Any

RATE_HZ = 240.0
"""Rate of PyBullet's steps, at which its defaults were tuned."""

POSITION_GAIN = 0.3
"""Share of a joint's error that a motor removes in one step; 0.1, PyBullet's own, lags."""

GRAVITY_M_S2 = 9.81


def import_bullet() -> Any:
    """The pybullet module, imported without its greeting.

    C code prints it, and it would stand before a command's JSON or in the middle of a progress bar.
    """
    if "pybullet" not in sys.modules:
        libc = ctypes.CDLL(None)
        sys.stdout.flush()
        sys.stderr.flush()
        kept = {stream: os.dup(stream) for stream in (1, 2)}
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            for stream in kept:
                os.dup2(nowhere, stream)
            importlib.import_module("pybullet")
            libc.fflush(None)
        finally:
            for stream, copy in kept.items():
                os.dup2(copy, stream)
                os.close(copy)
            os.close(nowhere)
    return importlib.import_module("pybullet")


def start_bullet() -> tuple[Any, int]:
    """The pybullet module and a new client of it, without a window, that steps at `RATE_HZ`.

    Pairs are kept in a fixed order: without that, a restored world does not repeat itself.
    """
    bullet = import_bullet()
    client = int(bullet.connect(bullet.DIRECT))
    bullet.setPhysicsEngineParameter(
        fixedTimeStep=1.0 / RATE_HZ, deterministicOverlappingPairs=1, physicsClientId=client
    )
    bullet.setGravity(0.0, 0.0, -GRAVITY_M_S2, physicsClientId=client)
    return bullet, client
