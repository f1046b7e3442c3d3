"""Cash, positions and drawdown of the engine, booked from reports and marked by bars (001 §2.5)."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from gal_friday_core.errors import ContractError
from gal_friday_core.events import Event
from gal_friday_core.payloads import ExecutionReport, MarketDataOHLCV
from gal_friday_core.portfolio import Applied, Portfolio, PortfolioState, Position
from gal_friday_core.ports import Clock, Exchange
from gal_friday_core.reservations import Reservations
from gal_friday_core.times import interval_ns
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.journal_writer import JournalWriter

FLAT = Position()


class PortfolioManager:
    """The one owner of the `Portfolio`. `fills` counts what was booked, `duplicates` what was told twice.

    `on_bar` is called with each bar's close time and the equity at it.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        event_bus: PubSubManager,
        *,
        quote: str,
        clock: Clock,
        exchange: Exchange,
        writer: JournalWriter,
        reservations: Reservations | None = None,
        on_bar: Callable[[int, Decimal], None] | None = None,
    ) -> None:
        self._bus = event_bus
        self._quote = quote
        self._clock = clock
        self._exchange = exchange
        self._writer = writer
        self._reservations = reservations if reservations is not None else Reservations()
        self._on_bar = on_bar
        self._portfolio = Portfolio(quote, config.config.paper.initial_cash, clock.now_ns())
        self._subscriptions: list[str] = []
        self.fills = 0
        self.duplicates = 0

    async def start(self) -> None:
        """Begin with what the exchange says is there."""
        balances = await self._exchange.balances()
        cash = balances.get(self._quote, Decimal(0))
        self._portfolio = Portfolio(self._quote, cash, self._clock.now_ns())
        self._subscriptions = [
            self._bus.subscribe("MARKET_DATA_OHLCV", self._on_candle),
            self._bus.subscribe("EXECUTION_REPORT", self._on_report),
        ]

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            self._bus.unsubscribe(subscription)

    def position(self, pair: str) -> Position:
        """What is held of a pair; all zeros where nothing is."""
        return self._portfolio.positions.get(pair, FLAT)

    @property
    def equity(self) -> Decimal:
        return self._portfolio.equity

    @property
    def total_drawdown(self) -> Decimal:
        """Fraction lost since the highest equity ever seen."""
        return self._portfolio.total_drawdown

    def state(self) -> PortfolioState:
        """The typed state of this instant, for the risk check."""
        return self._portfolio.state(self._clock.now_ns())

    def get_current_state(self, trading_pair: str | None = None) -> dict[str, Any]:
        """The state in the form of the specification (000 §4.1)."""
        return self.state().as_dict(trading_pair, reserved=self._reservations.cash())

    async def handle_execution_report(self, event: Event) -> None:
        """Book a fill once, and journal fill, position and cash as one record."""
        self._on_report(event)

    def _on_report(self, event: Event) -> None:
        report = event.payload
        assert isinstance(report, ExecutionReport)
        if report.execution_id is None:
            return
        if not self.position(report.trading_pair).quantity and report.last_price is not None:
            # The last mark may be as old as the last trade: the fill itself is the newest price.
            self._portfolio.mark(report.trading_pair, report.last_price, report.timestamp_exchange)
        booked = self._portfolio.apply(report)
        if not isinstance(booked, Applied):
            self.duplicates += 1
            return
        self.fills += 1
        self._journal(report, booked)

    async def reconcile_with_exchange(self) -> None:
        """Compare with the exchange's balances. Raises ContractError naming every asset that differs."""
        theirs = await self._exchange.balances()
        ours = {self._quote: self._portfolio.cash}
        for pair, position in self._portfolio.positions.items():
            ours[pair.partition("/")[0]] = position.quantity
        differing = [
            f"{asset}: booked {ours.get(asset, Decimal(0))}, exchange {theirs.get(asset, Decimal(0))}"
            for asset in sorted(ours.keys() | theirs.keys())
            if ours.get(asset, Decimal(0)) != theirs.get(asset, Decimal(0))
        ]
        if differing:
            raise ContractError(
                f"portfolio and exchange {self._exchange.name} differ: {'; '.join(differing)}"
            )

    def _on_candle(self, event: Event) -> None:
        """Value what is held at the bar's close; while nothing is held no price can change equity."""
        bar = event.payload
        assert isinstance(bar, MarketDataOHLCV)
        close_ns = bar.timestamp_bar_start + interval_ns(bar.interval)
        if self.position(bar.trading_pair).quantity:
            self._portfolio.mark(bar.trading_pair, bar.close, close_ns)
        if self._on_bar is not None:
            self._on_bar(close_ns, self._portfolio.equity)

    def _journal(self, report: ExecutionReport, booked: Applied) -> None:
        self._writer.append(
            "FILL",
            booked.execution_id,
            report.timestamp_exchange,
            {
                "signal_id": report.signal_id,
                "client_order_id": report.client_order_id,
                "pair": booked.pair,
                "side": report.side,
                "order_type": report.order_type,
                "quantity": report.last_quantity,
                "price": report.last_price,
                "fee": report.commission,
                "realized": booked.realized,
                "position_quantity": booked.position.quantity,
                "position_cost": booked.position.cost,
                "cash": self._portfolio.cash,
            },
        )
