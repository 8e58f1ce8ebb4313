"""A small network and pictures that it learns in seconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from halsted.agents.perception.examples import Example, Source, example_of
from halsted.agents.perception.specification import Network
from halsted.imaging_bridge import LabelMap, Patient, Volume

SIZE = 32

DISCS = Network(
    name="discs",
    title="Discs that are a little brighter than their ground",
    modalities=("ES",),
    channels=("red",),
    needed=("red",),
    classes={"disc": "disc"},
    lesions=("disc",),
    intensity="colour",
    size=SIZE,
    patch=(SIZE, SIZE),
    phantoms=("skin",),
    steps=60,
    batch=8,
    features=(8, 16, 32),
    dropout=0.1,
    learning_rate=1e-2,
)


def disc_patient(seed: int, brightness: float = 60.0) -> Patient:
    """A noisy picture with one disc."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    cy, cx, radius = rng.uniform(10, 22), rng.uniform(10, 22), rng.uniform(4, 8)
    mask = np.hypot(y - cy, x - cx) < radius
    picture = 90.0 + brightness * mask + rng.normal(0.0, 25.0, (SIZE, SIZE))
    red = np.clip(picture, 0, 255).astype(np.uint8)[None]
    affine = np.eye(4)[:, [2, 1, 0, 3]]
    return Patient(
        {"red": Volume(red, affine, "ES", spacing_known=False)},
        LabelMap(mask.astype(np.uint8)[None], affine, {"disc": 1}, "generated"),
        kind="phantom",
    )


def disc_examples(first: int, count: int) -> Sequence[Example]:
    return [disc_example(seed) for seed in range(first, first + count)]


def disc_example(seed: int, brightness: float = 60.0) -> Example:
    name = f"disc-{seed}"
    return example_of(DISCS, Source(name, name, lambda: disc_patient(seed, brightness)))


@pytest.fixture(scope="session")
def trained_discs(tmp_path_factory):
    """The small network, trained and calibrated, and its folder."""
    from halsted.agents.perception.checkpoint import save_trained
    from halsted.agents.perception.reliability import calibrated
    from halsted.agents.perception.training import Recipe, train_network

    folder = tmp_path_factory.mktemp("networks") / "discs"
    trained = train_network(
        DISCS, disc_examples(0, 24), disc_examples(100, 6), folder, Recipe(validate_every=20)
    )
    trained = calibrated(trained, disc_examples(200, 12), disc_examples(300, 40))
    save_trained(trained, folder)
    return trained, folder
