"""A real PACS: Orthanc and dcmtk from Debian, in a network namespace of the tests' own.

Orthanc cannot bind its DICOM port to loopback alone. A namespace belongs to a thread in Linux, so
each test enters it and leaves it again, and whatever a test starts inherits it.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from halsted.imaging_bridge.pacs import node
from halsted.imaging_bridge.pacs.connect import open_pacs
from halsted.imaging_bridge.pacs.records import Pacs

_CLONE_NEWNET = 0x40000000
_PLUGINS = Path("/usr/share/orthanc/plugins")
OURS = "HALSTED"
THEIRS = "ORTHANC"
PASSWORD = "correct horse"
RECEIVER_PORT = 11112


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    lost_by_pynetdicom = pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(lost_by_pynetdicom)


def _call(function: Any, *arguments: int) -> None:
    if function(*arguments) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@pytest.fixture(scope="session")
def network() -> Iterator[Callable[[bool], None]]:
    """Moves this thread into a network with nothing but loopback, or back out of it."""
    _needs("ip")
    libc = ctypes.CDLL(None, use_errno=True)
    here = Path("/proc/thread-self/ns/net")
    outside = os.open(here, os.O_RDONLY)
    try:
        _call(libc.unshare, _CLONE_NEWNET)
    except OSError as error:
        os.close(outside)
        pytest.skip(f"a network namespace needs root ({error.strerror})")
    inside = os.open(here, os.O_RDONLY)
    subprocess.run([str(_program("ip")), "link", "set", "lo", "up"], check=True)
    _call(libc.setns, outside, _CLONE_NEWNET)
    yield lambda enter: _call(libc.setns, inside if enter else outside, _CLONE_NEWNET)
    os.close(inside)
    os.close(outside)


@pytest.fixture
def alone(network: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test runs in that network, with none of the user's settings."""
    for name in list(os.environ):
        if name.startswith(node.ADDRESS):
            monkeypatch.delenv(name)
    network(True)
    yield
    network(False)
    gc.collect()  # sockets that pynetdicom loses without closing, where a connection is refused


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until something answers at this port of the namespace."""
    for _ in range(200):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    process.kill()
    raise AssertionError(f"nothing answers at port {port}: {log.read_text(errors='replace')}")


@dataclass
class Orthanc:
    """An Orthanc that can be killed and started again on the same storage."""

    folder: Path
    number: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    plugins: tuple[str, ...] = ("OrthancDicomWeb", "OrthancGdcm", "ModalityWorklists")
    process: subprocess.Popen[bytes] | None = None

    @property
    def dicom_port(self) -> int:
        return 4242 + self.number

    @property
    def http_port(self) -> int:
        return 8042 + self.number

    @property
    def address(self) -> str:
        return f"dicom://{THEIRS}@127.0.0.1:{self.dicom_port}"

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def open(self, way: str) -> Pacs:
        """This PACS by C-GET (``get``), by C-MOVE (``move``) or by DICOMweb (``web``)."""
        if way == "web":
            return open_pacs(self.web)
        return open_pacs(self.address, "move" if way == "move" else "get")

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "worklists").mkdir(exist_ok=True)
        config, log = self.folder / "orthanc.json", self.folder / "log.txt"
        config.write_text(json.dumps(self._settings()))
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [str(_program("Orthanc")), str(config)], stdout=output, stderr=subprocess.STDOUT
            )
        wait_for(self.dicom_port, self.process, log)
        wait_for(self.http_port, self.process, log)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _settings(self) -> dict[str, Any]:
        us = {"AET": OURS, "Host": "127.0.0.1", "Port": RECEIVER_PORT}
        allowed = ("Echo", "Find", "Get", "Move", "Store", "FindWorklist")
        return {
            "Name": "test",
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "Plugins": [str(_PLUGINS / f"lib{name}.so") for name in self.plugins],
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "DicomAet": THEIRS,
            "DicomCheckCalledAet": True,
            "DicomCheckModalityHost": True,
            **{f"DicomAlwaysAllow{one}": False for one in allowed},
            "DicomModalities": {"us": {**us, **{f"Allow{one}": True for one in allowed}}},
            "DicomModalitiesInDatabase": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {"halsted": PASSWORD},
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            "Worklists": {"Enable": True, "Database": str(self.folder / "worklists")},
            "StableAge": 2,
            **self.settings,
        }


def _program(name: str) -> str | None:
    return shutil.which(name, path="/usr/local/bin:/usr/bin:/usr/sbin:/usr/local/sbin:/sbin:/bin")


def _needs(*programs: str) -> None:
    for name in programs:
        if _program(name) is None:
            pytest.skip(f"{name} is not installed (Debian packages orthanc, dcmtk, iproute2)")


def _check_installed() -> None:
    _needs("Orthanc")
    for plugin in ("OrthancDicomWeb", "OrthancGdcm"):
        if not (_PLUGINS / f"lib{plugin}.so").exists():
            pytest.skip(f"{plugin} is not installed (Debian: orthanc-dicomweb, orthanc-gdcm)")


@pytest.fixture
def make_orthanc(alone: None, tmp_path: Path) -> Iterator[Callable[..., Orthanc]]:
    """Starts an Orthanc with settings and plugins of its own."""
    _check_installed()
    started: list[Orthanc] = []

    def make(**options: Any) -> Orthanc:
        number = len(started) + 1
        started.append(Orthanc(tmp_path / f"orthanc{number}", number, **options))
        started[-1].start()
        return started[-1]

    yield make
    for one in started:
        one.kill()


@pytest.fixture(scope="session")
def shared_orthanc(
    network: Callable[[bool], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Orthanc]:
    _check_installed()
    one = Orthanc(tmp_path_factory.mktemp("orthanc"))
    network(True)
    try:
        one.start()
    finally:
        network(False)
    yield one
    one.kill()


@pytest.fixture
def orthanc(shared_orthanc: Orthanc, alone: None, monkeypatch: pytest.MonkeyPatch) -> Orthanc:
    """An Orthanc that many tests share, and its HTTP password in the environment."""
    monkeypatch.setenv(node.USER, "halsted")
    monkeypatch.setenv(node.PASSWORD, PASSWORD)
    return shared_orthanc


@pytest.fixture
def run_program(alone: None) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program of dcmtk in the namespace (pynetdicom brings others of the same names)."""

    def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        _needs(program)
        command = [str(_program(program)), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture
def storescp(alone: None, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The storage server of dcmtk, which offers nothing else, and takes no compressed images."""
    _needs("storescp")
    folder = tmp_path / "stored"
    folder.mkdir()
    command = [str(_program("storescp")), "-aet", "DCMTK", "-od", str(folder), "4300"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    wait_for(4300, process, tmp_path / "log")
    yield "dicom://DCMTK@127.0.0.1:4300", folder
    process.kill()
    process.wait()
