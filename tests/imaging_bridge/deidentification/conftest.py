"""A file in which an identifier stands in every place there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from struct import pack, unpack
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import DataElement, Dataset, dcmread
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from halsted.imaging_bridge.deidentification import Pseudonyms
from halsted.imaging_bridge.deidentification.profile import rules

MARK = "ZQXPLANTED"
MARK_UID = "1.2.999.424242424242"
MARK_DATE = "19770707"
MARK_TIME = "073113.777"
NAME = "Quackenbush^Wilhelmina"
MARKS = tuple(
    mark.encode()
    for mark in (
        MARK,
        "424242424242",
        MARK_DATE,
        MARK_TIME,
        "Quackenbush",
        "Wilhelmina",
        "77-777-7",
    )
)

_TEXT = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
_OTHERS = {
    "UI": MARK_UID,
    "DA": MARK_DATE,
    "TM": MARK_TIME,
    "DT": MARK_DATE + MARK_TIME,
    "OB": MARK.encode(),
    "UN": MARK.encode(),
}


def marked(tag: int, vr: str) -> DataElement | None:
    """An element that holds a mark, where its kind can hold one."""
    if vr == "PN":  # another mark, because names of persons are looked for everywhere
        return DataElement(tag, vr, NAME)
    if vr in _TEXT:
        return DataElement(tag, vr, MARK)
    if vr == "SQ":
        item = Dataset()
        item.PersonName, item.TextValue, item.ReferencedSOPInstanceUID = NAME, MARK, MARK_UID
        item.InstitutionName, item.StudyDate = MARK, MARK_DATE
        return DataElement(tag, vr, [item])
    return DataElement(tag, vr, _OTHERS[vr]) if vr in _OTHERS else None


def plant(dataset: FileDataset) -> None:
    """Put marks wherever the profile, or the rules for what it does not list, say something."""
    for tag in rules():
        if tag >> 16 <= 2:  # a network's commands; and file meta information, planted apart
            continue
        if (element := marked(tag, dictionary_VR(tag))) is not None:
            dataset[tag] = element
    for tag, (vr, *_) in DicomDictionary.items():
        if vr in ("PN", "LT", "ST", "UT", "AE") and tag >> 16 > 2 and tag not in rules():
            dataset.add_new(tag, vr, NAME if vr == "PN" else MARK)
    _plant_unlisted(dataset)
    _plant_hidden(dataset)


def _plant_unlisted(dataset: FileDataset) -> None:
    """Where the profile says nothing, what names this patient must not stand either."""
    dataset.PatientName, dataset.PatientID = NAME, "77-777-7"
    dataset.ConvolutionKernel = "of Wilhelmina"
    dataset.FilterType = "QUACKENBUSH"
    dataset.BodyPartExamined = "QUACKENBUSH"
    inner, outer = Dataset(), Dataset()
    inner.CodeMeaning = f"{NAME} again"
    outer.PurposeOfReferenceCodeSequence = [inner]
    outer.ReferencedSOPInstanceUID = MARK_UID
    dataset.DerivationCodeSequence = [outer]


def _plant_hidden(dataset: FileDataset) -> None:
    block = dataset.private_block(0x0029, MARK, create=True)
    block.add_new(1, "LO", MARK)
    item = Dataset()
    item.PatientName = NAME
    block.add_new(2, "SQ", [item])
    dataset[0x00189999] = DataElement(0x00189999, "LO", MARK)  # in no dictionary
    dataset[0x00187777] = DataElement(0x00187777, "UN", MARK.encode())
    dataset[0x60000010] = DataElement(0x60000010, "US", 1)
    dataset[0x60001500] = DataElement(0x60001500, "LO", MARK)
    dataset[0x60003000] = DataElement(0x60003000, "OW", MARK.encode())
    dataset[0x50003000] = DataElement(0x50003000, "OW", MARK.encode())
    dataset[0xFFFCFFFC] = DataElement(0xFFFCFFFC, "OB", MARK.encode())
    dataset.PixelData = dataset.PixelData + MARK.encode()
    dataset.preamble = (b"MZ" + MARK.encode()).ljust(128, b"\0")
    dataset.file_meta.SourceApplicationEntityTitle = MARK
    dataset.file_meta.SendingApplicationEntityTitle = MARK
    dataset.file_meta.ImplementationVersionName = MARK
    dataset.file_meta.PrivateInformationCreatorUID = UID(MARK_UID)
    dataset.file_meta.PrivateInformation = MARK.encode()


@pytest.fixture
def planted(write_series: Callable[..., Any], tmp_path: Path) -> Path:
    """A folder with one such file, under names that are marks, too."""
    written = write_series(tmp_path / "clean", shape=(1, 6, 8))
    dataset = dcmread(next(written.folder.iterdir()))
    plant(dataset)
    folder = tmp_path / "planted" / MARK
    folder.mkdir(parents=True)
    dataset.save_as(folder / f"{MARK}.dcm", enforce_file_format=True)
    return folder.parent


@pytest.fixture
def marks() -> tuple[bytes, ...]:
    return MARKS


@pytest.fixture
def secret() -> Pseudonyms:
    return Pseudonyms(b"a key of sixteen bytes or more", is_given=True)


def _compress(dataset: Dataset, coding: Any, remark: bytes, frames: int = 1) -> NDArray[Any]:
    """Give an object so many frames of compressed pixels, full of remarks; return the frames."""
    shape = (frames, dataset.Rows, dataset.Columns)
    kind = np.uint8 if coding == JPEGBaseline8Bit else np.uint16
    pixels = np.random.default_rng(7).integers(0, 200, shape).astype(kind)
    depth = 8 * pixels.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = depth, depth, depth - 1
    dataset.PixelRepresentation = 0
    if frames > 1:
        dataset.NumberOfFrames = frames
    plain = [_encoded(one, coding) for one in pixels]
    coded = [_remarked(one, coding, remark) for one in plain]
    dataset.PixelData = encapsulate([*coded, remark + b"\0" * (len(remark) % 2)])
    if coding != RLELossless:  # a fragment behind the last frame belongs to it
        dataset.PixelData = _with_fragment(encapsulate(coded), remark)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = coding
    return np.stack([_decoded(one, coding, pixels[0]) for one in plain])


def _decoded(frame: bytes, coding: Any, like: NDArray[Any]) -> NDArray[Any]:
    """A frame decoded by imagecodecs, or for RLE by pydicom."""
    if coding == RLELossless:
        from pydicom.pixels.decoders.rle import _rle_decode_frame

        planes = _rle_decode_frame(frame, like.shape[0], like.shape[1], 1, 8 * like.itemsize)
        return np.frombuffer(planes, np.uint8).reshape(like.itemsize, -1).T.copy().view(
            like.dtype
        ).reshape(like.shape)  # fmt: skip
    decode = {
        JPEGBaseline8Bit: imagecodecs.jpeg8_decode,
        JPEGLSLossless: imagecodecs.jpegls_decode,
        JPEG2000Lossless: imagecodecs.jpeg2k_decode,
    }
    return np.asarray(decode[coding](frame))


def _frames_of(dataset: Dataset, like: NDArray[Any]) -> NDArray[Any]:
    """All frames of an object, as `_decoded`."""
    frames = generate_frames(dataset.PixelData, number_of_frames=len(like))
    coding = dataset.file_meta.TransferSyntaxUID
    return np.stack([_decoded(one, coding, like[0]) for one in frames])


def _with_fragment(encapsulated: bytes, remark: bytes) -> bytes:
    even = remark + b"\0" * (len(remark) % 2)
    return encapsulated + pack("<HHI", 0xFFFE, 0xE000, len(even)) + even


def _encoded(pixels: NDArray[Any], coding: Any) -> bytes:
    if coding == RLELossless:
        planes = [pixels >> 8, pixels & 255]
        segments = [
            imagecodecs.packbits_encode(plane.astype(np.uint8).tobytes()) for plane in planes
        ]
        starts = [64, 64 + len(segments[0])]
        return pack("<16I", 2, *starts, *[0] * 13) + b"".join(segments)
    encode = {
        JPEGBaseline8Bit: imagecodecs.jpeg8_encode,
        JPEGLSLossless: imagecodecs.jpegls_encode,
        JPEG2000Lossless: lambda one: imagecodecs.jpeg2k_encode(one, codecformat="j2k", level=0),
    }
    return bytes(encode[coding](pixels))


def _remarked(frame: bytes, coding: Any, remark: bytes) -> bytes:
    if coding == RLELossless:
        return frame + remark
    if coding == JPEG2000Lossless:
        return _remarked_j2k(frame, pack(">HHH", 0xFF64, len(remark) + 4, 1) + remark) + remark
    comment = pack(">HH", 0xFFFE, len(remark) + 2) + remark
    exif = pack(">HH", 0xFFE1, len(remark) + 8) + b"Exif\0\0" + remark
    return frame[:2] + comment + exif + frame[2:] + remark


def _remarked_j2k(frame: bytes, comment: bytes) -> bytes:
    """Comments behind the image size and at the start of the first tile part."""
    behind_size = 4 + unpack(">H", frame[4:6])[0]
    tile = frame.index(b"\xff\x90\x00\x0a")
    (length,) = unpack(">I", frame[tile + 6 : tile + 10])
    start = (
        frame[tile : tile + 6] + pack(">I", length + len(comment)) + frame[tile + 10 : tile + 12]
    )
    main = frame[:behind_size] + comment + frame[behind_size:tile]
    return main + start + comment + frame[tile + 12 :]


@pytest.fixture
def compress() -> Callable[..., NDArray[Any]]:
    return _compress


@pytest.fixture
def frames_of() -> Callable[..., NDArray[Any]]:
    return _frames_of
