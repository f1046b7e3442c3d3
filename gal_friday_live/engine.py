"""The engine: eight services around one bus, started and stopped in order."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gal_friday_core.candles import Series
from gal_friday_core.drift.ladder import shown
from gal_friday_core.errors import ExchangeError, LeaseError
from gal_friday_core.ports import Clock, Exchange
from gal_friday_core.times import to_iso
from gal_friday_live.account_line import AccountLine
from gal_friday_live.bus import PubSubManager
from gal_friday_live.data_ingestor import DataIngestor
from gal_friday_live.engine_view import figures_of
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.feature_engine import FeatureEngine
from gal_friday_live.halt import HaltCoordinator
from gal_friday_live.journal_writer import SessionJournal
from gal_friday_live.monitoring_service import MonitoringService
from gal_friday_live.order_recovery import recover_orders, take_up
from gal_friday_live.portfolio_manager import PortfolioManager
from gal_friday_live.prediction_service import PredictionService
from gal_friday_live.protection_keeper import ProtectionKeeper
from gal_friday_live.provenance import SignalProvenance
from gal_friday_live.reconciliation_service import ReconciliationService
from gal_friday_live.risk_manager import RiskManager
from gal_friday_live.service_life import ended
from gal_friday_live.signal_record import SignalNotes
from gal_friday_live.strategy_arbitrator import StrategyArbitrator
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trades_under_way import TradeUnderWay
from gal_friday_live.trading_gate import TradingGate

TEND_EVERY_S = 15.0
"""Between two looks at all protection."""


async def hear_out(exchange: Exchange, monitoring: MonitoringService) -> None:
    """Until the exchange will tell us nothing more: that must not pass in silence."""
    try:
        await exchange.finished()
    except ExchangeError as error:
        await monitoring.on_exchange_ended(error)


async def tend(protection: ProtectionKeeper) -> None:
    """Look at every position's protection, whether or not somebody told of a change."""
    while True:
        protection.check()
        await asyncio.sleep(TEND_EVERY_S)


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """`start`, `run` until the feed ends or `stop`; `snapshot` and `summary` at any time."""

    series: tuple[Series, ...]
    bus: PubSubManager
    tasks: TaskSupervisor
    clock: Clock
    journal: SessionJournal
    halt: HaltCoordinator
    monitoring: MonitoringService
    portfolio: PortfolioManager
    risk: RiskManager
    execution: ExecutionHandler
    strategy: StrategyArbitrator
    prediction: PredictionService
    features: FeatureEngine
    ingestor: DataIngestor
    gate: TradingGate
    provenance: SignalProvenance
    notes: SignalNotes
    exchange: Exchange
    protection: ProtectionKeeper
    reconciliation: ReconciliationService | None
    account_line: AccountLine
    under_way: Callable[[], Awaitable[Mapping[str, TradeUnderWay]]]

    async def start(self) -> None:
        """Bring every service up, the ones that others depend on first: what earlier runs left is known before the
        exchange speaks, the account is compared before anything is traded, the market comes last.

        Of those that hear the same bar, the portfolio is told first, then risk, strategy and features.
        """
        await self.monitoring.start()
        await self.portfolio.restore()
        recovered = await recover_orders(
            self.journal, blotter=self.execution.blotter, brackets=self.protection.brackets
        )
        await self.portfolio.start()
        self.risk.adopt(self.execution.blotter.records())
        await self.risk.start()
        await self.provenance.start()
        await self.execution.start()
        await self.notes.start()
        await self.protection.start()
        take_up(recovered, self.execution, self.exchange)  # what is found out from now on, everybody hears
        self.exchange.on_line(self.account_line.on_line)
        await self.exchange.start()
        self.tasks.background(hear_out(self.exchange, self.monitoring), "account line")
        self.strategy.take_up(await self.under_way())
        await self.strategy.start()
        await self.prediction.start()
        await self.features.start()
        await self.ingestor.start()
        if self.reconciliation is not None:
            await self.reconciliation.start()
            self.tasks.background(tend(self.protection), "protection")
        await self.tasks.settle()
        self.monitoring.ready()

    async def run(self) -> None:
        """Until the feed ends or `stop`; then every consequence of the last bar has been drawn."""
        await self.ingestor.run()
        await self.tasks.settle()

    def require_account(self) -> None:
        """Raises LeaseError once another engine has the account."""
        if self.monitoring.superseded:
            raise LeaseError(
                "another engine has taken over the account: this one ends, and sends nothing more; one account, one engine"
            )

    async def stop(self) -> None:
        """No new signals, waiting entries cancelled, work in flight to its end, journal to disk. Protection stays
        where it is. A step that hangs or fails holds up none of the others; the first failure is raised at the end.
        Where another engine has the account, nothing more is said to the exchange or written to the journal.
        """
        if failures := await ended(self._endings()):
            raise failures[0]

    def _endings(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        reconciliation = (self.reconciliation.stop,) if self.reconciliation is not None else ()
        if self.monitoring.superseded:
            return (
                self.ingestor.stop, self.strategy.stop, self.protection.stop, self.execution.stop, self.notes.stop,
                self.risk.stop, *reconciliation, self.tasks.stop, self.portfolio.stop, self.monitoring.stop,
            )  # fmt: skip
        return (
            self.ingestor.stop, self._cancel_entries, self.tasks.stop, self.features.stop, self.prediction.stop,
            self.strategy.stop, self.protection.stop, self.execution.stop, self.notes.stop, self.provenance.stop,
            self.risk.stop, *reconciliation, self.exchange.stop, self.portfolio.stop, self.monitoring.stop,
            self.journal.flush,
        )  # fmt: skip

    async def _cancel_entries(self) -> None:
        self.execution.cancel_entries()

    def snapshot(self) -> dict[str, Any]:
        """What one screen shows; cheap enough for every refresh."""
        state = self.portfolio.state()
        return {
            "series": [item.key for item in self.series],
            "time": to_iso(self.clock.now_ns())[:19] + "Z",
            "state": f"HALTED: {self.halt.reason}" if self.halt.halted else "RUNNING",
            "model": ", ".join(self.prediction.trading) or "none",
            "restrictions": {held.model_id: shown(held) for held in self.prediction.restrictions()},
            "inference": self.prediction.placements(),
            "bars": self.ingestor.published,
            "predictions": self.prediction.predictions,
            "signals": self._signals(),
            "orders": self.execution.orders,
            "fills": self.portfolio.fills,
            **figures_of(state),
        }

    def summary(self) -> dict[str, Any]:
        """The run in figures, JSON-able; money as strings."""
        state = self.portfolio.state()
        return {
            "series": [item.key for item in self.series],
            "bars": self.ingestor.published,
            "predictions": self.prediction.predictions,
            "skipped": dict(self.prediction.skipped),
            "signals": self._signals(),
            "orders": self.execution.orders,
            "fills": self.portfolio.fills,
            "final_equity": str(state.total_equity),
            "realized_pnl": str(state.realized_pnl),
            "fees": str(state.fees),
            "total_drawdown": str(state.total_drawdown),
            "open_positions": {pair: str(held.quantity) for pair, held in state.positions.items()},
            "model_ids": list(self.prediction.model_ids),
            "override": self.prediction.override_reason,
            "halted": self.halt.halted,
            "halt_reasons": list(self.monitoring.reasons),
        }

    def _signals(self) -> dict[str, int]:
        """Proposed, approved, and refused by code."""
        counts = {"proposed": self.strategy.proposed, "approved": self.risk.approved}
        return counts | dict(self.risk.rejected)
