"""What identifies a person is planted in every kind of input, and searched in every output.

Exports to DICOM (SEG, RTSTRUCT, RTDOSE) are left out: they belong to the patient's own record, and
docs/exports.md says that they are identified.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from halsted.imaging_bridge import HalstedError, read_patient

SECRET = "QZXPLANTED"
BORN = "19010203"
SHAPE = (6, 24, 28)

# Everything is logged, as a program that embeds Halsted may have it.
RUN = """
import logging
logging.basicConfig(level=logging.DEBUG)
from halsted.cli import main
main()
"""


def _plant(dataset: FileDataset) -> None:
    dataset.PatientName, dataset.PatientID = f"{SECRET}^Anna", f"{SECRET}-1"
    dataset.PatientBirthDate, dataset.PatientSex, dataset.StudyID = BORN, "F", SECRET
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = BORN
    dataset.StudyTime = dataset.ReferringPhysicianName = dataset.AccessionNumber = ""
    for tag in (
        "OtherPatientIDs", "InstitutionName", "InstitutionAddress", "StationName",
        "StudyDescription", "SeriesDescription", "ProtocolName", "OperatorsName", "ImageComments",
        "PatientAddress", "RequestingPhysician", "PatientComments", "DeviceSerialNumber",
    ):  # fmt: skip
        setattr(dataset, tag, SECRET)
    block = dataset.private_block(0x0033, SECRET, create=True)
    block.add_new(0x01, "LO", SECRET)
    item = pydicom.Dataset()
    item.PatientName = SECRET
    dataset.ReferencedPatientSequence = [item]


def _file(kind: str, modality: str, shared: dict[str, Any]) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = pydicom.uid.UID(kind)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.SourceApplicationEntityTitle = SECRET
    dataset = FileDataset("", {}, file_meta=meta, preamble=SECRET.encode().ljust(128, b"\0"))
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    dataset.Modality = modality
    for tag, value in shared.items():
        setattr(dataset, tag, value)
    _plant(dataset)
    return dataset


@pytest.fixture
def dicom(tmp_path: Path) -> Path:
    """A CT series with a structure set."""
    folder = tmp_path / "in" / "dicom"
    folder.mkdir(parents=True)
    shared = {
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(),
    }
    rng = np.random.default_rng(0)
    for number in range(SHAPE[0]):
        one = _file(CTImageStorage, "CT", shared)
        one.Rows, one.Columns = SHAPE[1:]
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 1
        one.ImagePositionPatient, one.ImageOrientationPatient = (
            [0, 0, 3.0 * number],
            [1, 0, 0, 0, 1, 0],
        )
        one.PixelSpacing, one.SliceThickness, one.InstanceNumber = [1, 1], 3, number + 1
        one.RescaleSlope, one.RescaleIntercept, one.SeriesNumber = 1, -1000, 1
        one.BurnedInAnnotation = "NO"
        one.PixelData = rng.integers(0, 1500, SHAPE[1:]).astype("<i2").tobytes()
        one.save_as(folder / f"{number}.dcm")
    rtstruct = _file(RTStructureSetStorage, "RTSTRUCT", shared)
    rtstruct.StructureSetLabel = rtstruct.StructureSetName = SECRET
    rtstruct.StructureSetDate, rtstruct.StructureSetTime = BORN, "120000"
    roi, named, drawn = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    roi.ROINumber, roi.ROIName, roi.ROIDescription = 1, "Liver", SECRET
    named.ROINumber, named.ROIName = 2, f"GTV {SECRET}"
    roi.ReferencedFrameOfReferenceUID = shared["FrameOfReferenceUID"]
    named.ReferencedFrameOfReferenceUID = shared["FrameOfReferenceUID"]
    drawn.ReferencedROINumber, drawn.ContourSequence = 1, []
    for z in (3.0, 6.0, 9.0):
        contour = pydicom.Dataset()
        contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", 4
        contour.ContourData = [4.5, 4.5, z, 14.5, 4.5, z, 14.5, 16.5, z, 4.5, 16.5, z]
        drawn.ContourSequence.append(contour)
    rtstruct.StructureSetROISequence, rtstruct.ROIContourSequence = [roi, named], [drawn]
    rtstruct.save_as(folder / "rs.dcm")
    return folder


@pytest.fixture
def others(tmp_path: Path) -> list[Path]:
    """Files that are not DICOM, each with whatever its format lets one say about a person."""
    import edfio
    import wfdb

    folder = tmp_path / "in" / "others"
    folder.mkdir(parents=True)
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=SHAPE).astype(np.float32))
    for key in ("descrip", "aux_file", "PatientName", "intent_name"):
        image.SetMetaData(key, SECRET)
    for suffix in ("nii.gz", "nrrd", "mha"):
        sitk.WriteImage(image, str(folder / f"scan.{suffix}"))
    picture = Image.fromarray(
        np.random.default_rng(1).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    )
    text = PngInfo()
    text.add_text("Author", SECRET)
    picture.save(folder / "skin.png", pnginfo=text)
    exif = Image.Exif()
    exif[0x013B] = SECRET  # Artist
    picture.save(folder / "skin.jpg", exif=exif)
    samples = np.random.default_rng(2).normal(size=(500, 1))
    wfdb.wrsamp("ecg", fs=100, units=["mV"], sig_name=["I"], p_signal=samples, fmt=["16"],
                comments=[f"name: {SECRET}"], write_dir=str(folder))  # fmt: skip
    edfio.Edf(
        [edfio.EdfSignal(samples[:, 0], sampling_frequency=100)],
        patient=edfio.Patient(code=SECRET, name=SECRET),
        recording=edfio.Recording(hospital_administration_code=SECRET),
    ).write(folder / "sleep.edf")
    names = ("scan.nii.gz", "scan.nrrd", "scan.mha", "skin.png", "skin.jpg", "ecg.hea", "sleep.edf")
    return [folder / name for name in names]


def _run(tmp_path: Path, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", RUN, *map(str, arguments)],
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, "HALSTED_CACHE": str(tmp_path / "cache"), "COLUMNS": "200"},
    )


def _found(*contents: bytes) -> list[bytes]:
    tokens = [SECRET.encode(), SECRET.lower().encode(), SECRET.encode("utf-16-le"), BORN.encode()]
    return [token for token in tokens for content in contents if token in content]


def _leaks(folder: Path) -> Iterator[str]:
    """Files whose name or content tells what was planted."""
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if path.name.endswith(".gz"):
            content += gzip.decompress(content)
        if _found(content, str(path.relative_to(folder)).encode()):
            yield path.name


def _check(tmp_path: Path, done: subprocess.CompletedProcess[bytes], code: int = 0) -> None:
    assert done.returncode == code, done.stderr.decode()
    assert not _found(done.stdout, done.stderr), done.stderr.decode() + done.stdout.decode()
    for name in ("out", "cache"):
        assert list(_leaks(tmp_path / name)) == []


def test_the_search_finds_what_is_planted(tmp_path, dicom, others):
    planted = list(_leaks(tmp_path / "in"))
    assert len(planted) == SHAPE[0] + 1 + len(others), planted  # every file, else it proves nothing


def test_scans(tmp_path, dicom, others):
    for path in (dicom, *others):
        _check(tmp_path, _run(tmp_path, "scan", path))
    _check(tmp_path, _run(tmp_path, "scan", dicom, "--json"))


@pytest.mark.parametrize("name", ["picture.png", "page.html"])
def test_views(tmp_path, dicom, others, name):
    for number, path in enumerate((dicom, *others[:3])):
        _check(
            tmp_path, _run(tmp_path, "view", path, "--out", tmp_path / "out" / f"{number}{name}")
        )


@pytest.mark.parametrize("to", ["nifti", "nrrd", "stl", "obj"])
def test_conversions(tmp_path, dicom, to):
    out = {"nifti": "a.nii.gz", "nrrd": "a.nrrd", "stl": "surfaces", "obj": "a.obj"}[to]
    done = _run(tmp_path, "convert", dicom, "--to", to, "--out", tmp_path / "out" / out)
    _check(tmp_path, done)
    assert any((tmp_path / "out").rglob("*"))


def test_deidentification(tmp_path, dicom):
    _check(tmp_path, _run(tmp_path, "deidentify", dicom, "--out", tmp_path / "out" / "clean"))
    assert len(list((tmp_path / "out" / "clean").rglob("*.dcm"))) == SHAPE[0] + 1


def test_patients_in_the_cache(tmp_path, dicom, others):
    script = (
        "import sys, pickle; from halsted.imaging_bridge import read_patient\n"
        "for path in sys.argv[1:]: pickle.dumps(read_patient(path))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, dicom, *others],
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, "HALSTED_CACHE": str(tmp_path / "cache")},
    )
    _check(tmp_path, done)
    assert any((tmp_path / "cache").iterdir())


SCENARIO = f"""
name: mine
title: Mine
environment: halsted/NeedleBiopsy-v0
goal_environment: halsted/NeedleBiopsyGoal-v0
organ: liver
patients:
  train: [{{phantom: thorax_abdomen, first_seed: 0, count: 1}}]
  test:
    - scan: /{SECRET}/{BORN}/ct.nii.gz
      labels: /{SECRET}/a.nii.gz
      label_names: /{SECRET}/n.json
