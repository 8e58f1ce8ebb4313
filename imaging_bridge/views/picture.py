"""Three linked slices as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from halsted.imaging_bridge.errors import OutputError
from halsted.imaging_bridge.exports.colours import RGB, colour_of
from halsted.imaging_bridge.files import write_whole
from halsted.imaging_bridge.formats.extras import extra
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.views.planes import (
    PLANES,
    Plane,
    Slice,
    in_words,
    point_of_interest,
    shown_image,
    slices_at,
    upright,
)
from halsted.imaging_bridge.views.windows import window_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 100
_PANEL_INCHES = 5.2
_LEGEND_INCHES, _LEGEND_ROW_INCHES = 2.8, 0.235
_BACKGROUND, _INK, _QUIET, _CROSS = "#0b0d10", "#f2f2f2", "#9aa4ad", "#38d6ff"
_MOST_IN_LEGEND = 24


def draw_picture(
    patient: Patient,
    path: Path | str,
    point: ArrayLike | None = None,
    window: str | None = None,
) -> Path:
    """Draw the axial, coronal and sagittal slice through one point.

    The patient's right is on the left; all slices have one scale; structures are outlined.

    Args:
        patient: Whose first image and labels are shown.
        path: File that ends with ``.png``.
        point: LPS, mm; None chooses, see `planes.point_of_interest`.
        window: See `windows.window_of`.

    Raises:
        GeometryError: the point lies outside the scan, or the image is no scan.
        HalstedError: there is no such window, or matplotlib is not installed.
        OutputError: the file does not end with .png, or cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise OutputError(f"a picture is a .png file, but the output is {path}; name it so")
    figure = _draw(patient, point, window)
    return write_whole(path, lambda part: figure.savefig(part, dpi=_DPI, facecolor=_BACKGROUND))


def _draw(patient: Patient, point: ArrayLike | None, window: str | None) -> Figure:
    image = shown_image(patient)
    labels = None if patient.labels is None else upright(patient.labels)
    where = np.asarray(point_of_interest(image, labels) if point is None else point, dtype=float)
    slices = slices_at(image, where)
    low, high = window_of(image, where, window)
    masks = None if labels is None else slices_at(labels, where)
    cut = [] if labels is None or masks is None else _cut_structures(labels, masks)
    figure, panels = _panels(list(slices.values()), len(cut))
    for plane, panel in zip(PLANES, panels, strict=True):
        _show(panel, slices[plane], low, high)
        if labels is not None and masks is not None:
            _outline(panel, masks[plane], labels.names)
        _annotate(panel, slices[plane])
    if cut:
        _legend(figure, cut, panels[-1].get_position().x1)
    shown = image.to_patient(np.rint(image.to_index(where)))
    figure.text(
        0.01,
        0.015,
        f"{image.modality}   window {low:g} to {high:g} {_unit(image.unit)}   "
        f"point {in_words(shown)} mm",
        color=_QUIET,
        fontsize=10,
    )
    return figure


def _cut_structures(labels: LabelMap, masks: dict[Plane, Slice]) -> list[tuple[str, RGB]]:
    """Name and colour of the structures that the slices cut."""
    seen = set(np.unique(np.concatenate([one.pixels.ravel() for one in masks.values()])).tolist())
    return [
        (name, colour_of(name, number))
        for number, (name, value) in enumerate(labels.names.items(), start=1)
        if value in seen
    ]


def _unit(unit: str) -> str:
    return "" if unit == "1" else unit


