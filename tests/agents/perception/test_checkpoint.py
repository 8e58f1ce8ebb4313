"""Trained networks on disk: read whole or not at all, and never unpickled."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from halsted.agents.errors import PerceptionError
from halsted.agents.perception import make_segmenter
from halsted.agents.perception.catalogue import NETWORKS
from halsted.agents.perception.checkpoint import load_trained
from halsted.agents.perception.folders import CARD, WEIGHTS
from halsted.agents.perception.specification import Network


@pytest.fixture
def folder(trained_discs, tmp_path):
    return shutil.copytree(trained_discs[1], tmp_path / "discs")


def test_a_network_comes_back_as_it_was_saved(trained_discs):
    trained, folder = trained_discs
    again = load_trained(folder)
    assert again.network == trained.network
    assert again.reliability == json.loads(json.dumps(dict(trained.reliability)))
    for name, tensor in trained.members[0].items():
        assert torch.equal(tensor, again.members[0][name])


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_the_same_after_its_record(name):
    network = NETWORKS[name]
    again = Network.from_dict(json.loads(json.dumps(network.as_dict())))
    assert again == network
    assert again.content_hash == network.content_hash


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda card: card | {"format": "halsted-network-0"}, "halsted-network-0"),
        (lambda card: card | {"network": card["network"] | {"wings": 2}}, "wings"),
        (lambda card: card | {"network": card["network"] | {"features": [16, 32]}}, "do not fit"),
        (lambda card: {"format": card["format"]}, "holds no trained network"),
    ],
)  # fmt: skip
def test_a_card_of_another_network_or_version_is_refused(folder, damage, told):
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(damage(card)))
    with pytest.raises(PerceptionError, match=told):
        load_trained(folder)


def test_weights_that_the_card_does_not_tell_of_are_refused(folder):
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(PerceptionError, match="not those that its"):
        load_trained(folder)


def test_weights_cannot_carry_code(folder, tmp_path):
    """A pickle that would run a command is refused, even with a card that vouches for it."""
    import hashlib

    witness = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (open, (str(witness), "w"))

    torch.save({"members": [Evil()]}, folder / WEIGHTS)
    card = json.loads((folder / CARD).read_text())
    card["weights_sha256"] = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(PerceptionError, match="do not fit"):
        load_trained(folder)
    assert not witness.exists()


def test_a_network_that_is_nowhere_is_told_how_to_get(monkeypatch, tmp_path):
    monkeypatch.setenv("HALSTED_NETWORKS", str(tmp_path))
    with pytest.raises(PerceptionError, match="halsted perceive train"):
        make_segmenter("trunk")


def test_a_network_is_found_by_name(monkeypatch, trained_discs):
    monkeypatch.setenv("HALSTED_NETWORKS", str(trained_discs[1].parent))
    assert not make_segmenter("discs").is_oracle
