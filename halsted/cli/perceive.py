"""The commands of perception: train networks that see, score them, and let them look at scans."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from halsted.cli import console
from halsted.cli.console import (
    AsJson,
    SeriesOption,
    ended_in_order,
    fail,
    messages,
    print_json,
    progress,
)
from halsted.cli.pacs import PacsOption, resolve_scan

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Networks that see: list, train and score them.",
)

NetworkName = Annotated[str, typer.Argument(help="Name of a network; see `halsted perceive list`.")]
TrainedName = Annotated[
    str, typer.Argument(help="Folder of a trained network, or its name in HALSTED_NETWORKS.")
]
DataOption = Annotated[
    list[Path] | None,
    typer.Option(help="Folder of images and masks, or a public set; may be given several times."),
]
SamplesOption = Annotated[
    int, typer.Option(min=0, help="Passes of Monte-Carlo dropout; 0 for one without.")
]


@app.command("list")
def list_networks(as_json: AsJson = False) -> None:
    """List the networks, and which of them are trained.

    Example: `halsted perceive list`
    """
    from halsted.agents.perception.catalogue import NETWORKS
    from halsted.agents.perception.folders import is_trained

    trained = {name: is_trained(name) for name in NETWORKS}
    if as_json:
        print_json([{**one.as_dict(), "trained": trained[one.name]} for one in NETWORKS.values()])
        return
    table = Table("network", "images", "classes", "trained", "what", box=None)
    for one in NETWORKS.values():
        state = "yes" if trained[one.name] else "no"
        table.add_row(one.name, ", ".join(one.channels), str(len(one.classes)), state, one.title)
    console.out.print(table)


@app.command()
def train(
    network: NetworkName,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; by default its place by name.")
    ] = None,
    steps: Annotated[int, typer.Option(min=0, help="Steps; 0 for the network's own.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and windows.")] = 0,
    members: Annotated[int, typer.Option(min=1, help="Networks of the ensemble.")] = 1,
    phantoms: Annotated[
        int | None,
        typer.Option(
            min=0, max=99_999, help="Phantoms to train on; by default the network's own number."
        ),
    ] = None,
    data: DataOption = None,
    classes: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these classes of the network.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="Trained network to fine-tune.")
    ] = None,
    bf16: Annotated[bool, typer.Option("--bf16", help="Compute in bfloat16.")] = False,
) -> None:
    """Train a network on phantoms, on your own images and masks, or on both, and calibrate it.

    A training that was cut short goes on when the same command is given again.

    Example: `halsted perceive train polyp --data Kvasir-SEG --out networks/polyp`
    """
    from halsted.agents.perception.folders import networks_folder
    from halsted.agents.perception.making import Request, train_and_calibrate
    from halsted.agents.perception.training import Recipe

    folder = out or networks_folder() / network
    request = Request(
        network,
        folder,
        Recipe(steps, seed, members, precision="bf16" if bf16 else "float32"),
        phantoms,
        data or (),
        () if classes is None else tuple(one.strip() for one in classes.split(",")),
        start,
    )
    with ended_in_order(), _followed() as begin:
        trained = train_and_calibrate(request, begin, lambda text: messages.print(text))
    best = max((row[2] for row in trained.facts["validation"]), default=0.0)
    messages.print(f"wrote {folder} (best on validation: {best:.2f})", soft_wrap=True)


@app.command()
def evaluate(
    network: TrainedName,
    cases: Annotated[int, typer.Option(min=1, help="Test phantoms to score on.")] = 20,
    data: DataOption = None,
    samples: SamplesOption = 0,
    out: Annotated[Path | None, typer.Option(help="Results file to write (JSON).")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a trained network on phantoms that it never saw, or on your own images and masks.

    Example: `halsted perceive evaluate polyp --cases 40`
    """
    from halsted.agents.perception.checkpoint import find_trained
    from halsted.agents.perception.evaluation import evaluate_network
    from halsted.agents.perception.making import data_sources, read_examples
    from halsted.agents.perception.phantom_sources import phantom_sources
    from halsted.imaging_bridge.files import make_folder, write_text

    trained = find_trained(network)
    if out is not None:
        make_folder(out.parent)
    with ended_in_order(), _followed() as begin:
        sources = data_sources(data) if data else phantom_sources(trained.network, "test", cases)
        examples = read_examples(trained.network, sources, begin)
        content = evaluate_network(trained, examples, samples, begin("looking", len(examples)))
    if out is not None:
        write_text(out, json.dumps(content, indent=1) + "\n")
    if as_json:
        print_json(content)
    else:
        _print_scores(content)


