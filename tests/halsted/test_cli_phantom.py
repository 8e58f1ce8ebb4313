"""`halsted phantom` writes what other programs read, the same bytes for the same seed."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pytest

from halsted.cli import main
from halsted.imaging_bridge.exports.phantom_folder import write_phantom
from halsted.imaging_bridge.formats.photographs import read_photograph
from halsted.imaging_bridge.formats.recordings import read_recording
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.layouts import find_layout
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.kinds import KINDS, make_phantom
from halsted.imaging_bridge.read import read_patient

SEED = 1


def phantom(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The exit code of the command."""
    monkeypatch.setattr("sys.argv", ["halsted", "phantom", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@cache
def made(kind: str) -> Patient:
    return make_phantom(kind, SEED)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a kind, written once."""
    folder = tmp_path_factory.mktemp("phantoms")
    return cache(lambda kind: write_phantom(kind, SEED, folder / kind))


def labels_of(patient: Patient) -> LabelMap:
    assert patient.labels is not None
    return patient.labels


@pytest.mark.parametrize("kind", ["thorax", "brain", "skin", "slide", "sleep"])
def test_the_same_seed_gives_the_same_bytes(
    kind: str,
    written: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert phantom(monkeypatch, kind, "--seed", SEED, "--out", tmp_path / "again") == 0
    again = bytes_of(tmp_path / "again")
    assert again == bytes_of(written(kind))
    about = json.loads(again["phantom.json"])
    assert (about["kind"], about["seed"]) == (kind, SEED)


def test_a_ct_is_a_study_with_its_truth(written: Callable[[str], Path]) -> None:
    patient, read = made("thorax"), read_patient(written("thorax"))
    assert read.image.modality == "CT"
    assert np.array_equal(np.sort(read.image.voxels.ravel()), np.sort(patient.image.voxels.ravel()))
    volumes = labels_of(patient).volumes_ml
    assert labels_of(read).volumes_ml == pytest.approx(dict(volumes), rel=1e-6)


def test_a_brain_is_read_as_a_case_of_brats(written: Callable[[str], Path]) -> None:
    layout = find_layout(written("brain"))
    assert layout.name == "brats"
    (source,) = layout.sources(written("brain"))
    patient, read = made("brain"), source.load()
    assert list(read.images) == ["t1c", "t1", "t2", "flair"]
    assert labels_of(read).names == labels_of(patient).names
    assert np.array_equal(labels_of(read).voxels, labels_of(patient).voxels)
    assert read.image.same_geometry(patient.image, tolerance_mm=1e-3)
    for name, volume in patient.images.items():
        assert np.allclose(read.images[name].voxels, volume.voxels, atol=1e-3), name


def test_a_skin_lesion_is_read_as_one_of_isic(written: Callable[[str], Path]) -> None:
    layout = find_layout(written("skin"))
    assert layout.name == "isic"
    (source,) = layout.sources(written("skin"))
    patient, read = made("skin"), source.load()
    assert read.facts["diagnosis"] == patient.facts["diagnosis"]
    assert np.array_equal(labels_of(read).mask("lesion"), labels_of(patient).mask("lesion"))
    for colour in ("red", "green", "blue"):
        assert np.array_equal(read.images[colour].voxels, patient.images[colour].voxels)


def test_a_slide_keeps_its_nuclei_and_their_kinds(written: Callable[[str], Path]) -> None:
    labels, stem = labels_of(made("slide")), f"slide-{SEED}_instances"
    (grey,) = read_photograph(written("slide") / f"{stem}.png").values()
    assert np.array_equal(grey.voxels, labels.voxels)
    kinds = json.loads((written("slide") / f"{stem}.json").read_text(encoding="utf-8"))
    assert {f"{kind}_{value}" for value, kind in kinds.items()} == set(labels.names)


def test_a_night_is_read_back(written: Callable[[str], Path]) -> None:
    night = made("sleep").recording
    read = read_recording(written("sleep") / f"sleep-{SEED}.hea")
    assert night is not None
    assert list(read.signals) == list(night.signals)
    for name, signal in night.signals.items():
        again = read.signals[name]
        assert (again.rate_hz, again.unit) == (signal.rate_hz, signal.unit)
        length = min(len(again.samples), len(signal.samples))
        assert length > 0.99 * len(signal.samples)
        step = np.ptp(signal.samples) / 60000
        assert np.abs(again.samples[:length] - signal.samples[:length]).max() < step
    assert read.annotations["apn"].symbols == night.annotations["apn"].symbols
    beats = night.annotations["qrs"].times_s
    assert np.abs(read.annotations["qrs"].times_s - beats).max() <= 0.5 / 100 + 1e-9


def test_phases_of_a_breath_are_scans_of_one_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert phantom(monkeypatch, "thorax", "--seed", 1, "--phases", 2, "--out", out) == 0
    inhaled, exhaled = (read_patient(out / f"phase_{one}") for one in ("000", "050"))
    assert inhaled.image.same_geometry(exhaled.image)
    lungs = [labels_of(one).volumes_ml["lung_left"] for one in (inhaled, exhaled)]
    assert lungs[0] > lungs[1]
    files = [pydicom.dcmread(path) for path in sorted(out.rglob("0001.dcm"))]
    assert len(files) == 2
    assert len({one.StudyInstanceUID for one in files}) == 1
    assert len({one.FrameOfReferenceUID for one in files}) == 1
    assert len({one.SeriesInstanceUID for one in files}) == 2
    assert len({one.SOPInstanceUID for one in files}) == 2


def test_frames_of_a_colon_are_a_folder_to_train_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert phantom(monkeypatch, "colon", "--seed", 2, "--frames", 2, "--out", out) == 0
    layout = find_layout(out)
    assert layout.name == "kvasir-seg"
    read = [one.load() for one in layout.sources(out)]
    boxes = json.loads((out / "kavsir_bboxes.json").read_text(encoding="utf-8"))
    assert len(read) == len(boxes) == 2
    for frame, told in zip(read, boxes.values(), strict=True):
        assert frame.labels is not None
        y, x = np.nonzero(frame.labels.mask("polyp")[0])
        for box in told["bbox"]:
            assert x.min() <= box["xmin"] < box["xmax"] <= x.max() + 1
            assert y.min() <= box["ymin"] < box["ymax"] <= y.max() + 1
        assert bool(told["bbox"]) == bool(len(y))


def test_the_list_names_every_kind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert phantom(monkeypatch, "--list") == 0
    listed = capsys.readouterr().out
    assert all(kind in listed for kind in KINDS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("lung",), "no kind of phantom named 'lung'; choose one of brain, thorax"),
        ((), "no kind of phantom was given"),
        (("skin", "--seed", "-1"), "the seed of a phantom is -1"),
        (("skin", "--frames", "3"), "has no frames, which only 'colon' has"),
        (("skin", "--phases", "3"), "has no phases, which only 'thorax' has"),
        (("colon", "--frames", "0"), "0 frames were asked for"),
        (("thorax", "--phases", "1"), "1 phases of a breath were asked for"),
    ],
)
def test_a_wrong_request_is_one_sentence(
    arguments: tuple[str, ...],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert phantom(monkeypatch, *arguments, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "notes.txt"
    kept.write_text("mine", encoding="utf-8")
    assert phantom(monkeypatch, "skin", "--out", tmp_path) == 2
    assert "holds files already" in capsys.readouterr().err
    assert phantom(monkeypatch, "skin", "--out", kept) == 2
    assert "is a file" in capsys.readouterr().err
    assert bytes_of(tmp_path) == {"notes.txt": b"mine"}
