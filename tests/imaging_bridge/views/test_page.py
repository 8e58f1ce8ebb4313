"""The page: what is in it, and what a browser shows of it."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from halsted.imaging_bridge.errors import GeometryError, OutputError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.read import read_patient
from halsted.imaging_bridge.views import write_page
from halsted.imaging_bridge.views.atlas import shrunk
from halsted.imaging_bridge.views.page import MOST_BYTES
from halsted.imaging_bridge.volume import Volume

SHAPE = (12, 30, 40)


@pytest.fixture
def patient() -> Patient:
    z, _, x = np.indices(SHAPE)
    voxels = (-900.0 + 40.0 * x + 10.0 * z).astype(np.float32)
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:8, 10:20, 10:20] = 7
    affine = np.diag([2.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]
    names = {"liver": 7, "</script><b>tumor": 9}
    return Patient({"ct": Volume(voxels, affine, "CT", "HU")}, LabelMap(labels, affine, names))


def told(page: Path) -> dict[str, Any]:
    """What the page's program is told."""
    found = re.search(r"const scan = (\{.*\});\n", page.read_text(encoding="utf-8"))
    assert found
    content: dict[str, Any] = json.loads(found[1])
    return content


def unfolded(atlas: dict[str, Any], shape: list[int]) -> NDArray[np.uint8]:
    sheet = np.asarray(Image.open(BytesIO(base64.b64decode(atlas["url"].split(",")[1]))))
    depth, height, width = shape
    rows = sheet.shape[0] // height
    tiles = sheet.reshape(rows, height, atlas["columns"], width).swapaxes(1, 2)
    return tiles.reshape(-1, height, width)[:depth]


def test_nothing_is_fetched(patient: Patient, tmp_path: Path) -> None:
    text = write_page(patient, tmp_path / "ct.html").read_text(encoding="utf-8")
    assert not re.findall(r"(?:https?:)?//[a-z0-9]", re.sub(r"base64,[^\"]*", "", text))
    assert "default-src 'none'" in text
    assert "<link" not in text
    assert " src=" not in text


def test_the_scan_in_the_page_is_the_scan(patient: Patient, tmp_path: Path) -> None:
    content = told(write_page(patient, tmp_path / "ct.html"))
    assert content["shape"] == list(SHAPE)
    values = np.array(content["levels"])[unfolded(content["grey"], content["shape"])]
    assert np.abs(values - patient.image.voxels).mean() < 9.0  # JPEG, and steps up to 23 HU
    assert patient.labels is not None
    numbers = unfolded(content["labels"], content["shape"])
    np.testing.assert_array_equal(numbers == 1, patient.labels.mask("liver"))
    assert content["edges"]["axial"] == ["R", "L", "A", "P"]


def test_names_cannot_break_out(patient: Patient, tmp_path: Path) -> None:
    page = write_page(patient, tmp_path / "ct.html")
    assert page.read_text(encoding="utf-8").count("</script>") == 1
    names = [one["name"] for one in told(page)["labels"]["structures"]]
    assert names == ["liver", "</script><b>tumor"]


def test_a_large_scan_is_reduced_and_stays_in_its_place(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 300, (200, 300, 300)).astype(np.float32)
    large = Patient({"ct": Volume(noise, np.diag([1.0, 1.0, 1.0, 1.0]), "CT", "HU")})
    page = write_page(large, tmp_path / "ct.html", point=(100.0, 200.0, 50.0))
    assert page.stat().st_size < MOST_BYTES
    content = told(page)
    corner = np.array(content["affine"]) @ [*content["start"], 1.0]
    np.testing.assert_allclose(corner[:3], (100.0, 200.0, 50.0), atol=3.0)


def test_blocks_are_averaged_where_they_lie() -> None:
    voxels = np.arange(6 * 7 * 8, dtype=np.float32).reshape(6, 7, 8)
    affine = np.diag([4.0, 1.0, 1.0, 1.0])
    labels = LabelMap((voxels > 100).astype(np.uint8), affine, {"a": 1})
    small, small_labels = shrunk(Volume(voxels, affine), labels, most=100)
    assert small_labels is not None
    assert small.shape == (6, 4, 4)
    np.testing.assert_allclose(small.voxels[1, 1, 1], voxels[1, 2:4, 2:4].mean())
    np.testing.assert_allclose(small.to_patient((0, 0, 0)), (0.0, 0.5, 0.5))
    assert small_labels.same_geometry(small)


def test_a_bad_request_leaves_no_page(patient: Patient, tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="outside"):
        write_page(patient, tmp_path / "ct.html", point=(999.0, 0.0, 0.0))
    with pytest.raises(OutputError, match=r"\.html"):
        write_page(patient, tmp_path / "ct.pdf")
    assert not list(tmp_path.iterdir())


BROWSER = shutil.which("chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--virtual-time-budget=5000"
).split()


def seen(page: Path, profile: Path) -> str:
    """The document after its program has run, without the program."""
    done = subprocess.run(
        [str(BROWSER), *FLAGS, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return re.sub(r"<script>.*?</script>", "", done.stdout, flags=re.DOTALL)


@pytest.mark.skipif(BROWSER is None, reason="chromium is not installed (Debian: chromium)")
@pytest.mark.parametrize("labelled", [True, False], ids=["labels", "no labels"])
def test_a_browser_shows_the_slices(patient: Patient, tmp_path: Path, labelled: bool) -> None:
    shown = patient if labelled else Patient(dict(patient.images))
    page = write_page(shown, tmp_path / "ct.html", point=(15.0, 15.0, 12.0))
    text = seen(page, tmp_path / "profile")
    assert text.count("<canvas") == 3
    assert "7 / 12" in text  # the axial slice at 12 mm, counted from 1
    assert "L 15.0  P 15.0  S 12.0 mm" in text
    assert ("· liver" in text) == labelled
    assert ('type="checkbox"' in text.split('id="structures"')[1]) == labelled


@pytest.mark.skipif(BROWSER is None, reason="chromium is not installed (Debian: chromium)")
def test_keys_and_wheel_move_the_point(patient: Patient, tmp_path: Path) -> None:
    page = write_page(patient, tmp_path / "ct.html", point=(15.0, 15.0, 12.0))
    press = """<script>setTimeout(() => {
        const [axial, coronal] = document.querySelectorAll("canvas");
        const key = (canvas, name) =>
            canvas.dispatchEvent(new KeyboardEvent("keydown", {key: name}));
        key(axial, "PageUp"); key(axial, "ArrowLeft"); key(axial, "ArrowDown");
        key(coronal, "ArrowUp");
        coronal.dispatchEvent(new WheelEvent("wheel", {deltaY: -1}));
    }, 1000);</script>"""
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", press + "</body>"))
    # Up by a slice and by a row of the coronal plane, to the right, backwards twice.
    assert "L 14.0  P 17.0  S 16.0 mm" in seen(page, tmp_path / "profile")


def test_a_real_scan_fits_in_a_page(data_folder: Path, tmp_path: Path) -> None:
    page = write_page(
        read_patient(data_folder / "lung_nodule" / "4D-Lung_113"), tmp_path / "a.html"
    )
    assert page.stat().st_size < 2_000_000
    assert "P113" not in re.sub(r"base64,[^\"]*", "", page.read_text(encoding="utf-8"))
