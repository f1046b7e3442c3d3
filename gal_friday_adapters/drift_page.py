"""A look for drift as one HTML page: findings, features before and now, scores, results. Self-contained, no script.

Entry point: `render`.
"""

from collections.abc import Iterable, Sequence
from html import escape
from math import log10

from gal_friday_adapters.report_chart import WIDTH, Frame, svg, ticks
from gal_friday_adapters.report_figures import HALF
from gal_friday_adapters.report_parts import (
    Marked,
    document,
    figures,
    note,
    percent,
    plain,
    side_by_side,
    soft,
    table,
    time_labels,
)
from gal_friday_core.drift.concept import Alarms, ConceptDrift
from gal_friday_core.drift.data import FeatureDrift, Shape
from gal_friday_core.drift.finding import Finding
from gal_friday_core.drift.looks import Look
from gal_friday_core.drift.performance import RECENT, ControlCharts, PerformanceDrift
from gal_friday_core.drift.prediction import PredictionDrift
from gal_friday_core.times import to_iso

SHAPE_HEIGHT, CHART_HEIGHT = 170, 220
_NAMES = {
    "DATA_DRIFT": "Features",
    "PREDICTION_DRIFT": "Predictions",
    "CONCEPT_DRIFT": "Relation",
    "PERFORMANCE_DRIFT": "Results",
}
_TOLD = {"drifted", "dead", "missing"}


def render(look: Look, notes: Sequence[str] = ()) -> str:
    """The page as text, to be written as UTF-8. `notes` stand on top."""
    body = "".join(
        (
            soft(f"As of {to_iso(look.at_ns)[:19].replace('T', ' ')} UTC"),
            *(note(text) for text in notes),
            *(note(_sentence(one), _kind(one)) for one in look.findings),
            figures(_headline(one) for one in look.findings),
            _features(look.features),
            _shapes(look.shapes),
            "" if look.scores is None else _scores(look.scores),
            _results(look.concept, look.performance),
            "" if look.charts is None else _charts(look.charts),
        )
    )
    return document(f"Drift of {look.model_id}", body)


def _kind(finding: Finding) -> str:
    if finding.threshold_exceeded:
        return "lost"
    return "gain" if finding.metrics["judged"] else ""


def _sentence(finding: Finding) -> str:
    said = f"{_NAMES[finding.drift_type]}: {finding.metrics['reason']}"
    return (
        f"{said}. Recommended: {_words(finding.recommendation)}."
        if finding.threshold_exceeded
        else f"{said}."
    )


def _headline(finding: Finding) -> tuple[str, str, str]:
    judged = bool(finding.metrics["judged"])
    return (
        _NAMES[finding.drift_type],
        _words(finding.severity) if judged else "undecided",
        f"confidence {percent(finding.confidence, 1)}" if judged else "the data cannot say yet",
    )


def _words(name: str) -> str:
    return name.replace("_", " ").lower()


def _features(features: Sequence[FeatureDrift]) -> str:
    if not features:
        return ""
    order = sorted(features, key=lambda one: (not one.told, -(one.shift or 0.0)))
    rows = (
        (
            one.name, Marked(one.state, "lost" if one.state in _TOLD else ""), plain(one.shift, 3), plain(one.ks, 3),
            _probability(one.q_value), plain(one.stability, 4), plain(one.stability_noise, 4),
            percent(one.missing_share, 1), f"{one.independent_rows:,.0f}",
        )
        for one in order
    )  # fmt: skip
    heads = (
        "Feature", "State", "Shift (σ)", "KS", "q", "Stability index", "By chance", "Unknown", "Independent rows",
    )  # fmt: skip
    about = soft(
        "Shift is the Wasserstein distance in standard deviations of the training window. q is the p-value of the KS "
        "test on independent rows, adjusted for all features. By chance: what the stability index passes once in "
        "twenty without drift."
    )
    return f"{table('Features', heads, rows)}{about}"


def _probability(value: float | None) -> str:
    if value is None:
        return plain(None)
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def _shapes(shapes: Sequence[Shape]) -> str:
    if not shapes:
        return ""
    drawn = side_by_side(*((one.name, _shape(one)) for one in shapes))
    about = soft(
        "Line: the training window. Filled: now. The outermost bins hold what lies beyond them, too."
    )
    return f"<h2>Before and now</h2>{drawn}{about}"