def _panels(slices: list[Slice], named: int) -> tuple[Figure, list[Axes]]:
    """A figure whose panels, side by side, have one scale in mm, and room to name structures."""
    with extra("view"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    sizes = np.array([np.multiply(one.pixels.shape, one.spacing) for one in slices])
    inches = sizes * (_PANEL_INCHES / sizes.max())
    gap, foot, head = 0.35, 0.6, 0.45
    rows = min(named, _MOST_IN_LEGEND + 1)
    width = inches[:, 1].sum() + 4 * gap + (_LEGEND_INCHES if rows else 0)
    height = max(inches[:, 0].max(), rows * _LEGEND_ROW_INCHES) + foot + head
    figure = Figure(figsize=(width, height), facecolor=_BACKGROUND)
    FigureCanvasAgg(figure)
    panels, left = [], gap
    for tall, wide in inches:
        bottom = foot + (height - foot - head - tall) / 2
        panels.append(figure.add_axes((left / width, bottom / height, wide / width, tall / height)))
        left += wide + gap
    return figure, panels


def _extent(one: Slice) -> tuple[float, float, float, float]:
    """Left, right, lower and upper edge of the picture in mm, the first pixel's corner at 0."""
    rows, columns = one.pixels.shape
    return 0.0, columns * one.spacing[1], rows * one.spacing[0], 0.0


def _show(panel: Axes, one: Slice, low: float, high: float) -> None:
    panel.imshow(
        one.pixels,
        cmap="gray",
        vmin=low,
        vmax=high,
        extent=_extent(one),
        interpolation="antialiased",
        aspect="equal",
    )
    panel.set_axis_off()


def _outline(panel: Axes, one: Slice, names: Mapping[str, int]) -> None:
    rows, columns = one.pixels.shape
    y = (np.arange(-1, rows + 1) + 0.5) * one.spacing[0]
    x = (np.arange(-1, columns + 1) + 0.5) * one.spacing[1]
    for number, (name, value) in enumerate(names.items(), start=1):
        mask = np.pad(one.pixels == value, 1).astype(float)
        if mask.any():
            colour = np.array(colour_of(name, number)) / 255
            panel.contourf(x, y, mask, levels=[0.5, 2], colors=[(*colour, 0.18)])
            panel.contour(x, y, mask, levels=[0.5], colors=[colour], linewidths=1.4)
    panel.set_xlim(*_extent(one)[:2])
    panel.set_ylim(*_extent(one)[2:])


def _annotate(panel: Axes, one: Slice) -> None:
    from matplotlib.patheffects import withStroke

    row, column = ((place + 0.5) * step for place, step in zip(one.cross, one.spacing, strict=True))
    wide, tall = _extent(one)[1:3]
    away = 0.04 * max(wide, tall)  # the point itself stays free
    for across, down in (
        ([0, max(column - away, 0)], [row, row]),
        ([min(column + away, wide), wide], [row, row]),
        ([column, column], [0, max(row - away, 0)]),
        ([column, column], [min(row + away, tall), tall]),
    ):
        panel.plot(across, down, color=_CROSS, linewidth=0.8, alpha=0.75)
    panel.set_title(one.plane, color=_INK, fontsize=12, pad=6)
    places = ((0.015, 0.5), (0.985, 0.5), (0.5, 0.985), (0.5, 0.015))
    sides = (("left", "center"), ("right", "center"), ("center", "top"), ("center", "bottom"))
    for letters, (x, y), (ha, va) in zip(one.edges, places, sides, strict=True):
        panel.text(
            x, y, letters, transform=panel.transAxes, ha=ha, va=va, color=_INK,
            fontsize=12, fontweight="bold", path_effects=[withStroke(linewidth=3, foreground="k")],
        )  # fmt: skip


def _as_hex(colour: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _legend(figure: Figure, cut: list[tuple[str, RGB]], left: float) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=_as_hex(colour), label=name[:28]) for name, colour in cut[:_MOST_IN_LEGEND]
    ]
    if len(cut) > _MOST_IN_LEGEND:
        more = f"and {len(cut) - _MOST_IN_LEGEND} more"
        handles.append(Patch(facecolor=_BACKGROUND, label=more))
    legend = figure.legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=(left + 0.005, 0.5),
        frameon=False,
        labelcolor=_INK,
        fontsize=10,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)  # a name with two $ is no formula
