"""The commands that train, score and show policies."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress, TaskID
from rich.table import Table

from halsted.cli import console
from halsted.cli.console import (
    AsJson,
    LabelsOption,
    NamesOption,
    ended_in_order,
    fail,
    messages,
    print_json,
    progress,
)
from halsted.cli.pacs import PacsOption, resolve_scan

if TYPE_CHECKING:
    from halsted.scenarios.schema import Scenario

ScenarioName = Annotated[
    str, typer.Argument(help="Name of a scenario (see `halsted scenarios`), or a .yaml file.")
]
EnvironmentName = Annotated[
    str, typer.Argument(help="A scenario, its .yaml file, or the id of an environment.")
]
ScanOption = Annotated[
    Path | None, typer.Option(help="DICOM folder, or NIfTI, NRRD or MetaImage file.")
]


def scenarios(as_json: AsJson = False) -> None:
    """List the scenarios.

    Example: `halsted scenarios --json`
    """
    from halsted.scenarios.catalogue import load_scenario, scenario_names

    known = [load_scenario(name) for name in scenario_names()]
    if as_json:
        print_json(
            [{**one.model_dump(mode="json"), "content_hash": one.content_hash} for one in known]
        )
        return
    table = Table("scenario", "environment", "train", "test", "what", box=None)
    for one in known:
        counts = (str(len(one.cases("train"))), str(len(one.cases("test"))))
        table.add_row(one.name, one.environment, *counts, one.title)
    console.out.print(table)


def train(
    scenario: ScenarioName,
    algorithm: Annotated[str, typer.Option(help="`sac-her`, `sac` or `ppo`.")] = "sac-her",
    steps: Annotated[int, typer.Option(min=1, help="Environment steps.")] = 50_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of networks and scenes.")] = 0,
    environments: Annotated[int, typer.Option(min=1, help="Environments stepped together.")] = 1,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes they are spread over; 0 for this one.")
    ] = 0,
    demonstrations: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER|N",
            help="Learn from a data set of `halsted record`, or from N episodes of the expert.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to.")] = None,
) -> None:
    """Train a policy on a scenario's training patients or scenes.

    Example: `halsted train liver-biopsy --steps 20000 --out runs/liver`
    """
    from halsted.agents.trained import ALGORITHMS
    from halsted.scenarios.catalogue import scenario_of

    posed = scenario_of(scenario)
    if algorithm not in ALGORITHMS:
        fail(f"there is no algorithm {algorithm!r}; choose one of: {', '.join(ALGORITHMS)}")
    folder = out or Path("runs") / f"{posed.name}-{algorithm}-{seed}"
    shown = _demonstrations(demonstrations)
    from halsted.agents.training import Training
    from halsted.agents.training import train as train_policy

    chosen: Any = algorithm
    with progress() as bar:
        task = bar.add_task(f"training {algorithm}", total=steps)
        train_policy(
            posed,
            folder,
            Training(chosen, steps, seed, environments, workers, shown),
            on_progress=lambda done: bar.update(task, completed=min(done, steps)),
        )
    messages.print(f"wrote {folder}; watch it with: tensorboard --logdir {folder}")


def _demonstrations(given: str | None) -> int | Path:
    """A number of episodes, or the folder of a data set."""
    if given is None:
        return 0
    return int(given) if given.isascii() and given.isdigit() else Path(given)


def evaluate(
    scenario: ScenarioName,
    policy: Annotated[
        str, typer.Option(help="`expert`, `planner`, `random`, or a trained policy's folder.")
    ],
    first: Annotated[
        int | None,
        typer.Option(
            "--patients", "--scenes", min=1, help="Only the first so many patients or scenes."
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            help="Draws the scenes of patients and the chance of the policy; at the bench only the "
            "latter, for the scenario names the scenes.",
        ),
    ] = 0,
    perception: Annotated[
        str | None,
        typer.Option(help="Trained network that sees, beside the oracle: tells the gap."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Results file to write (JSON).")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a policy on a scenario's held-back patients or scenes.

    Example: `halsted evaluate liver-biopsy --policy expert --patients 10`
    """
    from halsted.agents.evaluation import evaluate as score
    from halsted.agents.evaluation import results, write_results
    from halsted.agents.making import make_policy
    from halsted.imaging_bridge.files import make_folder
    from halsted.scenarios.catalogue import scenario_of

    posed = scenario_of(scenario)
    actor = make_policy(policy, posed)
    if out is not None:
        make_folder(out.parent)  # an output that cannot be is told before the work, not after
    cases = posed.cases("test")[:first]
    seen_as: dict[str, Scenario] = {actor.name: posed}
    pair: tuple[str, str] | None = None
    eyes: dict[str, str] = {}
    if perception is not None:
        pair, seen_as, eyes = _seen_as(posed, actor.name, perception)
    episodes = {}
    with progress() as bar:
        for name, as_seen in seen_as.items():
            task = bar.add_task(name, total=len(posed.starts(cases, seed)))
            advance = functools.partial(_advance, bar, task)
            episodes[name] = score(as_seen, actor, cases, seed, advance)
    content = results(posed, seed, episodes, pair, eyes)
    if out is not None:
        write_results(out, content)
    if as_json:
        print_json(content)
    else:
        _print_scores(content)


