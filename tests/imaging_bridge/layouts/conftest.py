"""Small folders laid out as the public data sets are, whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from halsted.imaging_bridge.dicom.series import find_series
from halsted.imaging_bridge.exports import read_source, write_seg
from halsted.imaging_bridge.exports.identity import SeededIdentity
from halsted.imaging_bridge.exports.images import write_labels, write_volume
from halsted.imaging_bridge.exports.recordings import write_wfdb
from halsted.imaging_bridge.exports.series import SeriesNames, write_series
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.signals import Annotations, Recording, Signal
from halsted.imaging_bridge.volume import Volume

SHAPE = (6, 20, 24)
SIZE = (20, 24)


def affine_of(spacing: float = 1.5) -> NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, ::-1] * spacing
    affine[:3, 3] = (-20.0, -10.0, 30.0)
    return affine


def voxels_of(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).integers(0, 900, SHAPE).astype(np.float32)


def picture(path: Path, size: tuple[int, int] = SIZE, seed: int = 0) -> NDArray[np.uint8]:
    """A colour picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def mask(path: Path, box: tuple[slice, slice], size: tuple[int, int] = SIZE) -> NDArray[np.bool_]:
    """White in a box."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels: NDArray[np.bool_] = np.zeros(size, bool)
    pixels[box] = True
    Image.fromarray(np.where(pixels, 255, 0).astype(np.uint8)).save(path)
    return pixels


BOX = (slice(3, 9), slice(5, 12))


@pytest.fixture
def brats(tmp_path: Path) -> Path:
    """A case as in 2020, and two times of one person as in 2023, alike in all."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[2, 3:8, 4:9], labels[2, 4:7, 5:8], labels[2, 5, 6] = 2, 4, 1
    old = dict(zip(("t1ce", "t1", "t2", "flair"), range(4), strict=True))
    new = dict(zip(("t1c", "t1n", "t2w", "t2f"), range(4), strict=True))
    for case, mark, sequences in (
        ("BraTS20_Training_001", "_", old),
        ("BraTS-GLI-00005-000", "-", new),
        ("BraTS-GLI-00005-001", "-", new),
    ):
        folder = tmp_path / "brats" / case
        for name, seed in sequences.items():
            volume = Volume(voxels_of(seed), affine_of())
            write_volume(volume, folder / f"{case}{mark}{name}.nii.gz")
        values = np.where(labels == 4, 3, labels) if mark == "-" else labels
        names = {f"label_{value}": value for value in range(1, 5)}
        write_labels(LabelMap(values.astype(np.uint8), affine_of(), names), folder / "truth.nii.gz")
        (folder / "truth.nii.gz").rename(folder / f"{case}{mark}seg.nii.gz")
        (folder / "truth.json").unlink()
    return tmp_path / "brats"


@pytest.fixture
def msd(tmp_path: Path) -> Path:
    """A lung task with one case."""
    folder = tmp_path / "Task06_Lung"
    voxels = voxels_of() - 1000
    write_volume(Volume(voxels, affine_of(), "CT", "HU"), folder / "imagesTr/lung_001.nii.gz")
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:4, 3:8, 4:9] = 1
    write_labels(LabelMap(labels, affine_of(), {"cancer": 1}), folder / "labelsTr/lung_001.nii.gz")
    (folder / "labelsTr/lung_001.json").unlink()
    listed: dict[str, Any] = {
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "cancer"},
        "training": [
            {"image": "./imagesTr/lung_001.nii.gz", "label": "./labelsTr/lung_001.nii.gz"}
        ],
    }
    (folder / "dataset.json").write_text(json.dumps(listed), encoding="utf-8")
    return folder


ROI = """<roi><imageZposition>{z}</imageZposition><imageSOP_UID>{uid}</imageSOP_UID>
<inclusion>{inclusion}</inclusion>{edges}</roi>"""


def _region(uid: str, corners: list[tuple[int, int]], inclusion: str = "TRUE") -> str:
    """An outline through corners (y, x), point by point, as the readers' program writes it."""
    edges = "".join(
        f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for y, x in corners
    )
    return ROI.format(z=0, uid=uid, inclusion=inclusion, edges=edges)


def _square(low: int, high: int) -> list[tuple[int, int]]:
    """All pixels on the rim of a square, in order."""
    side = list(range(low, high))
    return (
        [(low, x) for x in side]
        + [(y, high) for y in side]
        + [(high, x + 1) for x in side[::-1]]
        + [(y + 1, low) for y in side[::-1]]
    )


