"""What the exchange remembers of its public market, pair by pair: full book, trades, spreads, bars."""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from gal_friday_adapters.simulated_kraken.bars import Bars
from gal_friday_core.venue.listings import Listing
from gal_friday_core.venue.updates import BookUpdate, PriceLevel, TradeUpdate

TRADES_KEPT = 1000
SPREADS_KEPT = 200


@dataclass(frozen=True, slots=True)
class Level:
    """A price level and when it last changed."""

    price: Decimal
    quantity: Decimal
    time_ns: int


@dataclass(frozen=True, slots=True)
class Spread:
    time_ns: int
    bid: Decimal
    ask: Decimal


@dataclass(slots=True)
class PairMarket:
    """One pair's public market."""

    listing: Listing
    bars: Bars
    trades: deque[TradeUpdate] = field(default_factory=lambda: deque(maxlen=TRADES_KEPT))
    spreads: deque[Spread] = field(default_factory=lambda: deque(maxlen=SPREADS_KEPT))
    _bids: dict[Decimal, Level] = field(default_factory=dict)
    _asks: dict[Decimal, Level] = field(default_factory=dict)
    _sorted_bids: list[Level] | None = None
    _sorted_asks: list[Level] | None = None

    def apply_book(self, update: BookUpdate) -> None:
        _apply(self._bids, update.bids, update.timestamp)
        _apply(self._asks, update.asks, update.timestamp)
        if update.bids:
            self._sorted_bids = None
        if update.asks:
            self._sorted_asks = None
        self._note_spread(update.timestamp)

    def apply_trade(self, update: TradeUpdate) -> None:
        self.trades.append(update)
        self.bars.add(update.price, update.qty, update.timestamp)

    @property
    def bids(self) -> list[Level]:
        """Best first."""
        if self._sorted_bids is None:
            self._sorted_bids = sorted(self._bids.values(), key=lambda level: -level.price)
        return self._sorted_bids

    @property
    def asks(self) -> list[Level]:
        """Best first."""
        if self._sorted_asks is None:
            self._sorted_asks = sorted(self._asks.values(), key=lambda level: level.price)
        return self._sorted_asks

    def best(self) -> tuple[PriceLevel | None, PriceLevel | None]:
        """The best bid and ask, None where a side is empty."""
        bids, asks = self.bids, self.asks
        return (
            (bids[0].price, bids[0].quantity) if bids else None,
            (asks[0].price, asks[0].quantity) if asks else None,
        )

    def _note_spread(self, time_ns: int) -> None:
        bid, ask = self.best()
        if bid is None or ask is None:
            return
        last = self.spreads[-1] if self.spreads else None
        if last is None or (last.bid, last.ask) != (bid[0], ask[0]):
            self.spreads.append(Spread(time_ns, bid[0], ask[0]))


def _apply(side: dict[Decimal, Level], levels: tuple[PriceLevel, ...], time_ns: int) -> None:
    for price, quantity in levels:
        if quantity:
            side[price] = Level(price, quantity, time_ns)
        else:
            side.pop(price, None)
