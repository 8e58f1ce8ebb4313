"""`halsted view`: three linked slices of a scan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from halsted.cli.console import (
    LabelsOption,
    NamesOption,
    PhaseOption,
    RepairOption,
    SeriesOption,
    fail,
    messages,
)
from halsted.cli.pacs import PacsOption, resolve_scan


def view(
    scan: Annotated[
        Path, typer.Argument(help="DICOM (folder, file, DICOMDIR or ZIP), or an image file.")
    ],
    out: Annotated[
        Path, typer.Option(help="A .png (picture) or .html (page to scroll through).")
    ] = Path("view.png"),
    labels: LabelsOption = None,
    label_names: NamesOption = None,
    series: SeriesOption = None,
    phase: PhaseOption = None,
    repair: RepairOption = None,
    pacs: PacsOption = None,
    at: Annotated[
        str | None, typer.Option(help="Point in LPS, mm, as X,Y,Z; else a lesion or the middle.")
    ] = None,
    window: Annotated[
        str | None, typer.Option(help="`soft`, `lung`, `bone`, `brain` (CT), or LOW,HIGH.")
    ] = None,
) -> None:
    """Show the axial, coronal and sagittal slice through a point, with the labels.

    Example: `halsted view ct.nii.gz --labels organs.nii.gz --out ct.html`
    """
    from halsted.imaging_bridge.read import read_patient
    from halsted.imaging_bridge.views import draw_picture, write_page

    writers = {".png": draw_picture, ".html": write_page, ".htm": write_page}
    write = writers.get(out.suffix.lower())
    if write is None:
        fail(f"the output {out} is neither a .png picture nor an .html page; name one of these")
    point = None if at is None else _point(at)
    patient = read_patient(
        resolve_scan(scan, pacs), labels, label_names, series, phase=phase, repairs=repair or ()
    )
    write(patient, out, point, window)
    messages.print(f"wrote {out}", soft_wrap=True, markup=False)


def _point(text: str) -> tuple[float, ...]:
    try:
        point = tuple(float(part) for part in text.split(","))
    except ValueError:
        point = ()
    if len(point) != 3 or not all(abs(number) < 1e6 for number in point):
        fail(f"the point {text!r} is not three numbers; write it as X,Y,Z in mm, like -12,40.5,100")
    return point
