"""The account of a run: exchange, books, limits, and the way of every order from its signal to its reports.

What `RiskManager`, `ExecutionHandler`, `PortfolioManager` and `MonitoringService` do between a signal and its fills,
in their order, with the same modules of this package behind it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import repeat

import msgspec

from gal_friday_core.account import Flow
from gal_friday_core.config import Config
from gal_friday_core.exchange_of_run import Recorded, exchange_of_run
from gal_friday_core.extensions.in_use import rules_of
from gal_friday_core.frictions import Notes
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import ZERO, product
from gal_friday_core.order_reports import own_report
from gal_friday_core.orders import TERMINAL, Order
from gal_friday_core.payloads import ExecutionReport, OrderType, TradeSignalProposed
from gal_friday_core.portfolio import Applied, Portfolio, Position
from gal_friday_core.reservations import Reservations
from gal_friday_core.risk.check import check, drawdown_breach, model_of
from gal_friday_core.risk.codes import Approved, Rejected, told
from gal_friday_core.risk.conduct import Conduct
from gal_friday_core.risk.correlation import Correlations
from gal_friday_core.risk.desk import Desk
from gal_friday_core.risk.order_checks import OrderChecks
from gal_friday_core.risk.order_count import RESTLESS, OrderCount, anomaly
from gal_friday_core.times import DAY_NS, SECOND_NS, interval_ns

ORDER_TYPES: frozenset[OrderType] = frozenset({"MARKET", "LIMIT", "STOP_LOSS", "TAKE_PROFIT"})
"""What the simulated exchange takes."""
FLAT = Position()

Derived = Callable[..., str]
"""Names a logical event by its parts."""


class Now:
    """The clock of a run: it stands at the close of the bar in hand."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        self.ns = ns

    def now_ns(self) -> int:
        return self.ns


class Refused(msgspec.Struct, frozen=True, gc=False):
    """A signal that the risk check did not let pass."""

    signal_id: str
    side: str
    verdict: Rejected


