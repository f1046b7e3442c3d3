"""Cash, positions and drawdown of the engine, booked from reports and marked by the market (001 §2.5).

One `Portfolio` behind three owners of what goes in: `FundsManager` (money that moves without a trade),
`PositionManager` (fills), `ValuationService` (prices). It is made again from the journal at start, so a
restart knows what was booked before.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from gal_friday_core.errors import ContractError
from gal_friday_core.events import Event
from gal_friday_core.money import ZERO
from gal_friday_core.payloads import ExecutionReport, MarketDataOHLCV
from gal_friday_core.portfolio import Portfolio, PortfolioState, Position
from gal_friday_core.portfolio_records import CASH_FLOW, KINDS, PortfolioRestorer
from gal_friday_core.ports import Clock, Exchange
from gal_friday_core.reservations import Reservations
from gal_friday_core.times import interval_ns
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.funds_manager import FundsManager
from gal_friday_live.journal_writer import JournalWriter, SessionJournal
from gal_friday_live.market_price_service import MarketPriceService
from gal_friday_live.paper_exchange import PaperExchange
from gal_friday_live.position_manager import PositionManager
from gal_friday_live.valuation_service import ValuationService

REPORT = "EXECUTION_REPORT"

Reconcile = Callable[[], Awaitable[Mapping[str, Any]]]


class _Reported(msgspec.Struct):
    """Of a journalled report only what tells whether it carries a fill."""

    execution_id: str | None = None


_key_of_fill = msgspec.json.Decoder(_Reported).decode


class PortfolioManager:
    """The one owner of the `Portfolio`; `funds`, `positions` and `valuation` act on it.

    `pairs` are those that the engine trades: what the account holds of their bases is taken over when it is
    opened. With a `journal` the books of earlier runs are restored from it, and changes of equity noted.
    `on_bar` is called with each bar's close time and the equity at it. Without an `exchange` it is a mirror: somebody
    else opens the account and compares it, and tells of both.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        event_bus: PubSubManager,
        *,
        quote: str,
        clock: Clock,
        exchange: Exchange | None,
        writer: JournalWriter,
        reservations: Reservations | None = None,
        pairs: Iterable[str] = (),
        journal: SessionJournal | None = None,
        prices: MarketPriceService | None = None,
        on_bar: Callable[[int, Decimal], None] | None = None,
    ) -> None:
        del config
        pairs = tuple(pairs)
        self._bus = event_bus
        self._clock = clock
        self._exchange = exchange
        self._journal = journal
        self._on_bar = on_bar
        self._portfolio = portfolio = Portfolio(quote, ZERO, clock.now_ns())
        self._reservations = reservations if reservations is not None else Reservations()
        self.funds = FundsManager(portfolio, writer, pairs=pairs, reservations=self._reservations)
        self.positions = PositionManager(portfolio, self.funds, writer, pairs)
        self.valuation = ValuationService(portfolio, self.funds, clock, prices=prices, journal=journal)
        self._reconcile: Reconcile | None = None
        self._restored = journal is None
        self._subscriptions: list[str] = []

    async def restore(self) -> None:
        """Take in what this session journalled before; once.

        A fill that was journalled as reported but not as booked is booked now: the process ended in between.
        """
        if self._journal is None or self._restored:
            return
        restorer = PortfolioRestorer(self._portfolio)
        reported: dict[str, str] = {}
        async for line in self._journal.lines((*KINDS, REPORT)):
            if line.kind == REPORT:
                if _key_of_fill(line.record).execution_id is not None:
                    reported[line.key] = line.record
                continue
            reported.pop(line.key, None)
            record = msgspec.json.decode(line.record)
            restorer.take(line.kind, line.key, record)
            if line.kind == CASH_FLOW:
                self.funds.take(line.ts_ns, record)
        restorer.finish()
        self.funds.restored()
        self._restored = True
        for text in reported.values():
            self.positions.book(msgspec.json.decode(text, type=ExecutionReport))

    async def start(self) -> None:
        """Restore the books; open those of an account that has none with what the exchange says is there."""
        await self.restore()
        if self.funds.opened and isinstance(self._exchange, PaperExchange):
            self._exchange.resume(self.funds.balances())  # paper money is where our books say it is
        if self._exchange is not None:
            self.funds.open(await self._exchange.balances(), self._clock.now_ns())
        self._subscriptions = [
            self._bus.subscribe("MARKET_DATA_OHLCV", self._on_candle),
            self._bus.subscribe("EXECUTION_REPORT", self._on_report),
        ]

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            self._bus.unsubscribe(subscription)

    def position(self, pair: str) -> Position:
        """What is held of a pair; all zeros where nothing is."""
        return self.positions.position(pair)

    @property
    def fills(self) -> int:
        """Fills booked in this run."""
        return self.positions.fills

    @property
    def duplicates(self) -> int:
        """Fills that were told again, and not booked again."""
        return self.positions.duplicates

    @property
    def revision(self) -> int:
        """Counts every fill and flow ever booked."""
        return self._portfolio.revision

    @property
    def opened_ns(self) -> int:
        """When the account was taken over: what happened before is in its opening balance."""
        return self._portfolio.started_ns

    @property
    def equity(self) -> Decimal:
        return self._portfolio.equity

    @property
    def total_drawdown(self) -> Decimal:
        """Fraction lost since the highest equity ever seen."""
        return self._portfolio.total_drawdown

    def state(self) -> PortfolioState:
        """The typed state of this instant, for the risk check."""
        return self.valuation.state()

    def get_current_state(self, trading_pair: str | None = None) -> dict[str, Any]:
        """The state in the form of the specification (000 §4.1)."""
        return self.state().as_dict(trading_pair, reserved=self._reservations.cash())

    async def handle_execution_report(self, event: Event) -> None:
        """Book a fill once, and journal fill, position and cash as one record."""
        self._on_report(event)

    def reconciled_by(self, reconcile: Reconcile) -> None:
        """Who owns reconciliation; set once by `ReconciliationService`."""
        self._reconcile = reconcile

    async def reconcile_with_exchange(self) -> None:
        """Compare with the exchange, and correct what is provably safe, where a `ReconciliationService` is there.

        Raises ContractError naming every asset that differs after it.
        """
        if self._reconcile is not None:
            await self._reconcile()
        exchange = self._exchange
        if exchange is None:
            return
        theirs, ours = await exchange.balances(), self.funds.balances()
        differing = [
            f"{asset}: booked {amount}, exchange {theirs.get(asset, ZERO)}"
            for asset, amount in sorted(ours.items())
            if amount != theirs.get(asset, ZERO)
        ]
        if differing:
            raise ContractError(f"portfolio and exchange {exchange.name} differ: {'; '.join(differing)}")

    def _on_report(self, event: Event) -> None:
        report = event.payload
        assert isinstance(report, ExecutionReport)
        if report.execution_id is not None:
            self.positions.book(report)

    def _on_candle(self, event: Event) -> None:
        bar = event.payload
        assert isinstance(bar, MarketDataOHLCV)
        close_ns = bar.timestamp_bar_start + interval_ns(bar.interval)
        self.valuation.on_bar(bar.trading_pair, bar.close, close_ns)
        if self._on_bar is not None:
            self._on_bar(close_ns, self._portfolio.equity)