def _shape(shape: Shape) -> str:
    step = (shape.high - shape.low) / len(shape.now)
    highest = max(*shape.before, *shape.now)
    frame = Frame(HALF, SHAPE_HEIGHT, shape.low, shape.high, ticks(0.0, highest, 3), percent=True)
    edges = [shape.low + step * place for place in range(len(shape.now) + 1)]
    corners = [edge for edge in edges for _ in range(2)][1:-1]
    before, now = (frame.points(corners, [share for share in side for _ in range(2)]) for side in shape[3:])
    floor = f"{frame.y(0.0):.1f}"
    parts = [
        *frame.grid(),
        f'<polygon class="band" points="{frame.x(shape.low):.1f},{floor} {now} {frame.x(shape.high):.1f},{floor}"/>',
        f'<polyline class="zero" points="{before}"/>',
        *(
            frame.below(place, f"{place:.4g}")
            for place in (edges[len(edges) // 6], edges[-1 - len(edges) // 6])
        ),
    ]
    return svg(HALF, SHAPE_HEIGHT, f"{shape.name} before and now", parts)


def _scores(drift: PredictionDrift) -> str:
    rows = [
        (
            "scores, shift in standard deviations",
            plain(drift.score.shift, 3),
            _probability(drift.score.q_value),
        ),
        (
            "bars that are signals",
            f"{percent(drift.signal_rate)}, before {percent(drift.reference_signal_rate)}",
            _probability(drift.signal_q_value),
        ),
    ]
    return table("Predictions", ("What", "Now", "q"), rows)


def _results(concept: ConceptDrift | None, performance: PerformanceDrift | None) -> str:
    parts = []
    if concept is not None:
        rows = [_stream("errors", concept.errors), _stream("losing trades", concept.losses)]
        heads = ("Stream", "Labels", "Before", "Since", "HDDM_A after", "ADWIN after")
        parts.append(table("The relation", heads, rows))
    if performance is not None:
        parts.append(table("Results against what was said", ("What", "Seen", "Said", "Lately", "Said lately", "Evidence", "Alarm after"),
                           _promises(performance)))  # fmt: skip
        parts.append(
            soft(
                f"Of {performance.errors.count:,} labels that share no time, {performance.wins.count:,} trades among them; "
                f"{performance.waiting:,} predictions wait for their label. Lately: the {RECENT} latest. Evidence "
                "is what a bettor against the model has made of 1; alarms come from him, or from those who begin anew at "
                "each label and find what began late."
            )
        )
    return "".join(parts)


def _stream(name: str, stream: Alarms) -> tuple[str, ...]:
    return (
        name, f"{stream.labels:,}", percent(stream.rate_before, 1),
        percent(stream.rate_since, 1) if stream.count else plain(None), _after(stream.hddm_at), _after(stream.adwin_at),
    )  # fmt: skip


def _promises(found: PerformanceDrift) -> Iterable[tuple[str, ...]]:
    for name, claim, decimals in (
        ("errors", found.errors, 1), ("trades that win", found.wins, 1), ("net return a trade", found.returns, 3),
    ):  # fmt: skip
        yield (
            name, percent(claim.seen, decimals), percent(claim.said, decimals), percent(claim.recent_seen, decimals),
            percent(claim.recent_said, decimals), _wealth(claim.evidence), _after(claim.at),
        )  # fmt: skip


def _wealth(value: float) -> str:
    return plain(value) if value < 1e6 else f"10^{log10(value):.0f}"


def _after(at: int | None) -> str:
    return plain(None) if at is None else f"{at:,}"


def _charts(found: ControlCharts) -> str:
    about = soft(
        "How far trades fall short of their promise, in standard deviations of a trade: CUSUM with the limit that "
        "chance passes as seldom as configured, and a moving mean below. Alarms come from the evidence above."
    )
    times = found.t1_ns.tolist()
    cusum = _line("CUSUM of what trades fell short by", times, found.cusum.tolist(), found.cusum_limit)
    ewma = _line("Moving mean of what trades fell short by", times, found.ewma.tolist(), None)
    return f"<h2>Trades against their promise</h2>{cusum}{ewma}{about}"


def _line(title: str, times: Sequence[int], values: Sequence[float], limit: float | None) -> str:
    low, high = min(0.0, *values), max(0.0, limit or 0.0, *values)
    frame = Frame(WIDTH, CHART_HEIGHT, times[0], times[-1], ticks(low, high))
    parts = [*frame.grid(), *(frame.below(time, text) for time, text in time_labels(times[0], times[-1]))]
    if limit is not None:
        ends = (times[0], times[-1])
        parts.append(f'<polyline class="drawdown" points="{frame.points(ends, (limit, limit))}"/>')
    parts.append(f'<polyline class="equity" points="{frame.points(times, values)}"/>')
    return f"<h3>{escape(title)}</h3>{svg(WIDTH, CHART_HEIGHT, title, parts)}"
