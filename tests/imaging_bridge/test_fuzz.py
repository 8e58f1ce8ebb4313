"""A short run of the fuzzer that benchmarks/fuzz.py runs long."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"
FILES = 300


def test_damaged_files_of_every_kind_are_refused_or_read(tmp_path):
    out = tmp_path / "fuzz.json"
    done = subprocess.run(
        [sys.executable, SCRIPT, "--files", str(FILES), "--seed", "7", "--out", out],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert out.is_file(), done.stderr
    results = json.loads(out.read_text())
    assert results["failed"] == []
    assert results["files"] == FILES
    assert done.returncode == 0, done.stderr
