"""Damaged and hostile files: the reader must refuse them by name, soon, and in little memory.

Makes small honest files of every kind that is read, damages them, reads each in a worker process,
and prints one JSON, which it also writes to a file::

    python benchmarks/fuzz.py [--files 10000] [--seed 0] [--guided SECONDS] [--out FILE]

Allowed is a result, or a `HalstedError` of one line that quotes no name. Counted as failures:
another exception, a worker that dies, more than 10 s, or memory that grows by more than four times
the honest size plus 64 MB (resident peak of the worker; decoders have a limit of their own).
``--guided`` lets Atheris (``pip install atheris``), a coverage-guided fuzzer, look for such files
too. Exits with 1 where anything failed.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common import RESULTS, platform_facts, say, write_and_print
from fuzz_damage import damaged
from fuzz_seeds import Seed, make_seeds

LIMIT_S = 10.0
MEMORY_FACTOR, MEMORY_SPARE = 4, 64 << 20
# -- Reading ----------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What reading one damaged file did.

    Attributes:
        number: Of the file, which with the seed makes it again.
        kind: Of the honest file.
        mutation: How it was damaged.
        result: ``read``, the name of the `HalstedError`, or a failure in words.
        seconds: It took.
        grown_mb: Peak of resident memory above what it was before.
        failed: Whether a promise was broken.
    """

    number: int
    kind: str
    mutation: str
    result: str
    seconds: float = 0.0
    grown_mb: float = 0.0
    failed: bool = False


def _memory(field: str) -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0


def read(seed: Seed, folder: Path) -> None:
    """Read what lies in `folder`, a copy of the folder of an honest file."""
    from halsted.imaging_bridge import read_patient

    path = folder / seed.path.name
    if seed.use == "labels":
        read_patient(folder / "scan.dcm", path)
    else:
        read_patient(folder if seed.use == "folder" else path)


def read_one(seed: Seed, number: int, base: int) -> Outcome:
    """Damage and read one file in this process."""
    from halsted.imaging_bridge import HalstedError

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "copy")
        shutil.copytree(seed.path.parent, folder)
        path = folder / seed.path.name
        mutation, content = damaged(seed.path.read_bytes(), [base, number])
        path.write_bytes(content)
        outcome = Outcome(number, seed.kind, mutation, "read")
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # peak := now
        before, began = _memory("VmRSS"), time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(seed, folder)
        except HalstedError as error:
            outcome.result = type(error).__name__
            if "\n" in str(error) or "Secret" in str(error):
                outcome.result, outcome.failed = f"error text: {error}"[:200], True
        except BaseException as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            outcome.result = f"{type(error).__name__} in {Path(where.filename).name}:{where.lineno}"
            outcome.failed = True
        outcome.seconds = time.monotonic() - began
        grown = _memory("VmHWM") - before
        outcome.grown_mb = grown / 2**20
        size = max(path.stat().st_size, seed.honest_bytes)
        if outcome.seconds > LIMIT_S:
            outcome.result, outcome.failed = f"took {outcome.seconds:.1f} s", True
        elif grown > MEMORY_FACTOR * size + MEMORY_SPARE:
            outcome.result, outcome.failed = f"grew by {grown / 2**20:.0f} MB", True
        return outcome


def _work(seeds: list[Seed], numbers: list[int], base: int, results: Any) -> None:
    import logging
    import os

    logging.disable()
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    check_honest(seeds)  # every library is loaded before memory counts
    for number in numbers:
        results.put(("begin", number))
        results.put(("done", asdict(read_one(seeds[number % len(seeds)], number, base))))
    results.put(("end", 0))


def check_honest(seeds: list[Seed]) -> None:
    """Make sure that every honest file is read; else its damaged copies would tell nothing."""
    for seed in seeds:
        read(seed, seed.path.parent)


