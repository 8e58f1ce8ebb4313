"""What the benchmarks share: facts about the machine, and results files that stay readable."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from halsted.agents.evaluation import Episode
from halsted.agents.statistics import summarise
from halsted.imaging_bridge.files import write_text

RESULTS = Path(__file__).parent / "results"


def platform_facts(*packages: str) -> dict[str, Any]:
    """CPU, cores, Python and versions; nothing that tells whose machine it is."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("halsted", "numpy", "pybullet", *packages)},
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def data_folder() -> Path | None:
    """The folder of real scans, or None where ``HALSTED_DATA`` is unset."""
    given = os.environ.get("HALSTED_DATA")
    return Path(given) if given else None


def say(text: str) -> None:
    """Tell the progress on standard error."""
    print(text, file=sys.stderr, flush=True)


def every_tenth(label: str, total: int) -> Callable[[object], None]:
    """A callback that tells after every tenth call how far the work is."""
    started, done = time.perf_counter(), 0

    def tell(_: object) -> None:
        nonlocal done
        done += 1
        if done % 10 == 0 or done == total:
            say(f"{label}: {done} of {total} after {time.perf_counter() - started:.0f} s")

    return tell


def vessel_crossings(rows: Iterable[dict[str, Any]]) -> int:
    """Number of episodes in which the tip was in a vessel."""
    return sum(row["costs"]["vessel"] > 0.0 for row in rows)


def scored(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Summary and rows of a policy's episodes, without their scenes, which the seeds give."""
    rows = [episode.row() for episode in episodes]
    for row in rows:
        del row["scene"]
    return {
        "episode_count": len(rows),
        "patient_count": len({row["patient"] for row in rows}),
        "vessel_crossed_episodes": vessel_crossings(rows),
        "summary": summarise(rows),
        "episodes": [_compact(row) for row in rows],
    }


def _compact(row: dict[str, Any]) -> dict[str, Any]:
    """The row with rounded numbers and only the costs that arose."""
    costs = {cause: round(cost, 4) for cause, cost in row["costs"].items() if cost}
    return row | {"return": round(row["return"], 4), "cost": round(row["cost"], 4), "costs": costs}


def as_json(value: Any, indent: int = 0) -> str:
    """JSON with a line for each entry, except that what fits into a line stays in one."""
    line = json.dumps(value)
    if not isinstance(value, dict | list) or len(line) + indent <= 160:
        return line
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {as_json(one, indent + 1)}" for key, one in value.items()]
        ends = "{}"
    else:
        parts = [as_json(one, indent + 1) for one in value]
        ends = "[]"
    inside = ",\n".join(pad + part for part in parts)
    return f"{ends[0]}\n{inside}\n{' ' * indent}{ends[1]}"


def write_and_print(path: Path, content: dict[str, Any]) -> None:
    """Write `content` as JSON, whole or not at all, and print it."""
    text = as_json(content) + "\n"
    write_text(path, text)
    sys.stdout.write(text)
