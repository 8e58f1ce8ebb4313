"""Training: that it learns, resumes exactly, and refuses what cannot be learned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from halsted.agents.errors import PerceptionError
from halsted.agents.perception.checkpoint import Trained, load_trained
from halsted.agents.perception.folders import CARD
from halsted.agents.perception.scores import best_threshold, quality, score_example
from halsted.agents.perception.training import LATEST, Recipe, train_network
from tests.agents.perception.conftest import DISCS, disc_examples

_WORKER = """
import sys
from pathlib import Path
from tests.agents.perception.conftest import DISCS, disc_examples
from halsted.agents.perception.training import Recipe, train_network
train_network(
    DISCS, disc_examples(0, 8), disc_examples(100, 2), Path(sys.argv[1]),
    Recipe(steps=40, validate_every=5, patience=99), on_progress=lambda n: print(n, flush=True),
)
"""


def test_a_network_learns_what_no_threshold_sees(trained_discs):
    trained, _ = trained_discs
    unseen = disc_examples(1000, 12)
    scores = [score_example(DISCS, trained.modules(), one) for one in unseen]
    dice = quality(DISCS, scores)["disc"]
    assert dice > 0.85
    assert dice > best_threshold(DISCS, unseen)["disc"] + 0.1


def test_a_killed_training_resumes_to_the_same_weights(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", _WORKER]
    whole = subprocess.run(
        [*command, str(tmp_path / "whole")], env=environment, capture_output=True, text=True
    )
    assert whole.returncode == 0, whole.stderr
    cut = tmp_path / "cut"
    process = subprocess.Popen(
        [*command, str(cut)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 17:  # after the looks at 5, 10 and 15
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    process.stdout.close()
    assert (cut / LATEST).exists()
    again = subprocess.run(
        [*command, str(cut)], env=environment, capture_output=True, text=True, check=True
    )
    assert int(again.stdout.split()[0]) == 16  # it went on from its last checkpoint
    first, second = (load_trained(tmp_path / name).members[0] for name in ("whole", "cut"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not (cut / LATEST).exists()


def test_another_training_does_not_take_over_an_unfinished_one(tmp_path):
    examples, validation = disc_examples(0, 4), disc_examples(100, 2)

    def stop(step: int) -> None:
        if step == 3:
            raise KeyboardInterrupt

    recipe = Recipe(steps=4, validate_every=2)
    with pytest.raises(KeyboardInterrupt):
        train_network(DISCS, examples, validation, tmp_path, recipe, on_progress=stop)
    with pytest.raises(PerceptionError, match="unfinished training of another"):
        train_network(DISCS, examples, validation, tmp_path, replace(recipe, seed=1))


def test_an_ensemble_has_members_that_differ(tmp_path):
    recipe = Recipe(steps=2, members=2, validate_every=2)
    trained = train_network(DISCS, disc_examples(0, 4), disc_examples(100, 2), tmp_path, recipe)
    first, second = trained.members
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_training_ends_early_when_nothing_gets_better(tmp_path):
    recipe = Recipe(steps=500, validate_every=1, patience=2)
    frozen = replace(DISCS, learning_rate=0.0)
    steps: list[int] = []
    train_network(
        frozen, disc_examples(0, 4), disc_examples(100, 2), tmp_path, recipe,
        on_progress=steps.append,
    )  # fmt: skip
    assert steps[-1] == 3  # the first look, and two that were no better


def test_a_class_that_never_occurs_is_refused(tmp_path):
    network = replace(DISCS, classes={"disc": "disc", "square": "square"})
    with pytest.raises(PerceptionError, match="square never occur"):
        train_network(network, disc_examples(0, 4), disc_examples(100, 2), tmp_path, Recipe())
    assert not any(tmp_path.iterdir())


def test_weights_of_another_network_cannot_be_fine_tuned(tmp_path, trained_discs):
    trained, _ = trained_discs
    wider = replace(DISCS, features=(16, 32, 64))
    with pytest.raises(PerceptionError, match="do not fit"):
        train_network(
            wider, disc_examples(0, 4), disc_examples(100, 2), tmp_path, Recipe(),
            trained.members,
        )  # fmt: skip


def test_bf16_learns_too(tmp_path):
    recipe = Recipe(steps=60, validate_every=20, precision="bf16")
    trained = train_network(DISCS, disc_examples(0, 24), disc_examples(100, 6), tmp_path, recipe)
    scores = [score_example(DISCS, trained.modules(), one) for one in disc_examples(1000, 8)]
    assert quality(DISCS, scores)["disc"] > 0.8


def test_tensorboard_is_given_pictures(trained_discs):
    _, folder = trained_discs
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard" / "0")).Reload()
    assert events.Images("validation/case")
    assert events.Scalars("validation/disc")


def _cut_at(moment: int):
    """Stops a training as soon as so many steps are done."""

    def stop(step: int) -> None:
        if step == moment:
            raise KeyboardInterrupt

    return stop


def test_an_early_end_is_the_same_after_a_cut(tmp_path):
    recipe = Recipe(steps=50, validate_every=1, patience=2)
    frozen = replace(DISCS, learning_rate=0.0)
    cases = disc_examples(0, 4), disc_examples(100, 2)

    def cut(_: object) -> Trained:
        raise KeyboardInterrupt  # after training, before anything is written

    with pytest.raises(KeyboardInterrupt):
        train_network(frozen, *cases, tmp_path, recipe, finish=cut)
    assert not (tmp_path / CARD).exists()
    steps: list[int] = []
    trained = train_network(frozen, *cases, tmp_path, recipe, on_progress=steps.append)
    assert steps == []  # nothing is trained again
    assert [row[1] for row in trained.facts["validation"]] == [1, 2, 3]


def test_an_ensemble_that_was_cut_goes_on_with_its_member(tmp_path):
    cases = disc_examples(0, 4), disc_examples(100, 2)
    recipe = Recipe(steps=4, members=2, validate_every=2)
    whole = train_network(DISCS, *cases, tmp_path / "whole", recipe)
    with pytest.raises(KeyboardInterrupt):
        train_network(DISCS, *cases, tmp_path / "cut", recipe, on_progress=_cut_at(7))
    again = train_network(DISCS, *cases, tmp_path / "cut", recipe)
    for first, second in zip(whole.members, again.members, strict=True):
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_mask_that_was_changed_makes_it_another_training(tmp_path):
    cases = list(disc_examples(0, 4))
    validation, recipe = disc_examples(100, 2), Recipe(steps=4, validate_every=2)
    with pytest.raises(KeyboardInterrupt):
        train_network(DISCS, cases, validation, tmp_path, recipe, on_progress=_cut_at(3))
    cases[0] = replace(cases[0], target=np.roll(cases[0].target, 1))
    with pytest.raises(PerceptionError, match="unfinished training of another"):
        train_network(DISCS, cases, validation, tmp_path, recipe)


def test_a_gpu_that_is_full_gets_fewer_and_then_smaller_windows(tmp_path, monkeypatch):
    """The memory error is raised by hand, for want of a GPU; what follows it is real."""
    from halsted.agents.perception import training

    windows = replace(DISCS, size=0, patch=(64, 64), batch=4)
    told: list[str] = []
    real = training._Trainer._descend

    def small(self, given, step):
        if self.progress.batch > 1 or given.patch[0] > 32:
            raise torch.OutOfMemoryError
        return real(self, given, step)

    monkeypatch.setattr(training._Trainer, "_descend", small)
    recipe = Recipe(steps=2, validate_every=2)
    train_network(
        windows, disc_examples(0, 4), disc_examples(100, 2), tmp_path, recipe,
        on_message=told.append,
    )  # fmt: skip
    assert [one.rpartition(" with ")[2] for one in told] == [
        *("2 windows a step", "1 windows a step", "windows of (32, 32)")
    ]
