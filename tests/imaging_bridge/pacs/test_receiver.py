"""Who may send images to us during a C-MOVE."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from halsted.imaging_bridge.errors import PacsError
from halsted.imaging_bridge.pacs.connect import open_pacs
from halsted.imaging_bridge.pacs.node import read_node
from halsted.imaging_bridge.pacs.pull import pull
from halsted.imaging_bridge.pacs.push import push
from halsted.imaging_bridge.pacs.receiver import receiver


def test_images_are_taken_from_the_pacs_only(
    run_program: Callable[..., Any], write_series: Callable[..., Any], tmp_path: Path
) -> None:
    kept: list[Any] = []

    def keep(dataset: Any, write: Any) -> bool:
        kept.append(dataset)
        return True

    to_us = ("127.0.0.1", "11112", write_series(tmp_path).files()[0])
    with receiver(read_node("dicom://PACS@127.0.0.1"), keep):
        assert run_program("storescu", "-aet", "STRANGER", "-aec", "HALSTED", *to_us).returncode
        assert run_program("storescu", "-aet", "PACS", "-aec", "OTHER", *to_us).returncode
        assert kept == []
        assert run_program("storescu", "-aet", "PACS", "-aec", "HALSTED", *to_us).returncode == 0
    assert len(kept) == 1


def test_a_pacs_that_sends_under_another_title_is_named(
    make_orthanc: Callable[..., Any], write_series: Callable[..., Any], tmp_path: Path
) -> None:
    server = make_orthanc(settings={"DicomCheckCalledAet": False})
    written = write_series(tmp_path / "sent")
    study = str(pydicom.dcmread(written.files()[0]).StudyInstanceUID)
    address = server.address.replace("ORTHANC", "ARCHIVE")
    push(open_pacs(address), [written.folder])
    with pytest.raises(PacsError, match=r"'ORTHANC' called here .* taken from ARCHIVE only"):
        pull(open_pacs(address, "move"), study, tmp_path / "out")
    assert pull(open_pacs(server.address, "move"), study, tmp_path / "out").fetched == 8
