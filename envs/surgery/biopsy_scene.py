"""One episode's scene: drawn first, applied second, so that it can be recorded and replayed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.breathing import Breathing
from halsted.robot.anatomy import BODY, Anatomy
from halsted.robot.registration import patient_to_world, transform_points

_COUCH_OFFSET_M = 0.03
_START_OFFSET_M = 0.03
_START_HEIGHT_M = (0.02, 0.04)
_BREATH_S = (3.0, 5.0)


@dataclass(frozen=True)
class BiopsyScene:
    """Everything that chance decides about an episode.

    Attributes:
        patient: Number of the patient among the environment's.
        couch_offset_m: (x, y, z) world, m, from the isocentre to the lesion's centre.
        start_offset_m: (x, y) world, m, from above the lesion to above the needle's start.
        start_height_m: Height of the tip over the skin below it, m.
        breath_period_s: Time of one breath, s.
        breath_phase: Share of a breath passed at the start.
    """

    patient: int
    couch_offset_m: tuple[float, float, float]
    start_offset_m: tuple[float, float]
    start_height_m: float
    breath_period_s: float
    breath_phase: float

    def as_dict(self) -> dict[str, Any]:
        """The scene as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> BiopsyScene:
        """The scene that `as_dict` recorded.

        Raises:
            EnvironmentOptionError: a value is missing, unknown or of the wrong kind.
        """
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            raise EnvironmentOptionError(
                f"a recorded scene has the values {sorted(names)}, but these are given: "
                f"{sorted(values)}; pass a record as it was written"
            )
        try:
            x, y, z = (float(value) for value in values["couch_offset_m"])
            start_x, start_y = (float(value) for value in values["start_offset_m"])
            return cls(
                int(values["patient"]),
                (x, y, z),
                (start_x, start_y),
                float(values["start_height_m"]),
                float(values["breath_period_s"]),
                float(values["breath_phase"]),
            )
        except (TypeError, ValueError) as error:
            raise EnvironmentOptionError(
                f"a recorded scene holds something that is no number ({error}); pass a record "
                "as it was written"
            ) from error

    def registration(self, anatomy: Anatomy) -> NDArray[np.float64]:
        """The 4x4 transform from the patient (LPS mm) to the world (m)."""
        return patient_to_world(anatomy.target_in_patient, self.couch_offset_m)

    def breathing(self, amplitude_mm: float) -> Breathing:
        """The patient's breathing in this scene."""
        return Breathing(amplitude_mm, self.breath_period_s, self.breath_phase)

    def start_tip(self, anatomy: Anatomy) -> NDArray[np.float64]:
        """Where the needle's tip starts, (3,) world m."""
        registration = self.registration(anatomy)
        above = transform_points(registration, anatomy.target_in_patient)
        above[:2] += self.start_offset_m
        above[2] = skin_height(anatomy, registration, above) + self.start_height_m
        return above


def sample_scene(
    rng: np.random.Generator, patients: int, patient: int | None = None
) -> BiopsyScene:
    """Draw a scene for one of this many patients, or for the given one."""
    drawn = int(rng.integers(patients))
    patient = drawn if patient is None else int(patient)
    couch = rng.uniform(-_COUCH_OFFSET_M, _COUCH_OFFSET_M, size=3)
    start = rng.uniform(-_START_OFFSET_M, _START_OFFSET_M, size=2)
    return BiopsyScene(
        patient,
        (float(couch[0]), float(couch[1]), float(couch[2])),
        (float(start[0]), float(start[1])),
        float(rng.uniform(*_START_HEIGHT_M)),
        float(rng.uniform(*_BREATH_S)),
        float(rng.uniform()),
    )


def skin_height(
    anatomy: Anatomy, registration: NDArray[np.float64], point: NDArray[np.float64]
) -> float:
    """Height (world z, m) of the topmost skin over or under a world point; its own if none."""
    heights = point[2] + np.arange(0.30, -0.10, -0.002)
    line = np.column_stack(
        [np.full_like(heights, point[0]), np.full_like(heights, point[1]), heights]
    )
    inside = anatomy.distances_m(line, registration)[:, BODY] < 0.0
    return float(heights[np.argmax(inside)] if inside.any() else point[2])
