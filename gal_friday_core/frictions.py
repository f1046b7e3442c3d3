"""What the simulated exchange does not give away: fees by tier, slippage by size, latency, what a bar can bear, the queue.

`Frictions` answers from the configuration, the order and the bar at hand. Beside the fees' volume it remembers nothing
of bars that it was not asked about, so that a backtest may pass by bars in which no order can fill.

Slippage by size is the square-root law (Toth and others 2011; Almgren and others 2005): a price moves by its deviation
times the root of the share of the volume that the order is. Deviation and volume of the same time scale alike, so a
bar's own serve as well as a day's. The deviation is Parkinson's (1980), from the bar's range.
"""

from collections import deque
from decimal import Decimal
from math import log, sqrt

import msgspec

from gal_friday_core.config import CostsConfig
from gal_friday_core.fidelity_settings import FidelityConfig, tier_of
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import DOWN, ZERO, floor_to, product, value_of
from gal_friday_core.orders import Order
from gal_friday_core.payloads import MarketDataOHLCV, Side
from gal_friday_core.times import DAY_NS

FEE_WINDOW_NS = 30 * DAY_NS
PARKINSON = 1 / (2 * sqrt(log(2)))
"""Deviations in a range."""
_MS_NS = 1_000_000
_RATE = Decimal("1e-9")
"""Rates that are reckoned in floats are rounded up to this."""


class FillNote(msgspec.Struct, frozen=True, gc=False):
    """What a report of a fill does not say: the price that called for it, whether it paid the maker's fee, which part of
    the traded value that was and the volume it was earned by, whether the bar could bear no more of the order, and whether
    it met what was recorded.
    """

    asked: Decimal
    maker: bool
    rate: Decimal
    tier: Decimal
    cut: bool
    recorded: bool = False


class Notes:
    """What reports do not say: of each fill by its execution id, and of how many entries the bar bore nothing."""

    __slots__ = ("fills", "unborne")

    def __init__(self) -> None:
        self.fills: dict[str, FillNote] = {}
        self.unborne = 0


