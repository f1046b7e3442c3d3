"""`EngineMetrics`: what `gal_friday_core.metrics` names, read off a running engine, or a role, and what stands around it.

Reading is beside the engine: nothing is changed, recorded or waited for. Only the portfolio is valued anew, which
is the engine's own doing, so `state` comes from whoever holds its helm.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_core.metrics import Readings, Value, points
from gal_friday_core.portfolio import PortfolioState
from gal_friday_core.ports import Clock, Metrics
from gal_friday_core.times import SECOND_NS, to_iso
from gal_friday_live.caches import CACHES
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.logger_service import LoggerService
from gal_friday_live.observed import Observed
from gal_friday_live.probes import MEGABYTE
from gal_friday_live.process_watch import GcWatch, LoopWatch, MemoryTrend, ProcessWatch

FRESH_S: Final = 0.1
"""Whoever asks more often is given the same numbers again."""
MILLISECONDS: Final = 1_000
HEALTH: Final = {
    "CLOCK_OFFSET": ("clock_offset_seconds", 1),
    "DISK_FULL": ("free_disk_bytes", MEGABYTE),
    "STORAGE_DOWN": ("database_silent_seconds", 1),
}
"""Readings of the engine's probes by their code, with the unit that they come in."""

log = logging.getLogger(__name__)

Fields = dict[str, Value]


