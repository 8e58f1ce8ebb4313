"""The command line as it is run: exit codes, what is printed where, and what is left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

Done = subprocess.CompletedProcess[str]
COMMANDS = (
    "scan",
    "view",
    "convert",
    "deidentify",
    "scenarios",
    "train",
    "evaluate",
    "render",
    "record",
    "demo",
)
SHAPE = (24, 32, 40)  # (z, y, x) at 5 mm

SCENARIO = """
name: one-phantom
title: One phantom
environment: halsted/NeedleBiopsy-v0
goal_environment: halsted/NeedleBiopsyGoal-v0
organ: liver
patients:
  train: [{phantom: thorax_abdomen, first_seed: 5001, count: 1}]
  test: [{phantom: thorax_abdomen, first_seed: 5000, count: 1}]
task: {horizon: 80}
"""


def halsted(*arguments: object, cwd: Path | None = None) -> Done:
    command = [sys.executable, "-m", "halsted", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd)


def check_refusal(done: Done, *words: str) -> None:
    """Exit code 2, nothing on standard output, and one line `error: ...` on standard error."""
    said = [line for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in said if line.startswith("error:")]
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert len(errors) == 1, done.stderr
    assert said[-1] == errors[0], "something is said after the error"
    for word in words:
        assert word in errors[0]


def write_image(path: Path, voxels: NDArray[Any], spacing: float = 5.0) -> Path:
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing([spacing] * 3)
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    """A box of tissue in air."""
    voxels = np.full(SHAPE, -1000.0, np.float32)
    voxels[:, 6:26, 6:34] = 40.0
    return write_image(tmp_path / "ct.nii.gz", voxels)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[4:20, 8:24, 8:26] = 1
    (tmp_path / "organs.json").write_text('{"liver": 1}')
    return write_image(tmp_path / "organs.nii.gz", voxels)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "one.yaml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture
def make_policy(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a folder with the card of a policy for a scenario, and a network that is none."""

    def make(scenario: str) -> Path:
        folder = tmp_path / "policy"
        folder.mkdir()
        card = {
            "scenario": scenario,
            "algorithm": "ppo",
            "steps": 1,
            "environment": "halsted/NeedleBiopsy-v0",
        }
        (folder / "policy.json").write_text(json.dumps(card))
        with zipfile.ZipFile(folder / "policy.zip", "w"):
            pass
        return folder

    return make


