"""Guards of the layout: folders of the root under one import name (docs/design/0001)."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from os import environ
from pathlib import Path
from typing import Any

import pytest
import typer.core
import typer.main

from halsted.cli import app

ROOT = Path(__file__).parents[2]
STOREYS = ("agents", "envs", "imaging_bridge", "robot", "scenarios")
HEAVY = ("SimpleITK", "matplotlib", "monai", "stable_baselines3", "torch", "vtk", "vtkmodules")


def run(
    *command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)


def shipped_files() -> Iterator[Path]:
    """Every file of the storeys and the front door, relative to the root."""
    for folder in ("halsted", *STOREYS):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".md":
                yield path.relative_to(ROOT)


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_packages_equal_the_tree(settings: dict[str, Any]) -> None:
    tree = {f"halsted.{init.parent.name}" for init in (ROOT / "halsted").glob("*/__init__.py")}
    tree.add("halsted")
    for storey in STOREYS:
        for init in (ROOT / storey).rglob("__init__.py"):
            tree.add(".".join(("halsted", *init.parent.relative_to(ROOT).parts)))
    listed = settings["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(tree), "packages in pyproject.toml and the folders differ"
    assert list(listed) == sorted(listed), "keep packages in pyproject.toml sorted"


def test_every_module_lies_in_a_package() -> None:
    for path in shipped_files():
        if path.suffix == ".py":
            assert (ROOT / path.parent / "__init__.py").is_file(), f"{path.parent} has no __init__"


def test_storeys_are_mapped(settings: dict[str, Any]) -> None:
    mapped = settings["tool"]["setuptools"]["package-dir"]
    assert mapped == {f"halsted.{storey}": storey for storey in STOREYS}


def test_every_storey_is_typed() -> None:
    for folder in ("halsted", *STOREYS):
        assert (ROOT / folder / "py.typed").is_file(), f"{folder}/py.typed is missing"


def test_links_for_the_checkers() -> None:
    expected = {storey: f"../../{storey}" for storey in STOREYS}
    for path in (ROOT / "halsted").iterdir():
        if path.name != "__pycache__":
            expected[path.name] = f"../../halsted/{path.name}"
    links = ROOT / ".pkg" / "halsted"
    found = {
        path.name: path.readlink().as_posix()
        for path in links.iterdir()
        if path.name != "__pycache__"
    }
    assert found == expected, "ln -s the difference in .pkg/halsted"


def test_launch_does_not_shadow_ros() -> None:
    assert not list((ROOT / "launch").rglob("__init__.py"))


def test_wheel_holds_every_file(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for folder in ("halsted", *STOREYS):
        shutil.copytree(
            ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    built = run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--no-index", "--wheel-dir", str(tmp_path), str(source)),
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        path.as_posix() if path.parts[0] == "halsted" else f"halsted/{path.as_posix()}"
        for path in shipped_files()
    }
    assert held == expected, "list the package, or the suffix under package-data"


def test_storeys_import_only_downwards() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = run(
        *(str(linter), "--config", str(ROOT / "pyproject.toml"), "--no-cache", "--no-logo"),
        cwd=ROOT / ".pkg",
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("cwd", [ROOT, Path("/")], ids=["root", "elsewhere"])
def test_import_is_light(cwd: Path) -> None:
    program = "import halsted, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = run(sys.executable, "-W", "error", "-c", program, cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert not set(HEAVY) & set(json.loads(done.stdout))


def planned_demo(*variables: str) -> str:
    """The last command that `make demo` would run, on one line."""
    clean = {name: value for name, value in environ.items() if not name.startswith("MAKE")}
    done = run("make", "-n", "demo", *variables, env=clean)
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.replace("\\\n", " ").split()).partition("halsted demo ")[2]


def test_make_demo_prints_a_plan() -> None:
    assert planned_demo() == "--out runs/demo"
    plan = planned_demo("SCAN=a scan", "ORGAN=liver", "STEPS=100")
    assert plan == '--scan "a scan" --organ "liver" --steps "100" --out runs/demo'


def test_make_demo_gives_options_that_exist() -> None:
    variables = re.findall(r"\$\(if \$\((\w+)\)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    plan = planned_demo(*(f"{variable}=1" for variable in variables))
    command = typer.main.get_command(app)
    assert isinstance(command, typer.core.TyperGroup)
    known = {flag for option in command.commands["demo"].params for flag in option.opts}
    given = set(re.findall(r"--[\w-]+", plan))
    assert len(given) == len(variables) + 1
    assert given <= known
