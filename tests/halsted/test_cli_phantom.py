"""`halsted phantom` writes what other programs read, the same bytes for the same seed."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image

from halsted.cli import main
from halsted.imaging_bridge.exports.phantom_folder import write_phantom
from halsted.imaging_bridge.formats.photographs import read_photograph
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.layouts import find_layout
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.kinds import KINDS, make_phantom
from halsted.imaging_bridge.read import read_patient
from halsted.imaging_bridge.volume import Volume

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


PLACES = np.array([[0, 0, 0], [1, 1, 1], [1, 0, 0]])
"""Corners of a grid, as shares of its last index."""


def at(read: Volume, grid: Volume) -> NDArray[Any]:
    """The voxels of a volume at the points of a grid's voxels, in its order."""
    index = np.rint(read.to_index(grid.to_patient(np.argwhere(np.ones(grid.shape, bool)))))
    return np.asarray(read.voxels[tuple(index.astype(int).T)]).reshape(grid.shape)


@pytest.mark.parametrize("kind", ["thorax", "spine", "vessels", "brain", "skin", "slide", "sleep"])
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
    for grid, again in ((patient.image, read.image), (labels_of(patient), labels_of(read))):
        there = again.to_index(grid.to_patient(PLACES * (np.array(grid.shape) - 1)))
        assert np.allclose(there, np.rint(there), atol=1e-3)
        assert (np.rint(there) >= 0).all()
    assert np.array_equal(at(read.image, patient.image), patient.image.voxels)
    truth = labels_of(patient)
    for name in truth.names:
        mask = truth.mask(name)
        if mask.any():
            points = truth.to_patient(np.argwhere(mask))
            index = np.rint(labels_of(read).to_index(points)).astype(int)
            found = labels_of(read).mask(name)
            assert found[tuple(index.T)].all(), name
            assert found.sum() == mask.sum(), name


def test_a_study_tells_one_moment(written: Callable[[str], Path]) -> None:
    slices = sorted((written("thorax") / "ct").glob("*.dcm"))
    scan, truth = (
        pydicom.dcmread(path) for path in (slices[0], written("thorax") / "structures.dcm")
    )
    for what in ("Study", "Content"):
        assert scan[f"{what}Date"].value == truth[f"{what}Date"].value
        assert scan[f"{what}Time"].value == truth[f"{what}Time"].value
    assert scan.StudyInstanceUID == truth.StudyInstanceUID
    assert (scan.SeriesNumber, truth.SeriesNumber) == (1, 101)
    assert (scan.PatientID, scan.PatientName) == ("PHANTOM-THORAX-1", "PHANTOM^THORAX-1")
    assert truth.PatientName == scan.PatientName


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
    layout = find_layout(written("slide"))
    assert layout.name == "instances"
    read = layout.sources(written("slide"))[0].load()
    assert dict(labels_of(read).names) == dict(labels.names)
    assert np.array_equal(labels_of(read).voxels, labels.voxels)


def test_pictures_keep_the_size_of_their_pixels(written: Callable[[str], Path]) -> None:
    """A microscope's is believed; a camera's, which looks like a print's, stands in the JSON."""
    slide, skin = made("slide").image, made("skin").image
    (read, *_) = read_photograph(written("slide") / f"slide-{SEED}.png").values()
    assert read.spacing_known
    assert read.spacing[1:] == pytest.approx(slide.spacing[1:], rel=1e-4)
    (seen, *_) = read_photograph(written("skin") / f"skin-{SEED}.png").values()
    assert not seen.spacing_known
    with Image.open(written("skin") / f"skin-{SEED}.png") as picture:
        across, down = picture.info["dpi"]
    assert (25.4 / down, 25.4 / across) == pytest.approx(tuple(skin.spacing[1:]), rel=1e-3)
    for kind, grid in (("slide", slide), ("skin", skin)):
        about = json.loads((written(kind) / "phantom.json").read_text(encoding="utf-8"))
        assert about["spacing_mm"] == pytest.approx(grid.spacing.tolist())


def test_a_night_is_read_back(written: Callable[[str], Path]) -> None:
    night = made("sleep").recording
    (source,) = find_layout(written("sleep")).sources(written("sleep"))
    read = source.load().recording
    assert night is not None
    assert read is not None
    assert list(read.signals) == list(night.signals)
    for name, signal in night.signals.items():
        again = read.signals[name]
        held = round(again.rate_hz / signal.rate_hz)
        assert (held, again.unit) == (10 if name == "SpO2" else 1, signal.unit)
        samples = again.samples[::held]
        length = min(len(samples), len(signal.samples))
        assert length > 0.99 * len(signal.samples)
        step = np.ptp(signal.samples) / 60000
        assert np.abs(samples[:length] - signal.samples[:length]).max() < step
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
    truths = [pydicom.dcmread(path) for path in sorted(out.rglob("structures.dcm"))]
    assert len({one.SOPInstanceUID for one in truths}) == 2
    assert len({one.SeriesInstanceUID for one in truths}) == 2
    assert [one.SeriesNumber for one in (*files, *truths)] == [1, 2, 101, 102]
    moments = {(one.StudyDate, one.ContentDate, one.ContentTime) for one in (*files, *truths)}
    assert len(moments) == 1
    about = json.loads((out / "phantom.json").read_text(encoding="utf-8"))
    assert "phase" not in about["facts"]


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
        (("colon", "--frames", "1001"), "1001 frames were asked for; ask for up to 1000"),
        (("thorax", "--phases", "1"), "1 phases of a breath were asked for; choose from 2 to"),
        (("thorax", "--phases", "0"), "0 phases of a breath were asked for; choose from 2 to"),
        (("spine", "--seed", "7" * 70), "the seed of a phantom has 233 bits"),
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