def test_the_version_is_told() -> None:
    done = halsted("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("halsted ")
    assert done.stderr == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = halsted(command, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout
    assert f"halsted {command}" in done.stdout


def test_scenarios_are_listed_as_json_and_nothing_else() -> None:
    done = halsted("scenarios", "--json")
    assert done.returncode == 0
    listed = json.loads(done.stdout)
    assert {"liver-biopsy", "lung-biopsy"} <= {one["name"] for one in listed}
    assert all(len(one["content_hash"]) == 64 for one in listed)
    assert done.stderr == ""


def test_a_scan_is_described(ct: Path, labels: Path) -> None:
    done = halsted("scan", ct, "--labels", labels, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["readable"]
    assert found["shape"] == list(SHAPE)
    assert found["spacing_mm"] == pytest.approx([5.0] * 3)
    assert [one["name"] for one in found["structures"]] == ["liver"]
    for_people = halsted("scan", ct, "--labels", labels)
    assert for_people.returncode == 0
    assert "24 x 32 x 40" in for_people.stdout
    assert "liver" in for_people.stdout


def test_the_expert_is_scored(scenario: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "results.json"
    done = halsted("evaluate", scenario, "--policy", "expert", "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed == json.loads(out.read_text())
    (policy,) = printed["policies"].values()
    assert len(policy["episodes"]) == 1
    assert 0.0 <= policy["summary"]["success"]["rate"] <= 1.0
    assert [path.name for path in out.parent.iterdir()] == ["results.json"]


def test_an_episode_is_drawn(scenario: Path, tmp_path: Path) -> None:
    out = tmp_path / "pictures" / "last.png"
    done = halsted("render", scenario, "--policy", "random", "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(out)))
    assert picture.shape == (360, 480, 3)
    assert picture.std() > 5
    assert [path.name for path in out.parent.iterdir()] == ["last.png"]


def test_episodes_are_recorded(scenario: Path, tmp_path: Path) -> None:
    pytest.importorskip("minari")
    out = tmp_path / "random-v0"
    done = halsted("record", scenario, "--policy", "random", "--episodes", 2, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert sorted(path.name for path in (out / "data").iterdir()) == [
        "main_data.hdf5",
        "metadata.json",
    ]


def test_nothing_is_left_of_a_recording_that_is_ended(tmp_path: Path) -> None:
    pytest.importorskip("minari")
    out = tmp_path / "out" / "reach-v0"
    arguments = ("halsted/NeedleReach-v0", "--policy", "random", "--episodes", 100_000)
    command = [sys.executable, "-m", "halsted", "record", *map(str, arguments), "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 60
        while not list(out.parent.glob(".partial-*/data")) and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert "Traceback" not in said
    assert list(out.parent.iterdir()) == []


def test_a_recording_over_another(scenario: Path, tmp_path: Path) -> None:
    done = halsted("record", scenario, "--out", tmp_path)
    check_refusal(done, str(tmp_path), "exists already")


def test_demonstrations_that_are_not_there(scenario: Path, tmp_path: Path) -> None:
    pytest.importorskip("minari")
    arguments = ("--demonstrations", tmp_path / "nowhere", "--out", tmp_path / "run")
    check_refusal(halsted("train", scenario, *arguments), "nowhere", "halsted record")


def test_a_folder_without_dicom(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no scan")
    check_refusal(halsted("scan", tmp_path), str(tmp_path))


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    check_refusal(halsted("scan", tmp_path / "ct.nii.gz"), "ct.nii.gz")


def test_an_unreadable_scan_is_told_in_json_too(tmp_path: Path) -> None:
    done = halsted("scan", tmp_path, "--json")
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert not found["readable"]
    assert len(found["problems"]) == 1


def test_a_truncated_file(ct: Path) -> None:
    content = ct.read_bytes()
    ct.write_bytes(content[: len(content) // 2])
    check_refusal(halsted("scan", ct), "ct.nii.gz")


@pytest.mark.parametrize(
    "suffix",
    [
        ".nrrd",
        ".nii.gz",
    ],
)
def test_a_voxel_that_is_no_number(tmp_path: Path, suffix: str) -> None:
    voxels = np.zeros(SHAPE, np.float32)
    voxels[3, 4, 5] = np.nan
    check_refusal(halsted("scan", write_image(tmp_path / f"nan{suffix}", voxels)), "NaN")


def test_labels_of_another_geometry(ct: Path, tmp_path: Path) -> None:
    other = write_image(tmp_path / "other.nii.gz", np.ones(SHAPE, np.uint8), spacing=4.0)
    check_refusal(halsted("scan", ct, "--labels", other), "other.nii.gz", "another grid")


def test_a_series_that_lacks_a_slice(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    write_slices(folder, positions=(0.0, 2.0, 4.0, 8.0, 10.0))
    check_refusal(halsted("scan", folder), "slice")


def write_slices(folder: Path, positions: tuple[float, ...]) -> None:
    series, study, frame = generate_uid(), generate_uid(), generate_uid()
    for number, position in enumerate(positions):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
        dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series, study
        dataset.FrameOfReferenceUID, dataset.Modality = frame, "CT"
        dataset.InstanceNumber, dataset.Rows, dataset.Columns = number + 1, 8, 8
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.PixelRepresentation, dataset.PixelSpacing = 1, [1.0, 1.0]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.ImagePositionPatient = [0, 0, position]
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
        dataset.PixelData = np.zeros((8, 8), "<i2").tobytes()
        pydicom.dcmwrite(folder / f"{number}.dcm", dataset, enforce_file_format=True)


def test_a_lesion_that_is_not_there(ct: Path, labels: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("--scan", ct, "--labels", labels, "--organ", "liver", "--steps", 1, "--out", out)
    check_refusal(halsted("demo", *arguments, "--lesion", "nonsense"), "'nonsense'", "liver")
    assert not out.exists() or not list(out.iterdir())


def test_an_unknown_scenario() -> None:
    done = halsted("evaluate", "knee-biopsy", "--policy", "expert")
    check_refusal(done, "'knee-biopsy'", "liver-biopsy")


def test_an_unknown_environment(tmp_path: Path) -> None:
    done = halsted("render", "halsted/Knee-v0", "--out", tmp_path / "a.png")
    check_refusal(done, "halsted/Knee-v0")
    assert not list(tmp_path.iterdir())


def test_a_scenario_file_with_a_wrong_field(scenario: Path) -> None:
    scenario.write_text(SCENARIO.replace("horizon: 80", "horizon: [never]"))
    check_refusal(halsted("evaluate", scenario, "--policy", "expert"), "one.yaml", "task.horizon")


@pytest.mark.parametrize(
    ("field", "value"),
    [("arm", "da_vinci"), ("perception", "xray"), ("environment", "halsted/Knee-v0")],
)
def test_a_scenario_file_that_names_what_is_not_there(
    scenario: Path, field: str, value: str
) -> None:
    lines = [line for line in SCENARIO.splitlines() if not line.startswith(f"{field}:")]
    scenario.write_text("\n".join([*lines, f"{field}: {value}", ""]))
    check_refusal(halsted("evaluate", scenario, "--policy", "expert"), value)


@pytest.mark.parametrize("command", ["train", "render", "evaluate"])
def test_an_environment_of_gymnasiums_own(tmp_path: Path, command: str) -> None:
    policy = () if command == "train" else ("--policy", "random")
    done = halsted(command, "phys2d/CartPole-v1", *policy, "--out", tmp_path / "a.png")
    check_refusal(done, "phys2d/CartPole-v1", "Gymnasium's own", "halsted/NeedleReach-v0")
    assert not list(tmp_path.iterdir())


def test_a_policy_of_another_scenario(make_policy: Callable[[str], Path]) -> None:
    folder = make_policy("lung-biopsy")
    done = halsted("evaluate", "liver-biopsy", "--policy", folder)
    check_refusal(done, "lung-biopsy", "liver-biopsy")


def test_a_damaged_policy(make_policy: Callable[[str], Path], scenario: Path) -> None:
    pytest.importorskip("stable_baselines3")
    folder = make_policy("one-phantom")
    check_refusal(halsted("evaluate", scenario, "--policy", folder), "policy.zip")
    (folder / "policy.json").write_text("{")
    check_refusal(halsted("evaluate", scenario, "--policy", folder), "no trained policy")


def test_a_policy_that_is_not_there(tmp_path: Path) -> None:
    done = halsted("evaluate", "liver-biopsy", "--policy", tmp_path / "nowhere")
    check_refusal(done, "nowhere")


@pytest.mark.parametrize("below", ["file", "/dev/full"])
def test_results_that_cannot_be_written(scenario: Path, tmp_path: Path, below: str) -> None:
    file = tmp_path / below  # an absolute path stands for itself
    if below == "file":
        file.write_text("in the way")
    out = file / "results.json"
    done = halsted("evaluate", scenario, "--policy", "random", "--out", out)
    check_refusal(done, str(file))
    if below == "file":
        assert file.read_text() == "in the way"


def test_a_picture_of_no_known_kind(scenario: Path, tmp_path: Path) -> None:
    done = halsted("render", scenario, "--out", tmp_path / "film.avi")
    check_refusal(done, "film.avi", ".gif")
    assert not (tmp_path / "film.avi").exists()


def test_outputs_of_training_below_a_file(scenario: Path, tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    (tmp_path / "file").write_text("in the way")
    done = halsted("train", scenario, "--steps", 1, "--out", tmp_path / "file" / "run")
    check_refusal(done, "cannot make the folder")


def test_an_option_that_is_no_number_is_a_usage_error() -> None:
    done = halsted("evaluate", "liver-biopsy", "--policy", "expert", "--patients", "many")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "--patients" in done.stderr