@pytest.fixture
def lidc(tmp_path: Path) -> Path:
    """A scan with one nodule that two of four readers saw, one large one, and a point."""
    folder = tmp_path / "LIDC-IDRI" / "LIDC-IDRI-0007" / "1.2" / "1.3"
    identity = SeededIdentity("lidc")
    names = SeriesNames("LIDC-IDRI-0007", "chest", identity)
    write_series(Volume(voxels_of() - 1000, affine_of(), "CT", "HU"), folder, names)

    def slice_uid(number: int) -> str:
        return identity.uid("image", "slice", number)

    small, large = _region(slice_uid(2), _square(4, 8)), _region(slice_uid(2), _square(3, 9))
    alone = _region(slice_uid(4), _square(12, 16))
    hole = _region(slice_uid(2), _square(5, 7), "FALSE")
    point = _region(slice_uid(1), [(10, 10)])
    readings = [[small], [large, alone, hole], [point], [hole, large]]
    sessions = "".join(
        "<readingSession>"
        + "".join(
            f"<unblindedReadNodule><noduleID>{k}</noduleID>{one}</unblindedReadNodule>"
            for k, one in enumerate(reading)
        )
        + "<nonNodule><locus/></nonNodule></readingSession>"
        for reading in readings
    )
    (folder / "069.xml").write_text(
        '<?xml version="1.0"?><LidcReadMessage xmlns="http://www.nih.gov"><ResponseHeader>'
        f"<SeriesInstanceUid>{identity.uid('image', 'series')}</SeriesInstanceUid>"
        f"</ResponseHeader>{sessions}</LidcReadMessage>",
        encoding="utf-8",
    )
    return tmp_path / "LIDC-IDRI"


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """Two scans with their segmentations, and a scan without."""
    for number in (1, 2, 3):
        folder, identity = tmp_path / "scans" / f"study {number}", SeededIdentity(str(number))
        volume = Volume(voxels_of(number) - 1000, affine_of(), "CT", "HU")
        write_series(volume, folder / "ct", SeriesNames(f"P{number}", "chest", identity))
        if number < 3:
            labels = np.zeros(SHAPE, np.uint8)
            labels[1 : 1 + number, 3:8, 4:10] = 1
            drawn = LabelMap(labels, affine_of(), {"lesion": 1}, "manual")
            write_seg(drawn, read_source(find_series(folder / "ct")), folder / "seg.dcm")
    return tmp_path / "scans"


@pytest.fixture
def isic(tmp_path: Path) -> Path:
    """Images, masks and the table of 2017 in three folders."""
    for number in range(3):
        name = f"ISIC_000000{number}"
        picture(tmp_path / "isic/images" / f"{name}.jpg", seed=number)
        mask(tmp_path / "isic/truth" / f"{name}_segmentation.png", BOX)
    (tmp_path / "isic/part3.csv").write_text(
        "image_id,melanoma,seborrheic_keratosis\n"
        "ISIC_0000000,0.0,0.0\nISIC_0000001,1.0,0.0\nISIC_0000002,0.0,1.0\n",
        encoding="utf-8",
    )
    return tmp_path / "isic"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for number in range(2):
        picture(tmp_path / "own/images" / f"case {number}.png", seed=number)
        mask(tmp_path / "own/masks" / f"case {number}.png", BOX)
    return tmp_path / "own"


@pytest.fixture
def kvasir(pairs: Path) -> Path:
    (pairs / "kavsir_bboxes.json").write_text("{}", encoding="utf-8")
    return pairs


@pytest.fixture
def endocv(tmp_path: Path) -> Path:
    """A frame whose instrument is also saturated in one row."""
    folder = tmp_path / "EAD2020"
    picture(folder / "originalImages/EAD2020_semantic_00001.jpg")
    pages = np.zeros((5, *SIZE), np.uint8)
    pages[0, 2:6, 3:9], pages[4, 5:10, 3:9] = 255, 255
    (folder / "masks").mkdir()
    tifffile.imwrite(folder / "masks/EAD2020_semantic_00001.tif", pages, photometric="minisblack")
    return folder


@pytest.fixture
def polypgen(tmp_path: Path) -> Path:
    """Two centres, of which one has the name that does not fit its mask's, and a sequence."""
    folder = tmp_path / "PolypGen2021_MultiCenterData_v3"
    for place, part, name in (
        ("data_C1", "C1", "100H0050"),
        ("data_C3", "C3", "C3_EndoCV2021_00489_"),
        ("sequenceData/positive/seq1", "seq1", "f_1"),
        ("sequenceData/positive/seq1", "seq1", "f_2"),
    ):
        picture(folder / place / f"images_{part}" / f"{name}.jpg")
        mask(folder / place / f"masks_{part}" / f"{name.rstrip('_')}_mask.jpg", BOX)
    picture(folder / "sequenceData/negativeOnly/seq1_neg/f_1.jpg")
    return folder


