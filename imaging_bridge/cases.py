"""Cases: short descriptions of patients, from which the patients are made when needed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from halsted.imaging_bridge.cache import cache_key
from halsted.imaging_bridge.derived import with_derived_structures
from halsted.imaging_bridge.errors import StructureError
from halsted.imaging_bridge.lesions import LESION, with_synthetic_lesion
from halsted.imaging_bridge.patient import Patient, stored_under
from halsted.imaging_bridge.structures import names_with_role

_PHANTOM_VERSION = 2  # raise when the phantom of the same seed changes


@dataclass(frozen=True)
class PreparedPatient:
    """A patient that a procedure can be planned on.

    Attributes:
        name: Short name for tables; tells nothing of a person.
        patient: Its labels hold body, lesion and whatever else is known.
        lesion: Name of the target structure.
        organ: Name, or start of the names, of the organ that holds it.
    """

    name: str
    patient: Patient
    lesion: str
    organ: str


@dataclass(frozen=True)
class PhantomCase:
    """A phantom by its seed.

    Attributes:
        seed: Seed of anatomy and lesion.
        organ: ``liver`` or ``lung``, which holds the lesion.
    """

    seed: int
    organ: str = "liver"

    @property
    def name(self) -> str:
        """E.g. ``phantom-liver-7``."""
        return f"phantom-{self.organ}-{self.seed}"

    @property
    def person(self) -> str:
        """Who it is, whatever lesion is looked at: phantoms of one seed are one person."""
        return f"phantom {self.seed}"

    def prepare(self) -> PreparedPatient:
        """Build the phantom, or take it from the cache."""
        from halsted.imaging_bridge.phantoms import phantom

        key = cache_key("phantom", _PHANTOM_VERSION, self.seed, self.organ)
        patient = stored_under(key, lambda: phantom(self.seed, self.organ))
        return PreparedPatient(self.name, patient, LESION, self.organ)


@dataclass(frozen=True)
class ScanCase:
    """A scan on disk.

    Attributes:
        scan: A DICOM folder, or a NIfTI, NRRD or MetaImage file.
        labels: A label file, or None (a DICOM folder's own RTSTRUCT is then used, if any).
        label_names: A naming scheme or a JSON file, for labels that carry no names.
        organ: Organ of the target.
        lesion: Name of the target structure; None takes the only lesion in the labels, and makes
            one up in the organ where there is none.
        lesion_seed: Seed of a made-up lesion.
    """

    scan: str
    labels: str | None = None
    label_names: str | None = None
    organ: str = "liver"
    lesion: str | None = None
    lesion_seed: int = 0

    @property
    def name(self) -> str:
        """Tells scans and lesions apart without a word of the path, which may name a person."""
        digest = hashlib.sha256(f"{self.person}\n{self.lesion}\n{self.lesion_seed}".encode())
        return f"scan-{digest.hexdigest()[:8]}"

    @property
    def person(self) -> str:
        """Who it is, whatever lesion is looked at and however the path is spelled."""
        return str(Path(self.scan).resolve())

    def prepare(self) -> PreparedPatient:
        """Read the scan, derive what its labels lack, and see to a lesion.

        Raises:
            HalstedError: the scan or labels cannot be read, or there is no place for a lesion.
        """
        from halsted.imaging_bridge.read import read_patient

        patient = read_patient(self.scan, self.labels, self.label_names)
        return prepare_patient(patient, self.organ, self.lesion, self.lesion_seed, self.name)


Case = PhantomCase | ScanCase


def prepare_patient(
    patient: Patient,
    organ: str,
    lesion: str | None = None,
    lesion_seed: int = 0,
    name: str | None = None,
) -> PreparedPatient:
    """A patient in memory, made ready for a procedure; see `ScanCase` for the arguments.

    Raises:
        StructureError: the named lesion is not in the labels, there are several and none is
            named, or there is none and no place for one.
    """
    patient = with_derived_structures(patient)
    labels = patient.labels
    assert labels is not None  # derived structures always leave labels
    known = names_with_role(labels.names, "lesion")
    present = [structure for structure in known if labels.volumes_ml[structure] > 0.0]
    if lesion is not None:
        labels.mask(lesion)  # raises with the names that there are
    elif len(present) > 1:
        raise StructureError(
            f"the labels hold several lesions ({', '.join(present)}); name the one to target"
        )
    elif present:
        lesion = present[0]
    else:
        patient = with_synthetic_lesion(patient, organ, lesion_seed)
        lesion = LESION
    return PreparedPatient(
        name or f"{patient.kind}-{patient.content_hash[:8]}", patient, lesion, organ
    )
