"""Charts of the model page, as Plotly takes them; `{"empty": …}` where there is nothing to draw."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np

from gal_friday_adapters.postgres.prediction_pairs import Pair
from gal_friday_core.drift.finding import DRIFT_TYPES, SEVERITIES
from gal_friday_core.evidence.report import CalibrationBin
from gal_friday_core.experiments.analysis import Curve

Figure = dict[str, Any]

MOST_POINTS = 2_000
_BY_CHANCE = 1.96
"""Standard deviations that hold 95 of 100."""
_SYMBOLS = ("circle", "diamond", "square", "x")


def calibration(bins: Sequence[CalibrationBin]) -> Figure:
    """What was said against what was seen, each tenth of the tested events with how far chance alone may move it."""
    if not bins:
        return {"empty": "This version was trained before calibration was kept: train it again to see it."}
    said = [one.said for one in bins]
    reach = [_BY_CHANCE * sqrt(max(one.seen * (1 - one.seen), 1e-4) / one.events) for one in bins]
    edge = [min(said), max(said)]
    return {
        "data": [
            {
                "type": "scatter", "mode": "lines", "name": "Said as seen", "role": "soft", "x": edge, "y": edge,
                "line": {"dash": "dash", "width": 1}, "hoverinfo": "skip",
            },
            {
                "type": "scatter", "mode": "lines+markers", "name": "Out of sample", "role": "equity", "x": said,
                "y": [one.seen for one in bins], "error_y": {"type": "data", "array": reach, "thickness": 1.2, "width": 3},
                "text": [f"{one.events:,} events" for one in bins],
                "hovertemplate": "said %{x:.1%}, seen %{y:.1%}<br>%{text}<extra></extra>",
            },
        ],
        "layout": {
            "xaxis": {"title": {"text": "Said"}, "tickformat": ".0%"},
            "yaxis": {"title": {"text": "Seen"}, "tickformat": ".0%"},
            "showlegend": False, "hovermode": "closest",
        },
    }  # fmt: skip


def findings(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Every finding on record: when, of which kind, how severe. `rows` have `at`, `drift_type`, `severity`, `reason`."""
    if not rows:
        return {"empty": "No drift beyond a threshold is on record."}
    names = {"CRITICAL": "loss", "HIGH": "loss", "MEDIUM": "second", "LOW": "soft"}
    data = []
    for severity, symbol in zip(SEVERITIES, _SYMBOLS, strict=True):
        those = [row for row in rows if row["severity"] == severity]
        if those:
            data.append({
                "type": "scatter", "mode": "markers", "name": severity.lower(), "role": names[severity],
                "x": [str(row["at"])[:19].replace("T", " ") for row in those],
                "y": [kind_of(row["drift_type"]) for row in those], "text": [row["reason"] for row in those],
                "marker": {"symbol": symbol, "size": 12}, "hovertemplate": "%{x}<br>%{text}<extra></extra>",
            })  # fmt: skip
    return {
        "data": data,
        "layout": {
            "yaxis": {"categoryorder": "array", "categoryarray": [kind_of(one) for one in DRIFT_TYPES]},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "showlegend": True,
            "hovermode": "closest",
        },
    }


def kind_of(drift_type: str) -> str:
    """In one word what drifted."""
    return drift_type.removesuffix("_DRIFT").capitalize()


def pairs(found: Sequence[Pair], control: str, other: str) -> Figure:
    """Two models on the same bars; beyond its line each would have bought."""
    if not found:
        return {
            "empty": "No bar yet that both have scored: the shadow scores along once an engine serves both."
        }
    shown = thinned(found, MOST_POINTS)
    low = min(min(one.control, one.other) for one in shown)
    high = max(max(one.control, one.other) for one in shown)
    last = found[-1]
    lines = [
        {
            "type": "line",
            "x0": low,
            "x1": high,
            "y0": low,
            "y1": high,
            "line": {"dash": "dash", "width": 1},
            "role": "soft",
        },
        *_from(last.control_from, "x", low, high),
        *_from(last.other_from, "y", low, high),
    ]
    return {
        "data": [
            {
                "type": "scatter", "mode": "markers", "role": "equity", "name": "Bars",
                "x": [one.control for one in shown], "y": [one.other for one in shown],
                "marker": {"size": 5, "opacity": 0.55},
                "hovertemplate": "production %{x:.1%}, shadow %{y:.1%}<extra></extra>",
            }
        ],
        "layout": {
            "xaxis": {"title": {"text": f"{control} (in production)"}, "tickformat": ".0%"},
            "yaxis": {"title": {"text": f"{other} (shadow)"}, "tickformat": ".0%"},
            "shapes": lines, "showlegend": False, "hovermode": "closest",
        },
    }  # fmt: skip


def _from(threshold: float | None, axis: str, low: float, high: float) -> list[Figure]:
    """The line from which on a model would have bought."""
    if threshold is None or not low <= threshold <= high:
        return []
    ends = {"x": (threshold, threshold, low, high), "y": (low, high, threshold, threshold)}
    x0, x1, y0, y1 = ends[axis]
    return [
        {
            "type": "line",
            "x0": x0,
            "x1": x1,
            "y0": y0,
            "y1": y1,
            "line": {"dash": "dot", "width": 1},
            "role": "second",
        }
    ]


def thinned(found: Sequence[Pair], most: int) -> Sequence[Pair]:
    """Evenly, the last one kept."""
    step = -(-len(found) // most)
    return found[::-1][::step][::-1] if step > 1 else found


def difference(curve: Curve, unit: str) -> Figure:
    """A challenger less the control after each block, in its confidence sequence."""
    rows = np.flatnonzero(np.isfinite(curve.walk.low))
    if len(rows) < 2:
        return {"empty": "Too few blocks for an interval yet: it needs twenty."}
    units = [curve.units[row] for row in rows]
    low, mean, high = (
        [float(part[row]) for row in rows] for part in (curve.walk.low, curve.walk.mean, curve.walk.high)
    )
    return {
        "data": [
            {
                "type": "scatter", "mode": "lines", "name": "Interval", "role": "equity", "fill": "toself",
                "x": [*units, *reversed(units)], "y": [*high, *reversed(low)], "line": {"width": 0},
                "hoverinfo": "skip",
            },
            {
                "type": "scatter", "mode": "lines", "name": "Difference", "role": "equity", "x": units, "y": mean,
                "customdata": [list(ends) for ends in zip(low, high, strict=True)],
                "hovertemplate": "after %{x:,} units: %{y:.3g}<br>%{customdata[0]:.3g} to %{customdata[1]:.3g}<extra></extra>",
            },
        ],
        "layout": {
            "xaxis": {"title": {"text": "Units"}},
            "yaxis": {"title": {"text": f"{curve.variant} less control, {unit}"}, "zeroline": True},
            "showlegend": False, "hovermode": "x",
        },
    }  # fmt: skip
