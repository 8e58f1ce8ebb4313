"""Training networks: MONAI's loss, AdamW, early stopping, checkpoints that resume exactly."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.utils.tensorboard.writer import SummaryWriter

from halsted.agents.errors import PerceptionError
from halsted.agents.perception.architectures import build
from halsted.agents.perception.augmentation import Windows
from halsted.agents.perception.checkpoint import State, Trained, save_trained
from halsted.agents.perception.examples import Example, check_classes
from halsted.agents.perception.inference import device, smaller_window
from halsted.agents.perception.losses import loss_of, rate_at
from halsted.agents.perception.pictures import strip
from halsted.agents.perception.scores import quality, score_example
from halsted.agents.perception.specification import Network
from halsted.imaging_bridge.files import make_folder, write_whole

LATEST = "latest.pt"
_FINE_TUNING = 0.1
"""Of the learning rate, with which given weights are trained on."""

_PACKAGES = ("halsted", "torch", "monai", "numpy")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        steps: Optimiser steps of each member; 0 for the network's own number.
        seed: Of weights, windows and their changes.
        members: Networks of the ensemble, each with a seed of its own.
        validate_every: Steps between looks at the validation cases.
        patience: Looks without a better one after which training ends.
        precision: ``bf16`` computes in bfloat16 where torch does so safely.
    """

    steps: int = 0
    seed: int = 0
    members: int = 1
    validate_every: int = 100
    patience: int = 5
    precision: Literal["float32", "bf16"] = "float32"


@dataclass
class _Progress:
    """Where a training stands; what `LATEST` holds."""

    member: int = 0
    step: int = 0
    best: float = -1.0
    best_step: int = 0
    best_state: State = field(default_factory=dict)
    done: list[State] = field(default_factory=list)
    history: list[list[float]] = field(default_factory=list)
    cpu_s: float = 0.0
    batch: int = 0
    stopped: bool = False


