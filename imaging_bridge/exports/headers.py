"""What DICOM objects made from a scan take over from it, and what they say about themselves."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from halsted.imaging_bridge.dicom.elements import elements_of
from halsted.imaging_bridge.dicom.files import broken, read_header
from halsted.imaging_bridge.errors import GeometryError, OutputError, ScanError
from halsted.imaging_bridge.files import write_whole
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.volume import Grid

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataset import FileDataset

    from halsted.imaging_bridge.dicom.series import DicomSeries

MANUFACTURER = "The Halsted authors"
MODEL = "Halsted"

# Type 2 of the modules Patient, General Study and Patient Study: present, though they may be empty.
_REQUIRED = (
    "PatientName PatientID PatientBirthDate PatientSex StudyInstanceUID StudyDate StudyTime "
    "ReferringPhysicianName StudyID AccessionNumber"
).split()
_PERSON_AND_STUDY = (
    "IssuerOfPatientID OtherPatientIDsSequence PatientAge PatientSize "
    "PatientWeight StudyDescription PatientIdentityRemoved DeidentificationMethod "
    "DeidentificationMethodCodeSequence LongitudinalTemporalInformationModified "
    "ClinicalTrialSponsorName ClinicalTrialProtocolID ClinicalTrialProtocolName "
    "ClinicalTrialSiteID ClinicalTrialSiteName ClinicalTrialSubjectID"
).split()
_GEOMETRY = (
    "SOPClassUID SOPInstanceUID SeriesInstanceUID FrameOfReferenceUID PositionReferenceIndicator "
    "Modality Rows Columns PixelSpacing SliceThickness SpacingBetweenSlices NumberOfFrames "
    "ImagePositionPatient ImageOrientationPatient ImageType "
    "SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence"
).split()


@dataclass(frozen=True)
class Source:
    """The headers, without pixels, of the series that an object refers to.

    Attributes:
        folder: Where the series lies.
        headers: One for each file, with all that an object made from it carries over.
        slices: For each slice along the array's z axis, the number of its header and the number of
            its frame in that file, both from 0.
        grid: The grid of the series; its voxels are zeros that take no memory.
    """

    folder: Path
    headers: tuple[Dataset, ...]
    slices: tuple[tuple[int, int], ...]
    grid: Grid

    @property
    def frame_of_reference(self) -> str:
        """FrameOfReferenceUID of the series."""
        return str(self.headers[0].FrameOfReferenceUID)

    def check_grid(self, labels: LabelMap) -> None:
        """Refuse labels that lie elsewhere.

        Raises:
            GeometryError: the labels' grid is not the grid of the series.
        """
        if not labels.same_geometry(self.grid):
            raise GeometryError(
                f"the labels (shape {labels.shape}) lie on another grid than the DICOM series in "
                f"{self.folder} (shape {self.grid.shape}); resample them onto the series"
            )

    def image_of(self, number: int) -> Dataset:
        """The reference to a slice of the array."""
        from pydicom import Dataset

        which, frame = self.slices[number]
        image = Dataset()
        image.ReferencedSOPClassUID = self.headers[which].SOPClassUID
        image.ReferencedSOPInstanceUID = self.headers[which].SOPInstanceUID
        if "NumberOfFrames" in self.headers[which]:
            image.ReferencedFrameNumber = frame + 1
        return image


def read_source(series: DicomSeries) -> Source:
    """The headers of a series that exports refer to.

    Raises:
        ScanError: a file cannot be read, or states no FrameOfReferenceUID.
        GeometryError: the series was repaired by resampling, so that no file holds a slice of it.
    """
    folder = series.slices[0].path.parent
    if series.placement.sources is not None:
        raise GeometryError(
            f"the series in {folder} was repaired by resampling, so that no file of it holds a "
            "slice that could be referred to; convert it to nifti or nrrd"
        )
    if not series.frame_of_reference:
        raise ScanError(
            f"the series in {folder} states no FrameOfReferenceUID, so that nothing can be placed "
            "in relation to it; export it again from where it came"
        )
    paths = list(dict.fromkeys(one.path for one in series.slices))
    headers = tuple(_header(path, series.frame_of_reference) for path in paths)
    slices = tuple((paths.index(one.path), one.number) for one in series.slices)
    one = series.slices[0]
    zeros = np.broadcast_to(np.uint8(0), (len(slices), one.rows, one.columns))
    return Source(folder, headers, slices, Grid(zeros, series.affine))


def _header(path: Path, frame_of_reference: str) -> Dataset:
    from pydicom import dcmread

    tags = ["SpecificCharacterSet", *_REQUIRED, *_PERSON_AND_STUDY, *_GEOMETRY]
    refuse_deflated(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's warnings quote values
            header = dcmread(path, stop_before_pixels=True, specific_tags=list(tags), force=True)
            elements_of(header)
    except Exception as error:
        raise broken(path, error) from None
    for keyword in _REQUIRED:
        if keyword not in header:
            setattr(header, keyword, "")
    header.FrameOfReferenceUID = frame_of_reference
    return header


def refuse_deflated(path: Path) -> None:
    """Refuse a file that pydicom would unpack whole, to whatever size.

    Raises:
        ScanError: the file is deflated.
    """
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    found = read_header(path, ())
    if found is not None and found.syntax == DeflatedExplicitVRLittleEndian:
        raise ScanError(
            f"{path} is stored in the Deflated transfer syntax, whose size cannot be bounded; "
            "convert it to Explicit VR Little Endian (dcmconv +te)"
        )


def new_object(source: Dataset, sop_class: str, modality: str, label: str) -> FileDataset:
    """An empty object of the source's patient and study, in a series of its own."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    take_over(source, made)
    made.SOPClassUID, made.SOPInstanceUID = UID(sop_class), meta.MediaStorageSOPInstanceUID
    made.Modality, made.SeriesInstanceUID = modality, generate_uid()
    made.SeriesNumber, made.InstanceNumber = 1, 1
    made.SeriesDescription = label
    made.OperatorsName = ""
    made.Manufacturer, made.ManufacturerModelName = MANUFACTURER, MODEL
    made.DeviceSerialNumber, made.SoftwareVersions = "", version()
    now = datetime.now()
    made.InstanceCreationDate = now.strftime("%Y%m%d")
    made.InstanceCreationTime = now.strftime("%H%M%S")
    return made


