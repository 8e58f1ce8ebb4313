"""Lesions: where a target lies, and a synthetic one where a scan has none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import StructureError
from halsted.imaging_bridge.fields import signed_distance
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.structures import is_part_of, names_with_role

LESION = "lesion"
_VESSEL_CLEARANCE_MM = 5.0
_SOFT_TISSUE_HU = 40.0


def with_synthetic_lesion(
    patient: Patient, organ: str, seed: int, radius_mm: tuple[float, float] = (8.0, 14.0)
) -> Patient:
    """The patient with a made-up spherical lesion at a seeded point of an organ.

    The point is drawn from the voxels with room for the lesion: in the organ, and clear of labelled
    vessels. Where there is none, the lesion is drawn smaller, down to the least radius.
    The lesion is painted into labels and CT alike, and told in
    ``facts["lesion"]``.

    Args:
        patient: A patient with labels.
        organ: Name of a structure, or the start of the names of its parts (``lung``).
        seed: Seed of size and place.
        radius_mm: Least and greatest radius.

    Raises:
        StructureError: the organ is not labelled, or too thin for the smallest lesion.
    """
    labels = patient.labels
    if labels is None:
        raise StructureError(
            f"a lesion cannot be placed in the {organ} because this patient has no labels; "
            f"give labels with a structure {organ!r}"
        )
    rng = np.random.default_rng(seed)
    radius = float(rng.uniform(*radius_mm))
    parts = [name for name in labels.names if is_part_of(name, organ)]
    inside = labels.mask(*(parts or [organ]))
    depth = -signed_distance(inside, labels.spacing)
    depth[[0, -1]] = depth[:, [0, -1]] = depth[:, :, [0, -1]] = -np.inf
    vessels = names_with_role(labels.names, "vessel")
    if vessels:
        to_vessel = signed_distance(labels.mask(*vessels), labels.spacing)
        depth = np.minimum(depth, to_vessel - _VESSEL_CLEARANCE_MM)
    radius = min(radius, float(depth.max()) - 1.0)
    if radius < radius_mm[0]:
        raise StructureError(
            f"no point of the {organ} has room for a lesion of {radius_mm[0]:.0f} mm radius clear "
            "of vessels; choose another organ or give a label map with a lesion"
        )
    candidates = np.argwhere(
        depth >= radius + 1.0 if (depth >= radius + 1.0).any() else depth >= radius
    )
    centre = labels.to_patient(candidates[rng.integers(len(candidates))])
    return _paint(patient, centre, radius, organ)


def _paint(patient: Patient, centre: NDArray[np.float64], radius: float, organ: str) -> Patient:
    labels = patient.labels
    assert labels is not None
    index = np.moveaxis(np.indices(labels.shape), 0, -1)
    distance = np.linalg.norm(labels.to_patient(index) - centre, axis=-1) - radius
    labels = labels.with_structure(LESION, distance < 0, "generated")
    image = patient.image
    share = np.clip(0.5 - distance / image.spacing.max(), 0.0, 1.0).astype(np.float32)
    voxels = image.voxels * (1 - share) + np.float32(_SOFT_TISSUE_HU) * share
    name = next(iter(patient.images))
    images = {**patient.images, name: type(image)(voxels, image.affine, image.modality, image.unit)}
    facts = {**patient.facts, "lesion": f"synthetic, {radius:.1f} mm radius, in the {organ}"}
    return Patient(images, labels, patient.kind, facts)
