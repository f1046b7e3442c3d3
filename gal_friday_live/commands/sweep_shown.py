"""How a sweep looks in a terminal and as JSON."""

import math
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape

from gal_friday_core.sweeps.grid import described
from gal_friday_core.sweeps.result import Sweep
from gal_friday_core.sweeps.verdict import DAYS_A_YEAR
from gal_friday_live.commands.shown import table

_COLOURS = {"HOLDS": "green", "OVERFITTED": "red", "LOSES": "red", "UNKNOWN": "yellow"}
MOST_SHOWN = 10


def verdicts(found: Sweep) -> list[dict[str, Any]]:
    """One a series, and one of all together where there are several."""
    bests = [
        {
            "series": one.series,
            "best": None if one.place is None else dict(found.grid.points[one.place]),
            "neighbours": one.neighbours,
            **msgspec.to_builtins(one.verdict),
        }
        for one in found.bests
    ]
    walks = [
        {
            "series": one.series,
            "windows": [
                {
                    "traded_from_ns": step.window.test_ns,
                    "settings": None if step.place is None else dict(found.grid.points[step.place]),
                    "chosen_ratio": step.chosen_ratio,
                    "traded_ratio": step.traded_ratio,
                }
                for step in one.steps
            ],
            "efficiency": one.efficiency,
            **msgspec.to_builtins(one.verdict),
        }
        for one in found.walks
    ]
    return [*bests, *walks]


def print_sweep(found: Sweep) -> None:
    """The verdicts, then the best points or the windows."""
    console = Console(highlight=False)
    chosen = {one.series: one.place for one in found.bests}
    for series, verdict in found.verdicts.items():
        place = chosen.get(series)
        best = "" if place is None else f" best {described(found.grid.points[place])}:"
        said = f"{series}:{best} {verdict.word}. {' '.join(verdict.reasons)}"
        console.print(f"[{_COLOURS[verdict.word]}]{escape(said)}[/]")
    if found.walks:
        table([_step(found, step) for walk in found.walks for step in walk.steps], "No window was traded.")
    else:
        table(_points(found), "No point gave a ratio.")
    if found.grid.refused:
        console.print(
            f"{len(found.grid.refused):,} combinations are refused by the configuration, such as: "
            f"{escape(found.grid.refused[0])}"
        )
    failed = [run for run in found.runs if run.outcome is None]
    if failed:
        console.print(f"{len(failed):,} backtests gave nothing, such as: {escape(failed[0].reason)}")
    if found.cancelled:
        console.print(f"[yellow]Ended early: {found.cancelled:,} backtests were not made.[/]")


def _points(found: Sweep) -> list[dict[str, Any]]:
    known = [
        (run.outcome.ratio, run)
        for run in found.runs
        if run.outcome is not None and run.outcome.ratio is not None
    ]
    known.sort(key=lambda row: -row[0])
    several = len({run.series for run in found.runs}) > 1
    return [
        {
            **({"series": run.series} if several else {}),
            **{key.rpartition(".")[2]: value for key, value in found.grid.points[run.place].items()},
            "Sharpe": f"{ratio * math.sqrt(DAYS_A_YEAR):+.2f}",
            "return": f"{run.outcome.total_return:+.2%}",
            "trades": f"{run.outcome.trades:,}",
            "drawdown": f"{run.outcome.max_drawdown:.2%}",
        }
        for ratio, run in known[:MOST_SHOWN]
        if run.outcome is not None
    ]


def _step(found: Sweep, step: Any) -> dict[str, Any]:
    from gal_friday_core.times import to_iso

    return {
        "series": step.series,
        "from": to_iso(step.window.test_ns)[:10],
        "to": to_iso(step.window.end_ns)[:10],
        "settings": "none" if step.place is None else described(found.grid.points[step.place]),
        "Sharpe chosen by": _yearly(step.chosen_ratio),
        "Sharpe traded": _yearly(step.traded_ratio),
        "return": "" if step.traded is None else f"{step.traded.total_return:+.2%}",
    }


def _yearly(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio * math.sqrt(DAYS_A_YEAR):+.2f}"
