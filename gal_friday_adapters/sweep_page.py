"""A sweep as one HTML page: the verdict first, then what every point earned, and how much of it luck would have shown.

Entry point: `render`. Self-contained, no script.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from gal_friday_adapters.report_parts import (
    Marked,
    document,
    figures,
    note,
    percent,
    plain,
    signed,
    signed_percent,
    soft,
    table,
)
from gal_friday_adapters.sweep_drawings import MOST_CELLS, equity, heat, histogram
from gal_friday_core.sweeps.grid import Grid, described
from gal_friday_core.sweeps.outcome import Outcome
from gal_friday_core.sweeps.result import ALL, Best, Run, Sweep, Walk, together
from gal_friday_core.sweeps.verdict import DAYS_A_YEAR, Verdict
from gal_friday_core.times import DAY_NS, to_iso

SHOWN = 25
MOST_NAMED = 6
MOST_REASONS = 10
_KINDS = {"HOLDS": "gain", "OVERFITTED": "lost", "LOSES": "lost", "UNKNOWN": ""}
_HEADINGS = {
    "HOLDS": "Beyond luck",
    "LOSES": "Nothing here earns",
    "UNKNOWN": "Cannot be told",
}

Outcomes = Sequence[Outcome | None]


def render(found: Sweep) -> str:
    """The page as text, to be written as UTF-8."""
    several = len(found.walks or found.bests) > 1
    body = [soft(_about(found)), *map(note, found.notes), *_ended(found)]
    for best in found.bests:
        body.append(_heading(best.series) if several else "")
        body.append(_best(found, best, _outcomes(found, best.series)))
    for walk in found.walks:
        body.append(_heading(walk.series) if several else "")
        body.append(_walk(found, walk))
    body += [_left_out(found.grid, found.runs), soft(_METHOD)]
    return document(f"Sweep of {found.strategy}", "".join(body))


def _heading(series: str) -> str:
    return f"<h2>{escape(series)}</h2>"


_METHOD = (
    "A year has 365 days. The deflated Sharpe ratio asks how probably the best is beyond what the best of all trials "
    "without skill would show, earlier sweeps on the same question counted, and beyond holding the asset at random for "
    "as long. CSCV chooses the best in every half of 16 blocks of days and looks at it in the other half."
)


def _about(found: Sweep) -> str:
    models = ", ".join(sorted(set(found.models.values()))) or "No model"
    axes = "; ".join(
        f"{one.key.rpartition('.')[2]} {one.values[0]} to {one.values[-1]}" for one in found.grid.axes
    )
    span = f"{to_iso(found.start_ns)[:16].replace('T', ' ')} to {to_iso(found.end_ns)[:16].replace('T', ' ')}"
    series = list(dict.fromkeys(run.series for run in found.runs))
    more = f" and {len(series) - MOST_NAMED} more" if len(series) > MOST_NAMED else ""
    return (
        f"{', '.join(series[:MOST_NAMED])}{more}, {span}. {models}. {len(found.grid.points):,} points: {axes}. {len(found.runs):,} backtests in "
        f"{found.wall_s:,.1f} s by {found.workers} at a time."
    )


def _ended(found: Sweep) -> list[str]:
    if not found.cancelled:
        return []
    return [
        note(f"Ended early: {found.cancelled:,} backtests were not made. What follows is of those that were.")
    ]


def _outcomes(found: Sweep, series: str) -> list[Outcome | None]:
    """One for each point of the grid."""
    names = sorted({run.series for run in found.runs}) if series == ALL else [series]
    by = {(run.series, run.place): run.outcome for run in found.runs}
    columns = [[by.get((name, place)) for name in names] for place in range(len(found.grid.points))]
    return [column[0] if len(names) == 1 else together(column) for column in columns]


def _best(found: Sweep, best: Best, outcomes: Outcomes) -> str:
    parts = [_verdict(best.verdict), figures(_numbers(best.verdict, best.neighbours))]
    if best.place is not None:
        chosen = described(found.grid.points[best.place])
        parts.append(f"<h2>The best: {escape(chosen)}</h2>{soft('Growth of 1; dashed: the asset held.')}")
        parts.append(equity("Equity of the best point", best.first_day, best.returns, best.held))
    parts.append(_map(found.grid, outcomes))
    parts.append(_spread(best.verdict, outcomes))
    parts.append(_points(found.grid, outcomes, best.place))
    return "".join(parts)


def _verdict(verdict: Verdict, heading: str = "This sweep overfits") -> str:
    said = _HEADINGS.get(verdict.word, heading)
    return note(f"{said}. {' '.join(verdict.reasons)}", _KINDS[verdict.word])


def _numbers(verdict: Verdict, neighbours: float | None) -> list[tuple[str, str, str]]:
    luck = None if verdict.luck is None else verdict.luck * math.sqrt(DAYS_A_YEAR)
    return [
        ("Sharpe ratio of the best", plain(verdict.annual_ratio), f"a year, over {verdict.days:,} days"),
        ("Luck of the best", plain(luck), f"of {verdict.trials:,} {_trials(verdict)} without skill"),
        ("Holding at random", plain(verdict.idle * math.sqrt(DAYS_A_YEAR)), "the asset, for as long"),
        ("Deflated Sharpe ratio", percent(verdict.dsr, 1), f"without deflation {percent(verdict.psr, 1)}"),
        ("Probability of overfitting", percent(verdict.pbo, 1), f"loses out of sample {percent(verdict.loss_probability, 1)}"),
        (
            "Its neighbours",
            plain(None if neighbours is None else neighbours * math.sqrt(DAYS_A_YEAR)),
            "mean Sharpe ratio one step away",
        ),
    ]  # fmt: skip


def _trials(verdict: Verdict) -> str:
    return "trial" if verdict.trials == 1 else "trials"


def _yearly(outcome: Outcome | None) -> float | None:
    ratio = None if outcome is None else outcome.ratio
    return None if ratio is None else ratio * math.sqrt(DAYS_A_YEAR)


def _map(grid: Grid, outcomes: Outcomes) -> str:
    """The first two axes with more than one value; of further axes the best."""
    axes = [one.key for one in grid.axes if len({str(point[one.key]) for point in grid.points}) > 1]
    if not axes:
        return ""
    across, down = axes[0], axes[1] if len(axes) > 1 else None
    names = list(dict.fromkeys(str(point[across]) for point in grid.points))
    rows = list(dict.fromkeys(str(point[down]) if down else "" for point in grid.points))
    if len(rows) > len(names) and down is not None:
        across, down, names, rows = down, across, rows, names
    if max(len(names), len(rows)) > MOST_CELLS:
        return ""
    cells: dict[tuple[str, str], float] = {}
    for point, outcome in zip(grid.points, outcomes, strict=True):
        value, at = _yearly(outcome), (str(point[down]) if down else "", str(point[across]))
        if value is not None:
            cells[at] = max(value, cells.get(at, -math.inf))
    values = [[cells.get((row, name)) for name in names] for row in rows]
    sides = f"{across.rpartition('.')[2]} from left to right" + (
        f", {down.rpartition('.')[2]} from top to bottom" if down else ""
    )
    more = "; of other settings the best" if len(axes) > 2 else ""
    return f"<h2>Sharpe ratio of every point</h2>{soft(f'{sides}{more}.')}{heat('Sharpe ratio of every point', names, rows, values)}"


def _spread(verdict: Verdict, outcomes: Outcomes) -> str:
    values = [value for outcome in outcomes if (value := _yearly(outcome)) is not None]
    if len(values) < 5:
        return ""
    marks = [("holding at random", verdict.idle * math.sqrt(DAYS_A_YEAR))]
    if verdict.luck is not None:
        marks.append(("holding and luck", (max(verdict.idle, 0.0) + verdict.luck) * math.sqrt(DAYS_A_YEAR)))
    if verdict.annual_ratio is not None:
        marks.append(("the best", verdict.annual_ratio))
    return f"<h2>How the ratios spread</h2>{histogram('Sharpe ratios of all points', values, marks)}"


def _points(grid: Grid, outcomes: Outcomes, best: int | None) -> str:
    known = [
        (value, place) for place, outcome in enumerate(outcomes) if (value := _yearly(outcome)) is not None
    ]
    known.sort(key=lambda row: (-row[0], row[1]))
    rows = [_row(grid, outcomes[place], place, best) for _, place in known[:SHOWN]]
    keys = [one.key.rpartition(".")[2] for one in grid.axes]
    heading = "Points" if len(known) <= SHOWN else f"The best {SHOWN} of {len(known):,} points"
    names = ("", *keys, "Sharpe", "Return", "Net", "Trades", "Drawdown", "Exposure", "Fees", "Halted")
    return table(heading, names, rows) if rows else ""


def _row(grid: Grid, outcome: Outcome | None, place: int, best: int | None) -> tuple[Any, ...]:
    assert outcome is not None
    return (
        Marked("best", "gain") if place == best else "",
        *(str(value) for value in grid.points[place].values()),
        signed(_yearly(outcome)),
        signed_percent(outcome.total_return),
        signed(float(outcome.net_profit)),
        f"{outcome.trades:,}",
        percent(outcome.max_drawdown),
        percent(outcome.exposure, 1),
        plain(float(outcome.fees)),
        "; ".join(sorted(set(outcome.halted))),
    )


def _walk(found: Sweep, walk: Walk) -> str:
    chosen = [step for step in walk.steps if step.place is not None]
    borders = [step.window.test_ns // DAY_NS for step in walk.steps]
    efficiency = percent(walk.efficiency, 0)
    ratio, *others = _numbers(walk.verdict, None)[:4]
    numbers = [
        ("Sharpe ratio of the walk", *ratio[1:]),
        *others,
        ("Kept out of sample", efficiency, "of the Sharpe ratios chosen by"),
    ]
    return "".join(
        (
            _verdict(walk.verdict, "What was chosen does not hold"),
            figures(numbers),
            "<h2>What was traded</h2>",
            soft(
                f"{len(chosen):,} windows, each with the settings that were best {_looked_back(walk)}. Growth of 1; dashed: "
                "the asset held."
            ),
            equity("Equity of the walk", walk.first_day, walk.returns, walk.held, borders),
            table(
                "Windows",
                (
                    "Traded from",
                    "to",
                    "Settings",
                    "Sharpe chosen by",
                    "Sharpe traded",
                    "Return",
                    "Trades",
                    "Note",
                ),
                [_step(found.grid, step) for step in walk.steps],
            ),
        )
    )


def _looked_back(walk: Walk) -> str:
    """What each choice of settings saw."""
    starts = {step.window.train_ns for step in walk.steps}
    if len(walk.steps) > 1 and len(starts) == 1:
        return "from the first day to its beginning"
    first = walk.steps[0].window
    return f"in the {(first.test_ns - first.train_ns) // DAY_NS:,} days before it"


def _step(grid: Grid, step: Any) -> tuple[Any, ...]:
    traded: Outcome | None = step.traded
    yearly = math.sqrt(DAYS_A_YEAR)
    return (
        to_iso(step.window.test_ns)[:10],
        to_iso(step.window.end_ns)[:10],
        "–" if step.place is None else described(grid.points[step.place]),
        signed(None if step.chosen_ratio is None else step.chosen_ratio * yearly),
        signed(None if step.traded_ratio is None else step.traded_ratio * yearly),
        "–" if traded is None else signed_percent(traded.total_return),
        "–" if traded is None else f"{traded.trades:,}",
        step.reason,
    )


def _left_out(grid: Grid, runs: Sequence[Run]) -> str:
    failed = [run for run in runs if run.outcome is None]
    rows = [("refused by the configuration", reason) for reason in grid.refused[:MOST_REASONS]]
    rows += [
        (f"no result on {run.series}", f"{described(grid.points[run.place])}: {run.reason}")
        for run in failed[:MOST_REASONS]
    ]
    if not rows:
        return ""
    heading = (
        f"Left out: {len(grid.refused):,} combinations refused, {len(failed):,} backtests without a result"
    )
    return table(heading, ("What", "Why"), rows, wide=True)
