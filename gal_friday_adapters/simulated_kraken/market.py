"""What the exchange remembers of its public market, pair by pair: full book, trades, spreads, bars."""

from bisect import bisect_left, insort
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
    _bids: "_Side" = field(default_factory=lambda: _Side(sign=-1))
    _asks: "_Side" = field(default_factory=lambda: _Side(sign=1))

    def apply_book(self, update: BookUpdate) -> None:
        self._bids.apply(update.bids, update.timestamp)
        self._asks.apply(update.asks, update.timestamp)
        self._note_spread(update.timestamp)

    def apply_trade(self, update: TradeUpdate) -> None:
        self.trades.append(update)
        self.bars.add(update.price, update.qty, update.timestamp)

    def bids(self, most: int | None = None) -> list[Level]:
        """Best first."""
        return self._bids.levels(most)

    def asks(self, most: int | None = None) -> list[Level]:
        """Best first."""
        return self._asks.levels(most)

    def best(self) -> tuple[PriceLevel | None, PriceLevel | None]:
        """The best bid and ask, None where a side is empty."""
        return self._bids.best(), self._asks.best()

    def _note_spread(self, time_ns: int) -> None:
        bid, ask = self.best()
        if bid is None or ask is None:
            return
        last = self.spreads[-1] if self.spreads else None
        if last is None or (last.bid, last.ask) != (bid[0], ask[0]):
            self.spreads.append(Spread(time_ns, bid[0], ask[0]))


@dataclass(slots=True)
class _Side:
    """Levels kept in order; `sign` is -1 where the best price is the highest."""

    sign: int
    _keys: list[Decimal] = field(default_factory=list)
    _levels: dict[Decimal, Level] = field(default_factory=dict)

    def apply(self, changed: tuple[PriceLevel, ...], time_ns: int) -> None:
        for price, quantity in changed:
            key = price * self.sign
            if quantity:
                if key not in self._levels:
                    insort(self._keys, key)
                self._levels[key] = Level(price, quantity, time_ns)
            elif self._levels.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]

    def levels(self, most: int | None) -> list[Level]:
        return [self._levels[key] for key in self._keys[:most]]

    def best(self) -> PriceLevel | None:
        if not self._keys:
            return None
        level = self._levels[self._keys[0]]
        return level.price, level.quantity