class Frictions:
    """Of one exchange. `plain` ones are the constant costs alone."""

    def __init__(self, costs: CostsConfig, fidelity: FidelityConfig) -> None:
        self.plain = fidelity.plain
        self.latency_ns = fidelity.latency_ms * _MS_NS
        self.participation = fidelity.participation
        self._maker, self._taker = (costs.maker_fee, ZERO), (costs.taker_fee, ZERO)
        self._slippage = costs.slippage
        self._set = fidelity
        self._tiers = fidelity.tiers
        self._traded: deque[tuple[int, Decimal]] = deque()
        self._volume = fidelity.volume_elsewhere
        self._queues = fidelity.limit_queue == "volume"
        self._by_size = fidelity.slippage == "modelled"

    # Fees

    def fee(self, *, maker: bool, now_ns: int) -> tuple[Decimal, Decimal]:
        """The part of the traded value that is paid, and the volume that earned it."""
        if not self._tiers:
            return self._maker if maker else self._taker
        while self._traded and self._traded[0][0] <= now_ns - FEE_WINDOW_NS:
            self._volume -= self._traded.popleft()[1]
        least, makers, takers = tier_of(self._tiers, self._volume)
        return (makers if maker else takers), least

    def traded(self, quantity: Decimal, price: Decimal, now_ns: int) -> None:
        """Count a fill for the fees of those after it."""
        if self._tiers:
            value = value_of(quantity, price)
            self._traded.append((now_ns, value))
            self._volume += value

    # Prices

    def slippage(self, quantity: Decimal, candle: MarketDataOHLCV) -> Decimal:
        """What an order of this size gives up in this bar, as a fraction of the price."""
        if not self._by_size:
            return self._slippage
        least, most, volume = self._set.half_spread, self._set.max_slippage, float(candle.volume)
        if volume <= 0:
            return max(least, most)
        moved = self._set.impact * deviation(candle) * sqrt(float(quantity) / volume)
        return min(least + rounded_up(moved), max(least, most))

    def arrived(self, order: Order, candle: MarketDataOHLCV, end_ns: int) -> float | None:
        """The share of the bar, which ends at `end_ns`, that is over when the order comes in, 0 where it was there before;
        None where it is not there yet.
        """
        if not self.latency_ns:
            return 0.0
        late = order.created_at + self.latency_ns - candle.timestamp_bar_start
        if late <= 0:
            return 0.0
        length = end_ns - candle.timestamp_bar_start
        return late / length if late < length else None

    def too_late(self, order: Order) -> str:
        """Why an order is refused that comes in after its own deadline; empty where it does not."""
        if order.deadline is None or order.created_at + self.latency_ns <= order.deadline:
            return ""
        return f"reaches the exchange {self.latency_ns // _MS_NS} ms after it was sent, beyond its deadline"

    # Quantities

    def offered(
        self, order: Order, left: Decimal, taken: Decimal, candle: MarketDataOHLCV, instrument: Instrument
    ) -> Decimal:
        """How much of what is left of an order the bar can bear, of which our orders took `taken` before.

        A part is at least the smallest order, and leaves as much behind.
        """
        if self.participation is None:
            return left
        room = max(product(self.participation, candle.volume) - taken, ZERO)
        if room >= left:
            return left
        least = instrument.min_quantity
        if order.side == "SELL":
            room = min(room, left - least)
        part = floor_to(room, instrument.lot)
        worth = part < least or value_of(part, candle.open) < instrument.min_cost
        return ZERO if part <= 0 or worth else part

    # The queue

    def queue_at(self, candle: MarketDataOHLCV, instrument: Instrument) -> float | None:
        """What stands before a limit order that comes to rest in this bar; None where only going through counts."""
        return self._set.queue_ahead * traded_at_each(candle, instrument) if self._queues else None

    @staticmethod
    def passed(side: Side, limit: Decimal, candle: MarketDataOHLCV, instrument: Instrument) -> float:
        """What was traded at the limit's price in a bar that touches it, by estimate."""
        touches = candle.low <= limit if side == "BUY" else candle.high >= limit
        return traded_at_each(candle, instrument) if touches else 0.0


def deviation(candle: MarketDataOHLCV) -> float:
    """Of the bar's logarithmic price, by its range.

    >>> bar = MarketDataOHLCV(
    ...     trading_pair="BTC/USD", exchange="x", interval="1m", timestamp_bar_start=0, open=Decimal(100),
    ...     high=Decimal(101), low=Decimal(99), close=Decimal(100), volume=Decimal(5))
    >>> round(deviation(bar), 5)
    0.01201
    """
    high, low = float(candle.high), float(candle.low)
    return PARKINSON * 2 * (high - low) / (high + low)


def traded_at_each(candle: MarketDataOHLCV, instrument: Instrument) -> float:
    """The bar's volume, spread evenly over the prices of its range."""
    prices = float((candle.high - candle.low) / instrument.price_tick) + 1
    return float(candle.volume) / prices


def rounded_up(rate: float) -> Decimal:
    """As a decimal that no rounding made cheaper, of at most nine places.

    >>> rounded_up(0.00012345678912)
    Decimal('0.000123457')
    """
    return floor_to(Decimal(repr(rate)), _RATE) + _RATE if rate else ZERO


def reached(side: Side, candle: MarketDataOHLCV, share: float) -> Decimal:
    """The price an order meets that comes in when this share of the bar is over: the worst until then.

    A wandering price's worst so far grows with the root of time; it is the bar's own worst at its end.
    """
    if not share:
        return candle.open
    worst = candle.high if side == "BUY" else candle.low
    part = DOWN.quantize(Decimal(repr(sqrt(share))), _RATE)
    return candle.open + product(worst - candle.open, part)