def run(seeds: list[Seed], files: int, base: int) -> list[Outcome]:
    """Read `files` damaged files in a worker; one that dies is replaced and counted."""
    outcomes: list[Outcome] = []
    todo = list(range(files))
    context = mp.get_context("spawn")
    while todo:
        results = context.Queue()
        worker = context.Process(target=_work, args=(seeds, todo, base, results))
        worker.start()
        current = None
        while True:
            try:
                what, value = results.get(timeout=6 * LIMIT_S)
            except Exception:
                worker.kill()
                what, value = "died", current
            if what == "begin":
                current = value
            elif what == "done":
                outcomes.append(Outcome(**value))
                if len(outcomes) % 500 == 0:
                    say(f"{len(outcomes)} of {files} files")
            elif what == "end":
                todo = []
                break
            if what == "died" or (not worker.is_alive() and results.empty()):
                number = current if current is not None else todo[0]
                seed = seeds[number % len(seeds)]
                outcomes.append(Outcome(number, seed.kind, "?", "the worker died", failed=True))
                todo = [one for one in todo if one > number]
                break
        worker.join()
    return outcomes


# -- Guided by coverage -----------------------------------------------------------------------

_GUIDED = """
import sys, tempfile, pathlib, warnings, logging
import atheris
warnings.simplefilter("ignore"); logging.disable()
with atheris.instrument_imports(include=["halsted.imaging_bridge", "pydicom.filereader"]):
    from halsted.imaging_bridge import HalstedError, read_patient
folder = pathlib.Path(tempfile.mkdtemp())
def one(content):
    path = folder / "file.dcm"
    path.write_bytes(content)
    try:
        read_patient(path)
    except HalstedError:
        pass
atheris.Setup(sys.argv, one)
atheris.Fuzz()
"""


def run_guided(seeds: list[Seed], seconds: int) -> dict[str, Any]:
    """Let Atheris look for a DICOM file that breaks a promise, for so many seconds."""
    with tempfile.TemporaryDirectory() as place:
        corpus = Path(place, "corpus")
        corpus.mkdir()
        for seed in seeds:
            if seed.path.suffix == ".dcm":
                (corpus / seed.path.name).write_bytes(seed.path.read_bytes())
        done = subprocess.run(
            [sys.executable, "-c", _GUIDED, str(corpus), f"-max_total_time={seconds}",
             "-timeout=10", "-rss_limit_mb=2048", "-max_len=16384", f"-artifact_prefix={place}/"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if "cov:" in line]
    runs = [line for line in done.stderr.splitlines() if line.startswith("Done ")]
    return {
        "seconds": seconds,
        "finished": runs[0] if runs else "",
        "coverage": lines[-1].strip() if lines else "",
        "failed": done.returncode != 0,
        "last": done.stderr.strip().splitlines()[-6:] if done.returncode else [],
    }


def main() -> int:
    """Fuzz, and tell what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", type=int, default=0, metavar="SECONDS")
    parser.add_argument("--out", type=Path, default=RESULTS / "fuzz.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        seeds = make_seeds(Path(place))
        check_honest(seeds)
        outcomes = run(seeds, arguments.files, arguments.seed)
        guided = run_guided(seeds, arguments.guided) if arguments.guided else None
    failures = [asdict(one) for one in outcomes if one.failed]
    kinds = sorted({one.kind for one in outcomes})
    results = {
        **platform_facts("pydicom", "SimpleITK"),
        "command": f"python benchmarks/fuzz.py --files {arguments.files} --seed {arguments.seed}"
        + (f" --guided {arguments.guided}" if arguments.guided else ""),
        "files": len(outcomes),
        "failures": len(failures),
        "longest_s": round(max(one.seconds for one in outcomes), 2),
        "most_grown_mb": round(max(one.grown_mb for one in outcomes), 1),
        "by_kind": {
            kind: dict(Counter(one.result for one in outcomes if one.kind == kind).most_common(6))
            for kind in kinds
        },
        "failed": failures[:50],
        "guided": guided,
    }
    write_and_print(arguments.out, results)
    return int(bool(failures) or bool(guided and guided["failed"]))


if __name__ == "__main__":
    sys.exit(main())