class EngineMetrics:
    """`readings` are all numbers of this moment; `told` is what the control socket answers with.

    `labels` tell this engine from others. `clock` is not the engine's own where its flight is recorded; `timer`
    counts seconds. Without `database`, `journal` or `logger` their numbers are absent; pauses of the
    garbage collector and of the event loop are measured while `watching`. Of a role there is what it has: the account is
    the trader's to tell, and `strands` reads its inbox.
    """

    def __init__(
        self,
        engine: Observed,
        *,
        labels: Mapping[str, str],
        state: Callable[[], PortfolioState],
        clock: Clock,
        database: Database | None = None,
        journal: PostgresJournal | None = None,
        logger: LoggerService | None = None,
        strands: Callable[[], Mapping[str, float]] = dict,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.labels = dict(labels)
        self.collector = GcWatch()
        self.loop = LoopWatch()
        self.memory = MemoryTrend()
        self._engine = engine
        self._state = state
        self._clock = clock
        self._database = database
        self._journal = journal
        self._logger = logger
        self._strands = strands
        self._timer = timer
        self._process = ProcessWatch(self.collector)
        self._began_s = timer()
        self._latest: tuple[float, Readings] | None = None

    def readings(self) -> Readings:
        """All numbers, at most `FRESH_S` old."""
        now_s = self._timer()
        if self._latest is None or now_s - self._latest[0] >= FRESH_S:
            self._latest = (now_s, {name: fields for name, fields in self._read() if fields})
        return self._latest[1]

    def told(self) -> dict[str, Any]:
        """`labels`, `time` and `readings` (nested as `gal_friday_core.metrics` says), JSON-able."""
        return {
            "time": to_iso(self._clock.now_ns()),
            "labels": self.labels,
            "readings": self.readings(),
        }

    def emit(self, sink: Metrics) -> None:
        """Hand every number to a time series, at this moment's time."""
        now_ns = self._clock.now_ns()
        for point in points(self.readings(), self.labels):
            sink.emit(point.measurement, point.tags, point.fields, now_ns)

    @asynccontextmanager
    async def watching(self, sink: Metrics | None, every_s: float) -> AsyncIterator[None]:
        """Watch the process and this event loop meanwhile, and hand the numbers to `sink` now and then, and at the end."""
        with self.collector:
            tasks = [asyncio.ensure_future(self.loop.run()), asyncio.ensure_future(self.memory.run())]
            if sink is not None:
                tasks.append(asyncio.ensure_future(self._emit_every(sink, every_s)))
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                for ended in await asyncio.gather(*tasks, return_exceptions=True):
                    if isinstance(ended, Exception):  # what was cancelled is none
                        log.error("measuring ended early: %s: %s", type(ended).__name__, ended)
                if sink is not None:
                    self.emit(sink)

    async def _emit_every(self, sink: Metrics, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            self.emit(sink)

    def _read(self) -> Iterator[tuple[str, Fields]]:
        execution = self._engine.execution
        if execution is not None:
            state = self._state()
            yield "portfolio_metrics", _portfolio(state, execution)
            yield "gal_friday_position", _positions(state)
            yield "gal_friday_order_path", {**execution.times.readings()}
        yield "gal_friday_engine", {**self._counts(), **_work(self._engine)}
        yield "gal_friday_feed", self._feed()
        yield "gal_friday_bus", self._bus()
        yield "gal_friday_loop", {**self.loop.readings()}
        yield "gal_friday_inference", self._inference()
        yield "gal_friday_journal", self._journalled()
        yield "gal_friday_database", self._pool()
        yield "gal_friday_gc", self._process.gc_readings()
        yield "gal_friday_process", {**self._process.readings()}
        yield "gal_friday_health", self._health()
        yield "gal_friday_cache", _caches()
        yield "gal_friday_outbox", self._outboxes()
        yield "gal_friday_strands", {**self._strands()}

    def _counts(self) -> Fields:
        engine = self._engine
        return {
            "uptime_seconds": self._timer() - self._began_s,
            "halted": float(engine.halt.halted),
            "halt_reasons_total": float(engine.monitoring.reasons.total()),
            "gate_blocks": float(len(engine.gate.blocks())),
            "findings": float(len(engine.monitoring.findings)),
            "bars_total": float(engine.ingestor.published),
        }

    def _feed(self) -> Fields:
        ingestor, now_ns = self._engine.ingestor, self._clock.now_ns()
        silent_s = ingestor.silent_s(now_ns)
        return {
            "connected": float(ingestor.connected),
            **({} if silent_s is None else {"heard_age_seconds": silent_s}),
            "unusable": {
                series.pair: float(bool(ingestor.fault(series.pair, now_ns)))
                for series in self._engine.series
            },
            "missed_trades_total": float(ingestor.missed_trades),
            "bars_refused_total": _floats(ingestor.refused),
            "books_invalid_total": _floats(ingestor.invalidated),
        }

    def _bus(self) -> Fields:
        bus = self._engine.bus
        p50, p99 = bus.meter.handler_times()
        return {
            "delivered_total": float(bus.delivered),
            "dropped_total": float(bus.dropped),
            "superseded_total": float(sum(bus.meter.superseded)),
            "failed_total": float(bus.failed),
            "backlog": float(bus.backlog),
            "handler_p50_seconds": p50 / SECOND_NS,
            "handler_p99_seconds": p99 / SECOND_NS,
        }

    def _inference(self) -> Fields:
        if self._engine.prediction is None:
            return {}
        models = self._engine.prediction.get_inference_metrics()["models"]
        return {
            f"{which}_seconds": {
                model: figures[f"{which}_ns"] / SECOND_NS for model, figures in models.items()
            }
            for which in ("p50", "p99")
        }

    def _journalled(self) -> Fields:
        journal = self._journal
        if journal is None:
            return {}
        return {
            "waiting": float(journal.waiting + self._engine.monitoring.waiting),
            "notes_written_total": float(journal.written),
            "notes_dropped_total": float(journal.dropped),
            "write_failures_total": float(journal.failed_writes),
        }

    def _pool(self) -> Fields:
        if self._database is None:
            return {}
        counts, statements = self._database.pool_counts(), self._database.statements
        return {
            "pool_connections": float(counts["pool_size"]),
            "pool_idle": float(counts["pool_available"]),
            "pool_waiting": float(counts["requests_waiting"]),
            "requests_total": float(counts.get("requests_num", 0)),
            "requests_waited_total": float(counts.get("requests_queued", 0)),
            "wait_seconds_total": counts.get("requests_wait_ms", 0) / MILLISECONDS,
            "request_errors_total": float(counts.get("requests_errors", 0)),
            "statements_total": float(statements.calls),
            "statement_seconds_total": statements.total_ns / SECOND_NS,
        }

    def _health(self) -> Fields:
        found = self._engine.monitoring.health()["readings"]
        return {name: found[code] * unit for code, (name, unit) in HEALTH.items() if code in found}

    def _outboxes(self) -> Fields:
        if self._logger is None:
            return {}
        counts = self._logger.counts()
        return {
            "written_total": {name: float(told["written"]) for name, told in counts.items()},
            "waiting": {name: float(told["waiting"]) for name, told in counts.items()},
            "lost_total": {name: float(told["dropped"] + told["rejected"]) for name, told in counts.items()},
            "failures_total": {name: float(told["failures"]) for name, told in counts.items()},
        }


def _portfolio(state: PortfolioState, execution: ExecutionHandler) -> Fields:
    return {
        "equity": float(state.total_equity),
        "cash": float(state.cash),
        "realized_pnl": float(state.realized_pnl),
        "unrealized_pnl": float(state.unrealized_pnl),
        "fees": float(state.fees),
        "exposure": float(state.total_exposure),
        "daily_drawdown": float(state.daily_drawdown),
        "weekly_drawdown": float(state.weekly_drawdown),
        "total_drawdown": float(state.total_drawdown),
        "open_positions": float(len(state.positions)),
        "open_orders": float(len(execution.blotter.open())),
    }


def _work(engine: Observed) -> Fields:
    """What was proposed, decided and done, by whoever does it."""
    told: Fields = {}
    if engine.prediction is not None:
        told["predictions_total"] = float(engine.prediction.predictions)
    if engine.strategy is not None:
        told["signals_proposed_total"] = float(engine.strategy.proposed)
    if engine.risk is not None:
        told["signals_approved_total"] = float(engine.risk.approved)
        told["signals_rejected_total"] = _floats(engine.risk.rejected)
    if (execution := engine.execution) is not None:
        told |= {
            "orders_sent_total": float(execution.orders),
            "orders_refused_total": _floats(execution.refused),
            "orders_unknown": float(len(execution.unknown.open)),
            "reports_total": float(execution.reports),
            "anomalies_total": _floats(execution.anomalies),
            "fills_total": float(engine.portfolio.fills),
        }
    return told


def _positions(state: PortfolioState) -> Fields:
    return {
        "quantity": {pair: float(held.quantity) for pair, held in state.positions.items()},
        "value": {pair: float(held.market_value) for pair, held in state.positions.items()},
    }


def _caches() -> Fields:
    return {
        "hits_total": {name: float(cache.hits) for name, cache in CACHES.items()},
        "misses_total": {name: float(cache.misses) for name, cache in CACHES.items()},
    }


def _floats(counts: Mapping[str, int]) -> dict[str, float]:
    return {name: float(count) for name, count in counts.items()}
