"""`halsted pacs`: ask a hospital's archive, and carry studies in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from halsted.cli.console import AsJson, fail, messages, out, plain, print_json, progress

if TYPE_CHECKING:
    from halsted.imaging_bridge.pacs.records import Pacs

PacsOption = Annotated[
    str | None,
    typer.Option(
        "--pacs",
        metavar="ADDRESS",
        help="`dicom://AE_TITLE@host:port`, `dicoms://...` for TLS, or the URL of a DICOMweb "
        "service; else `HALSTED_PACS`.",
    ),
]
ViaOption = Annotated[Literal["get", "move"] | None, typer.Option(help="How images come by DIMSE.")]
PortOption = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Port at which the PACS finds us, for `--via move`."),
]
StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="StudyInstanceUID.")]
DateOption = Annotated[
    str | None, typer.Option(metavar="DATE", help="`YYYYMMDD`, or `YYYYMMDD-YYYYMMDD`.")
]
ModalityOption = Annotated[str | None, typer.Option(help="For example `CT`.")]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Ask a PACS, and carry studies in and out. Credentials come from the environment: "
    "HALSTED_PACS_USER, _PASSWORD, _TOKEN, _CA, _CERT, _KEY; see docs/pacs.md.",
)


@app.command()
def echo(pacs: PacsOption = None) -> None:
    """Tell whether a PACS answers and lets us in.

    Example: `halsted pacs echo --pacs dicom://ORTHANC@localhost:4242`
    """
    _open(pacs).echo()
    out.print("the PACS answers")


@app.command()
def find(
    study: Annotated[str | None, typer.Option(help="StudyInstanceUID.")] = None,
    patient_id: Annotated[str | None, typer.Option(help="Patient ID; `*` is any text.")] = None,
    date: DateOption = None,
    modality: ModalityOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Studies at most.")] = 100,
    pacs: PacsOption = None,
    as_json: AsJson = False,
) -> None:
    """List series by UID, modality, date and size; never by a patient's name or number.

    Example: `halsted pacs find --modality CT --date 20240101-`
    """
    from halsted.imaging_bridge.pacs.records import Query

    found = _open(pacs).find(Query(study, patient_id, date, modality, limit))
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for uid in dict.fromkeys(one.study for one in found):
        of_study = [one for one in found if one.study == uid]
        date = f" of {of_study[0].date}" if of_study[0].date else ""
        out.print(f"study {uid}{date}", soft_wrap=True)
        for one in of_study:
            count = "?" if one.instances is None else one.instances
            out.print(f"  {one.modality or '?':<9} {count:>5}  {one.uid}", soft_wrap=True)
    if not found:
        messages.print("nothing matches")


@app.command()
def pull(
    study: StudyArgument,
    series: Annotated[str | None, typer.Option(help="SeriesInstanceUID; else all.")] = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to; else ./STUDY.")
    ] = None,
    via: ViaOption = None,
    receiver_port: PortOption = None,
    pacs: PacsOption = None,
) -> None:
    """Pull a study into a folder, which appears when it is complete.

    After a break the same command fetches what is missing.

    Example: `halsted pacs pull 1.2.840.1 --out study`
    """
    from halsted.imaging_bridge.pacs.pull import pull as pull_study

    archive = _open(pacs, via, receiver_port)
    with _bar("pulling") as on_progress:
        pulled = pull_study(archive, study, out_folder or Path(study), series, on_progress)
    folder = plain(str(pulled.folder))
    out.print(f"{folder}: {pulled.total} instances ({pulled.fetched} fetched now)", soft_wrap=True)


@app.command()
def push(
    paths: Annotated[list[Path], typer.Argument(help="DICOM files, or folders of them.")],
    pacs: PacsOption = None,
) -> None:
    """Store DICOM files in a PACS; what it holds already is not sent again.

    Example: `halsted pacs push study --pacs https://pacs.example.org/dicom-web`
    """
    from halsted.imaging_bridge.pacs.push import push as push_files

    archive = _open(pacs)
    with _bar("pushing") as on_progress:
        pushed = push_files(archive, paths, on_progress)
    skipped = f", {pushed.skipped} other files left out" if pushed.skipped else ""
    out.print(f"{pushed.sent} instances sent, {pushed.present} already there{skipped}")
    if pushed.refused:
        reasons = "; ".join(f"{count} x {why}" for why, count in pushed.refused.most_common())
        fail(f"the PACS refused {pushed.refused.total()} instances ({reasons}); see its own log")


@app.command()
def worklist(
    date: DateOption = None,
    modality: ModalityOption = None,
    station: Annotated[str | None, typer.Option(help="AE title of the machine.")] = None,
    pacs: PacsOption = None,
    as_json: AsJson = False,
) -> None:
    """List the procedures that are scheduled, without telling for whom.

    Example: `halsted pacs worklist --date 20240101 --modality CT`
    """
    from halsted.imaging_bridge.pacs.node import read_node
    from halsted.imaging_bridge.pacs.worklist import find_scheduled

    steps = find_scheduled(read_node(pacs), date, modality, station)
    if as_json:
        print_json([asdict(one) for one in steps])
        return
    if not steps:
        messages.print("nothing is scheduled")
        return
    table = Table("date", "time", "modality", "station", "step", "study", box=None)
    for one in steps:
        table.add_row(one.date, one.time[:6], one.modality, one.station, one.step, one.study)
    out.print(table, soft_wrap=True)


def resolve_scan(scan: str | Path, pacs: str | None) -> Path:
    """The path of a scan: as given, or of the study with this UID, pulled into the cache.

    Args:
        scan: A path, or a StudyInstanceUID.
        pacs: Address of the PACS; else the one in ``HALSTED_PACS``.

    Raises:
        PacsError: there is no such path and no PACS is named, or the study cannot be pulled.
    """
    from halsted.imaging_bridge.pacs.records import is_uid

    path = Path(scan)
    if not is_uid(str(scan)) or (path.exists() and pacs is None):
        if pacs is not None:
            fail(f"--pacs is given, but {scan} is no study UID; pass one, or leave out --pacs")
        return path
    from halsted.imaging_bridge.pacs.studies import fetch_study

    with _bar("pulling") as on_progress:
        return fetch_study(str(scan), pacs, on_progress)


def _open(
    address: str | None, via: Literal["get", "move"] | None = None, port: int | None = None
) -> Pacs:
    from halsted.imaging_bridge.pacs.connect import open_pacs

    return open_pacs(address, via, port)


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    with progress() as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
