"""An experiment as one HTML page: differences with all that may be said of them, figures, alarms, what was decided.

Entry point: `render`. Self-contained, no script.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from gal_friday_adapters.report_chart import WIDTH, Frame, svg, ticks
from gal_friday_adapters.report_parts import Marked, document, figures, note, plain, soft, table
from gal_friday_core.experiments.analysis import Curve

HEIGHT, LABELS = 300, 6
_KINDS = {"BETTER": "gain", "WORSE": "lost"}

Found = Mapping[str, Any]


def render(found: Found, curves: Sequence[Curve]) -> str:
    """The page as text, to be written as UTF-8. `found`: an analysis with traffic and history, as the manager gives it."""
    served = "scored on the same events" if found["mode"] == "shadow" else "served by split traffic"
    body = "".join(
        (
            soft(f"{found['series']}, {served}, {found['state'].lower()}"),
            note(found["recommendation"]),
            *(note(f"{alarm['code']}: {alarm['text']}", "lost") for alarm in found["alarms"]),
            figures(_headline(found)),
            *(_difference(curve, found["design"]["metric"]) for curve in curves),
            _comparisons(found["comparisons"]),
            _variants(found),
            _history(found["history"]),
            soft(
                "Bands are confidence sequences over block means: they hold at every moment at once, so looking often, and stopping "
                "when something is seen, makes no more errors than stated."
            ),
        )
    )
    return document(f"Experiment {found['name']}", body)


def _headline(found: Found) -> list[tuple[str, str, str]]:
    design, expected = found["design"], found["plan"] or {}
    days = expected.get("days")
    return [
        (
            "Units",
            f"{found['units']:,}",
            f"of at most {design['most_units']:,}, {found['block']:,} to a block",
        ),
        (
            "Error rate",
            f"{design['alpha']:.3g}",
            f"over all looks and {len(found['comparisons'])} comparisons",
        ),
        (
            "Smallest difference seen",
            _small(expected.get("smallest_effect")),
            f"a unit, with power {design['power']:.0%}",
        ),
        ("Longest", "–" if days is None else f"{days:,.1f} days", "if nothing is decided before"),
    ]


def _difference(curve: Curve, metric: str) -> str:
    """A challenger less the control after each block, in its band."""
    known = np.flatnonzero(np.isfinite(curve.walk.low))
    heading = f"<h2>{escape(curve.variant)} less control, {metric.replace('_', ' ')} a unit</h2>"
    if len(known) < 2:
        return heading + soft("Too few blocks for an interval.")
    units = [curve.units[row] for row in known]
    low, mean, high = (
        [float(part[row]) for row in known] for part in (curve.walk.low, curve.walk.mean, curve.walk.high)
    )
    frame = Frame(WIDTH, HEIGHT, units[0], units[-1], ticks(min(0.0, *low), max(0.0, *high)))
    around = frame.points([*units, *reversed(units)], [*high, *reversed(low)])
    marks = [mark for mark in ticks(units[0], units[-1], LABELS) if units[0] <= mark <= units[-1]]
    parts = [
        *frame.grid(),
        *(frame.below(mark, f"{mark:,.0f}") for mark in marks),
        f'<polygon class="band" points="{around}"/>',
        f'<polyline class="equity" points="{frame.points(units, mean)}"/>',
    ]
    return heading + svg(WIDTH, HEIGHT, f"{curve.variant} less control", parts)


def _comparisons(found: Sequence[Found]) -> str:
    rows = [
        (
            one["variant"], one["model_id"], _small(one["difference"]), _small(one["low"]), _small(one["high"]),
            f"{one['p_value']:.4f}", Marked(one["verdict"], _KINDS.get(one["verdict"], "")),
            "–" if one["decided_after"] is None else f"{one['decided_after']:,}",
        )
        for one in found
    ]  # fmt: skip
    names = ("Challenger", "Model", "Difference", "Low", "High", "p at any time", "Verdict", "Decided after")
    return table("Against the control", names, rows)


def _variants(found: Found) -> str:
    rows = [
        (
            one["name"], one["model_id"], f"{found['traffic_split'][one['name']]:.1%}", f"{one['units']:,}",
            _small(one["mean"]), plain(one["total"], 4), f"{one['wins']:,}", f"{one['losses']:,}",
        )
        for one in found["figures"]
    ]  # fmt: skip
    return table("Variants", ("Variant", "Model", "Traffic", "Units", "Mean", "Sum", "Won", "Lost"), rows)


def _history(found: Sequence[Found]) -> str:
    rows = [
        (
            event["at"][:19].replace("T", " "),
            event["action"],
            event["variant"] or "",
            event["actor"],
            event["reason"],
        )
        for event in found
    ]
    return table("What was decided", ("At", "What", "Variant", "Who", "Why"), rows, wide=True)


def _small(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}".replace("-", "−")