def _seen_as(
    posed: Scenario, policy: str, perception: str
) -> tuple[tuple[str, str], dict[str, Scenario], dict[str, str]]:
    """Names of a policy by truth and by a segmenter, the scenario as each sees it, and who sees."""
    from halsted.agents.evaluation import with_perception
    from halsted.agents.perception import identity_of

    if policy == "expert":
        fail("the expert acts on the truth, whatever is seen; choose planner, or a trained policy")
    eyes = identity_of(perception)
    names = (f"{policy}, oracle", f"{policy}, {eyes['segmenter']}")
    scenarios = (with_perception(posed, "oracle"), with_perception(posed, perception))
    return names, dict(zip(names, scenarios, strict=True)), eyes


def _advance(bar: Progress, task: TaskID, _: object) -> None:
    bar.advance(task)


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
    console.out.print(table)
    gap = content.get("perception_gap")
    if gap:
        parts = (
            f"{name} {gap[name]['mean']:+.2f} ({gap[name]['low']:+.2f} to {gap[name]['high']:+.2f})"
            for name in ("success", "cost")
        )
        console.out.print(f"perception gap: {', '.join(parts)}")


def render(
    name: EnvironmentName,
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
    messages.print(f"wrote {out} ({frames} views)")


def record(
    name: EnvironmentName,
    out: Annotated[Path, typer.Option(help="New folder; its name is the data set's.")],
    policy: Annotated[str, typer.Option(help="Who acts, as in `halsted evaluate`.")] = "expert",
    episodes: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Draws the training cases and scenes.")] = 0,
) -> None:
    """Record episodes with their costs as a Minari data set, to learn from.

    Example: `halsted record halsted/NeedleBiopsyGoal-v0 --episodes 20 --out runs/needle-expert-v0`
    """
    from halsted.agents.recording import Recording
    from halsted.agents.recording import record as write

    succeeded = 0
    with progress() as bar:
        task = bar.add_task(f"recording {policy}", total=episodes)

        def count(success: bool) -> None:
            nonlocal succeeded
            succeeded += success
            bar.advance(task)

        with ended_in_order():
            write(Recording(name, policy, episodes, seed, out), count)
    messages.print(f"wrote {out} ({episodes} episodes, {succeeded} of them successes)")


def demo(
    scan: ScanOption = None,
    labels: LabelsOption = None,
    label_names: NamesOption = None,
    pacs: PacsOption = None,
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
        None if scan is None and pacs is None else str(resolve_scan(scan or "--scan", pacs)),
        None if labels is None else str(labels),
        label_names,
        organ,
        lesion,
        steps,
        out,
    )
    with progress() as bar:

        def begin(what: str, total: int) -> Callable[[int], None]:
            task = bar.add_task(what, total=total)
            return lambda done: bar.update(task, completed=min(done, total))

        content, report = run_demo(request, begin)
    _print_scores(content)
    console.out.print(f"report: {report}", soft_wrap=True)
    console.out.print(f"results: {out / 'results.json'}", soft_wrap=True)