def take_over(source: Dataset, made: Dataset) -> None:
    """Say of the patient and the study what the source says, to the letter, in UTF-8."""
    for keyword in (*_REQUIRED, *_PERSON_AND_STUDY):
        if keyword in source:
            made[keyword] = source[keyword]
    made.SpecificCharacterSet = "ISO_IR 192"


def without_person(header: Dataset) -> Dataset:
    """The same header with nothing said about the patient, and of the study only its UID."""
    from pydicom import Dataset

    nameless = Dataset()
    nameless.update(header)  # the elements are shared, so they are replaced and never changed
    for keyword in (*_REQUIRED, *_PERSON_AND_STUDY):
        if keyword in nameless and keyword != "StudyInstanceUID":
            delattr(nameless, keyword)
    nameless.pop("SpecificCharacterSet", None)
    for keyword in _REQUIRED:
        if keyword not in nameless:
            setattr(nameless, keyword, "")
    return nameless


def version() -> str:
    """The version of Halsted."""
    import halsted

    return halsted.__version__


def save(made: Dataset, path: Path | str) -> Path:
    """Write a DICOM object, whole or not at all.

    Raises:
        OutputError: the file cannot be written, or a value does not fit its element.
    """
    path = Path(path)

    def write(temporary: Path) -> None:
        try:
            made.save_as(temporary, enforce_file_format=True)
        except (TypeError, ValueError) as error:  # pydicom's text may quote a value
            raise OutputError(
                f"cannot write {path}, because a header that it takes over from the scan is not "
                f"valid DICOM ({type(error).__name__}); repair the scan's headers"
            ) from error

    return write_whole(path, write)
