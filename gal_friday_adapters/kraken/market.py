"""What one feed wants of Kraken, and what it knows beyond a single connection."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from gal_friday_adapters.kraken.counts import Counts
from gal_friday_adapters.kraken.ohlc import CandleTracker
from gal_friday_adapters.kraken.patience import Patience
from gal_friday_adapters.kraken.subscriptions import Subscription
from gal_friday_adapters.kraken.trade_sequence import TradeSequence
from gal_friday_core.candles import Series
from gal_friday_core.kraken.wire import Pair, Ticker
from gal_friday_core.ports import Clock
from gal_friday_core.times import MINUTE_NS, SECOND_NS

CHANNELS = ("book", "trade", "ohlc")
"""What the engine lives on; "ticker" is there for those who ask."""
_CHANNEL = re.compile(rb'"channel"\s*:\s*"(book|trade|ohlc|ticker)"')
_SYMBOL = re.compile(rb'"symbol"\s*:\s*"([^"\\]{3,33})"')

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Market:
    """`series` name the pairs and the length of their candles, one a pair; `timer` is monotonic seconds.

    `stood` once everything wanted has come at the same time.
    """

    series: Sequence[Series]
    channels: Sequence[str]
    depth: int
    url: str
    clock: Clock
    timer: Callable[[], float]
    patience: Patience
    counts: Counts = field(default_factory=Counts)
    instruments: dict[str, Pair] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    tickers: dict[str, Ticker] = field(default_factory=dict)
    system: str = "unknown"
    stood: bool = False
    pairs: tuple[str, ...] = field(init=False)
    venue: str = field(init=False)
    trades: dict[str, TradeSequence] = field(init=False)
    candles: CandleTracker = field(init=False)
    _said: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.pairs = tuple(dict.fromkeys(item.pair for item in self.series))
        self.venue = self.series[0].venue
        self.trades = {pair: TradeSequence() for pair in self.pairs}
        self.candles = CandleTracker(self.series, int(min(self.patience.grace_s, 1e9) * SECOND_NS))

    def wanted(self) -> list[Subscription]:
        """Every channel of every pair."""
        asked: list[Subscription] = []
        for series in self.series:
            parameters = {
                "book": (("depth", self.depth),),
                "ohlc": (("interval", series.interval_ns // MINUTE_NS),),
            }
            asked += [Subscription(name, series.pair, parameters.get(name, ())) for name in self.channels]
        return asked

    def mentioned(self, raw: bytes) -> Iterator[tuple[str, str]]:
        """Pair and channel that a message names which cannot be read; of several pairs each once."""
        channel = _CHANNEL.search(raw)
        if channel is not None:
            for symbol in dict.fromkeys(_SYMBOL.findall(raw)):
                pair = symbol.decode("utf-8", "replace")
                if pair in self.trades and channel[1].decode() in self.channels:
                    yield pair, channel[1].decode()

    def say_once(self, kind: str, text: str) -> None:
        """Log the first of a kind, with its context; all of them are counted."""
        if kind not in self._said:
            self._said.add(kind)
            log.warning("%s (said once; further ones are only counted)", text)
