"""Proposals in, approvals or refusals out: asks `core.risk`, and holds the reservations (001 §2.6)."""

from collections import Counter
from collections.abc import Callable, Iterable

from gal_friday_core.errors import ContractError
from gal_friday_core.events import Event
from gal_friday_core.instruments import Instrument
from gal_friday_core.payloads import (
    ExecutionReport,
    PotentialHaltTrigger,
    TradeSignalApproved,
    TradeSignalProposed,
    TradeSignalRejected,
)
from gal_friday_core.ports import Clock, Journal
from gal_friday_core.reservations import Reservations
from gal_friday_core.risk import Approved, Desk, Rejected, check, drawdown_breach
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.halt import IsHalted
from gal_friday_live.portfolio_manager import PortfolioManager

SOURCE = "RiskManager"


class RiskManager:
    """Check and reservation are one synchronous step: no other proposal comes between them.

    `market_fault` says why no decision may rest on a pair's market at this moment; empty where one may.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        event_bus: PubSubManager,
        portfolio_manager: PortfolioManager,
        *,
        instruments: Iterable[Instrument],
        clock: Clock,
        is_halted: IsHalted,
        journal: Journal,
        reservations: Reservations | None = None,
        market_fault: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._limits = config.config.risk
        self._tightest = min(
            self._limits.max_daily_drawdown, self._limits.max_weekly_drawdown, self._limits.max_total_drawdown
        )
        self._costs = config.config.costs
        self._bus = event_bus
        self._portfolio = portfolio_manager
        self._instruments = {instrument.pair: instrument for instrument in instruments}
        self._clock = clock
        self._is_halted = is_halted
        self._journal = journal
        self._reservations = reservations if reservations is not None else Reservations()
        self._market_fault = market_fault
        self._subscriptions: list[str] = []
        self.approved = 0
        self.rejected: Counter[str] = Counter()

    async def start(self) -> None:
        self._subscriptions = [
            self._bus.subscribe("TRADE_SIGNAL_PROPOSED", self._on_proposed),
            self._bus.subscribe("EXECUTION_REPORT", self._on_report),
            self._bus.subscribe("MARKET_DATA_OHLCV", self._on_candle),
        ]

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            self._bus.unsubscribe(subscription)

    async def handle_trade_signal_proposed(self, event: Event) -> None:
        """Approve with a quantity and reserve its worst case, or refuse with a code and its numbers."""
        self._on_proposed(event)

    async def check_portfolio_risk_limits(self) -> None:
        """Call for a halt where a drawdown is beyond its limit."""
        self._check_limits()

    def _on_proposed(self, event: Event) -> None:
        signal = event.payload
        assert isinstance(signal, TradeSignalProposed)
        verdict = check(signal, self._desk(signal.trading_pair))
        self._note(signal, verdict)
        if isinstance(verdict, Rejected):
            self.rejected[verdict.code] += 1
            self._refuse(signal, verdict)
            return
        self._reservations.reserve(verdict.reservation)
        self.approved += 1
        self._approve(signal, verdict)

    def _check_limits(self) -> None:
        if self._portfolio.total_drawdown <= self._tightest:
            return  # the loss of a day or a week is never more than that since the highest equity ever
        breach = drawdown_breach(self._portfolio.state(), self._limits)
        if breach is None or self._is_halted():
            return
        trigger = PotentialHaltTrigger(reason=breach.code, source=SOURCE, details=dict(breach.details))
        self._bus.emit("POTENTIAL_HALT_TRIGGER", trigger, source=SOURCE)

    def _desk(self, pair: str) -> Desk:
        try:
            instrument = self._instruments[pair]
        except KeyError:
            raise ContractError(f"signal for {pair}, which this engine does not trade") from None
        return Desk(
            state=self._portfolio.state(),
            instrument=instrument,
            limits=self._limits,
            costs=self._costs,
            reservations=self._reservations,
            now_ns=self._clock.now_ns(),
            halted=self._is_halted(),
            market_fault=self._market_fault(pair),
        )

    def _note(self, signal: TradeSignalProposed, verdict: Approved | Rejected) -> None:
        cause = signal.triggering_prediction
        record = {
            "exchange": signal.exchange,
            "pair": signal.trading_pair,
            "side": signal.side,
            "strategy": signal.strategy_id,
            "model_id": cause.model_id if cause else None,
            "probability": cause.prediction_value if cause else None,
            "entry_type": signal.entry_type,
            "entry_price": signal.proposed_entry_price,
            "expires_at": signal.expires_at,
            "quantity": verdict.quantity if isinstance(verdict, Approved) else None,
            "reference_price": signal.reference_price,
            "stop": signal.proposed_sl_price,
            "target": signal.proposed_tp_price,
            "verdict": verdict.code if isinstance(verdict, Rejected) else "APPROVED",
            "details": verdict.details if isinstance(verdict, Rejected) else verdict.checks,
        }
        self._journal.note("SIGNAL", signal.signal_id, signal.data_timestamp, record)

    def _approve(self, signal: TradeSignalProposed, verdict: Approved) -> None:
        approved = TradeSignalApproved(
            signal_id=signal.signal_id,
            trading_pair=signal.trading_pair,
            exchange=signal.exchange,
            side=signal.side,
            order_type=signal.entry_type,
            quantity=verdict.quantity,
            risk_parameters=dict(verdict.checks),
            reference_price=signal.reference_price,
            data_timestamp=signal.data_timestamp,
            expires_at=signal.expires_at,
            limit_price=signal.proposed_entry_price,
            sl_price=signal.proposed_sl_price,
            tp_price=signal.proposed_tp_price,
        )
        self._bus.emit("TRADE_SIGNAL_APPROVED", approved, source=SOURCE)

    def _refuse(self, signal: TradeSignalProposed, verdict: Rejected) -> None:
        refused = TradeSignalRejected(
            signal_id=signal.signal_id,
            trading_pair=signal.trading_pair,
            exchange=signal.exchange,
            side=signal.side,
            reason=verdict.code,
            details=dict(verdict.details),
        )
        self._bus.emit("TRADE_SIGNAL_REJECTED", refused, source=SOURCE)

    def _on_report(self, event: Event) -> None:
        report = event.payload
        assert isinstance(report, ExecutionReport)
        self._reservations.on_report(report)
        if report.execution_id is not None:
            self._check_limits()

    def _on_candle(self, _event: Event) -> None:
        self._check_limits()
