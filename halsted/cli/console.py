"""What the commands share: where they print, how they fail, and their common options."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from halsted.imaging_bridge.errors import HalstedError

out = Console(highlight=False, emoji=False)
"""Standard output: results."""
messages = Console(stderr=True, highlight=False, emoji=False)
"""Standard error: progress, notes and errors."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
LabelsOption = Annotated[
    Path | None, typer.Option(help="Segmentation of the scan; `none` for none.")
]
NamesOption = Annotated[
    str | None,
    typer.Option(help="Names of the labels: `totalsegmentator-v2`, or a JSON file {name: value}."),
]
SeriesOption = Annotated[
    str | None, typer.Option(metavar="UID", help="Series to read where there are several.")
]
PhaseOption = Annotated[
    int | None,
    typer.Option(min=0, help="Phase of a 4-D series, or frame of a cine, counted from 0."),
]
RepairOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Fault of a DICOM series that may be mended: `drop-duplicates`, "
        "`interpolate-slices`, `correct-tilt`, `largest-stack`; may be given several times."
    ),
]


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the command as an exception, so that what is half done is removed.

    A signal that is ignored, as SIGHUP is under nohup, stays ignored.
    """

    def end(number: int, _: object) -> None:
        sys.exit(128 + number)

    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    heeded = [one for one in known if signal.getsignal(one) is not signal.SIG_IGN]
    before = {one: signal.signal(one, end) for one in heeded}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def fail(sentence: str) -> NoReturn:
    """End the command with this one sentence and exit code 2."""
    raise HalstedError(sentence)


def plain(text: str) -> str:
    """Text whose brackets are not taken for markup."""
    return escape(text)


def print_json(content: Any) -> None:
    """Print JSON to standard output."""
    sys.stdout.write(json.dumps(content, indent=1) + "\n")


def progress() -> Progress:
    """A progress bar on standard error."""
    return Progress(
        TextColumn("{task.description:<34}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=messages,
    )
