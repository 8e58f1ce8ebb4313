"""Structures that a CT gives away by its numbers alone: body, lungs and bone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import StructureError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.structures import names_with_role
from halsted.imaging_bridge.volume import Volume

_BODY_ABOVE_HU = -300.0
# Aerated lung lies near -860 to -500 HU, bowel gas at -1000 and fat at -100.
_LUNG_BELOW_HU = -400.0
_LUNG_MIN_ML = 200.0
# Above contrast-filled vessels and calcified cartilage, below cancellous rib and vertebra.
_BONE_ABOVE_HU = 250.0
_BONE_MIN_ML = 0.5
_MEDIASTINUM_OPENING_MM = 6.0
_MEDIASTINUM_MIN_ML = 100.0


def body_mask(image: Volume) -> NDArray[np.bool_]:
    """Voxels (z, y, x) inside the skin of a CT: the largest thing denser than air, filled.

    Raises:
        StructureError: the volume is not in HU, or nothing in it is denser than air.
    """
    import SimpleITK as sitk

    if image.unit != "HU":
        raise StructureError(
            f"the skin can be found by density in a CT only, but this scan's unit is "
            f"{image.unit!r}; give labels with a structure named 'body'"
        )
    dense = sitk.GetImageFromArray((image.voxels > _BODY_ABOVE_HU).astype(np.uint8))
    # The opening parts the body from the couch, which touches it along a thin line.
    opened = sitk.GrayscaleMorphologicalOpening(dense, _radius(image, 3.0), sitk.sitkBox)
    largest = sitk.RelabelComponent(sitk.ConnectedComponent(opened)) == 1
    filled = [sitk.BinaryFillhole(largest[:, :, z]) for z in range(largest.GetDepth())]
    mask = np.stack([sitk.GetArrayFromImage(plane) for plane in filled]).astype(bool)
    if not mask.any():
        raise StructureError(
            "no body was found in this CT (nothing denser than air); check its unit and slope"
        )
    return mask


def lung_mask(image: Volume, body: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Air-filled parts of the body, closed over their vessels; may be empty."""
    import SimpleITK as sitk

    air = body & (image.voxels < _LUNG_BELOW_HU)
    lungs = _large_parts(air, image, _LUNG_MIN_ML)
    closed = sitk.GrayscaleMorphologicalClosing(
        sitk.GetImageFromArray(lungs.astype(np.uint8)), _radius(image, 4.0), sitk.sitkBox
    )
    return np.asarray(sitk.GetArrayFromImage(closed).astype(bool) & body)


def bone_mask(image: Volume, body: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Parts of the body as dense as bone, specks dropped; may be empty."""
    return _large_parts(body & (image.voxels > _BONE_ABOVE_HU), image, _BONE_MIN_ML)


def mediastinum_mask(image: Volume, lungs: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What lies between lung and lung on a line from left to right: heart and great vessels.

    Thin parts are dropped, such as vessels in the lung or the rim of a tumour.

    Args:
        image: The CT.
        lungs: (z, y, x), lungs with whatever belongs to them.
    """
    import SimpleITK as sitk

    axis = int(np.argmax(np.abs(image.direction[0])))  # the array axis from left to right
    lines = np.moveaxis(lungs, axis, 2)
    before = np.maximum.accumulate(lines, axis=2)
    after = np.maximum.accumulate(lines[:, :, ::-1], axis=2)[:, :, ::-1]
    between = np.moveaxis(before & after & ~lines, 2, axis)
    thick = sitk.GrayscaleMorphologicalOpening(
        sitk.GetImageFromArray(between.astype(np.uint8)),
        _radius(image, _MEDIASTINUM_OPENING_MM),
        sitk.sitkBox,
    )
    return _large_parts(sitk.GetArrayFromImage(thick) > 0, image, _MEDIASTINUM_MIN_ML)


def with_derived_structures(patient: Patient) -> Patient:
    """The patient, with what its CT gives away by density where the labels lack it.

    Lung, bone and mediastinum are added where given labels cover less than half of them, the
    body where it is not labelled. A voxel with a given label keeps it. What was derived is told
    in ``facts["derived"]``.

    Raises:
        StructureError: see `body_mask`.
    """
    image, given = patient.image, patient.labels
    if given is None:
        given = LabelMap(np.zeros(image.shape, np.uint8), image.affine, {}, "generated")
    has_body = bool(names_with_role(given.names, "body"))
    if has_body and image.unit != "HU":
        return patient
    body = body_mask(image)
    lungs = lung_mask(image, body)
    lesions = given.mask(*names_with_role(given.names, "lesion"))
    found = {
        "lung": lungs,
        "bone": bone_mask(image, body),
        "mediastinum": mediastinum_mask(image, lungs | lesions),
    }
    labels, derived = given, []
    for name, mask in found.items():
        free = mask & (given.voxels == 0)
        if free.any() and 2 * np.count_nonzero(free) > np.count_nonzero(mask):
            labels = labels.with_structure(_new_name(name, labels), free & (labels.voxels == 0))
            derived.append(name)
    if not has_body:
        labels = labels.with_structure("body", body & (labels.voxels == 0))
        derived.append("body")
    if not derived:
        return patient
    facts = {**patient.facts, "derived": ", ".join(derived) + " by CT number"}
    return Patient(patient.images, labels, patient.kind, facts)


def _new_name(name: str, labels: LabelMap) -> str:
    """A name not yet given, so that derived voxels never join a structure that somebody drew."""
    return name if name not in labels.names else f"{name}_by_ct_number"


def _large_parts(mask: NDArray[np.bool_], image: Volume, minimum_ml: float) -> NDArray[np.bool_]:
    import SimpleITK as sitk

    voxel_ml = abs(np.linalg.det(image.affine[:3, :3])) / 1000.0
    parts = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)))
    kept: NDArray[Any] = sitk.GetArrayFromImage(
        sitk.RelabelComponent(parts, minimumObjectSize=max(1, int(minimum_ml / voxel_ml)))
    )
    return np.asarray(kept > 0)


def _radius(image: Volume, radius_mm: float) -> list[int]:
    """A structuring element's radius in voxels along (x, y, z)."""
    return [max(1, round(radius_mm / spacing)) for spacing in image.spacing[::-1]]
