"""Three linked slices as a page that needs no network and no program but a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from halsted.imaging_bridge.errors import GeometryError, OutputError
from halsted.imaging_bridge.exports.colours import colour_of
from halsted.imaging_bridge.files import write_text
from halsted.imaging_bridge.formats.extras import extra
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.views.atlas import (
    grey_atlas,
    label_atlas,
    levels_of,
    shrunk,
)
from halsted.imaging_bridge.views.planes import point_of_interest, shown_image, slices_at, upright
from halsted.imaging_bridge.views.windows import PRESETS, window_of
from halsted.imaging_bridge.volume import Volume

MOST_BYTES = 5_000_000
"""Size that a page stays under."""

_MOST_VOXELS = 8_000_000
_PRESET_TITLES = {"soft": "Soft tissue", "lung": "Lung", "bone": "Bone", "brain": "Brain"}


def write_page(
    patient: Patient,
    path: Path | str,
    point: ArrayLike | None = None,
    window: str | None = None,
) -> Path:
    """Write a page in which the three planes are scrolled and structures are switched on and off.

    The scan is embedded, averaged down until the page is under `MOST_BYTES`: it is for looking, not
    for measuring.

    Args:
        patient: Whose first image and labels are shown.
        path: File that ends with ``.html``.
        point: LPS, mm, to start at; None chooses, see `planes.point_of_interest`.
        window: See `windows.window_of`.

    Raises:
        GeometryError: the point lies outside the scan, or the image is no scan.
        HalstedError: there is no such window, or a package is not installed.
        OutputError: the file does not end with .html, or cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"a page is a .html file, but the output is {path}; name it so")
    return write_text(path, _page(patient, point, window))


def _page(patient: Patient, point: ArrayLike | None, window: str | None) -> str:
    image = shown_image(patient)
    labels = None if patient.labels is None else upright(patient.labels)
    where = np.asarray(point_of_interest(image, labels) if point is None else point, dtype=float)
    slices_at(image, where)  # refuses a point outside
    shown = window_of(image, where, window)
    most = _MOST_VOXELS
    while True:
        small, small_labels = shrunk(image, labels, most)
        text = _rendered(_content(small, small_labels, where, shown))
        if len(text.encode()) < MOST_BYTES:
            return text
        most = int(most * 0.7)
        if most < 1000:
            raise GeometryError(
                "this scan cannot be averaged down to a page that a browser opens; crop it first"
            )


def _content(
    image: Volume,
    labels: LabelMap | None,
    where: NDArray[np.float64],
    window: tuple[float, float],
) -> dict[str, Any]:
    """All that the page's program is told."""
    levels = levels_of(image)
    index = np.clip(np.rint(image.to_index(where)), 0, np.array(image.shape) - 1).astype(int)
    cut = slices_at(image, image.to_patient(index))
    grey = grey_atlas(image, levels)
    return {
        "grey": {"url": grey.url, "columns": grey.columns},
        "labels": _labels(labels),
        "shape": [int(count) for count in image.shape],
        "spacing": [round(float(step), 5) for step in image.spacing],
        "affine": np.round(image.affine, 5).tolist(),
        "levels": levels,
        "start": index.tolist(),
        "window": list(window),
        "presets": _presets(image, window),
        "unit": "" if image.unit == "1" else image.unit,
        "modality": image.modality,
        "edges": {plane: list(one.edges) for plane, one in cut.items()},
    }


def _labels(labels: LabelMap | None) -> dict[str, Any] | None:
    if labels is None or not labels.names:
        return None
    atlas = label_atlas(labels)
    structures = [
        {"name": name, "colour": list(colour_of(name, number)), "empty": volume == 0}
        for number, (name, volume) in enumerate(labels.volumes_ml.items(), start=1)
    ][:255]
    return {"url": atlas.url, "columns": atlas.columns, "structures": structures}


def _presets(image: Volume, window: tuple[float, float]) -> list[dict[str, Any]]:
    """The windows to choose from, the one that is shown first among equals."""
    if image.unit != "HU":
        return [{"title": "Whole range", "window": list(window)}]
    known = [
        {"title": _PRESET_TITLES[name], "window": list(preset)} for name, preset in PRESETS.items()
    ]
    if window not in PRESETS.values():
        known.insert(0, {"title": "As given", "window": list(window)})
    return known


def _rendered(content: dict[str, Any]) -> str:
    with extra("view"):
        from jinja2 import Environment, PackageLoader
    environment = Environment(loader=PackageLoader(__package__, "."), autoescape=True)
    return environment.get_template("page.html.j2").render(content=content)
