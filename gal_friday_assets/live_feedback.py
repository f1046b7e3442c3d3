"""From strands to Parquet, month by month: verdicts and executions outlive the strands that retention removes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Generic, TypeVar

import msgspec
import numpy as np

from gal_friday_adapters.live_tables import LiveTables, frame_of
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.strands.feedback import StrandFeedback
from gal_friday_assets.describe import Metadata, numbers
from gal_friday_assets.live_exports import Export
from gal_friday_assets.partitions import month_bounds
from gal_friday_assets.resources import Settings
from gal_friday_core.candles import Series
from gal_friday_core.strands.feedback import Decision, Execution, Feedback

Row = TypeVar("Row", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Table(Generic[Row]):
    """One table of the lake: what its rows are, what tells them apart, and which time they are ordered by."""

    name: str
    kind: type[Row]
    key: tuple[str, ...]
    time: str

    def stored(self, store: LiveTables, series: Series, month: str) -> list[Row]:
        """Rows as they stand in the lake; none where nothing does."""
        frame = store.read(self.name, series, month)
        return [] if frame is None else [self.kind(**row) for row in frame.iter_rows(named=True)]

    def kept(self, store: LiveTables, series: Series, month: str, found: list[Row]) -> list[Row]:
        """Write what was found, with what was stored before and is not among it; all of it, in the order of time."""
        both = [*self.stored(store, series, month), *found]
        rows = {tuple(getattr(row, name) for name in self.key): row for row in both}
        ordered = [rows[key] for key in sorted(rows, key=lambda key: (getattr(rows[key], self.time), key))]
        store.write(self.name, series, month, frame_of(self.kind, ordered))
        return ordered


DECISIONS = Table("decisions", Decision, ("plan",), "planned_ns")
EXECUTIONS = Table("executions", Execution, ("client_order_id", "status", "execution_id"), "reported_ns")


def decisions(settings: Settings) -> Export:
    """Plans and their verdicts."""

    def export(store: LiveTables, series: Series, month: str) -> Metadata:
        found = _read(settings, lambda told: told.decisions(*_of(series, month)))
        rows = DECISIONS.kept(store, series, month, found)
        waits = _percentiles("decided_ms", [row.waited_ms for row in rows])
        return {"dagster/row_count": len(rows), **_told(Feedback.of(rows, ())), **waits}

    return export


def executions(settings: Settings) -> Export:
    """Reports with their plans."""

    def export(store: LiveTables, series: Series, month: str) -> Metadata:
        found = _read(settings, lambda told: told.executions(*_of(series, month)))
        rows = EXECUTIONS.kept(store, series, month, found)
        fills = [row for row in rows if row.execution_id]
        return {
            "dagster/row_count": len(rows),
            "fills": len(fills),
            **_told(Feedback.of(DECISIONS.stored(store, series, month), rows)),
            **_percentiles("reported_ms", [row.reported_ms for row in fills]),
        }

    return export


def feedback_of(store: LiveTables, series: Series, months: Iterable[str]) -> Feedback:
    """Of whole months, as they were brought back last."""
    months = list(months)
    judged = [row for month in months for row in DECISIONS.stored(store, series, month)]
    return Feedback.of(judged, [row for month in months for row in EXECUTIONS.stored(store, series, month)])


def _read(settings: Settings, ask: Callable[[StrandFeedback], Awaitable[list[Row]]]) -> list[Row]:
    async def run() -> list[Row]:
        async with Database(settings.database_url) as database:
            return await ask(StrandFeedback(database))

    return asyncio.run(run())


def _of(series: Series, month: str) -> tuple[str, str, int, int]:
    return (series.pair, series.interval, *month_bounds(month))


def _told(found: Feedback) -> Metadata:
    shares = ("refused_share", "filled_share", "slippage_bps")
    known = {name: value for name in shares if (value := getattr(found, name)) is not None}
    refusals = ", ".join(f"{code} {number}" for code, number in found.codes.items())
    return {"plans": found.plans, "refusals": refusals, **numbers(known)}


def _percentiles(name: str, waits: list[float]) -> Metadata:
    known = [wait for wait in waits if isfinite(wait)]
    if not known:
        return {}
    return numbers({f"{name}_p{share}": float(np.percentile(known, share)) for share in (50, 99)})