task: {{horizon: 2}}
"""


def test_results_and_recordings_of_a_scenario_on_scans(tmp_path):
    pytest.importorskip("minari")
    from halsted.agents.evaluation import results
    from halsted.agents.recording import Recording, record
    from halsted.scenarios.catalogue import load_scenario

    path = tmp_path / "mine.yaml"
    path.write_text(SCENARIO)
    scenario = load_scenario(str(path))
    told = results(scenario, 0, {})["scenario_content"]
    assert told["patients"]["test"][0]["scan"] == scenario.cases("test")[0].name
    assert not _found(json.dumps(told).encode())
    record(Recording(str(path), "random", 1, 0, tmp_path / "out" / "mine-v0"))
    assert list((tmp_path / "out").rglob("metadata.json"))
    assert list(_leaks(tmp_path / "out")) == []


def _truncate(folder: Path) -> None:
    path = folder / "3.dcm"
    path.write_bytes(path.read_bytes()[:-100])


def _remove(folder: Path) -> None:
    (folder / "3.dcm").unlink()


def _spoil_numbers(folder: Path) -> None:
    dataset = pydicom.dcmread(folder / "3.dcm")
    for tag in ("PixelSpacing", "ImagePositionPatient"):
        del dataset[tag]
        dataset.add_new(pydicom.tag.Tag(tag), "LO", SECRET)
    dataset.save_as(folder / "3.dcm")


def _spoil_numbers_of_text(folder: Path) -> None:
    path = folder / "3.dcm"
    content = path.read_bytes()
    orientation = rb"1\.?0?\\0\.?0?\\0\.?0?\\0\.?0?\\1\.?0?\\0\.?0?"
    spoilt = re.sub(orientation, lambda found: SECRET.encode().ljust(len(found[0])), content)
    assert spoilt != content
    path.write_bytes(spoilt)


def _cut_in_the_headers(folder: Path) -> None:
    path = folder / "3.dcm"
    path.write_bytes(path.read_bytes()[:700])


@pytest.mark.parametrize(
    "spoil", [_truncate, _remove, _spoil_numbers, _spoil_numbers_of_text, _cut_in_the_headers]
)
def test_errors(tmp_path, dicom, spoil):
    spoil(dicom)
    done = _run(tmp_path, "scan", dicom)
    _check(tmp_path, done, code=2)
    assert b"QZX" not in done.stderr
    assert done.stderr.count(b"error:") == 1
    assert b"Traceback" not in done.stderr


# Elements that are read, each holding a name where a term, a number or a UID belongs.
_READ = {
    "RescaleType": "LO",
    "ImageType": "LO",
    "AcquisitionTime": "LO",
    "TriggerTime": "LO",
    "EchoTime": "LO",
    "SeriesInstanceUID": "LO",
    "FrameOfReferenceUID": "LO",
    "SOPInstanceUID": "LO",
    "SOPClassUID": "LO",
    "PhotometricInterpretation": "LO",
    "PixelRepresentation": "LO",
    "BitsStored": "LO",
    "Rows": "LO",
    "NumberOfFrames": "LO",
    "PixelPaddingValue": "LO",
    "PerFrameFunctionalGroupsSequence": "LO",
    "ModalityLUTSequence": "LO",
    "Modality": "LO",
}


@pytest.mark.parametrize("tag", _READ)
@pytest.mark.parametrize("which", ["one slice", "all slices"])
def test_names_where_other_things_belong(dicom, tag, which):
    """No error, image name, unit or fact tells what stood there; nothing but a HalstedError."""
    for path in sorted(dicom.glob("[0-9].dcm"))[: 1 if which == "one slice" else None]:
        dataset = pydicom.dcmread(path)
        if tag in dataset:
            del dataset[tag]
        dataset.add_new(pydicom.tag.Tag(tag), _READ[tag], SECRET)
        dataset.save_as(path)
    try:
        patient = read_patient(dicom)
    except HalstedError as error:
        assert not _found(str(error).encode())
    else:
        labels = list(patient.labels.names) if patient.labels else []
        told = [*patient.images, *patient.facts.values(), *labels]
        told += [text for one in patient.images.values() for text in (one.unit, one.modality)]
        assert not _found(" ".join(told).encode())