def train_network(
    network: Network,
    examples: Sequence[Example],
    validation: Sequence[Example],
    folder: Path,
    recipe: Recipe,
    start: Sequence[State] = (),
    finish: Callable[[Trained], Trained] = lambda trained: trained,
    on_progress: Callable[[int], None] = lambda _: None,
    on_message: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Train a network, finish it, and write it to a folder.

    A training that was cut short goes on where it stood when it is called again with the same
    arguments, and ends with the same weights as if it had never been cut.

    Args:
        network: What is learned.
        examples: To learn from.
        validation: To choose the best step by; other people.
        folder: For weights, card and TensorBoard's events.
        recipe: How.
        start: Weights that the members begin with in turn, for fine-tuning.
        finish: What is done with the trained network before it is written, such as to calibrate
            it. A training that is cut short there is not lost either.
        on_progress: Called with the number of steps done.
        on_message: Called with a sentence for people.

    Raises:
        PerceptionError: a class never occurs, the folder holds the unfinished training of
            something else, or the start does not fit.
        OutputError: the folder cannot be written.
    """
    check_classes(network, examples)
    make_folder(folder)
    trainer = _Trainer(network, examples, validation, folder, recipe, start, on_message)
    trainer.run(on_progress)
    facts = {
        "recipe": asdict(recipe),
        "cases": len(examples),
        "people": len({one.person for one in examples}),
        "steps": recipe.steps or network.steps,
        "fine_tuned": bool(start),
        "cpu_s": round(trainer.progress.cpu_s, 1),
        "validation": trainer.progress.history,
        "versions": {name: version(name) for name in _PACKAGES},
        "python": platform.python_version(),
    }
    trained = finish(Trained(network, trainer.progress.done, facts))
    save_trained(trained, folder)
    (folder / LATEST).unlink(missing_ok=True)
    return trained


class _Trainer:
    """One training, member by member."""

    def __init__(
        self,
        network: Network,
        examples: Sequence[Example],
        validation: Sequence[Example],
        folder: Path,
        recipe: Recipe,
        start: Sequence[State],
        on_message: Callable[[str], None],
    ) -> None:
        self._network, self._validation, self._recipe = network, validation, recipe
        self._examples, self._folder, self._start = examples, folder, start
        self._say = on_message
        self._steps = recipe.steps or network.steps
        share = _FINE_TUNING if start else 1.0
        self._highest_rate = share * network.learning_rate
        self._device = device()
        self._loss = loss_of(network, examples, self._device)
        self._key = _key(network, recipe, [*examples, *validation], start)
        self.progress = _Progress(batch=network.batch)
        self._clock = time.process_time()
        self._module, self._optimiser = self._fresh()
        self._resume()

    def run(self, on_progress: Callable[[int], None]) -> None:
        """Train what is left to train."""
        while self.progress.member < self._recipe.members:
            self._train_member(on_progress)
            self.progress.done.append(_on_cpu(self.progress.best_state))
            done, history, spent = self.progress.done, self.progress.history, self._spent()
            self.progress = _Progress(
                len(done), done=done, history=history, cpu_s=spent, batch=self.progress.batch
            )
            self._module, self._optimiser = self._fresh()
            self._save()

    def _train_member(self, on_progress: Callable[[int], None]) -> None:
        progress, seed = self.progress, self._recipe.seed * 1009 + self.progress.member
        windows = Windows(self._network, self._examples, seed)
        with SummaryWriter(str(self._folder / "tensorboard" / f"{progress.member}")) as log:
            while progress.step < self._steps and not progress.stopped:
                loss = self._step(windows, progress.step)
                progress.step += 1
                on_progress(progress.member * self._steps + progress.step)
                if progress.step % 10 == 0:
                    log.add_scalar("loss", loss, progress.step)
                if progress.step % self._recipe.validate_every and progress.step != self._steps:
                    continue
                self._validate(log)

    def _step(self, windows: Windows, step: int) -> float:
        """One step of the optimiser; on a full GPU with fewer windows at once."""
        while True:
            try:
                return self._descend(windows, step)
            except torch.OutOfMemoryError as error:
                self._make_smaller(windows, error)

    def _make_smaller(self, windows: Windows, error: Exception) -> None:
        """Fewer windows at once; where there is one only, a smaller one."""
        if self.progress.batch > 1:
            self.progress.batch //= 2
            self._say(f"out of GPU memory; going on with {self.progress.batch} windows a step")
            return
        patch = () if self._network.size else smaller_window(windows.patch)
        if not patch:
            raise PerceptionError(
                f"the GPU's memory does not hold one window of {windows.patch}; hide the GPU "
                "(CUDA_VISIBLE_DEVICES=)"
            ) from error
        windows.patch = patch
        self._say(f"out of GPU memory; going on with windows of {patch}")

    def _descend(self, windows: Windows, step: int) -> float:
        torch.manual_seed(int(np.random.default_rng([self._recipe.seed, step, 1]).integers(2**31)))
        for group in self._optimiser.param_groups:
            group["lr"] = rate_at(self._highest_rate, step, self._steps)
        images, targets = (one.to(self._device) for one in windows.batch(step, self.progress.batch))
        self._module.train()
        self._optimiser.zero_grad(set_to_none=True)
        with self._computing():
            outputs = self._module(images)
        loss = self._loss(outputs.float(), targets)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self._module.parameters(), 12.0)
        self._optimiser.step()
        value = float(loss.detach())
        if not np.isfinite(value):
            raise PerceptionError(
                f"the loss of {self._network.name} is {value} at step {step}; lower the learning "
                "rate, or train in float32"
            )
        return value

    def _computing(self) -> AbstractContextManager[Any]:
        if self._recipe.precision == "bf16":
            return torch.autocast(self._device.type, dtype=torch.bfloat16)
        return nullcontext()

    def _validate(self, log: SummaryWriter) -> None:
        """Look at the validation cases, keep the best, decide whether to stop early, and save."""
        progress = self.progress
        self._module.eval()
        scores = [score_example(self._network, [self._module], one) for one in self._validation]
        parts = quality(self._network, scores)
        score = float(np.mean(list(parts.values())))
        progress.history.append([progress.member, progress.step, round(score, 4)])
        log.add_scalar("validation/quality", score, progress.step)
        for name, value in parts.items():
            log.add_scalar(f"validation/{name}", value, progress.step)
        if self._network.task in ("segmentation", "instances"):
            picture = strip(self._network, self._module, self._validation[0])
            log.add_image("validation/case", picture, progress.step, dataformats="HWC")
        if score > progress.best:
            progress.best, progress.best_step = score, progress.step
            progress.best_state = _on_cpu(self._module.state_dict())
        waited = progress.step - progress.best_step
        progress.stopped = waited >= self._recipe.patience * self._recipe.validate_every
        self._save()

    def _spent(self) -> float:
        """CPU-seconds of this training, those before it was cut short too."""
        now = time.process_time()
        spent, self._clock = self.progress.cpu_s + now - self._clock, now
        return spent

    def _fresh(self) -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(self._recipe.seed * 1009 + self.progress.member)
        module = build(self._network)
        if self._start:
            try:
                module.load_state_dict(dict(self._start[self.progress.member % len(self._start)]))
            except RuntimeError as error:
                raise PerceptionError(
                    f"the weights to begin with do not fit the network {self._network.name}; give "
                    "a network of the same channels, classes and architecture"
                ) from error
        module.to(self._device)
        return module, torch.optim.AdamW(module.parameters(), weight_decay=1e-4)

    def _save(self) -> None:
        self.progress.cpu_s = self._spent()
        content = {
            "key": self._key,
            "progress": vars(self.progress),
            "module": _on_cpu(self._module.state_dict()),
            "optimiser": self._optimiser.state_dict(),
        }
        write_whole(self._folder / LATEST, lambda path: torch.save(content, path))

    def _resume(self) -> None:
        path = self._folder / LATEST
        if not path.exists():
            return
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            is_ours = content["key"] == self._key
        except Exception as error:
            raise PerceptionError(
                f"the unfinished training in {path} cannot be read ({type(error).__name__}); "
                "delete it, or choose another folder"
            ) from error
        if not is_ours:
            raise PerceptionError(
                f"{path} is the unfinished training of another network, recipe or data; finish "
                "it as it was begun, delete it, or choose another folder"
            )
        self.progress = _Progress(**content["progress"])
        self._module.load_state_dict(content["module"])
        self._optimiser.load_state_dict(content["optimiser"])
        self._say(f"going on from step {self.progress.step} of member {self.progress.member + 1}")


def _key(
    network: Network, recipe: Recipe, examples: Sequence[Example], start: Sequence[State]
) -> str:
    """What tells one training from another: also the content of every case."""
    digest = hashlib.sha256(json.dumps([network.content_hash, asdict(recipe)]).encode())
    for one in examples:
        digest.update(one.digest.encode())
    for state in start:
        for name in sorted(state):
            digest.update(np.ascontiguousarray(state[name].cpu().numpy()).data)
    return digest.hexdigest()


def _on_cpu(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
