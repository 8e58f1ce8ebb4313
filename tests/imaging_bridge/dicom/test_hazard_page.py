"""The page of hazards names tests that are there, and leaves none out."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "dicom-hazards.md"


def _tests(path):
    return set(re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_test_named_exists():
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8")))
    there = set().union(*(_tests(path) for path in HERE.glob("test_*.py")))
    assert named - there == set()


def test_every_hazard_tested_is_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    there = _tests(HERE / "test_hazards.py") - {"test_unknown_repair"}
    assert {name for name in there if f"`{name}`" not in page} == set()
