"""A sweep on disk: a page, its JSON, and two tables as Parquet, one row a backtest and one row a day of each."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from gal_friday_adapters.files import LocalFiles
from gal_friday_adapters.parquet_store import write_frame
from gal_friday_adapters.sweep_page import render
from gal_friday_core.errors import StorageError
from gal_friday_core.sweeps.result import Run, Sweep
from gal_friday_core.times import DAY_NS

PAGE, DOCUMENT, TRIALS, DAYS = "sweep.html", "sweep.json", "trials.parquet", "daily_returns.parquet"


def sweep_id(found: Sweep) -> str:
    """The same settings over the same series and time are the same sweep, whoever makes it and how often."""
    asked = [
        found.strategy, found.models, found.objective, found.start_ns, found.end_ns, found.grid.axes,
        sorted({run.series for run in found.runs}), [walk.steps[0].window for walk in found.walks],
    ]  # fmt: skip
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()[:12]


def write_sweep(folder: Path, found: Sweep) -> dict[str, Path]:
    """Replace what the folder holds of an earlier one. Raises StorageError where the disk refuses."""
    names = (PAGE, DOCUMENT, TRIALS, DAYS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PAGE).write_text(render(found), encoding="utf-8")
        (folder / DOCUMENT).write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror}; free space there") from error
    write_frame(LocalFiles(folder), TRIALS, trials(found))
    write_frame(LocalFiles(folder), DAYS, daily(found))
    return {name: folder / name for name in names}


def trials(found: Sweep) -> pl.DataFrame:
    """One row a backtest: series, time (ns UTC), each axis as text, and what it gave; null where nothing."""
    return pl.DataFrame(
        [_trial(found, run) for run in found.runs], infer_schema_length=None, schema_overrides=_TYPES
    )


_TYPES = {
    "ratio": pl.Float64, "total_return": pl.Float64, "net_profit": pl.String, "fees": pl.String, "trades": pl.Int64,
    "bars": pl.Int64, "max_drawdown": pl.Float64, "exposure": pl.Float64, "halted": pl.String, "reason": pl.String,
}  # fmt: skip


def _trial(found: Sweep, run: Run) -> dict[str, Any]:
    outcome = run.outcome
    point = {key: str(value) for key, value in found.grid.points[run.place].items()}
    figures: dict[str, Any] = dict.fromkeys(_TYPES)
    if outcome is not None:
        figures |= {
            name: getattr(outcome, name)
            for name in (
                "ratio",
                "total_return",
                "net_profit",
                "fees",
                "trades",
                "bars",
                "max_drawdown",
                "exposure",
            )
        }
        figures["halted"] = "; ".join(outcome.halted)
    return {
        "series": run.series, "place": run.place, "start_ns": run.start_ns, "end_ns": run.end_ns, **point, **figures,
        "reason": run.reason,
    }  # fmt: skip


def daily(found: Sweep) -> pl.DataFrame:
    """One row a day of each backtest: `place` in the grid, `day_ns` its midnight (UTC), `net_return` a fraction."""
    parts = [
        pl.DataFrame({
            "series": [run.series] * len(run.outcome.returns),
            "place": [run.place] * len(run.outcome.returns),
            "start_ns": [run.start_ns] * len(run.outcome.returns),
            "day_ns": [(run.outcome.first_day + day) * DAY_NS for day in range(len(run.outcome.returns))],
            "net_return": list(run.outcome.returns),
        })
        for run in found.runs
        if run.outcome is not None
    ]  # fmt: skip
    return pl.concat(parts) if parts else pl.DataFrame()
