"""Small honest files of every kind that is read."""

from __future__ import annotations

import io
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom import FileDataset

SHAPE = (6, 40, 48)
SECRET = "Secret"
"""Part of a name that stands in every DICOM file."""

Use = Literal["file", "folder", "labels"]


@dataclass(frozen=True)
class Seed:
    """An honest file.

    Attributes:
        kind: What it is, told in the results.
        path: The file, in a folder with nothing but what it needs.
        use: Whether the file is read, its folder, or the file as labels of ``scan.dcm`` beside it.
        honest_bytes: Size of file and voxels (float32).
    """

    kind: str
    path: Path
    use: Use
    honest_bytes: int


def make_seeds(folder: Path) -> list[Seed]:
    """Write an honest file of every kind, each in a folder of its own."""
    voxels = np.random.default_rng(0).integers(-900, 900, SHAPE).astype(np.int16)
    made: list[tuple[str, Path, Use]] = []
    for write in (_images, _pictures, _recordings):
        made += [(kind, path, "file") for kind, path in write(folder, voxels)]
    made += [(kind, path, "file") for kind, path in _encodings(folder, voxels)]
    made += [(kind, path, "file") for kind, path in _objects(folder, voxels)]
    made += [(kind, path, "folder") for kind, path in _folders(folder, voxels)]
    made += [(kind, path, "labels") for kind, path in _labels(folder, voxels)]
    made.append(("zip", _archive(folder, voxels), "file"))
    return [
        Seed(kind, path, use, path.stat().st_size + voxels.size * 4) for kind, path, use in made
    ]


Made = list[tuple[str, Path]]


def _own(folder: Path, name: str) -> Path:
    place = folder / name.replace(".", "_")
    place.mkdir()
    return place / name


def _images(folder: Path, voxels: NDArray[Any]) -> Made:
    import nibabel
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.7, 0.7, 3.0))
    made: Made = []
    for suffix in ("nii", "nii.gz", "nrrd", "mha"):
        path = _own(folder, f"scan.{suffix}")
        sitk.WriteImage(image, str(path))
        made.append((suffix, path))
    affine = np.diag([0.7, 0.7, 3.0, 1.0])
    second = _own(folder, "second.nii")
    nibabel.Nifti2Image(voxels.transpose(2, 1, 0), affine).to_filename(second)
    return [*made, ("nifti-2", second), ("minc", _minc(folder, voxels))]


def _minc(folder: Path, voxels: NDArray[Any]) -> Path:
    """A MINC 2 file as the libraries of McGill lay it out."""
    import h5py

    path = _own(folder, "scan.mnc")
    with h5py.File(path, "w") as file:
        root = file.create_group("minc-2.0")
        sizes = dict(zip(("zspace", "yspace", "xspace"), voxels.shape, strict=True))
        for name, size in sizes.items():
            axis = root.require_group("dimensions").create_dataset(name, data=0)
            axis.attrs["length"] = np.int32(size)
            axis.attrs["start"], axis.attrs["step"] = 0.0, 1.0
            axis.attrs["spacing"] = np.bytes_("regular__")
        image = root.create_group("image/0").create_dataset("image", data=voxels)
        image.attrs["dimorder"] = np.bytes_("zspace,yspace,xspace")
        image.attrs["valid_range"] = np.array([-900.0, 900.0])
        for name, value in (("image-max", 900.0), ("image-min", -900.0)):
            root["image/0"].create_dataset(name, data=np.full(voxels.shape[0], value)).attrs[
                "dimorder"
            ] = np.bytes_("zspace")
    return path


def _pictures(folder: Path, _: NDArray[Any]) -> Made:
    import tifffile
    from PIL import Image

    colours = np.random.default_rng(1).integers(0, 255, (96, 128, 3)).astype(np.uint8)
    made: Made = []
    for suffix in ("png", "jpg"):
        path = _own(folder, f"picture.{suffix}")
        Image.fromarray(colours).save(path)
        made.append((suffix, path))
    for compression in ("deflate", "jpeg", "lzw"):
        path = _own(folder, f"slide-{compression}.tif")
        tifffile.imwrite(path, colours, tile=(32, 32), compression=compression, photometric="rgb")
        made.append((f"tiled tiff, {compression}", path))
    return made


def _recordings(folder: Path, _: NDArray[Any]) -> Made:
    import edfio
    import wfdb

    samples = np.random.default_rng(2).normal(size=(2000, 2))
    edf = _own(folder, "night.edf")
    edfio.Edf([edfio.EdfSignal(samples[:, 0], sampling_frequency=100)]).write(edf)
    record = _own(folder, "record.hea")
    wfdb.wrsamp(
        "record", fs=100, units=["mV"] * 2, sig_name=["I", "II"], p_signal=samples,
        fmt=["16"] * 2, write_dir=str(record.parent),
    )  # fmt: skip
    beats = np.arange(100, 1900, 90)
    wfdb.wrann("record", "atr", beats, ["N"] * len(beats), write_dir=str(record.parent), fs=100)
    return [("edf", edf), ("wfdb", record)]


