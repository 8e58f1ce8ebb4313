"""The report is one safe, whole file, and its pictures are pictures."""

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from halsted.agents.pictures import frame_png, learning_curve_png, slices_png
from halsted.agents.report import ReportContent, write_report
from halsted.imaging_bridge import HalstedError
from halsted.imaging_bridge.cases import PreparedPatient
from halsted.imaging_bridge.errors import OutputError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.volume import Volume


def _summary():
    measure = {"iqm": 12.25, "mean": 11.75, "low": 10.5, "high": 13.125}
    share = {"iqm": 0.96, "mean": 0.9, "low": 0.85, "high": 1.0}
    return {
        "return": {**measure, "low": -1.5},
        "success": {**share, "rate": 0.9, "wilson_low": 0.744, "wilson_high": 0.965},
        "cost": measure,
        "steps": measure,
        "harmed_episodes": 0.125,
        "cost_by_cause": {"vessel": 0.375, "organ_at_risk": 0.0625},
    }


def _content(**changes):
    picture = frame_png(np.zeros((4, 6, 3), np.uint8))
    values = {
        "title": "A report",
        "scenario": "lung-biopsy",
        "facts": [("kind", "phantom")],
        "pictures": [("A black frame", picture)],
        "scores": [("expert", _summary()), ("random", _summary())],
        "episodes": {"expert": 30, "random": 30},
        "remarks": ["the lesion is synthetic"],
        "provenance": {"version": "0.1.0", "commands": ["halsted demo", "halsted evaluate"]},
    }
    return ReportContent(**{**values, **changes})


def _size(png):
    with Image.open(BytesIO(png)) as picture:
        picture.load()
        return picture.format, picture.size


def test_report_is_one_file_without_network(tmp_path):
    path = write_report(tmp_path, _content())
    assert list(tmp_path.iterdir()) == [path]
    html = path.read_text(encoding="utf-8")
    assert not re.search(r"https?://|<script|<link|url\(", html)
    sources = re.findall(r'src="([^"]*)"', html)
    assert sources and all(source.startswith("data:image/png;base64,") for source in sources)
    assert 'alt="A black frame"' in html
    assert "not a medical device" in html


def test_names_are_never_html(tmp_path):
    nasty = '<script>alert("x")</script>'
    content = _content(
        title=nasty,
        scenario=nasty,
        facts=[(nasty, nasty)],
        pictures=[(nasty, frame_png(np.zeros((2, 2, 3), np.uint8)))],
        scores=[(nasty, _summary())],
        episodes={nasty: 3},
        remarks=[nasty],
        provenance={nasty: nasty},
    )
    html = write_report(tmp_path, content).read_text(encoding="utf-8")
    assert "<script" not in html
    assert 'alt="&lt;script&gt;alert(&#34;x' in html


def test_table_holds_the_numbers_given(tmp_path):
    html = write_report(tmp_path, _content()).read_text(encoding="utf-8")
    for number in ("90.0 %", "74.4 % to 96.5 %", "12.25", "11.75", "10.50 to 13.12", "−1.50"):
        assert number in html
    for number in ("12.5 %", "0.375", "0.062", "Organ at risk"):
        assert number in html


def test_report_without_scores_or_pictures_is_whole(tmp_path):
    html = write_report(tmp_path, ReportContent("Empty", "none")).read_text(encoding="utf-8")
    assert html.rstrip().endswith("</html>")


def test_nothing_is_half_written(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(OutputError):
        write_report(blocked / "below", _content())
    assert list(tmp_path.iterdir()) == [blocked]


def test_frame_keeps_its_size():
    assert _size(frame_png(np.zeros((48, 64, 3), np.uint8))) == ("PNG", (64, 48))


def test_learning_curve_is_a_picture():
    kind, (width, height) = _size(learning_curve_png([0, 1, 2], [0.0, 0.5, 1.0], [3.0, 1.0, 0.5]))
    assert kind == "PNG" and width > height > 200


@pytest.mark.parametrize("turn", [0.0, 0.3])
def test_slices_of_straight_and_oblique_scans_are_pictures(turn):
    affine = np.eye(4)
    rotation = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    affine[:3, :3] = rotation @ np.diag((2.0, 2.0, 5.0))[:, ::-1] @ np.diag((1, 1, 1))
    voxels = np.zeros((12, 30, 30), np.int16)
    marks = np.ones(voxels.shape, np.uint8)
    marks[5:7, 12:18, 12:18] = 2
    patient = Patient(
        {"ct": Volume(voxels, affine, "CT", "HU")},
        LabelMap(marks, affine, {"body": 1, "lesion": 2}),
        kind="phantom",
    )
    prepared = PreparedPatient("phantom-test", patient, "lesion", "lung")
    target = patient.image.to_patient((5.5, 14.5, 14.5))
    path = target + np.linspace(40, 0, 10)[:, None] * np.array((0.0, -1.0, 0.0))
    kind, (width, height) = _size(slices_png(prepared, target, path))
    assert kind == "PNG" and width > height > 300


def test_output_error_is_the_projects():
    assert issubclass(OutputError, HalstedError)
