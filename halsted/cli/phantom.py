"""`halsted phantom`: patients made by seeded programs, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from halsted.cli.console import ended_in_order, fail, messages, plain
from halsted.cli.console import out as output


def phantom(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="`brain`, `thorax`, `abdomen`, `colon`, `spine`, `vessels`, `skin`, `slide` or "
            "`sleep`."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Which one; the same seed gives the same bytes.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder to make.")] = None,
    phases: Annotated[
        int | None, typer.Option(help="Of `thorax`: so many phases of a breath.")
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(help="Of `colon`: so many endoscopic pictures beside the CT, up to 1000."),
    ] = None,
    list_kinds: Annotated[
        bool, typer.Option("--list", help="Print the kinds and what each gives.")
    ] = False,
) -> None:
    """Write a phantom patient with its ground truth as DICOM, NIfTI, pictures or a recording.

    Example: `halsted phantom thorax --seed 7 --out thorax-7`
    """
    from halsted.imaging_bridge.exports.phantom_folder import write_phantom
    from halsted.imaging_bridge.phantoms.kinds import MOST_FRAMES, what_it_gives

    if list_kinds:
        table = Table(show_header=False, box=None)
        for name, gives in what_it_gives().items():
            table.add_row(name, plain(gives))
        output.print(table)
        return
    if kind is None:
        fail(f"no kind of phantom was given; choose one of {', '.join(what_it_gives())}")
    if frames is not None and frames > MOST_FRAMES:
        fail(f"{frames} frames were asked for; ask for up to {MOST_FRAMES}, of several seeds")
    folder = out or Path(f"{kind}-{seed}")
    with ended_in_order():
        write_phantom(kind, seed, folder, phases=phases, frames=frames)
    messages.print(f"wrote {folder}", soft_wrap=True, markup=False)
