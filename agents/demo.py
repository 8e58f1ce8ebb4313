"""The whole path in one go: a scan or phantom, three agents, their scores, and a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from halsted.agents.curve import Curve, smoothed
from halsted.agents.episodes import Episode, run_episode
from halsted.agents.errors import PolicyError
from halsted.agents.evaluation import evaluate, results, with_perception, write_results
from halsted.agents.making import make_environment, make_policy
from halsted.agents.perception.folders import is_trained
from halsted.agents.pictures import frame_png, learning_curve_png, slices_png
from halsted.agents.policy import Policy
from halsted.agents.report import ReportContent, write_report
from halsted.agents.training import Training, train
from halsted.imaging_bridge import HalstedError
from halsted.imaging_bridge.cases import Case, PreparedPatient, ScanCase
from halsted.imaging_bridge.files import make_folder
from halsted.imaging_bridge.structures import names_with_role
from halsted.robot.registration import transform_points
from halsted.scenarios.catalogue import load_scenario
from halsted.scenarios.patients import PatientScenario
from halsted.scenarios.schema import Start

Begin = Callable[[str, int], Callable[[int], None]]
"""Begins a stage of so many steps; what it returns takes the number done."""

_TRAINING_PHANTOMS = 8
_TEST_PHANTOMS = 12
_SCAN_EPISODES = 12
_DEMONSTRATIONS = 60
_SEED = 0
_EYES = "trunk"
"""The network by which the planner sees, where it is trained."""


@dataclass(frozen=True)
class DemoRequest:
    """What the user asks for; all but `steps` and `out` may be None.

    Attributes:
        scan: Path of a scan, or None for phantoms.
        labels: Path of its labels.
        label_names: Names of the labels; see `read_labels`.
        organ: ``liver`` or ``lung``.
        lesion: Name of the lesion in the labels.
        steps: Training steps.
        out: Folder to write to.
    """

    scan: str | None
    labels: str | None
    label_names: str | None
    organ: str | None
    lesion: str | None
    steps: int
    out: Path


def run_demo(request: DemoRequest, begin: Begin) -> tuple[dict[str, Any], Path]:
    """Walk the path and write ``results.json`` and ``report.html``.

    Agents are trained on phantoms; they are scored on phantoms that they never saw, or on the
    user's scan.

    Args:
        request: What the user asks for.
        begin: Tells the progress.

    Returns:
        The results, and the report's path.

    Raises:
        HalstedError: the scan cannot be used, or the folder cannot be written to.
    """
    make_folder(request.out)
    organ = _organ(request)
    scenario = load_scenario(f"{organ}-biopsy")
    assert isinstance(scenario, PatientScenario)
    tested: list[Case] = scenario.cases("test")[:_TEST_PHANTOMS]
    if request.scan is not None:
        tested = [
            ScanCase(request.scan, request.labels, request.label_names, organ, request.lesion)
        ]
        scenario = scenario.model_copy(update={"episodes_per_patient": _SCAN_EPISODES})
    patients = _prepare_all(tested, begin)
    folder = request.out / "policy"
    curve = _train(scenario, request.steps, folder, begin)
    policies = [make_policy(name, scenario) for name in ("expert", "random", str(folder))]
    scores = {policy.name: _score(scenario, policy, patients, begin) for policy in policies}
    on_eyes = _score_by_eyes(scenario, patients, scores, begin)
    content = results(scenario, _SEED, scores)
    write_results(request.out / "results.json", content)
    report = write_report(
        request.out,
        ReportContent(
            title=scenario.title,
            scenario=scenario.name,
            facts=_facts(scenario, patients, tested),
            pictures=_pictures(scenario, policies, patients[0], curve),
            scores=[(name, one["summary"]) for name, one in content["policies"].items()],
            episodes={name: len(one["episodes"]) for name, one in content["policies"].items()},
            remarks=[*_remarks(request, patients[0]), on_eyes],
            provenance=_provenance(request, scenario),
        ),
    )
    return content, report


def _organ(request: DemoRequest) -> str:
    """The organ asked for; else the one that the lesion lies in.

    A lesion yet to be made up is put into the liver where that is labelled, else into the lung.
    """
    if request.organ not in (None, "liver", "lung"):
        raise PolicyError(f"there is no demo for the organ {request.organ!r}; choose liver or lung")
    if request.organ is not None or request.scan is None:
        return request.organ or "liver"
    from halsted.imaging_bridge.read import read_patient

    labels = read_patient(request.scan, request.labels, request.label_names).labels
    if labels is None or "liver" not in labels.names:
        return "lung"
    lesions = [request.lesion] if request.lesion else names_with_role(labels.names, "lesion")
    mask = labels.mask(*lesions)
    if not mask.any():
        return "liver"
    around = tuple(slice(max(0, index.min() - 3), index.max() + 4) for index in np.nonzero(mask))
    return "liver" if labels.mask("liver")[around].any() else "lung"


def _prepare_all(cases: list[Case], begin: Begin) -> list[PreparedPatient]:
    advance = begin("preparing patients", len(cases))
    prepared = []
    for number, case in enumerate(cases, start=1):
        prepared.append(case.prepare())
        advance(number)
    return prepared


def _train(scenario: PatientScenario, steps: int, folder: Path, begin: Begin) -> Curve:
    cases = scenario.cases("train")[:_TRAINING_PHANTOMS]
    _prepare_all(cases, begin)
    return train(
        scenario,
        folder,
        Training("sac-her", steps, _SEED, demonstrations=_DEMONSTRATIONS),
        cases,
        begin("training SAC+HER", steps),
    )


def _score(
    scenario: PatientScenario, policy: Policy, cases: list[PreparedPatient], begin: Begin
) -> list[Episode]:
    advance = begin(f"scoring {policy.name}", len(cases) * scenario.episodes_per_patient)
    done = 0

    def count(_: Episode) -> None:
        nonlocal done
        done += 1
        advance(done)

    return evaluate(scenario, policy, cases, _SEED, count)


def _score_by_eyes(
    scenario: PatientScenario,
    patients: list[PreparedPatient],
    scores: dict[str, list[Episode]],
    begin: Begin,
) -> str:
    """Score the planner by a trained network, if there is one; a remark on who sees what."""
    if not is_trained(_EYES):
        return f"All see the truth: there is no trained network (halsted perceive train {_EYES})."
    planner = make_policy("planner", scenario)
    try:
        seen = _score(with_perception(scenario, _EYES), planner, patients, begin)
    except HalstedError as error:
        return f"The planner could not see by {_EYES}: {error}."
    scores[f"{planner.name}, {_EYES}"] = seen
    return f"The planner sees by the network {_EYES}; all others see the truth."


def _pictures(
    scenario: PatientScenario,
    policies: list[Policy],
    patient: PreparedPatient,
    curve: Curve,
) -> list[tuple[str, bytes]]:
    pictures: list[tuple[str, bytes]] = []
    for policy in policies:
        if policy.name == "random":
            continue
        env = make_environment(scenario, [patient], policy.environment, render_mode="rgb_array")
        tips: list[NDArray[np.float64]] = []

        def follow(env: gym.Env[Any, Any], tips: list[NDArray[np.float64]] = tips) -> None:
            unwrapped: Any = env.unwrapped
            to_patient = np.linalg.inv(unwrapped.registration)
            tips.append(transform_points(to_patient, unwrapped.contact.tip))

        episode = run_episode(env, policy, Start(_SEED, _SEED, {"patient": 0}), follow)
        unwrapped: Any = env.unwrapped
        target = unwrapped.patient.truth.target_in_patient
        end = "in the lesion" if episode.success else "not in the lesion"
        caption = f"{policy.name} on {patient.name}: the tip ended {end}, cost {episode.cost:g}"
        pictures.append((caption, slices_png(patient, target, np.array(tips))))
        caption = f"The world at the end of that episode ({policy.name})"
        pictures.append((caption, frame_png(unwrapped.render())))
        env.close()
    if curve.steps:
        png = learning_curve_png(curve.steps, smoothed(curve.success), smoothed(curve.cost))
        pictures.append(("Training episodes, mean of the last 20", png))
    return pictures


def _facts(
    scenario: PatientScenario, patients: list[PreparedPatient], cases: list[Case]
) -> list[tuple[str, str]]:
    first = patients[0].patient
    image = first.image
    shape = " x ".join(map(str, image.shape))
    spacing = " x ".join(f"{value:.2f}" for value in image.spacing)
    who = "a scan" if first.kind == "scan" else f"{len(cases)} phantoms (made by a program)"
    return [
        ("scenario", f"{scenario.name}: {scenario.title}"),
        ("scored on", who),
        ("image", f"{image.modality}, {shape} voxels (z, y, x) at {spacing} mm, {image.unit}"),
        ("target", f"{patients[0].lesion} in the {scenario.organ}"),
        ("arm", scenario.arm),
        ("perception", scenario.perception),
    ]


def _remarks(request: DemoRequest, patient: PreparedPatient) -> list[str]:
    facts = patient.patient.facts
    remarks = [
        f"SAC+HER was trained for {request.steps} steps on {_TRAINING_PHANTOMS} phantoms, after "
        f"{_DEMONSTRATIONS} episodes of the expert were cloned and put into its replay buffer. "
        "That is a brief training; what it reaches is told as it is.",
        "The expert plans with privileged knowledge: it sees the true anatomy.",
        "Forces follow a published law with uncalibrated values; they have no clinical meaning.",
        "Harm is counted only for structures that the labels name.",
    ]
    if "lesion" in facts:
        made_up = f"The lesion is made up ({facts['lesion']}); this scan has none labelled."
        remarks.insert(0, made_up)
    if "derived" in facts:
        remarks.append(f"Found in the CT itself, not drawn by a person: {facts['derived']}.")
    if request.scan is None:
        remarks.append("All patients are phantoms: none of this comes from a person.")
    return remarks


def _provenance(request: DemoRequest, scenario: PatientScenario) -> dict[str, object]:
    # Paths stay out of a report that may be passed on: folders are often named after people.
    options = {
        "--scan": request.scan and "SCAN",
        "--labels": request.labels and "LABELS",
        "--label-names": request.label_names and "NAMES",
        "--organ": request.organ,
        "--lesion": request.lesion,
        "--steps": request.steps,
    }
    given = [f"{key} {value}" for key, value in options.items() if value is not None]
    return {
        "command": " ".join(["halsted demo", *given]),
        "version": version("halsted"),
        "seed": _SEED,
        "scenario hash": scenario.content_hash,
    }
