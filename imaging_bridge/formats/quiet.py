"""Parsers without their logs, which may quote the file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_levels: dict[logging.Logger, int] = {}
_depth = 0


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Pillow and tifffile from logging; several threads may do so at once."""
    global _depth
    with _lock:
        _depth += 1
        if _depth == 1:
            _levels.update((logger, logger.level) for logger in _loggers())
            for logger in _levels:
                logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                for logger, level in _levels.items():
                    logger.setLevel(level)
                _levels.clear()


def _loggers() -> list[logging.Logger]:
    """Those of both packages, and those inside that have a level of their own."""
    inner = [name for name in logging.root.manager.loggerDict if name.startswith("PIL.")]
    return [logging.getLogger(name) for name in ("PIL", "tifffile", *inner)]
