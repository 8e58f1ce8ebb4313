"""`halsted convert`: scans, labels and doses as what other viewers accept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

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

ScanArgument = Annotated[
    Path, typer.Argument(help="DICOM (folder, file, DICOMDIR or ZIP), or an image file.")
]
FormatOption = Annotated[
    str, typer.Option(help="`nifti`, `nrrd`, `seg`, `rtstruct`, `rtdose`, `stl` or `obj`.")
]
OutOption = Annotated[Path, typer.Option(help="File to write; for `stl` a folder.")]
ReferenceOption = Annotated[
    Path | None,
    typer.Option(
        help="DICOM series, folder or ZIP, that a SEG, RTSTRUCT or RTDOSE refers to, if not SCAN."
    ),
]
UnitOption = Annotated[
    Literal["Gy"] | None, typer.Option(help="Says that an image file is a dose.")
]
DrawnByOption = Annotated[
    Literal["manual", "model", "generated"] | None,
    typer.Option(help="Who drew the labels, if their file does not tell."),
]
LabelmapOption = Annotated[
    bool, typer.Option("--labelmap", help="SEG of the newer, smaller kind LABELMAP.")
]
FacesOption = Annotated[
    int, typer.Option(min=100, help="Most triangles of a structure in STL and OBJ.")
]


def convert(
    scan: ScanArgument,
    to: FormatOption,
    out: OutOption,
    labels: LabelsOption = None,
    label_names: NamesOption = None,
    series: SeriesOption = None,
    phase: PhaseOption = None,
    repair: RepairOption = None,
    reference: ReferenceOption = None,
    unit: UnitOption = None,
    drawn_by: DrawnByOption = None,
    labelmap: LabelmapOption = False,
    max_faces: FacesOption = 50_000,
    pacs: PacsOption = None,
) -> None:
    """Write a scan, its labels or a dose as what other programs read.

    Example: `halsted convert ct_dicom --labels organs.nii.gz --to rtstruct --out organs.dcm`
    """
    from halsted.imaging_bridge.exports.convert import FORMATS, Conversion
    from halsted.imaging_bridge.exports.convert import convert as write

    chosen = next((one for one in FORMATS if one == to), None)
    if chosen is None:
        fail(f"there is no format {to!r} to convert to; choose one of {', '.join(FORMATS)}")
    what = Conversion(
        resolve_scan(scan, pacs), chosen, out, labels, label_names, series, phase, repair or (),
        reference, unit, drawn_by, labelmap, max_faces,
    )  # fmt: skip
    for path in write(what):
        messages.print(f"wrote {path}", soft_wrap=True, markup=False)
