"""Perception from the command line, as a new user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from halsted.cli import app
from halsted.imaging_bridge.errors import HalstedError
from halsted.imaging_bridge.phantoms.skin import skin


def _run(*arguments: object):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The user's own folder of dermoscopic pictures and masks."""
    folder = tmp_path_factory.mktemp("mine")
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for seed in range(6):
        patient = skin(seed)
        picture = np.stack([patient.images[c].voxels[0] for c in ("red", "green", "blue")], -1)
        Image.fromarray(picture).save(folder / "images" / f"{seed}.png")
        assert patient.labels is not None
        mask = (patient.labels.voxels[0] > 0).astype(np.uint8) * 255
        Image.fromarray(mask).save(folder / "masks" / f"{seed}.png")
    return folder


@pytest.fixture(scope="module")
def network(data, tmp_path_factory):
    """A network trained for a moment on that folder."""
    out = tmp_path_factory.mktemp("networks") / "mine"
    answer = _run(
        *("perceive", "train", "skin-lesion", "--phantoms", 0, "--data", data),
        *("--steps", 3, "--out", out),
    )
    assert answer.exit_code == 0, answer.output
    return out


def test_the_list_tells_what_there_is_and_what_is_trained(network, monkeypatch):
    monkeypatch.setenv("HALSTED_NETWORKS", str(network.parent))
    network.rename(network.with_name("skin-lesion"))
    try:
        told = json.loads(_run("perceive", "list", "--json").stdout)
    finally:
        network.with_name("skin-lesion").rename(network)
    states = {one["name"]: one["trained"] for one in told}
    assert states["skin-lesion"] and not states["polyp"]
    assert {"trunk", "brain", "polyp", "nuclei", "arm-ring", "apnea"} <= set(states)


def test_a_network_is_scored_on_the_users_folder(network, data, tmp_path):
    out = tmp_path / "scores.json"
    answer = _run("perceive", "evaluate", network, "--data", data, "--out", out, "--json")
    assert answer.exit_code == 0, answer.output
    told = json.loads(out.read_text())
    assert told["cases"] == told["seen_in_training"] == 6
    assert 0.0 <= told["classes"]["lesion"]["dice"] <= 1.0
    assert told["classes"]["lesion"]["threshold_dice"] > 0.0


def test_a_picture_is_segmented_into_a_new_folder(network, data, tmp_path):
    out = tmp_path / "seen"
    answer = _run("segment", data / "images" / "0.png", "--network", network, "--out", out)
    assert answer.exit_code == 0, answer.output
    assert {one.name for one in out.iterdir()} == {
        *("labels.png", "confidence.png", "picture.png", "segmentation.json")
    }
    told = json.loads((out / "segmentation.json").read_text())
    labels = np.asarray(Image.open(out / "labels.png"))
    assert told["structures"]["lesion"]["volume"] == np.count_nonzero(labels)
    assert labels.shape == (256, 256)
    with pytest.raises(HalstedError, match="already something"):
        CliRunner().invoke(
            app, ["segment", str(data / "images" / "0.png"), "--network", str(network), "--out",
                  str(out)], catch_exceptions=False,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("perceive", "train", "liver-eye"), "there is no network 'liver-eye'"),
        (("perceive", "train", "polyp", "--classes", "wart"), "has no class 'wart'"),
        (("perceive", "train", "polyp", "--classes", ""), "has no class ''"),
        (
            ("evaluate", "lung-biopsy", "--policy", "expert", "--perception", "degraded"),
            "the expert acts on the truth",
        ),
        (("perceive", "train", "polyp", "--phantoms", "0"), "0 cases to learn from"),
        (("perceive", "evaluate", "nowhere"), "no trained network 'nowhere'"),
        (("perceive", "train", "polyp", "--from", "nowhere"), "nowhere holds no trained network"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(arguments, told, tmp_path):
    environment = {**os.environ, "HALSTED_NETWORKS": str(tmp_path / "none")}
    answer = subprocess.run(
        [sys.executable, "-m", "halsted", *arguments],
        env=environment, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert answer.returncode == 2
    assert told in answer.stderr.replace("\n", " ")
    assert "Traceback" not in answer.stderr
    assert not any(one.is_file() for one in tmp_path.rglob("*"))


def test_masks_that_do_not_match_their_images_leave_no_checkpoint(data, tmp_path):
    broken = tmp_path / "broken"
    for kind in ("images", "masks"):
        (broken / kind).mkdir(parents=True)
    for seed in range(3):
        (broken / "images" / f"{seed}.png").write_bytes(
            (data / "images" / f"{seed}.png").read_bytes()
        )
        size = (64, 64) if seed == 2 else (256, 256)
        Image.fromarray(np.full(size, 255, np.uint8)).save(broken / "masks" / f"{seed}.png")
    out = tmp_path / "out"
    answer = _run(
        "perceive", "train", "skin-lesion", "--phantoms", 0, "--data", broken, "--out", out
    )
    assert isinstance(answer.exception, HalstedError)
    assert "64 x 64" in str(answer.exception)
    assert not out.exists()


def test_weights_of_a_network_of_another_kind_are_refused(network, tmp_path):
    answer = _run(
        "perceive", "train", "polyp", "--from", network, "--phantoms", 8, "--out", tmp_path / "o"
    )
    assert isinstance(answer.exception, HalstedError)
    assert "holds the network skin-lesion" in str(answer.exception)
