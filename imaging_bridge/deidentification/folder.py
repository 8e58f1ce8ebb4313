"""A folder of DICOM files de-identified into another, which appears only when it is complete."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from halsted.imaging_bridge.deidentification.cleaning import Cleaner
from halsted.imaging_bridge.deidentification.persons import Persons, persons_in
from halsted.imaging_bridge.deidentification.pixel_data import can_be_cleaned, cut_remarks
from halsted.imaging_bridge.deidentification.profile import Option
from halsted.imaging_bridge.deidentification.pseudonyms import Pseudonyms
from halsted.imaging_bridge.deidentification.refusal import reason_to_refuse
from halsted.imaging_bridge.deidentification.report import Report, mark
from halsted.imaging_bridge.dicom.archives import unpacked
from halsted.imaging_bridge.dicom.elements import is_uid
from halsted.imaging_bridge.dicom.files import read_header
from halsted.imaging_bridge.errors import OutputError, ScanError
from halsted.imaging_bridge.exports.headers import refuse_deflated
from halsted.imaging_bridge.files import whole_folder

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset
    from pydicom.uid import UID

_DICOMDIR_CLASS = "1.2.840.10008.1.3.10"
# Made once from a random UUID, as PS3.5, B.2 says.
_IMPLEMENTATION_UID = "2.25.124625101504084978761643969915443472321"


def deidentify(
    scan: Path | str,
    out: Path | str,
    pseudonyms: Pseudonyms,
    options: Sequence[Option] = (),
    *,
    skip_refused: bool = False,
    allow_unknown_pixels: bool = False,
    on_file: Callable[[int, int], object] = lambda done, total: None,
) -> Report:
    """Write every object of a folder without what tells who the patient is.

    By the Basic Application Level Confidentiality Profile of DICOM PS3.15, Annex E. The files are
    written flat into `out`, named after their new SOPInstanceUIDs. Files that are not DICOM, and
    DICOMDIRs, are left out. Pixels are not changed; faces in them are not removed.

    Args:
        scan: Folder (searched with its subfolders), DICOMDIR, ZIP archive, or file.
        out: Folder to make; it must not exist, or be empty.
        pseudonyms: Makes new UIDs and IDs; see `pseudonyms.pseudonyms`.
        options: What is retained beyond the basic profile.
        skip_refused: Leave out what cannot be de-identified instead of failing.
        allow_unknown_pixels: See `refusal.reason_to_refuse`.
        on_file: Called with the number of files done and their total.

    Raises:
        ScanError: there is nothing to read, a file is damaged, or one is refused.
        OutputError: the output exists already or cannot be written.
    """
    scan, out = Path(scan), Path(out)
    _check_output(scan, out)
    cleaner = Cleaner(pseudonyms, frozenset(options))
    left_out: Counter[str] = Counter()
    with unpacked(scan) as place, whole_folder(out) as folder:
        paths = _files(place)
        persons = persons_in(paths)
        for done, path in enumerate(paths, start=1):
            reason = _deidentify_file(path, folder, cleaner, persons, allow_unknown_pixels)
            if reason in _NO_OBJECT or (reason is not None and skip_refused):
                left_out[reason] += 1
            elif reason is not None:
                raise ScanError(_refusal(path, reason))
            on_file(done, len(paths))
        written = len(paths) - left_out.total()
        if not written:
            raise ScanError(
                f"{scan} holds no DICOM object that can be de-identified; pass the folder of a scan"
            )
    return Report(written, left_out, cleaner.tally, tuple(options), pseudonyms.is_given)


_NO_OBJECT = ("it is no DICOM file", "it is a DICOMDIR", "it is a copy of another file")


def _refusal(path: Path, reason: str) -> str:
    advice = "leave it out with --skip-refused"
    if "does not say" in reason:
        advice += ", or look at it and pass --allow-unknown-pixels if no text is in it"
    return f"{path} cannot be de-identified, because {reason}; {advice}"


def _files(scan: Path) -> list[Path]:
    if not scan.exists():
        raise ScanError(f"there is no file or folder {scan}; check the path")
    if scan.is_file():
        return [scan]
    return sorted(path for path in scan.rglob("*") if path.is_file())


def _check_output(scan: Path, out: Path) -> None:
    if scan.resolve() in (out.resolve(), *out.resolve().parents):
        raise OutputError(f"the output {out} lies in the scan {scan} itself; choose another folder")
    if out.exists() and (out.is_file() or any(out.iterdir())):
        raise OutputError(
            f"{out} exists already, and de-identified files are not mixed with others; choose a "
            "new folder"
        )


def _deidentify_file(
    path: Path, folder: Path, cleaner: Cleaner, persons: Persons, allow: bool
) -> str | None:
    """Write the de-identified object; where it is not written, return why."""
    header = read_header(path, ())
    if header is None:
        return _NO_OBJECT[0]
    if header.sop_class == _DICOMDIR_CLASS:
        return _NO_OBJECT[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's warnings quote values
        dataset = _read(path)
        if reason := reason_to_refuse(dataset, allow):
            return reason
        if persons.disagree(dataset):
            return "its study has files of several PatientIDs"
        if not can_be_cleaned(dataset, header.syntax):
            return "text can hide in the coding of its pixels"
        _clean(path, dataset, cleaner, persons.whose(dataset), header.syntax)
        return _write(path, dataset, folder)


def _clean(path: Path, dataset: FileDataset, cleaner: Cleaner, person: str, syntax: UID) -> None:
    try:
        for keyword in cut_remarks(dataset, syntax):
            cleaner.tally[keyword, "cut to the pixels"] += 1
        cleaner.clean(dataset, person)
        mark(dataset, cleaner.options)
        _renew_file_meta(dataset, syntax)
    except Exception as error:  # pydicom finds damage on first access; its text may quote values
        raise _damaged(path, error) from None


def _read(path: Path) -> FileDataset:
    from pydicom import dcmread

    refuse_deflated(path)
    try:
        dataset = dcmread(path, force=True)
    except Exception as error:
        raise _damaged(path, error) from None
    return dataset


def _damaged(path: Path, error: Exception) -> ScanError:
    return ScanError(
        f"{path} cannot be understood in every part ({type(error).__name__}), so that nobody can "
        "say what it tells about the patient; get the file again from where it came"
    )


def _renew_file_meta(dataset: FileDataset, syntax: UID) -> None:
    """File meta information that says what the object is, and no more; and an empty preamble."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = UID(_IMPLEMENTATION_UID)
    meta.ImplementationVersionName = "HALSTED"
    dataset.file_meta = meta
    dataset.preamble = b"\0" * 128


def _write(path: Path, dataset: FileDataset, folder: Path) -> str | None:
    """Write the object; where it is not written, because it is there already, return why."""
    if not is_uid(dataset.SOPInstanceUID):
        raise ScanError(
            f"{path} has no SOPInstanceUID, by which its copy would be named; get the file again "
            "from where it came"
        )
    target = folder / f"{dataset.SOPInstanceUID}.dcm"
    buffer = BytesIO()
    try:
        dataset.save_as(buffer, enforce_file_format=True)
    except Exception as error:
        raise _damaged(path, error) from None
    if not target.exists():
        target.write_bytes(buffer.getvalue())
    elif target.read_bytes() == buffer.getvalue():
        return _NO_OBJECT[2]
    else:
        raise ScanError(
            f"{path} has the SOPInstanceUID of another file of the folder but says something else, "
            "so that nobody can tell them apart; remove one"
        )
    return None
