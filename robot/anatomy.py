"""A patient as a needle meets it: one signed distance field per kind of tissue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from halsted.imaging_bridge import LabelMap, Patient, StructureError
from halsted.imaging_bridge.cache import cache_key, cached_arrays
from halsted.imaging_bridge.fields import signed_distance
from halsted.imaging_bridge.structures import is_part_of, names_with_role, role_of

FIELDS = ("body", "lesion", "vessel", "bone", "lung", "organ", "risk")
"""The fields in the order of the last array axis. ``organ`` holds the target, ``risk`` every
other organ."""
BODY, LESION, VESSEL, BONE, LUNG, ORGAN, RISK = range(len(FIELDS))

_INFLATED = (VESSEL, BONE, LUNG, RISK)
FAR_MM = 320.0
"""Distances are clipped here; also the distance to what a patient does not have."""

_QUANTUM_MM = 0.01  # fields are kept as int16 in hundredths of a millimetre
_FINEST_SPACING_MM = 2.0  # finer label maps are read at this spacing
_VERSION = 2  # raise when the fields of the same labels change


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Distance fields of a labelled patient, and its target.

    Attributes:
        fields: (z, y, x, field) int16, hundredths of a millimetre, negative inside.
        affine: 4x4, from (z, y, x) index of the fields to LPS, mm.
        target_in_patient: LPS point, mm, deepest inside the lesion.
        target_radius_mm: Radius of the largest ball round it inside the lesion.
    """

    fields: NDArray[np.int16]
    affine: NDArray[np.float64]
    target_in_patient: NDArray[np.float64]
    target_radius_mm: float

    @cached_property
    def beyond_mm(self) -> NDArray[np.float64]:
        """Growth of distances, mm a voxel, off the grid along (z, y, x); 0 along the body."""
        spacing = np.linalg.norm(self.affine[:3, :3], axis=0)
        spacing[np.argmax(np.abs(self.affine[2, :3]))] = 0.0
        return np.asarray(spacing, dtype=np.float64)

    def index_of_world(self, patient_to_world: NDArray[np.float64]) -> NDArray[np.float64]:
        """The 4x4 transform from world points, m, to (z, y, x) index of the fields."""
        return np.ascontiguousarray(np.linalg.inv(patient_to_world @ self.affine))

    def distances_m(
        self,
        points_in_world: NDArray[np.float64],
        patient_to_world: NDArray[np.float64],
        shift_in_world: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Signed distances, m, of (n, 3) world points to every field; shape (n, field).

        Args:
            points_in_world: (n, 3), m.
            patient_to_world: 4x4, LPS mm to world m.
            shift_in_world: How far breathing has carried the inner organs, m; the skin stays.
        """
        shift = np.zeros(3) if shift_in_world is None else shift_in_world
        points = np.ascontiguousarray(points_in_world, dtype=np.float64)
        out = np.empty((len(points), len(FIELDS)))
        index_of_world = self.index_of_world(patient_to_world)
        sample_fields(self.fields, self.beyond_mm, index_of_world, points, shift, out)
        return out


def anatomy_of(
    patient: Patient, lesion: str, organ: str, margins_mm: Mapping[str, float] | None = None
) -> Anatomy:
    """The distance fields of a patient's labels, made once and cached by content.

    Args:
        patient: A patient whose labels have a body.
        lesion: Name of the target structure.
        organ: Name, or start of the names, of the organ that holds it: no organ at risk.
        margins_mm: By structure, how much a hazard is inflated, mm; see `Segmentation.margins_mm`.

    Raises:
        StructureError: there are no labels, no body, no such lesion, or the lesion is empty.
    """
    labels = patient.labels
    if labels is None or not names_with_role(labels.names, "body"):
        raise StructureError(
            "an environment needs labels with the body; derive them from the CT or give a map"
        )
    if not labels.mask(lesion).any():
        raise StructureError(f"the structure {lesion!r} has no voxels; choose another target")
    roles = [(name, role_of(name)) for name in sorted(labels.names)]
    margins = {name: margin for name, margin in (margins_mm or {}).items() if name in labels.names}
    parts = [
        labels.content_hash,
        lesion,
        organ,
        roles,
        *([sorted(margins.items())] * bool(margins)),
    ]
    key = cache_key("anatomy", _VERSION, *parts)
    arrays = cached_arrays(key, lambda: _make_fields(labels, lesion, organ, margins))
    return Anatomy(
        arrays["fields"],
        np.array(arrays["affine"]),
        np.array(arrays["target_in_patient"]),
        float(arrays["target_radius_mm"]),
    )


def _make_fields(
    labels: LabelMap, lesion: str, organ: str, margins_mm: Mapping[str, float]
) -> dict[str, NDArray[Any]]:
    labels = thinned(_cropped(labels, margin_mm=20.0))
    fields = np.empty((*labels.shape, len(FIELDS)), dtype=np.int16)
    for number, names in enumerate(_structures(labels, lesion, organ)):
        margins = margins_mm if number in _INFLATED else {}
        distance = np.clip(_inflated_distance(labels, names, margins), -FAR_MM, FAR_MM)
        fields[..., number] = np.round(distance / _QUANTUM_MM)
        if number == LESION and not labels.mask(lesion).any():
            raise StructureError(
                f"the structure {lesion!r} is too small to be seen at {_FINEST_SPACING_MM:g} mm; "
                "choose a larger target"
            )
        if number == LESION:
            deepest = np.unravel_index(np.argmin(distance), distance.shape)
            radius = -float(distance[deepest])
    return {
        "fields": fields,
        "affine": np.asarray(labels.affine),
        "target_in_patient": labels.to_patient(np.array(deepest)),
        "target_radius_mm": np.array(radius),
    }


def _inflated_distance(
    labels: LabelMap, names: list[str], margins_mm: Mapping[str, float]
) -> NDArray[np.float32]:
    """Signed distance, mm, to structures each of which is inflated by its own margin."""
    by_margin: dict[float, list[str]] = {}
    for name in names:
        by_margin.setdefault(margins_mm.get(name, 0.0), []).append(name)
    distance = np.full(labels.shape, np.inf, np.float32)
    for margin, group in by_margin.items():
        own = signed_distance(labels.mask(*group), labels.spacing)
        np.minimum(distance, own - np.float32(margin), out=distance)
    return distance


def _structures(labels: LabelMap, lesion: str, organ: str) -> list[list[str]]:
    """The structures of each of `FIELDS`; a lesion belongs to the tissue that it grows in."""
    in_organ = [n for n in labels.names if is_part_of(n, organ)] + [lesion]
    lungs = names_with_role(labels.names, "lung")
    if set(lungs) & set(in_organ):
        lungs.append(lesion)
    organs = [n for n in names_with_role(labels.names, "organ") if n not in in_organ]
    return [
        list(labels.names),
        [lesion],
        names_with_role(labels.names, "vessel"),
        names_with_role(labels.names, "bone"),
        lungs,
        in_organ,
        organs,
    ]


def _cropped(labels: LabelMap, margin_mm: float) -> LabelMap:
    """The labels without most of the empty space round the body."""
    lower, upper = [], []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        used = np.flatnonzero((labels.voxels > 0).any(axis=others))
        margin = int(np.ceil(margin_mm / labels.spacing[axis]))
        lower.append(max(0, int(used[0]) - margin))
        upper.append(min(labels.shape[axis], int(used[-1]) + 1 + margin))
    box = tuple(slice(a, b) for a, b in zip(lower, upper, strict=True))
    affine = labels.affine.copy()
    affine[:3, 3] = labels.to_patient(lower)
    return LabelMap(labels.voxels[box], affine, labels.names, labels.provenance)


def thinned(labels: LabelMap) -> LabelMap:
    """Every n-th voxel along axes that are finer than a needle or a camera needs them."""
    steps = [max(1, int(_FINEST_SPACING_MM // spacing)) for spacing in labels.spacing]
    affine = labels.affine.copy()
    affine[:3, :3] *= steps
    voxels = labels.voxels[:: steps[0], :: steps[1], :: steps[2]]
    return LabelMap(voxels, affine, labels.names, labels.provenance)


@njit(cache=True, error_model="numpy")
def _interpolate(fields, beyond_mm, z0, y0, x0, first, last, out):  # type: ignore[no-untyped-def]
    """Trilinear values, mm, of fields `first` to `last` at an index (z0, y0, x0).

    Off the grid its border is read; distances to what lies within grow by the way back to it,
    save along the body's long axis, along which the anatomy is thought to go on.
    """
    z = min(max(z0, 0.0), fields.shape[0] - 1.001)
    y = min(max(y0, 0.0), fields.shape[1] - 1.001)
    x = min(max(x0, 0.0), fields.shape[2] - 1.001)
    k, j, i = int(z), int(y), int(x)
    c, b, a = z - k, y - j, x - i
    away = np.sqrt(
        ((z0 - z) * beyond_mm[0]) ** 2
        + ((y0 - y) * beyond_mm[1]) ** 2
        + ((x0 - x) * beyond_mm[2]) ** 2
    )
    for field in range(first, last):
        near = (fields[k, j, i, field] * (1 - a) + fields[k, j, i + 1, field] * a) * (1 - b) + (
            fields[k, j + 1, i, field] * (1 - a) + fields[k, j + 1, i + 1, field] * a
        ) * b
        far = (fields[k + 1, j, i, field] * (1 - a) + fields[k + 1, j, i + 1, field] * a) * (
            1 - b
        ) + (fields[k + 1, j + 1, i, field] * (1 - a) + fields[k + 1, j + 1, i + 1, field] * a) * b
        value = (near * (1 - c) + far * c) * _QUANTUM_MM
        out[field] = value + away if value > 0.0 else value


@njit(cache=True, error_model="numpy")
def sample_point(fields, beyond_mm, index_of_world, point, shift, out):  # type: ignore[no-untyped-def]
    """Fill `out` (field,) with distances in m at one world point; see `Anatomy.distances_m`."""
    m = index_of_world
    for pass_ in range(2):
        px, py, pz = point[0], point[1], point[2]
        if pass_ == 1:
            px, py, pz = px - shift[0], py - shift[1], pz - shift[2]
        z = m[0, 0] * px + m[0, 1] * py + m[0, 2] * pz + m[0, 3]
        y = m[1, 0] * px + m[1, 1] * py + m[1, 2] * pz + m[1, 3]
        x = m[2, 0] * px + m[2, 1] * py + m[2, 2] * pz + m[2, 3]
        if pass_ == 0:
            _interpolate(fields, beyond_mm, z, y, x, 0, 1, out)
        else:
            _interpolate(fields, beyond_mm, z, y, x, 1, fields.shape[3], out)
    for field in range(fields.shape[3]):
        out[field] *= 1e-3


@njit(cache=True, error_model="numpy")
def sample_fields(fields, beyond_mm, index_of_world, points, shift, out):  # type: ignore[no-untyped-def]
    """`sample_point` for (n, 3) points into `out` (n, field)."""
    for number in range(points.shape[0]):
        sample_point(fields, beyond_mm, index_of_world, points[number], shift, out[number])