def segment(
    scan: Annotated[Path, typer.Argument(help="DICOM, an image file, a picture, or a recording.")],
    network: Annotated[str, typer.Option(help="Trained network: its folder, or its name.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("segmentation"),
    image: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="Another image of the person, such as flair=F.nii."),
    ] = None,
    lesions: Annotated[
        str | None, typer.Option(help="Network that cuts the lesion out, for a diagnosis from it.")
    ] = None,
    samples: SamplesOption = 0,
    series: SeriesOption = None,
    pacs: PacsOption = None,
    as_json: AsJson = False,
) -> None:
    """Let a network look at a scan: labels, confidence, volumes with intervals, and a picture.

    Example: `halsted segment chest_ct --network trunk --out runs/chest`
    """
    from halsted.agents.perception.checkpoint import find_trained
    from halsted.agents.perception.looking import Look, look

    trained = find_trained(network)
    cutter = None if lesions is None else find_trained(lesions)
    more = dict(_named(one) for one in image or ())
    what = Look(resolve_scan(scan, pacs), out, samples, series, more, cutter)
    with ended_in_order():
        content = look(trained, what)
    if as_json:
        print_json(content)
        return
    _print_volumes(content)
    messages.print(f"wrote {out}", soft_wrap=True)


def _named(text: str) -> tuple[str, Path]:
    """A name and a path."""
    name, sign, path = text.partition("=")
    if not sign or not name or not path:
        fail(f"--image takes NAME=PATH, such as flair=flair.nii.gz, but {text!r} was given")
    return name, Path(path)


@contextmanager
def _followed() -> Any:
    """A progress bar with a row for each stretch of work."""
    with progress() as bar:
        yield lambda what, total: _row(bar, what, total)


def _row(bar: Progress, what: str, total: int) -> Callable[[], None]:
    task = bar.add_task(what, total=total)
    return lambda: bar.advance(task)


def _print_scores(content: dict[str, Any]) -> None:
    for name, value in content["overall"].items():
        if name not in content["classes"]:
            console.out.print(f"{name}: {_number(value)}")
    if content["classes"]:
        console.out.print(_class_table(content))
    if content["seen_in_training"]:
        messages.print(
            f"{content['seen_in_training']} of these {content['cases']} cases are of those that "
            "the network was trained on or chosen by; their scores say nothing about others"
        )
    honesty = content["honesty_near_boundary"]
    if honesty:
        told = honesty["calibrated"]
        console.out.print(
            f"near boundaries: calibration error {told['ece']:.3f} "
            f"(raw {honesty['raw']['ece']:.3f}), entropy tells errors with AUROC "
            f"{_number(told['entropy_error_auroc'])}"
        )
    if content["strange_cases"] is not None:
        console.out.print(f"unlike the cases that it was made for: {content['strange_cases']:.0%}")


def _class_table(content: dict[str, Any]) -> Table:
    table = Table(
        "class", "Dice", "worst", "best threshold", "false alarms", "margin held", box=None
    )
    for name, row in content["classes"].items():
        held = content["margins_held"].get(name)
        table.add_row(
            name,
            _number(row["dice"]),
            _number(row["dice_worst"]),
            _number(row["threshold_dice"]),
            _number(row["false_alarms"]),
            "" if held is None else f"{held:.0%}",
        )
    return table


def _print_volumes(content: dict[str, Any]) -> None:
    table = Table("structure", "volume", "interval", "unit", box=None)
    for name, row in content["summary"].items():
        low, high = row["interval"] or (None, None)
        interval = "" if low is None or high is None else f"{low:.1f} to {high:.1f}"
        table.add_row(name, f"{row['volume']:.1f}", interval, row["unit"])
    console.out.print(table)
    if content["outlier_p"] is not None and content["outlier_p"] <= content["strange_below"]:
        messages.print(
            f"this scan is unlike those that the network was made for (p = "
            f"{content['outlier_p']:.3f}); do not trust its answer unread"
        )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
