"""Pictures for reports: slices with target and path, learning curves, camera views."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.cases import PreparedPatient
from halsted.imaging_bridge.structures import is_part_of, role_of
from halsted.imaging_bridge.volume import Grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {
    "lesion": "#35d04f",
    "vessel": "#ff5a4f",
    "bone": "#f2e3b3",
    "lung": "#7fb6ff",
    "target organ": "#c792ea",
    "other organ": "#ffb454",
}
_WINDOWS_HU = {"lung": (-1100.0, 400.0), "liver": (-160.0, 240.0)}
_HALF_WIDTH_MM = 190.0
_STEP_MM = 1.0
# Of each plane: LPS axis to the picture's right and upwards; left-right as radiologists look.
_PLANES = (
    ("axial", (1, 0, 0), (0, -1, 0)),
    ("coronal", (1, 0, 0), (0, 0, 1)),
    ("sagittal", (0, 1, 0), (0, 0, 1)),
)


def slices_png(
    prepared: PreparedPatient,
    target: NDArray[np.float64],
    path: NDArray[np.float64],
) -> bytes:
    """Axial, coronal and sagittal slices through the target, with the way that the tip took.

    Args:
        prepared: The patient.
        target: (3,) LPS, mm.
        path: (n, 3) LPS, mm, of the tip; its last point is where it ended.

    Returns:
        A PNG.
    """
    figure = _figure(13.5, 4.9)
    axes = figure.subplots(1, len(_PLANES))
    for ax, (name, right, up) in zip(axes, _PLANES, strict=True):
        _draw_plane(ax, prepared, target, path, np.array(right, float), np.array(up, float))
        ax.set_title(name, color="white", fontsize=11)
    _add_legend(figure, prepared)
    return _png(figure)


def learning_curve_png(
    steps: Sequence[int], success: Sequence[float], cost: Sequence[float]
) -> bytes:
    """Success and cost of training episodes, each a mean over the last episodes, by steps."""
    figure = _figure(8.0, 3.4, dark=False)
    ax = figure.subplots()
    ax.plot(steps, success, color="#1f6f8b", label="success")
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel("environment steps")
    ax.set_ylabel("success", color="#1f6f8b")
    other = ax.twinx()
    other.plot(steps, cost, color="#c0392b", alpha=0.7, label="cost")
    other.set_ylabel("cost an episode", color="#c0392b")
    other.set_ylim(bottom=0.0)
    ax.spines["top"].set_visible(False)
    other.spines["top"].set_visible(False)
    return _png(figure)


def frame_png(frame: NDArray[np.uint8]) -> bytes:
    """An RGB picture (height, width, 3) as a PNG."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, format="png")
    return stream.getvalue()


def _draw_plane(
    ax: Axes,
    prepared: PreparedPatient,
    target: NDArray[np.float64],
    path: NDArray[np.float64],
    right: NDArray[np.float64],
    up: NDArray[np.float64],
) -> None:
    labels = prepared.patient.labels
    assert labels is not None  # a prepared patient has labels
    offsets = np.arange(-_HALF_WIDTH_MM, _HALF_WIDTH_MM + _STEP_MM, _STEP_MM)
    image = prepared.patient.image
    # The picture shows the scan's middle; its axes still tell the way from the target.
    middle = image.to_patient((np.array(image.shape) - 1) / 2.0) - target
    over, above = offsets + float(np.rint(middle @ right)), offsets + float(np.rint(middle @ up))
    points = target + over[None, :, None] * right + above[:, None, None] * up
    low, high = _WINDOWS_HU.get(prepared.organ, _WINDOWS_HU["liver"])
    extent = (over[0], over[-1], above[0], above[-1])
    values = _nearest(image, points, fill=-1000.0)
    ax.imshow(values, cmap="gray", vmin=low, vmax=high, extent=extent, origin="lower")
    seen = _nearest(labels, points, fill=0)
    for name, values_of in _groups(prepared).items():
        mask = np.isin(seen, values_of)
        if mask.any():
            ax.contour(over, above, mask, levels=[0.5], colors=_COLOURS[name], linewidths=0.9)
    across = (path - target) @ np.column_stack([right, up])
    ax.plot(across[:, 0], across[:, 1], color="#00e5ff", linewidth=1.6)
    ax.plot(*across[-1], marker="o", color="#00e5ff", markersize=5)
    ax.plot(0.0, 0.0, marker="+", color="white", markersize=11)
    ax.set_xlim(over[0], over[-1])
    ax.set_ylim(above[0], above[-1])
    ax.tick_params(colors="#999999", labelsize=7)
    ax.set_xlabel("mm from the target", color="#999999", fontsize=8)


def _nearest(grid: Grid, points: NDArray[np.float64], fill: float) -> NDArray[Any]:
    """Values of the voxels nearest to LPS points (..., 3), mm; `fill` off the grid."""
    index = np.rint(grid.to_index(points)).astype(int)
    on_grid = ((index >= 0) & (index < grid.shape)).all(axis=-1)
    z, y, x = np.moveaxis(np.clip(index, 0, np.array(grid.shape) - 1), -1, 0)
    return np.where(on_grid, grid.voxels[z, y, x], fill)


def _groups(prepared: PreparedPatient) -> dict[str, list[int]]:
    """Label values by what they are drawn as, the lesion last so that it lies on top."""
    labels = prepared.patient.labels
    assert labels is not None  # a prepared patient has labels
    groups: dict[str, list[int]] = {name: [] for name in reversed(_COLOURS)}
    for name, value in labels.names.items():
        role = role_of(name)
        if name == prepared.lesion:
            groups["lesion"].append(value)
        elif role == "vessel":
            groups["vessel"].append(value)
        elif is_part_of(name, prepared.organ):
            groups["target organ"].append(value)
        elif role == "organ":
            groups["other organ"].append(value)
        elif role in groups:
            groups[role].append(value)
    return groups


def _add_legend(figure: Figure, prepared: PreparedPatient) -> None:
    from matplotlib.lines import Line2D

    used = [name for name, values in _groups(prepared).items() if values]
    handles = [Line2D([], [], color=_COLOURS[name], label=name) for name in reversed(used)]
    handles.append(Line2D([], [], color="#00e5ff", marker="o", label="tip's path and end"))
    handles.append(Line2D([], [], color="white", marker="+", linestyle="", label="target"))
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=len(handles),
        frameon=False,
        labelcolor="white",
        fontsize=9,
    )


def _figure(width: float, height: float, dark: bool = True) -> Figure:
    """A figure of its own, which touches no global state of matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, facecolor="black" if dark else "white")
    FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0.06, right=0.97, top=0.93, bottom=0.18, wspace=0.16)
    if not dark:
        figure.subplots_adjust(left=0.1, right=0.9, top=0.96, bottom=0.16)
    return figure


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", facecolor=figure.get_facecolor())
    return stream.getvalue()
