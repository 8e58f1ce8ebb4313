"""`halsted deidentify`: a scan without the person."""

from __future__ import annotations

import json
from errno import EISDIR
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from halsted.cli.console import AsJson, fail, messages, out, print_json, progress
from halsted.cli.pacs import PacsOption, resolve_scan

if TYPE_CHECKING:
    from halsted.imaging_bridge.deidentification import Option

ScanArgument = Annotated[Path, typer.Argument(help="DICOM: folder, file, DICOMDIR or ZIP.")]
OutOption = Annotated[Path, typer.Option("--out", help="New folder to write to.")]
KeepDates = Annotated[bool, typer.Option("--retain-dates", help="Keep dates and times.")]
ShiftDates = Annotated[
    bool,
    typer.Option("--shift-dates", help="Move all dates of a patient by one secret number of days."),
]
KeepUids = Annotated[bool, typer.Option("--retain-uids", help="Keep UIDs.")]
KeepDevice = Annotated[bool, typer.Option("--retain-device", help="Keep the device's identity.")]
KeepInstitution = Annotated[
    bool, typer.Option("--retain-institution", help="Keep the institution's identity.")
]
KeepPatient = Annotated[
    bool, typer.Option("--retain-patient", help="Keep sex, age, size and weight of the patient.")
]
KeyFile = Annotated[
    Path | None, typer.Option(help="Secret key; or set HALSTED_DEID_KEY in the environment.")
]
SkipRefused = Annotated[
    bool, typer.Option("--skip-refused", help="Leave out what cannot be de-identified.")
]
AllowUnknownPixels = Annotated[
    bool,
    typer.Option(
        "--allow-unknown-pixels",
        help="Let screen captures, ultrasound and photographs pass that do not say whether text is "
        "burnt into them. Look at them first.",
    ),
]
ReportOption = Annotated[Path | None, typer.Option(help="Report to write (JSON).")]


def deidentify(
    scan: ScanArgument,
    to: OutOption,
    retain_dates: KeepDates = False,
    shift_dates: ShiftDates = False,
    retain_uids: KeepUids = False,
    retain_device: KeepDevice = False,
    retain_institution: KeepInstitution = False,
    retain_patient: KeepPatient = False,
    key_file: KeyFile = None,
    skip_refused: SkipRefused = False,
    allow_unknown_pixels: AllowUnknownPixels = False,
    pacs: PacsOption = None,
    report: ReportOption = None,
    as_json: AsJson = False,
) -> None:
    """Write a scan without what tells who the patient is (DICOM PS3.15, Annex E).

    Example: `halsted deidentify ct_dicom --out ct_clean --shift-dates --report removed.json`
    """
    from halsted.imaging_bridge.deidentification import deidentify as write
    from halsted.imaging_bridge.deidentification import pseudonyms

    if retain_dates and shift_dates:
        fail("dates are either kept or moved; choose one of --retain-dates and --shift-dates")
    wanted: dict[Option, bool] = {
        "dates": retain_dates,
        "shifted-dates": shift_dates,
        "uids": retain_uids,
        "device": retain_device,
        "institution": retain_institution,
        "patient": retain_patient,
    }
    options = [option for option, is_wanted in wanted.items() if is_wanted]
    if report is not None:
        _check_report(report)
    found, key = resolve_scan(scan, pacs), pseudonyms(key_file)
    with progress() as bar:
        task = bar.add_task("de-identifying", total=None)
        done = write(
            found, to, key, options,
            skip_refused=skip_refused,
            allow_unknown_pixels=allow_unknown_pixels,
            on_file=lambda count, total: bar.update(task, completed=count, total=total),
        )  # fmt: skip
    _tell(done.as_dict(), report, as_json)
    messages.print(f"wrote {done.written} objects to {to}", soft_wrap=True, markup=False)


def _check_report(report: Path) -> None:
    """Find out before the work that the report cannot be written; no folder is made."""
    folder = next(place for place in report.absolute().parents if place.exists())
    try:
        if report.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")
        TemporaryFile(dir=folder).close()
    except OSError as error:
        fail(f"cannot write the report {report} ({error.strerror}); choose another file")


def _tell(content: dict[str, Any], report: Path | None, as_json: bool) -> None:
    from halsted.imaging_bridge.files import write_text

    if report is not None:
        write_text(report, json.dumps(content, indent=1) + "\n")
    if as_json:
        print_json(content)
        return
    table = Table("attribute", "what was done", "times", box=None)
    for keyword, fates in content["attributes"].items():
        for fate, count in fates.items():
            table.add_row(keyword, fate, str(count))
    out.print(table)
    out.print(f"key: {content['key']}")
    for reason, count in content["files_left_out"].items():
        out.print(f"[yellow]note:[/] {count} files were left out, because {reason}")
