"""One self-contained HTML page that says how policies did, on whom, and from what."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from halsted.imaging_bridge.files import write_text

_TEMPLATE = "report.html.j2"
_BAR_WIDTH, _BAR_HEIGHT = 220.0, 16.0


@dataclass(frozen=True)
class ReportContent:
    """What a report says.

    All text is escaped; none of it is taken as HTML.

    Attributes:
        title: Heading of the page.
        scenario: Name of the scenario.
        facts: (label, value) of the patients, e.g. ``("kind", "phantom")``. A phantom is never
            called a patient scan.
        pictures: (caption, PNG bytes), in order. The caption is also the alternative text.
        scores: (name of the policy, its summary from `statistics.summarise`), in order.
        episodes: Number of episodes by name of the policy.
        remarks: Warnings and remarks, e.g. that a lesion is synthetic.
        provenance: How to repeat it: version, seeds, scenario hash, commands. A sequence is
            printed one item a line.
    """

    title: str
    scenario: str
    facts: Sequence[tuple[str, str]] = ()
    pictures: Sequence[tuple[str, bytes]] = ()
    scores: Sequence[tuple[str, Mapping[str, Any]]] = ()
    episodes: Mapping[str, int] = field(default_factory=dict)
    remarks: Sequence[str] = ()
    provenance: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class _Measure:
    """A block of the score table: which entries of a summary it shows, and how."""

    title: str
    note: str
    key: str
    value: str = "iqm"
    low: str = "low"
    high: str = "high"
    is_share: bool = False
    from_zero: bool = True
    decimals: int = 2


_BOOTSTRAP = "interquartile mean, stratified bootstrap"
_MEASURES = (
    _Measure(
        "Success rate", "share of episodes, Wilson interval; higher is better",
        "success", "rate", "wilson_low", "wilson_high", is_share=True,
    ),
    _Measure("Return", f"{_BOOTSTRAP}; higher is better", "return", from_zero=False),
    _Measure("Cost", f"{_BOOTSTRAP}; lower is better", "cost"),
    _Measure("Steps", f"{_BOOTSTRAP}; lower is faster", "steps", decimals=1),
)  # fmt: skip


@dataclass(frozen=True)
class _Row:
    policy: str
    value: str
    interval: str
    mean: str
    bar: Mapping[str, float]


@dataclass(frozen=True)
class _Block:
    title: str
    note: str
    rows: Sequence[_Row]
    axis: tuple[str, str]


def write_report(folder: Path, content: ReportContent) -> Path:
    """Write `report.html` into `folder`, whole or not at all.

    The page needs no other file and no network: pictures and styles are in it.

    Returns:
        Path of the page.

    Raises:
        OutputError: it cannot be written there.
    """
    return write_text(folder / "report.html", render_report(content))


def render_report(content: ReportContent) -> str:
    """The page that `write_report` writes, as text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("halsted.agents"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(_TEMPLATE).render(
        content=content,
        pictures=[(caption, _embedded(png)) for caption, png in content.pictures],
        blocks=[_block(measure, content.scores) for measure in _MEASURES if content.scores],
        causes=_causes(content.scores),
        harm=[_harm(name, summary, content.scores) for name, summary in content.scores],
        provenance=[(name, _lines(value)) for name, value in content.provenance.items()],
        bar_width=_BAR_WIDTH,
        bar_height=_BAR_HEIGHT,
    )


def _embedded(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _lines(value: object) -> list[str]:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [str(item) for item in value]
    return [str(value)]


# -- Scores ----------------------------------------------------------------------------------


def _block(measure: _Measure, scores: Sequence[tuple[str, Mapping[str, Any]]]) -> _Block:
    low, high = _range(measure, [summary[measure.key] for _, summary in scores])
    rows = [_row(measure, name, summary[measure.key], low, high) for name, summary in scores]
    axis = _number(low, measure), _number(high, measure)
    return _Block(measure.title, measure.note, rows, axis)


def _row(
    measure: _Measure, name: str, numbers: Mapping[str, float], low: float, high: float
) -> _Row:
    value, start, end = (numbers[key] for key in (measure.value, measure.low, measure.high))
    places = zip(("value", "low", "high"), (value, start, end), strict=True)
    return _Row(
        policy=name,
        value=_number(value, measure),
        interval=f"{_number(start, measure)} to {_number(end, measure)}",
        mean=_number(numbers["mean"], measure),
        bar={place: _along(number, low, high) for place, number in places},
    )


def _range(measure: _Measure, all_numbers: Sequence[Mapping[str, float]]) -> tuple[float, float]:
    """Ends of the axis that all bars of a block share."""
    if measure.is_share:
        return 0.0, 1.0
    keys = (measure.value, measure.low, measure.high)
    values = [numbers[key] for numbers in all_numbers for key in keys]
    low, high = min(values), max(values)
    if measure.from_zero:
        low = min(0.0, low)
    return low, high if high > low else low + 1.0


def _along(number: float, low: float, high: float) -> float:
    """Place of a number on a bar, with room for half a mark at both ends."""
    inset = 6.0
    return round(inset + (_BAR_WIDTH - 2 * inset) * (number - low) / (high - low), 2)


def _number(value: float, measure: _Measure) -> str:
    if measure.is_share:
        return f"{100 * value:.1f} %"
    return f"{value:.{measure.decimals}f}".replace("-", "\N{MINUS SIGN}")


def _causes(scores: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    return list(dict.fromkeys(cause for _, summary in scores for cause in summary["cost_by_cause"]))


def _harm(
    name: str, summary: Mapping[str, Any], scores: Sequence[tuple[str, Mapping[str, Any]]]
) -> dict[str, Any]:
    """A row of the table of harm."""
    by_cause = summary["cost_by_cause"]
    return {
        "policy": name,
        "harmed": f"{100 * summary['harmed_episodes']:.1f} %",
        "total": f"{summary['cost']['mean']:.3f}",
        "costs": [f"{by_cause.get(cause, 0.0):.3f}" for cause in _causes(scores)],
    }
