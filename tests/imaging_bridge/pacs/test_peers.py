"""Other programs and other kinds of objects: dcmtk as a peer, objects that are no images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, JPEG2000Lossless

from halsted.imaging_bridge.errors import PacsError
from halsted.imaging_bridge.pacs.connect import open_pacs
from halsted.imaging_bridge.pacs.node import read_node
from halsted.imaging_bridge.pacs.pull import pull
from halsted.imaging_bridge.pacs.push import push
from halsted.imaging_bridge.pacs.records import Query
from halsted.imaging_bridge.pacs.worklist import ScheduledStep, find_scheduled

OBJECTS = (
    "highdicom/seg_image_ct_binary_overlap.dcm",
    "highdicom/seg_image_ct_true_fractional.dcm",
    "pydicom/rtdose.dcm",  # implicit VR, with a scaling of 1e-6
    "pydicom/rtplan.dcm",
    "rt-utils/mock_data/rt.dcm",
    "pydicom-data/eCT_Supplemental.dcm",
    "pydicom-data/emri_small_RLE.dcm",
    "pydicom/MR_small_jpeg_ls_lossless.dcm",
    "pydicom/ExplVR_BigEnd.dcm",
    "pydicom/reportsi.dcm",
)


def contents(dataset: Dataset) -> dict[str, Any]:
    """All elements, as JSON knows them, apart from padding and the lengths of groups."""
    found = dataset.to_json_dict()
    found.get("7FE00010", {}).pop("vr", None)  # OB or OW, which a server may put right
    return {
        tag: one for tag, one in found.items() if not tag.endswith("0000") and tag != "FFFCFFFC"
    }


@pytest.mark.parametrize("way", ["get", "web"])
def test_studies_beyond_the_limit_are_not_listed(
    orthanc: Any, write_series: Callable[..., Any], tmp_path: Path, way: str
) -> None:
    written = [write_series(tmp_path / str(number), shape=(1, 8, 8)) for number in range(3)]
    pacs = orthanc.open(way)
    push(pacs, [one.folder for one in written])
    for limit in (1, 2):
        assert len({one.study for one in pacs.find(Query(limit=limit))}) == limit
    assert {one.series for one in written} <= {one.uid for one in pacs.find(Query())}


@pytest.mark.parametrize(
    ("there", "backs"), [("get", ("get", "move")), ("web", ("web",))], ids=["dimse", "web"]
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom, about the files as they are
def test_other_objects_come_back_equal(
    orthanc: Any, data_folder: Path, tmp_path: Path, there: str, backs: tuple[str, ...]
) -> None:
    paths = [data_folder / "dicom_hazards" / name for name in OBJECTS]
    pushed = push(orthanc.open(there), paths)
    assert pushed.sent + pushed.present == len(OBJECTS)
    for path in paths:
        sent = pydicom.dcmread(path)
        series = str(sent.SeriesInstanceUID)
        for back in backs:
            folder = tmp_path / back / path.stem
            pull(orthanc.open(back), str(sent.StudyInstanceUID), folder, series)
            received = pydicom.dcmread(folder / series / f"{sent.SOPInstanceUID}.dcm")
            assert received.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
            assert contents(received) == contents(sent), path.name


def test_compressed_images_come_from_a_server_that_cannot_convert_them(
    make_orthanc: Callable[..., Any], write_series: Callable[..., Any], tmp_path: Path
) -> None:
    server = make_orthanc(plugins=())
    written = write_series(tmp_path / "sent", shape=(3, 64, 64), edit=lambda one, _: compress(one))
    pacs = open_pacs(server.address)
    push(pacs, [written.folder])
    (found,) = pacs.find(Query(modality="CT"))
    pull(pacs, found.study, tmp_path / "back")
    for path in written.files():
        sent = pydicom.dcmread(path)
        back = pydicom.dcmread(tmp_path / "back" / written.series / f"{sent.SOPInstanceUID}.dcm")
        assert back.file_meta.TransferSyntaxUID == JPEG2000Lossless
        assert back.PixelData == sent.PixelData


def compress(dataset: Any) -> None:
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)


def test_dcmtk_stores_what_it_accepts_and_the_rest_is_named(
    storescp: tuple[str, Path], write_series: Callable[..., Any], tmp_path: Path
) -> None:
    address, stored = storescp
    raw = write_series(tmp_path / "raw", shape=(3, 64, 64))
    j2k = write_series(tmp_path / "j2k", shape=(2, 64, 64), edit=lambda one, _: compress(one))
    pacs = open_pacs(address)
    pacs.echo()
    pushed = push(pacs, [raw.folder, j2k.folder])
    name = "CT Image Storage in JPEG 2000 Image Compression (Lossless Only) is not accepted"
    assert (pushed.sent, pushed.refused) == (3, {name: 2})
    sent = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, raw.files())}
    received = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, stored.iterdir())}
    assert received.keys() == sent.keys()
    assert all(contents(received[uid]) == contents(sent[uid]) for uid in sent)
    with pytest.raises(PacsError, match="does not offer Study Root"):
        pacs.find(Query())


def test_the_worklist(orthanc: Any) -> None:
    for number, (modality, date) in enumerate([("CT", "20240102"), ("MR", "20240101")]):
        step, asked = Dataset(), Dataset()
        step.ScheduledStationAETitle, step.Modality = "SCANNER", modality
        step.ScheduledProcedureStepStartDate = date
        step.ScheduledProcedureStepStartTime = "083000"
        step.ScheduledProcedureStepID = f"STEP{number}"
        asked.PatientName, asked.PatientID = "Secret^Person", "MRN-12345"
        asked.StudyInstanceUID = f"1.2.3.{number}"
        asked.ScheduledProcedureStepSequence = [step]
        asked.file_meta = pydicom.dataset.FileMetaDataset()
        asked.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        asked.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.31")
        asked.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.4.{number}")
        asked.save_as(orthanc.folder / "worklists" / f"{number}.wl", enforce_file_format=True)
    server = read_node(orthanc.address)
    mr = ScheduledStep("20240101", "083000", "MR", "SCANNER", "STEP1", "1.2.3.1")
    ct = ScheduledStep("20240102", "083000", "CT", "SCANNER", "STEP0", "1.2.3.0")
    assert find_scheduled(server) == [mr, ct]
    assert find_scheduled(server, modality="CT") == [ct]
    assert find_scheduled(server, date="20240101") == [mr]
    assert find_scheduled(server, date="20240102-", station="SCANNER") == [ct]
    assert find_scheduled(server, station="OTHER") == []
