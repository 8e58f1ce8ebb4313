"""`halsted scan`: what a scan is, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from halsted.cli.console import (
    AsJson,
    LabelsOption,
    NamesOption,
    PhaseOption,
    RepairOption,
    SeriesOption,
    fail,
    out,
    plain,
    print_json,
)
from halsted.cli.pacs import PacsOption, resolve_scan


def scan(
    path: Annotated[
        Path,
        typer.Argument(
            help="DICOM (folder, file, DICOMDIR or ZIP), an image file (NIfTI, NRRD, MetaImage, "
            "MINC, Analyze), a picture (PNG, JPEG, TIFF), or a recording (WFDB, EDF)."
        ),
    ],
    labels: LabelsOption = None,
    label_names: NamesOption = None,
    series: SeriesOption = None,
    phase: PhaseOption = None,
    repair: RepairOption = None,
    orientation: Annotated[
        str | None,
        typer.Option(help="Where x, y and z of an Analyze file point, for example `LAS`."),
    ] = None,
    pacs: PacsOption = None,
    as_json: AsJson = False,
) -> None:
    """Tell what a scan is, and what is wrong with it.

    Example: `halsted scan ct.nii.gz --labels organs.nii.gz --label-names totalsegmentator-v2`
    """
    from halsted.imaging_bridge.inspect import describe

    report = describe(
        resolve_scan(path, pacs),
        labels,
        label_names,
        series,
        phase=phase,
        repairs=repair or (),
        orientation=orientation,
    )
    if as_json:
        print_json(report.as_dict())
    elif report.readable:
        _print_scan(report.as_dict())
    if not report.readable:
        if not as_json:
            fail(report.problems[0])
        raise typer.Exit(2)


def _print_scan(facts: dict[str, Any]) -> None:
    structures, problems = facts.pop("structures"), facts.pop("problems")
    signals, notes = facts.pop("signals"), facts.pop("notes")
    facts["images"] = ", ".join(facts["images"]) if len(facts["images"]) > 1 else ""
    table = Table(show_header=False, box=None)
    for key, value in facts.items():
        if value not in (None, [], (), {}, ""):
            table.add_row(key.replace("_", " "), plain(_short(value)))
    out.print(table)
    if structures:
        rows = Table("structure", "role", "ml", box=None)
        for structure in structures:
            rows.add_row(
                plain(structure["name"]), structure["role"], f"{structure['volume_ml']:.1f}"
            )
        out.print(rows)
    if signals:
        rows = Table("signal", "Hz", "seconds", box=None)
        for name, rate, seconds in signals:
            rows.add_row(plain(name), f"{rate:g}", f"{seconds:.1f}")
        out.print(rows)
    for note in notes:
        out.print(f"[green]done:[/] {plain(note)}", soft_wrap=True)
    for problem in problems:
        out.print(f"[yellow]note:[/] {plain(problem)}", soft_wrap=True)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " x ".join(_short(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_short(item)}" for name, item in value.items())
    return str(value)