class Account:
    """`now` is the run's clock. `orders`, `reports`, `refused` and `judged`, every signal with its verdict, are kept in
    the order they happened.
    """

    def __init__(
        self,
        config: Config,
        instruments: Sequence[Instrument],
        *,
        cash: Decimal,
        start_ns: int,
        derived: Derived,
        forget: Callable[[ExecutionReport], None],
        recorded: Mapping[str, Recorded],
    ) -> None:
        quote = instruments[0].quote
        self.now = Now(start_ns)
        self.limits = config.risk
        self._costs = config.costs
        self._derived = derived
        self._forget = forget
        self._instruments = {instrument.pair: instrument for instrument in instruments}
        self.exchange = exchange_of_run(config, instruments, {quote: cash}, recorded)
        self.exchange.notes = self.notes = Notes()
        self.portfolio = Portfolio(quote, ZERO, start_ns)
        amount = self.exchange.balances()[quote]
        self.portfolio.credit(
            Flow(flow_id=f"opening:{quote}", kind="TRANSFER", asset=quote, amount=amount, timestamp=start_ns)
        )
        self._reservations = Reservations(fee_rate=config.costs.taker_fee)
        self._conduct = Conduct()
        self._rules = rules_of(config)
        self._correlations = Correlations(self._instruments, config.risk.correlation_half_life_bars)
        self._count = OrderCount()
        self._checks = OrderChecks(
            instruments=instruments, reservations=self._reservations, clock=self.now, costs=config.costs,
            limits=repeat(config.risk).__next__, position=self.position, cash=lambda: self.portfolio.cash,
            order_types=repeat(ORDER_TYPES).__next__, trading=lambda: "HALTED" if self.reasons else "ACTIVE",
        )  # fmt: skip
        limits = config.risk
        self._tightest = min(limits.max_daily_drawdown, limits.max_weekly_drawdown, limits.max_total_drawdown)
        self._window_ns = int(limits.duplicate_window_s * SECOND_NS)
        self._deadline_ns = int(config.exchange.order_deadline_s * SECOND_NS)
        self._bars_a_day = DAY_NS / interval_ns(config.market.interval)
        self.positions = self.portfolio.positions
        self._ever = self.portfolio.peaks.ever
        self._floor = self._lowest()
        self.cancels_due = False
        self._traded: dict[str, None] = {}
        self.reasons: dict[str, None] = {}
        self.approved = 0
        self.sent = 0
        self.fills = 0
        self.rejected: Counter[str] = Counter()
        self.orders: list[Order] = []
        self.reports: list[ExecutionReport] = []
        self.refused: list[Refused] = []
        self.judged: list[tuple[TradeSignalProposed, Approved | Rejected]] = []

    @property
    def halted(self) -> bool:
        """For good: nobody resumes a backtest."""
        return bool(self.reasons)

    def position(self, pair: str) -> Position:
        return self.positions.get(pair, FLAT)

    def hear(self, reports: Sequence[ExecutionReport]) -> None:
        """Book, release and count what the exchange says. `forget` is told of every end."""
        self.reports += reports
        for report in reports:
            ended = report.order_status in TERMINAL
            if report.execution_id is not None:
                self._book(report)
                self._reservations.on_report(report)
                self.check_limits()
            elif not ended:
                continue  # it takes nothing from what is reserved
            else:
                self._reservations.on_report(report)
            if ended:
                self._forget(report)

    def propose(self, signal: TradeSignalProposed, volatility: float) -> Rejected | None:
        """Judge a signal, and send its order where it passes; else why not."""
        verdict = check(signal, self._desk(signal, volatility))
        self.judged.append((signal, verdict))
        if isinstance(verdict, Rejected):
            self.rejected[verdict.code] += 1
            self.refused.append(Refused(signal.signal_id, signal.side, verdict))
            if verdict.code in RESTLESS:
                self._counted()
            return verdict
        self._reservations.reserve(verdict.reservation)
        buy = None
        if signal.side == "BUY":
            buy = signal.trading_pair, verdict.quantity, verdict.reservation.price
            self._conduct.bought(model_of(signal))
        self._conduct.approved(signal.signal_id, signal.expires_at, self.now.ns, buy, self._window_ns)
        self.approved += 1
        self._place(self._order(signal, verdict))
        return None

    def check_limits(self) -> None:
        """Halt where a drawdown is beyond its limit: none is while equity is not below the floor."""
        portfolio, ever = self.portfolio, self.portfolio.peaks.ever
        if ever is not self._ever:
            self._ever = ever
            self._floor = self._lowest()
        if portfolio.equity >= self._floor or self.halted or portfolio.total_drawdown <= self._tightest:
            return
        breach = drawdown_breach(portfolio.state(self.now.ns), self.limits)
        if breach is not None:
            self._halt(breach.code)

    def _lowest(self) -> Decimal:
        """Equity down to which even the tightest limit holds."""
        return product(self._ever.equity, 1 - self._tightest)

    def tell_halt(self) -> None:
        """What follows from a halt once the work in hand is done: waiting entries are cancelled."""
        if self.cancels_due:
            self.cancels_due = False
            self.cancel_entries()

    def cancel_entries(self) -> None:
        """Pair by pair, in the order in which they were first traded."""
        waiting = [order for order in self.exchange.open_orders() if order.side == "BUY"]
        for pair in self._traded:
            for order in waiting:
                if order.trading_pair == pair:
                    self.hear(self.exchange.cancel(order.client_order_id, self.now.ns))

    def _halt(self, reason: str) -> None:
        if not self.halted:
            self.cancels_due = True
        self.reasons[reason] = None

    def _book(self, report: ExecutionReport) -> None:
        """A fill, and what it changed for the limits on how it went so far."""
        self.fills += 1
        done = self.portfolio.apply(report)
        if isinstance(done, Applied):
            net, closed = done.realized - done.fee, not done.position.quantity
            self._conduct.filled(done.pair, net, done.fee, report.timestamp_exchange, closed=closed)

    def _desk(self, signal: TradeSignalProposed, volatility: float) -> Desk:
        return Desk(
            self.portfolio.state(self.now.ns),
            self._instruments[signal.trading_pair],
            self.limits,
            self._costs,
            self._reservations,
            self.now.ns,
            trading="HALTED" if self.reasons else "ACTIVE",
            conduct=self._conduct,
            correlations=self._correlations,
            volatility=volatility,
            bars_a_day=self._bars_a_day,
            rules=self._rules,
        )

    def _order(self, signal: TradeSignalProposed, verdict: Approved) -> Order:
        sells = signal.side == "SELL"
        return Order(
            client_order_id=self._derived("order", signal.signal_id),
            signal_id=signal.signal_id,
            trading_pair=signal.trading_pair,
            side=signal.side,
            order_type=signal.entry_type,
            quantity=verdict.quantity,
            created_at=self.now.ns,
            limit_price=signal.proposed_entry_price,
            stop_price=signal.proposed_sl_price,
            target_price=signal.proposed_tp_price,
            reduce_only=sells,
            purpose="EXIT" if sells else "ENTRY",
            deadline=self.now.ns + self._deadline_ns,
        )

    def _place(self, order: Order) -> None:
        """The last checks, and the send."""
        self.orders.append(order)
        self._traded[order.trading_pair] = None
        over = self._counted()
        refusal = over if over is not None and not order.reduce_only else self._checks.why(order)
        if refusal is not None:
            numbers = told(refusal)
            why = f"{refusal.code}: {numbers}" if numbers else refusal.code
            self.hear([own_report(order, self.exchange.name, "REJECTED", self.now.ns, why)])
            return
        self.sent += 1
        self.hear(self.exchange.submit(order))

    def _counted(self) -> Rejected | None:
        most = self.limits.halt_orders_per_minute
        over = self._count.one_more(self.now.ns, most)
        if over is not None and not self.halted:
            self._halt(anomaly(most))
        return over
