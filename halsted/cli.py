"""The command line: a thin layer over the library that turns its errors into one sentence."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import halsted
from halsted.imaging_bridge.errors import HalstedError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Halsted turns a patient's scan into a place to practise.",
)
_out = Console(highlight=False)
_messages = Console(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
ScenarioName = Annotated[
    str, typer.Argument(help="Name of a scenario (see `halsted scenarios`), or a .yaml file.")
]
ScanOption = Annotated[
    Path | None, typer.Option(help="DICOM folder, or NIfTI, NRRD or MetaImage file.")
]
LabelsOption = Annotated[Path | None, typer.Option(help="Segmentation of the scan.")]
NamesOption = Annotated[
    str | None,
    typer.Option(help="Names of the labels: `totalsegmentator-v2`, or a JSON file {name: value}."),
]


def main() -> None:
    """Run the command line; a Halsted error becomes one sentence and exit code 2."""
    try:
        app()
    except HalstedError as error:
        _messages.print(f"[bold red]error:[/] {_plain(str(error))}", soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        _messages.print("stopped")
        sys.exit(130)


def _plain(text: str) -> str:
    """Text whose brackets are not taken for markup."""
    return text.replace("[", "\\[")


def _print_json(content: Any) -> None:
    sys.stdout.write(json.dumps(content, indent=1) + "\n")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"halsted {halsted.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


def _progress() -> Progress:
    """A progress bar on standard error."""
    return Progress(
        TextColumn("{task.description:<34}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=_messages,
    )


@app.command()
def scan(
    path: Annotated[Path, typer.Argument(help="DICOM folder, or NIfTI, NRRD or MetaImage file.")],
    labels: LabelsOption = None,
    label_names: NamesOption = None,
    as_json: AsJson = False,
) -> None:
    """Tell what a scan is, and what is wrong with it.

    Example: `halsted scan ct.nii.gz --labels organs.nii.gz --label-names totalsegmentator-v2`
    """
    from halsted.imaging_bridge.inspect import describe

    report = describe(path, labels, label_names)
    if as_json:
        _print_json(report.as_dict())
    elif report.readable:
        _print_scan(report.as_dict())
    if not report.readable:
        if not as_json:
            _fail(report.problems[0])
        raise typer.Exit(2)


def _fail(sentence: str) -> NoReturn:
    raise HalstedError(sentence)


def _print_scan(facts: dict[str, Any]) -> None:
    structures, problems = facts.pop("structures"), facts.pop("problems")
    table = Table(show_header=False, box=None)
    for key, value in facts.items():
        if value not in (None, [], ""):
            table.add_row(key.replace("_", " "), _plain(_short(value)))
    _out.print(table)
    if structures:
        rows = Table("structure", "role", "ml", box=None)
        for structure in structures:
            rows.add_row(structure["name"], structure["role"], f"{structure['volume_ml']:.1f}")
        _out.print(rows)
    for problem in problems:
        _out.print(f"[yellow]note:[/] {_plain(problem)}", soft_wrap=True)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " x ".join(_short(item) for item in value)
    return str(value)


@app.command()
def scenarios(as_json: AsJson = False) -> None:
    """List the scenarios.

    Example: `halsted scenarios --json`
    """
    from halsted.scenarios.catalogue import load_scenario, scenario_names

    known = [load_scenario(name) for name in scenario_names()]
    if as_json:
        _print_json(
            [{**one.model_dump(mode="json"), "content_hash": one.content_hash} for one in known]
        )
        return
    table = Table("scenario", "environment", "train", "test", "what", box=None)
    for one in known:
        counts = (str(len(one.cases("train"))), str(len(one.cases("test"))))
        table.add_row(one.name, one.environment, *counts, one.title)
    _out.print(table)


@app.command()
def train(
    scenario: ScenarioName,
    algorithm: Annotated[str, typer.Option(help="`sac-her` or `ppo`.")] = "sac-her",
    steps: Annotated[int, typer.Option(min=1, help="Environment steps.")] = 50_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of networks and scenes.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder to write to.")] = None,
) -> None:
    """Train a policy on a scenario's training patients.

    Example: `halsted train liver-biopsy --steps 20000 --out runs/liver`
    """
    from halsted.scenarios.catalogue import load_scenario

    posed = load_scenario(scenario)
    if algorithm not in ("sac-her", "ppo"):
        _fail(f"there is no algorithm {algorithm!r}; choose sac-her or ppo")
    folder = out or Path("runs") / f"{posed.name}-{algorithm}-{seed}"
    from halsted.agents.training import train as train_policy

    with _progress() as bar:
        task = bar.add_task(f"training {algorithm}", total=steps)
        train_policy(
            posed,
            folder,
            "ppo" if algorithm == "ppo" else "sac-her",
            steps,
            seed,
            on_progress=lambda done: bar.update(task, completed=min(done, steps)),
        )
    _messages.print(f"wrote {folder}; watch it with: tensorboard --logdir {folder}")


@app.command()
def evaluate(
    scenario: ScenarioName,
    policy: Annotated[str, typer.Option(help="`expert`, `random`, or a trained policy's folder.")],
    patients: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the scenes.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Results file to write (JSON).")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a policy on a scenario's held-back patients.

    Example: `halsted evaluate liver-biopsy --policy expert --patients 10`
    """
    from halsted.agents.evaluation import evaluate as score
    from halsted.agents.evaluation import results, write_results
    from halsted.agents.making import make_policy
    from halsted.imaging_bridge.files import make_folder
    from halsted.scenarios.catalogue import load_scenario

    posed = load_scenario(scenario)
    actor = make_policy(policy, posed)
    if out is not None:
        make_folder(out.parent)  # an output that cannot be is told before the work, not after
    cases = posed.cases("test")[:patients]
    with _progress() as bar:
        task = bar.add_task(f"{actor.name}", total=len(cases) * posed.episodes_per_patient)
        episodes = score(posed, actor, cases, seed, lambda _: bar.advance(task))
    content = results(posed, seed, {actor.name: episodes})
    if out is not None:
        write_results(out, content)
    if as_json:
        _print_json(content)
    else:
        _print_scores(content)


