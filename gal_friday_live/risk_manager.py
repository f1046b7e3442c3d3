"""Proposals in, approvals or refusals out: asks `core.risk`, and holds the reservations (001 §2.6)."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

from gal_friday_core.blotter import OrderRecord
from gal_friday_core.config import Config, RiskConfig
from gal_friday_core.drift.ladder import Restriction
from gal_friday_core.events import Event
from gal_friday_core.extensions.in_use import rules_of
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import ZERO
from gal_friday_core.payloads import (
    ExecutionReport,
    MarketDataOHLCV,
    PotentialHaltTrigger,
    PredictionGenerated,
    TradeSignalApproved,
    TradeSignalProposed,
    TradeSignalRejected,
)
from gal_friday_core.ports import Book, Clock
from gal_friday_core.reservations import Reservations
from gal_friday_core.risk.check import check, drawdown_breach, model_of
from gal_friday_core.risk.codes import Approved, Rejected
from gal_friday_core.risk.conduct import Conduct
from gal_friday_core.risk.correlation import Correlations
from gal_friday_core.risk.desk import Desk, TradingState
from gal_friday_core.risk.quote import Quote
from gal_friday_core.risk.standing import Standing, Stop, standing
from gal_friday_core.strategies.protection import volatility_of
from gal_friday_core.times import DAY_NS, SECOND_NS, interval_ns
from gal_friday_live import intents
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.halt import IsHalted
from gal_friday_live.journal_writer import SessionJournal
from gal_friday_live.order_rate import OrderRate
from gal_friday_live.portfolio_manager import PortfolioManager
from gal_friday_live.signal_record import SignalNotes
from gal_friday_live.trading_gate import TradingGate

SOURCE = "RiskManager"
UNFIT = "a side of the book is empty, or it is crossed"
"""A verified book that nothing can be judged by: whoever buys on it would buy unchecked."""


class Judged(Protocol):
    """A model as the risk check sees it. One with an `override` trades paper money without a promotion."""

    @property
    def stage(self) -> str: ...

    @property
    def shadow(self) -> bool: ...

    @property
    def trial(self) -> bool: ...

    @property
    def override(self) -> object | None: ...


class JudgedModels(Protocol):
    """Raises KeyError for a model that does not serve here."""

    def model(self, model_id: str) -> Judged: ...

    def restriction(self, model_id: str) -> Restriction | None: ...


class RiskManager:
    """Check and reservation are one synchronous step: no other proposal comes between them.

    `market_fault` says why no decision may rest on a pair's market at this moment; empty where one may. `book`
    gives the pair's live book where it is verified and fresh. Without `models` no model is asked about its stage.
    `trading_state` is ACTIVE, REDUCING or HALTED; a halt overrules it. Orders that reduce pass all of these.
    `without_model` is the strategy whose buys need no prediction: it trades by a rule, and paper money only.
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
        journal: SessionJournal,
        reservations: Reservations | None = None,
        market_fault: Callable[[str], str] = lambda _: "",
        book: Callable[[str], Book | None] = lambda _: None,
        gate: TradingGate | None = None,
        models: JudgedModels | None = None,
        trading_state: Callable[[], TradingState] = lambda: "ACTIVE",
        notes: SignalNotes | None = None,
        rate: OrderRate | None = None,
        without_model: str | None = None,
    ) -> None:
        self._costs = config.config.costs
        self._bus = event_bus
        self._portfolio = portfolio_manager
        self._instruments = {instrument.pair: instrument for instrument in instruments}
        self._now_ns = clock.now_ns
        self._is_halted = is_halted
        self._journal = journal
        self._reservations = reservations if reservations is not None else Reservations()
        self._reservations.fee_rate = self._costs.taker_fee
        self._market_fault = market_fault
        self._book = book
        self._gate = gate if gate is not None else TradingGate()
        self._models = models
        self._trading_state = trading_state
        self._notes = notes
        self._rate = rate
        self._without_model = without_model
        self._take_limits(config.config)
        self._bars_a_day = DAY_NS / interval_ns(config.config.market.interval)
        self._correlations = Correlations(self._instruments, self._limits.correlation_half_life_bars)
        self._seen: dict[str, tuple[Decimal, Decimal]] = {}
        self._subscriptions: list[str] = []
        self._config = config
        self._rules = rules_of(config.config)
        self.conduct = Conduct()
        self.approved = 0
        self.rejected: Counter[str] = Counter()

    @property
    def limits(self) -> RiskConfig:
        """Those in force: a reload may have tightened them."""
        return self._limits

    def standing(self, stops: Mapping[str, Sequence[Stop]]) -> Standing:
        """How close the account is to each limit now; `stops` are those that rest, by pair."""
        return standing(
            self._portfolio.state(), self._reservations, self._limits, self._costs, pairs=tuple(self._instruments),
            stops=stops, conduct=self.conduct, correlations=self._correlations,
            asked=None if self._rate is None else self._rate.within_a_minute(),
        )  # fmt: skip

    async def start(self) -> None:
        self._config.on_reload(self._take_limits)
        for pair in self._instruments:
            position = self._portfolio.position(pair)
            self._seen[pair] = (position.realized, position.fees)
        await self._remember()
        self._subscriptions = [
            self._bus.subscribe("TRADE_SIGNAL_PROPOSED", self._on_proposed),
            self._bus.subscribe("EXECUTION_REPORT", self._on_report),
            self._bus.subscribe("MARKET_DATA_OHLCV", self._on_candle),
        ]

    def adopt(self, orders: Iterable[OrderRecord]) -> None:
        """Reserve what orders of earlier runs, and of others on the account, may still fill, and remember their
        signals, those of ended orders too; before `start`.

        A market buy names no price: its target is the most that it can sensibly be reckoned at.
        """
        longest_ns = int(self._config.config.strategy.max_signal_age_s * SECOND_NS)
        for record in orders:
            order = record.order
            if order.signal_id:
                self.conduct.remember(order.signal_id, order.created_at + longest_ns)
            price = (
                order.target_price
                or order.stop_price
                or self._portfolio.position(order.trading_pair).average_entry_price
            )
            self._reservations.adopt(order, record.left, price)

    def listed(self, pair: str, status: str) -> None:
        """Which orders the exchange takes in the pair from now on."""
        known = self._instruments.get(pair)
        if known is not None and known.status != status:
            self._instruments[pair] = replace(known, status=status)

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            self._bus.unsubscribe(subscription)

    async def handle_trade_signal_proposed(self, event: Event) -> None:
        """Approve with a quantity and reserve its worst case, or refuse with a code and its numbers."""
        self._on_proposed(event)

    async def check_portfolio_risk_limits(self) -> None:
        """Call for a halt where a drawdown is beyond its limit."""
        self._check_limits()

    def _take_limits(self, config: Config) -> None:
        self._limits = limits = config.risk
        self._window_ns = int(limits.duplicate_window_s * SECOND_NS)
        self._tightest = min(limits.max_daily_drawdown, limits.max_weekly_drawdown, limits.max_total_drawdown)

    def _on_proposed(self, event: Event) -> None:
        signal = event.payload
        assert isinstance(signal, TradeSignalProposed)
        now_ns = self._now_ns()
        verdict = self._judge(signal, now_ns)
        if isinstance(verdict, Rejected):
            self.rejected[verdict.code] += 1
            self._refuse(signal, verdict)
            if self._rate is not None:
                self._rate.refused(verdict.code)
        else:
            self._reservations.reserve(verdict.reservation)
            self._count(signal, verdict, now_ns)
            self._approve(signal, verdict)
        if self._notes is not None:
            self._notes.judged(signal, verdict)

    def _judge(self, signal: TradeSignalProposed, now_ns: int) -> Approved | Rejected:
        pair, buying = signal.trading_pair, signal.side == "BUY"
        instrument = self._instruments.get(pair)
        if instrument is None:
            return Rejected("UNKNOWN_PAIR", {"limit": ", ".join(self._instruments), "value": pair})
        cause = signal.triggering_prediction
        quote, unfit = None, ""
        if buying or signal.proposed_entry_price is not None:
            book = self._book(pair)
            if book is not None:
                quote = Quote.of(book)
                unfit = UNFIT if quote is None else ""
        desk = Desk(  # with more than fifteen names the call would take five times as long
            self._portfolio.state(),
            instrument,
            self._limits,
            self._costs,
            self._reservations,
            now_ns,
            trading="HALTED" if self._is_halted() else self._trading_state(),
            block=self._gate.why(pair) if buying else None,
            market_fault=(self._market_fault(pair) or unfit) if buying else "",
            model_fault=self._model_fault(signal) if buying else "",
            restriction=self._restriction(cause) if buying else None,
            quote=quote,
            conduct=self.conduct,
            correlations=self._correlations,
            volatility=self._volatility(cause),
            bars_a_day=self._bars_a_day,
            rules=self._rules,
        )
        return check(signal, desk)

    def _volatility(self, cause: PredictionGenerated | None) -> float:
        """Asked for only where sizes depend on it."""
        if cause is None or self._limits.sizing != "volatility_scaled":
            return math.nan
        return volatility_of(cause.associated_features)

    def _model_fault(self, signal: TradeSignalProposed) -> str:
        """Why the model behind a signal may not trade; an override by name is for paper money, as wiring sees to."""
        if self._models is None:
            return ""
        if signal.triggering_prediction is None:
            by_rule = signal.strategy_id == self._without_model
            return "" if by_rule else "no prediction stands behind the signal"
        model_id = signal.triggering_prediction.model_id
        try:
            active = self._models.model(model_id)
        except KeyError:
            return f"{model_id} does not serve this engine"
        if (
            active.stage == "production"
            or active.trial
            or (active.override is not None and not active.shadow)
        ):
            return ""
        return f"{model_id} is in stage {active.stage}"

    def _restriction(self, cause: PredictionGenerated | None) -> Restriction | None:
        """What drift restricts the model to; of one that does not serve here, its fault says enough."""
        if self._models is None or cause is None:
            return None
        try:
            return self._models.restriction(cause.model_id)
        except KeyError:
            return None

    def _count(self, signal: TradeSignalProposed, verdict: Approved, now_ns: int) -> None:
        bought = signal.side == "BUY"
        buy = (signal.trading_pair, verdict.quantity, verdict.reservation.price) if bought else None
        self.conduct.approved(signal.signal_id, signal.expires_at, now_ns, buy, self._window_ns)
        if bought:
            self.conduct.bought(model_of(signal))
        self.approved += 1

    def _check_limits(self) -> None:
        if self._portfolio.total_drawdown <= self._tightest:
            return  # the loss of a day or a week is never more than that since the highest equity ever
        breach = drawdown_breach(self._portfolio.state(), self._limits)
        if breach is None or self._is_halted():
            return
        trigger = PotentialHaltTrigger(reason=breach.code, source=SOURCE, details=dict(breach.details))
        self._bus.emit("POTENTIAL_HALT_TRIGGER", trigger, source=SOURCE)

    def _approve(self, signal: TradeSignalProposed, verdict: Approved) -> None:
        approved = TradeSignalApproved(
            signal_id=signal.signal_id,
            trading_pair=signal.trading_pair,
            exchange=signal.exchange,
            side=signal.side,
            order_type=signal.entry_type,
            quantity=verdict.quantity,
            risk_parameters=verdict.checks,
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
            self._filled(report)
            self._check_limits()

    def _filled(self, report: ExecutionReport) -> None:
        """What the fill changed in the portfolio, which was told before: nothing where it was told twice."""
        pair = report.trading_pair
        position = self._portfolio.position(pair)
        realized, fees = self._seen.get(pair, (ZERO, ZERO))
        if (position.realized, position.fees) == (realized, fees):
            return
        self._seen[pair] = (position.realized, position.fees)
        fee = position.fees - fees
        net, closed = position.realized - realized - fee, not position.quantity
        self.conduct.filled(pair, net, fee, report.timestamp_exchange, closed=closed)

    def _on_candle(self, event: Event) -> None:
        bar = event.payload
        assert isinstance(bar, MarketDataOHLCV)
        if len(self._instruments) > 1 and bar.closed:
            bar_ns = interval_ns(bar.interval)
            self._correlations.observe(bar.trading_pair, bar.timestamp_bar_start, bar_ns, float(bar.close))
        self._check_limits()

    async def _remember(self) -> None:
        """Fees of the day, lost trades in a row and buys by model of earlier runs, where a limit counts them."""
        if self._limits.ramp_orders:
            async for intent in self._journal.read(kind=intents.KIND):
                if intent.record["purpose"] == "ENTRY":
                    self.conduct.bought(intent.record.get("model_id") or "")
        if self._limits.max_losses_in_a_row is None and self._limits.max_daily_fees >= 1:
            return
        async for entry in self._journal.read(kind="FILL"):
            told = entry.record
            fee = Decimal(told["fee"])
            net, closed = Decimal(told["realized"]) - fee, not Decimal(told["position_quantity"])
            self.conduct.filled(told["pair"], net, fee, entry.ts_ns, closed=closed)
