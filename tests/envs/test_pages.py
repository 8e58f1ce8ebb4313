"""The environments' pages say what the code says."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_pages_are_those_of_the_code() -> None:
    made = runpy.run_path(str(DOCS / "make_environment_pages.py"))["pages"]()
    assert set(made) == set((DOCS / "environments").glob("*.md"))
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, "run docs/make_environment_pages.py"


def test_readme_example_runs() -> None:
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    code = readme.split("```python\n")[1].split("```")[0]
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["harm"] >= 0.0  # type: ignore[operator]
