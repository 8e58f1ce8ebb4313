"""Decoding programs that hang, crash, lie or take too much: only they come to harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from halsted.imaging_bridge import ScanError, child_process, children

COUNT = """
import numpy as np
def decoded(request):
    for number in range(request["count"]):
        yield np.full(request["shape"], request["first"] + number, np.int16)
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Writes a decoding program; its children are ended after the test."""

    def write(text):
        path = tmp_path / "program.py"
        path.write_text(text)
        return path

    children.end_children()
    yield write
    children.end_children()


def _request(program, take=lambda number, array: None, **what):
    what = {"count": 1, "shape": [3, 5], "first": 0, **what}
    return child_process.Request(
        program=program,
        path=Path("the-file.png"),
        what=what,
        arrays=what["count"],
        array_bytes=1000,
        more_bytes=0,
        take=take,
        refusal=lambda path, reason: ScanError(f"{path} is refused ({reason})"),
    )


def test_arrays_come_in_order(program):
    found: dict[int, Any] = {}
    children.decode([_request(program(COUNT), found.__setitem__, count=3, first=7)])
    assert list(found) == [0, 1, 2]
    for number, array in found.items():
        np.testing.assert_array_equal(array, np.full((3, 5), 7 + number, np.int16))


def test_a_fresh_child_has_no_more_time_for_its_first_array(program, monkeypatch, decoder_pids):
    monkeypatch.setattr(child_process, "SECONDS_FOR_AN_ARRAY", 0.5)
    hangs = program("import time\ndef decoded(request):\n    time.sleep(1000)\n    yield")
    began = time.monotonic()
    with pytest.raises(ScanError, match=r"the-file.png .* more than 0.5 s"):
        children.decode([_request(hangs)])
    assert time.monotonic() - began < 5
    assert decoder_pids() == []


def test_a_stopped_child_does_not_hold_up_who_asks_it(program, monkeypatch, decoder_pids):
    """The request is longer than what a pipe takes from a child that does not read."""
    counts = program(COUNT)
    children.decode([_request(counts)])
    monkeypatch.setattr(child_process, "SECONDS_FOR_AN_ARRAY", 0.5)
    (child,) = decoder_pids()
    os.kill(child, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(ScanError, match="more than"):
        children.decode([_request(counts, filling="x" * (4 << 20))])
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("work", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashes its decoder"),
        ("os._exit(0)", "crashes its decoder"),
        ("yield np.ones(1 << 30, np.uint8)", "refused .MemoryError."),
        ("raise KeyError('Secret')", "refused .KeyError."),
        ("yield np.array([object()])", "refused .TypeError."),
        ("os.write(3, bytes([255] * 8))", "crashes its decoder"),
        ("os.write(3, b'\\x02\\0\\0\\0[]')", "crashes its decoder"),
    ],
)
def test_harm_is_an_error_that_names_the_file(program, work, words):
    harmful = program(
        "import os, signal\nimport numpy as np\n"
        f"def decoded(request):\n    {work}\n    yield np.zeros(3, np.uint8)"
    )
    with pytest.raises(ScanError, match=words) as error:
        children.decode([_request(harmful)])
    assert "the-file.png" in str(error.value)
    assert "Secret" not in str(error.value)


def test_a_program_that_does_not_start(program):
    with pytest.raises(ScanError, match=r"the-file.png .* does not start"):
        children.decode([_request(program("import no_such_package"))])


def test_a_machine_that_starts_no_process(program, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(ScanError, match=r"the-file.png .* does not start"):
        children.decode([_request(program(COUNT))])


def test_packages_are_found_where_the_parent_finds_them(program, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "only_here.py").write_text("NUMBER = 41")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    uses = program("import only_here\n" + COUNT)
    found: dict[int, Any] = {}
    children.decode([_request(uses, found.__setitem__)])
    assert list(found) == [0]


def test_answers_that_nobody_read_are_not_those_of_the_next_request(program):
    counts = program(COUNT)

    def refuse(number, array):
        raise ScanError("of another size than announced")

    with pytest.raises(ScanError, match="another size"):
        children.decode([_request(counts, refuse, count=3, first=100)])
    found: dict[int, Any] = {}
    children.decode([_request(counts, found.__setitem__, first=7)])
    assert found[0][0, 0] == 7


def test_errors_of_the_taker_are_its_own(program):
    def fail(number, array):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        children.decode([_request(program(COUNT), fail)])


def test_few_children_stay_idle(program, decoder_pids):
    counts = program(COUNT)
    together = threading.Barrier(8, timeout=60)
    threads = [
        threading.Thread(
            target=children.decode, args=([_request(counts, lambda *_: together.wait())],)
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not together.broken  # eight children worked at once
    assert len(decoder_pids()) == children.MOST_CHILDREN


FORK = """
import os, signal, sys, threading
from pathlib import Path
from halsted.imaging_bridge import child_process, children

def first_value(first):
    found = {}
    children.decode([child_process.Request(
        Path(sys.argv[1]), Path("x"), {"count": 1, "shape": [2], "first": first},
        1, 100, 0, found.__setitem__, lambda path, reason: ValueError(reason))])
    return int(found[0][0])

assert first_value(1) == 1
(parents,) = [child._process.pid for child in children._idle]
is_held, may_go = threading.Event(), threading.Event()
def hold():
    with children._lock:
        is_held.set()
        may_go.wait()
holder = threading.Thread(target=hold)
holder.start()
is_held.wait()
forked = os.fork()
if forked == 0:
    signal.alarm(20)
    os._exit(0 if first_value(2) == 2 and children._idle[0]._process.pid != parents else 3)
may_go.set()
assert os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]) == 0
assert first_value(3) == 3
assert [child._process.pid for child in children._idle] == [parents]
"""


def test_a_fork_has_children_of_its_own(program):
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", FORK, program(COUNT)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