@pytest.fixture
def instances(tmp_path: Path) -> Path:
    folder = tmp_path / "slides"
    picture(folder / "s.png")
    numbers = np.zeros(SIZE, np.uint16)
    numbers[BOX], numbers[12:15, 2:4] = 2, 300
    Image.fromarray(numbers).save(folder / "s_instances.png")
    kinds = {"2": "epithelial", "300": "lymphocyte"}
    (folder / "s_instances.json").write_text(json.dumps(kinds), encoding="utf-8")
    return folder


@pytest.fixture
def dsb2018(tmp_path: Path) -> Path:
    case = tmp_path / "stage1_train" / "00ae65"
    picture(case / "images/00ae65.png")
    mask(case / "masks/a.png", BOX)
    mask(case / "masks/b.png", (slice(12, 15), slice(2, 4)))
    return tmp_path / "stage1_train"


@pytest.fixture
def monusac(tmp_path: Path) -> Path:
    """Two patches of one person."""
    for number in (1, 2):
        name = f"TCGA-A2-A0CV-01Z-00-DX1_{number}"
        folder = tmp_path / "MoNuSAC" / "TCGA-A2-A0CV-01Z-00-DX1"
        picture(folder / f"{name}.tif", seed=number)
        annotations = "".join(
            f'<Annotation><Attributes><Attribute Name="{kind}"/></Attributes><Regions><Region>'
            "<Vertices>" + "".join(f'<Vertex X="{x}" Y="{y}"/>' for y, x in corners) + "</Vertices>"
            "</Region></Regions></Annotation>"
            for kind, corners in (
                ("Epithelial", [(2.5, 4.5), (2.5, 9.5), (7.5, 9.5), (7.5, 4.5)]),
                ("Lymphocyte", [(10.5, 10.5), (10.5, 12.5), (12.5, 12.5), (12.5, 10.5)]),
            )
        )
        (folder / f"{name}.xml").write_text(
            f"<Annotations>{annotations}</Annotations>", encoding="utf-8"
        )
    return tmp_path / "MoNuSAC"


@pytest.fixture
def apnea_ecg(tmp_path: Path) -> Path:
    """Three nights, two of one person; the last with a signal."""
    folder = tmp_path / "apnea-ecg"
    minutes = Annotations(np.arange(4, dtype=np.float64) * 60.0, ("N", "A", "A", "N"))
    beats = Annotations(np.linspace(0.5, 239.7, 300), ("N",) * 300)
    ecg = np.sin(np.arange(24000) / 15).astype(np.float32)
    recording = Recording({"ECG": Signal(ecg, 100.0, "mV")}, {"apn": minutes, "qrs": beats})
    for name in ("a05", "a10", "b01"):
        write_wfdb(recording, folder, name)
        if name != "b01":
            (folder / f"{name}.dat").unlink()
    (folder / "additional-information.txt").write_text(
        "Record\tLength\tand so on\n"
        "a05\t455\t179\t276\t8\t35\t6\t41\t58\tM\t176\t78\t\n"
        "a10\t518\t418\t100\t6\t11\t10\t21\t58\tM\t176\t78\t\n"
        "b01\t487\t468\t19\t2\t0\t0.2\t0.24\t44\tF\t170\t63\t\n",
        encoding="utf-8",
    )
    return folder


ARM = {"name": "polygon", "all_points_x": [3, 10, 10, 3], "all_points_y": [2, 2, 15, 15]}
RING = {"name": "circle", "cx": 16, "cy": 10, "r": 4}


@pytest.fixture
def via(tmp_path: Path) -> Callable[[int], Path]:
    """The ring rig's annotations, in version 1, 2, or a project (3)."""

    def write(version: int) -> Path:
        folder = tmp_path / "rig"
        picture(folder / "left.png")
        picture(folder / "empty.png")
        regions: Any = [
            {"shape_attributes": ARM, "region_attributes": {"name": "arm"}},
            {"shape_attributes": RING, "region_attributes": {"name": "ring"}},
        ]
        if version == 1:
            regions = {str(number): one for number, one in enumerate(regions)}
        content: Any = {
            "left.png123": {"filename": "left.png", "size": 123, "regions": regions},
            "empty.png9": {"filename": "empty.png", "size": 9, "regions": {}},
        }
        if version == 3:
            content = {"_via_settings": {}, "_via_img_metadata": content}
        (folder / "via_region_data.json").write_text(json.dumps(content), encoding="utf-8")
        return folder

    return write
