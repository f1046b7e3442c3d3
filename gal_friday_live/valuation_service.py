"""Values what is held: at each bar's close, and at the middle of the live book whenever somebody asks."""

from decimal import Decimal

from gal_friday_core.portfolio import Portfolio, PortfolioState
from gal_friday_core.portfolio_records import EQUITY, equity_record
from gal_friday_core.ports import Clock, Journal
from gal_friday_live.funds_manager import FundsManager
from gal_friday_live.market_price_service import MarketPriceService


class ValuationService:
    """Marks the portfolio. Without `prices` only bars mark it; with a `journal` each change is noted there."""

    def __init__(
        self,
        portfolio: Portfolio,
        funds: FundsManager,
        clock: Clock,
        *,
        prices: MarketPriceService | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._portfolio = portfolio
        self._funds = funds
        self._clock = clock
        self._prices = prices
        self._journal = journal
        self._noted: Decimal | None = None

    def on_bar(self, pair: str, close: Decimal, close_ns: int) -> None:
        """Value the pair at the bar's close; while nothing is held no price can change equity."""
        self._funds.price(pair, close, close_ns)
        position = self._portfolio.positions.get(pair)
        if position is not None and position.quantity:
            self._portfolio.mark(pair, close, close_ns)
            self._note(pair, close_ns)

    def price_waiting(self) -> None:
        """Book coins that waited for a price, where the live market has told one by now."""
        if self._prices is None:
            return
        for flow in tuple(self._funds.waiting.values()):
            pair = f"{flow.asset}/{self._portfolio.quote}"
            known = self._prices.latest(pair)
            if known is not None:
                self._funds.price(pair, known.price, known.timestamp_ns)

    def state(self) -> PortfolioState:
        """The portfolio of this instant, at the middle of each live book where there is one."""
        now_ns = self._clock.now_ns()
        if self._prices is not None:
            self._revalue(self._prices)
        return self._portfolio.state(now_ns)

    def price(self, asset: str) -> Decimal | None:
        """What one unit of the asset is worth in quote currency, as far as anybody knows."""
        if asset == self._portfolio.quote:
            return Decimal(1)
        pair = f"{asset}/{self._portfolio.quote}"
        live = self._prices.get_latest_price(pair) if self._prices is not None else None
        mark = self._portfolio.marks.get(pair)
        return live if live is not None else mark.price if mark is not None else None

    def _revalue(self, prices: MarketPriceService) -> None:
        for pair, position in self._portfolio.positions.items():
            live = prices.middle(pair) if position.quantity else None
            if live is not None:
                self._portfolio.mark(pair, live.price, live.timestamp_ns)

    def _note(self, pair: str, ts_ns: int) -> None:
        equity = self._portfolio.equity
        if self._journal is not None and equity != self._noted:
            self._noted = equity
            self._journal.note(EQUITY, f"{pair}:{ts_ns}", ts_ns, equity_record(self._portfolio))
