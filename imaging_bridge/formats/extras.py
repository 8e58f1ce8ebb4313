"""Packages that only some users need: what to install where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from halsted.imaging_bridge.errors import HalstedError


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Around imports: a missing package becomes an error that names the extra to install.

    Args:
        name: The extra of this project that brings the package, e.g. ``formats``.

    Raises:
        HalstedError: a package that is imported inside is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise HalstedError(
            f"the package {error.name} is not installed, which this needs; install it with "
            f'pip install "halsted[{name}]"'
        ) from error
