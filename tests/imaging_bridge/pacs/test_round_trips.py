"""What is sent to a PACS comes back, voxel for voxel, by every way there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset
from pydicom.uid import JPEG2000Lossless

from halsted.imaging_bridge.pacs.pull import pull
from halsted.imaging_bridge.pacs.push import push
from halsted.imaging_bridge.pacs.records import Query


def compress(dataset: FileDataset, number: int) -> None:
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)


def read_all(folder: Path) -> dict[str, FileDataset]:
    files = [pydicom.dcmread(path) for path in folder.rglob("*.dcm")]
    return {str(one.SOPInstanceUID): one for one in files}


@pytest.mark.parametrize(
    ("there", "back"),
    [("get", "get"), ("web", "move"), ("get", "web"), ("web", "web")],
    ids=["store-get", "stow-move", "store-wado", "stow-wado"],
)
@pytest.mark.parametrize("compressed", [False, True], ids=["raw", "j2k"])
def test_a_series_comes_back_as_it_was_sent(
    orthanc: Any,
    write_series: Callable[..., Any],
    tmp_path: Path,
    there: str,
    back: str,
    compressed: bool,
) -> None:
    options = {"edit": compress} if compressed else {}
    written = write_series(tmp_path / "sent", shape=(8, 64, 48), **options)
    sent = read_all(written.folder)
    study = str(next(iter(sent.values())).StudyInstanceUID)

    pushed = push(orthanc.open(there), [written.folder])
    assert (pushed.sent, pushed.present, pushed.refused.total()) == (8, 0, 0)

    pacs = orthanc.open(back)
    pacs.echo()
    (found,) = pacs.find(Query(study=study))
    assert (found.uid, found.modality, found.instances) == (written.series, "CT", 8)

    steps: list[tuple[int, int]] = []
    pulled = pull(pacs, study, tmp_path / "back", on_progress=lambda *step: steps.append(step))
    assert (pulled.total, pulled.fetched) == (8, 8)
    assert steps == [(done, 8) for done in range(9)]
    received = read_all(tmp_path / "back" / written.series)
    assert received.keys() == sent.keys()
    for uid, dataset in received.items():
        assert dataset.file_meta.TransferSyntaxUID == sent[uid].file_meta.TransferSyntaxUID
        np.testing.assert_array_equal(dataset.pixel_array, sent[uid].pixel_array)
        assert dataset.ImagePositionPatient == sent[uid].ImagePositionPatient