# -- DICOM ------------------------------------------------------------------------------------


def _slice(voxels: NDArray[Any], number: int = 0) -> FileDataset:
    """A slice of a CT series, explicit little endian."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.1", "1.2.2"
    dataset.FrameOfReferenceUID = "1.2.3"
    dataset.Modality, dataset.PatientName, dataset.PatientID = "CT", f"{SECRET}^Person", "1"
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20200101", "120000", "1"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number + 1
    dataset.Rows, dataset.Columns = SHAPE[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation, dataset.SliceThickness = 1, 3.0
    dataset.ImagePositionPatient, dataset.PixelSpacing = [0, 0, 3.0 * number], [0.7, 0.7]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    dataset.add_new("PixelPaddingValue", "SS", -2000)
    dataset.PixelData = voxels[number].astype("<i2").tobytes()
    return dataset


def _become(dataset: FileDataset, kind: str) -> FileDataset:
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = kind
    return dataset


def _encodings(folder: Path, voxels: NDArray[Any]) -> Made:
    """One slice each way it can be encoded."""
    import pydicom
    from pydicom.uid import (
        DeflatedExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        ImplicitVRLittleEndian,
        JPEG2000Lossless,
        JPEGLSLossless,
        RLELossless,
    )

    made: Made = []
    for name, syntax in {
        "explicit": None,
        "implicit": ImplicitVRLittleEndian,
        "big endian": ExplicitVRBigEndian,
        "deflated": DeflatedExplicitVRLittleEndian,
        "rle": RLELossless,
        "jpeg2000": JPEG2000Lossless,
        "jpeg-ls": JPEGLSLossless,
    }.items():
        dataset = _slice(voxels)
        path = _own(folder, f"{name.replace(' ', '-')}.dcm")
        if syntax is not None and syntax.is_encapsulated:
            dataset.compress(syntax, generate_instance_uid=False)
        elif syntax is not None:
            dataset.file_meta.TransferSyntaxUID = syntax
        little, implicit = name != "big endian", name == "implicit"
        if not little:
            dataset.PixelData = voxels[0].astype(">i2").tobytes()
        pydicom.dcmwrite(
            path, dataset, little_endian=little, implicit_vr=implicit, enforce_file_format=True
        )
        made.append((f"dicom {name}", path))
    return made


def _objects(folder: Path, voxels: NDArray[Any]) -> Made:
    """Dose, enhanced CT, photographs, a PET slice and one with a modality LUT."""
    made = {
        "rtdose": _dose(voxels),
        "enhanced": _enhanced(voxels),
        "colour": _colour(voxels),
        "baseline jpeg": _jpeg(voxels),
        "pet": _pet(voxels),
        "lut": _lut(voxels),
    }
    written: Made = []
    for name, dataset in made.items():
        path = _own(folder, f"{name.replace(' ', '-')}.dcm")
        dataset.save_as(path, enforce_file_format=True)
        written.append((f"dicom {name}", path))
    return written


def _dose(voxels: NDArray[Any]) -> FileDataset:
    from pydicom.uid import RTDoseStorage

    dataset = _become(_slice(voxels), RTDoseStorage)
    dataset.Modality, dataset.DoseUnits, dataset.DoseGridScaling = "RTDOSE", "GY", 0.01
    dataset.DoseType, dataset.DoseSummationType = "PHYSICAL", "PLAN"
    dataset.NumberOfFrames, dataset.PixelRepresentation = SHAPE[0], 0
    del dataset.PixelPaddingValue
    dataset.GridFrameOffsetVector = [3.0 * n for n in range(SHAPE[0])]
    dataset.PixelData = np.abs(voxels).astype("<u2").tobytes()
    return dataset


def _enhanced(voxels: NDArray[Any]) -> FileDataset:
    from pydicom import Dataset
    from pydicom.uid import EnhancedCTImageStorage

    dataset = _become(_slice(voxels), EnhancedCTImageStorage)
    dataset.NumberOfFrames, dataset.PixelData = SHAPE[0], voxels.astype("<i2").tobytes()
    shared, measures, turned, values = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, turned.ImageOrientationPatient = [0.7, 0.7], [1, 0, 0, 0, 1, 0]
    values.RescaleSlope, values.RescaleIntercept = 1, 0
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [turned]
    shared.PixelValueTransformationSequence = [values]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = []
    for number in range(SHAPE[0]):
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = [0, 0, 3.0 * number]
        frame.PlanePositionSequence = [place]
        dataset.PerFrameFunctionalGroupsSequence.append(frame)
    return dataset


def _colour(voxels: NDArray[Any]) -> FileDataset:
    from pydicom.uid import VLPhotographicImageStorage

    dataset = _become(_slice(voxels), VLPhotographicImageStorage)
    dataset.Modality, dataset.SamplesPerPixel = "XC", 3
    dataset.PhotometricInterpretation = "RGB"
    dataset.PlanarConfiguration, dataset.PixelRepresentation = 0, 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    del dataset.PixelPaddingValue
    dataset.PixelData = np.abs(voxels[:3]).astype(np.uint8).tobytes()
    return dataset


def _jpeg(voxels: NDArray[Any]) -> FileDataset:
    from PIL import Image
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit

    dataset = _colour(voxels)
    dataset.PhotometricInterpretation = "YBR_FULL"
    stream = io.BytesIO()
    picture = np.frombuffer(dataset.PixelData, np.uint8).reshape(*SHAPE[1:], 3)
    Image.fromarray(picture).save(stream, "JPEG", subsampling=0)
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([stream.getvalue()])
    dataset["PixelData"].VR = "OB"
    return dataset


def _pet(voxels: NDArray[Any]) -> FileDataset:
    from pydicom import Dataset
    from pydicom.uid import PositronEmissionTomographyImageStorage

    dataset = _become(_slice(voxels), PositronEmissionTomographyImageStorage)
    dataset.Modality, dataset.Units, dataset.CorrectedImage = "PT", "BQML", ["DECY", "ATTN"]
    dataset.DecayCorrection, dataset.PatientWeight = "START", 70
    dataset.SeriesDate = dataset.AcquisitionDate = "20200101"
    dataset.SeriesTime = dataset.AcquisitionTime = "120000"
    injection = Dataset()
    injection.RadionuclideTotalDose, injection.RadionuclideHalfLife = 3.7e8, 6586.2
    injection.RadiopharmaceuticalStartTime = "110000"
    dataset.RadiopharmaceuticalInformationSequence = [injection]
    return dataset


def _lut(voxels: NDArray[Any]) -> FileDataset:
    from pydicom import Dataset

    dataset = _slice(voxels)
    del dataset.RescaleSlope, dataset.RescaleIntercept
    table = Dataset()
    table.add_new("LUTDescriptor", "SS", [256, -128, 16])
    table.ModalityLUTType, table.LUTData = "HU", np.arange(256, dtype="<u2").tobytes()
    dataset.ModalityLUTSequence = [table]
    return dataset


def _folders(folder: Path, voxels: NDArray[Any]) -> Made:
    """A series of which one slice is damaged, and a disc whose directory is."""
    from pydicom.fileset import FileSet

    series = _own(folder, "series.dcm")
    for number in range(1, SHAPE[0]):
        _slice(voxels, number).save_as(series.with_name(f"{number}.dcm"), enforce_file_format=True)
    _slice(voxels).save_as(series, enforce_file_format=True)
    disc = _own(folder, "DICOMDIR")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = FileSet()
        for path in sorted(series.parent.iterdir()):
            files.add(path)
        files.write(disc.parent)
        del files
    return [("dicom series", series), ("dicomdir", disc)]


def _labels(folder: Path, voxels: NDArray[Any]) -> Made:
    """A structure set and a segmentation, each beside its scan."""
    made: Made = []
    for kind, dataset in {"rtstruct": _rtstruct(voxels), "seg": _seg(voxels)}.items():
        path = _own(folder, f"{kind}.dcm")
        dataset.save_as(path, enforce_file_format=True)
        _slice(voxels).save_as(path.with_name("scan.dcm"), enforce_file_format=True)
        made.append((f"dicom {kind}", path))
    return made


def _rtstruct(voxels: NDArray[Any]) -> FileDataset:
    from pydicom import Dataset
    from pydicom.uid import RTStructureSetStorage

    dataset = _become(_slice(voxels), RTStructureSetStorage)
    del dataset.PixelData
    dataset.Modality = "RTSTRUCT"
    roi, drawn, contour = Dataset(), Dataset(), Dataset()
    roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = 1, "Liver", "1.2.3"
    contour.ContourGeometricType = "CLOSED_PLANAR"
    contour.ContourData = [1, 1, 0, 20, 1, 0, 20, 20, 0, 1, 20, 0]
    drawn.ReferencedROINumber, drawn.ContourSequence = 1, [contour]
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [roi], [drawn]
    return dataset


def _seg(voxels: NDArray[Any]) -> FileDataset:
    from pydicom import Dataset
    from pydicom.uid import SegmentationStorage

    dataset = _enhanced(voxels)
    _become(dataset, SegmentationStorage)
    del dataset.PixelPaddingValue
    dataset.Modality, dataset.SegmentationType = "SEG", "BINARY"
    dataset.NumberOfFrames = 1
    dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[:1]
    which, segment = Dataset(), Dataset()
    which.ReferencedSegmentNumber = 1
    dataset.PerFrameFunctionalGroupsSequence[0].SegmentIdentificationSequence = [which]
    segment.SegmentNumber, segment.SegmentLabel = 1, "Liver"
    segment.SegmentAlgorithmType = "MANUAL"
    dataset.SegmentSequence = [segment]
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = dataset.PixelRepresentation = 0
    dataset.PixelData = np.packbits(voxels[0] > 0, bitorder="little").tobytes()
    return dataset


def _archive(folder: Path, voxels: NDArray[Any]) -> Path:
    path = _own(folder, "scan.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            content = io.BytesIO()
            _slice(voxels, number).save_as(content, enforce_file_format=True)
            archive.writestr(f"{number}.dcm", content.getvalue())
    return path