def _print_scores(content: dict[str, Any]) -> None:
    table = Table(
        "policy", "episodes", "success (95 % Wilson)", "cost, IQM (95 %)", "harmed", "steps, IQM",
        box=None,
    )  # fmt: skip
    for name, policy in content["policies"].items():
        s = policy["summary"]
        success, cost = s["success"], s["cost"]
        table.add_row(
            name,
            str(len(policy["episodes"])),
            f"{success['rate']:.2f} ({success['wilson_low']:.2f} to {success['wilson_high']:.2f})",
            f"{cost['iqm']:.2f} ({cost['low']:.2f} to {cost['high']:.2f})",
            f"{s['harmed_episodes']:.0%}",
            f"{s['steps']['iqm']:.0f}",
        )
    _out.print(table)


@app.command()
def render(
    name: Annotated[str, typer.Argument(help="A scenario, or the id of an environment.")],
    policy: Annotated[str, typer.Option(help="Who acts, as in `halsted evaluate`.")] = "expert",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the scene.")] = 0,
    out: Annotated[Path, typer.Option(help="A .png (last view) or .gif (whole episode).")] = Path(
        "episode.gif"
    ),
) -> None:
    """Write a picture or an animation of an episode.

    Example: `halsted render lung-biopsy --out lung.gif`
    """
    from halsted.agents.rendering import render_episode

    frames = render_episode(name, policy, seed, out)
    _messages.print(f"wrote {out} ({frames} views)")


@app.command()
def demo(
    scan: ScanOption = None,
    labels: LabelsOption = None,
    label_names: NamesOption = None,
    organ: Annotated[str | None, typer.Option(help="`liver` or `lung`.")] = None,
    lesion: Annotated[str | None, typer.Option(help="Name of the lesion in the labels.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 15_000,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("runs/demo"),
) -> None:
    """Walk the whole path: a scan or phantom, three agents, their scores, and a report.

    Example: `halsted demo --scan ct.nii.gz --labels organs.nii.gz --organ liver`
    """
    from halsted.agents.demo import DemoRequest, run_demo

    request = DemoRequest(
        None if scan is None else str(scan),
        None if labels is None else str(labels),
        label_names,
        organ,
        lesion,
        steps,
        out,
    )
    with _progress() as bar:

        def begin(what: str, total: int) -> Callable[[int], None]:
            task = bar.add_task(what, total=total)
            return lambda done: bar.update(task, completed=min(done, total))

        content, report = run_demo(request, begin)
    _print_scores(content)
    _out.print(f"report: {report}", soft_wrap=True)
    _out.print(f"results: {out / 'results.json'}", soft_wrap=True)
