"""`halsted pacs` and `--pacs` where there is no PACS to talk to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = "dicom://ORTHANC@127.0.0.1:4242"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("pacs", "echo"), "no PACS is named; pass --pacs or set HALSTED_PACS"),
        (("pacs", "echo", "--pacs", "http://u:hunter2@host"), "HALSTED_PACS_PASSWORD"),
        (("pacs", "echo", "--pacs", "somewhere"), "is no DICOM address"),
        (("pacs", "pull", "patient-7", "--pacs", HERE), "the study UID is no DICOM UID"),
        (("pacs", "pull", "1.2", "--series", "../x", "--pacs", HERE), "series UID is no DICOM UID"),
        (("pacs", "find", "--date", "yesterday", "--pacs", HERE), "write YYYYMMDD"),
        (("pacs", "push", "no-such-folder", "--pacs", HERE), "there is no file or folder"),
        (("pacs", "push", ".", "--pacs", HERE), "there is no DICOM file in ."),
        (("scan", "1.2.840.1"), "no PACS is named"),
        (("scan", ".", "--pacs", HERE), "is no study UID"),
        (("demo", "--pacs", HERE), "is no study UID"),
        (("demo", "--scan", "1.2.840.1"), "no PACS is named"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    clean = {key: value for key, value in os.environ.items() if "HALSTED_PACS" not in key}
    done = subprocess.run(
        [sys.executable, "-m", "halsted", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=clean,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stdout == "" and "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and told in lines[0]
    assert "hunter2" not in done.stderr
    assert list(tmp_path.iterdir()) == []
