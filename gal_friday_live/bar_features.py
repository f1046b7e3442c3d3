"""One series' bars into the candle kernel, and what to do about bars that were missed."""

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles, Series
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import REACH, FeatureStream
from gal_friday_core.features.outside import OutsideColumns
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.payloads import MarketDataOHLCV, MarketDataTrade
from gal_friday_core.ports import Book


class BarStream:
    """A feature stream that knows which bar it expects next. `outside` are the sets of installed packages: `rows` has
    the newest row of each, by its hash.

    While bars before them are fetched, live bars wait in `waiting`; beyond `REACH` of them the oldest are
    forgotten, as no row depends on them any more.
    """

    def __init__(
        self, series: Series, history: Candles | None, outside: Sequence[FeatureSchema] = ()
    ) -> None:
        self.series = series
        self._length = series.interval_ns
        self._latest: int | None = None
        self._outside = {schema.hash: OutsideColumns(schema, self._length) for schema in outside}
        self.rows: dict[str, NDArray[np.float64]] = {}
        self._knows_outside = not outside
        if history is None or not len(history):
            self._stream = FeatureStream(CANDLES_V1, self._length)
        else:
            self._stream = FeatureStream.from_history(history)
            self._latest = int(history.ts[-1])
            self._extend_outside(history[-REACH:])
        self.waiting: deque[MarketDataOHLCV] = deque(maxlen=REACH)
        self.fetching = False
        self.interrupted = True
        self.newest: NDArray[np.float64] | None = None

    @property
    def ready(self) -> bool:
        """Whether the newest row was finite in every column, and no bar waits."""
        return self._stream.ready and self._knows_outside and not self.waiting

    def misses_before(self, bar: MarketDataOHLCV) -> bool:
        """Whether bars may have been missed before this one: the line was down since the last, and there is a hole.

        A hole while the line was up is a time without a trade, for which the exchange sends no bar.
        """
        latest = self._latest
        return self.interrupted and latest is not None and bar.timestamp_bar_start > latest + self._length

    def missed(self) -> tuple[int, int]:
        """The opening times, from and before, of the bars that may be missing before those that wait."""
        first = self.waiting[0].timestamp_bar_start
        return (first if self._latest is None else self._latest + self._length), first

    def fill(self, missed: Candles) -> int:
        """Take bars that were missed; their number. Raises DataError where they do not fit."""
        rows = self._stream.extend(missed)
        self._extend_outside(missed)
        if len(missed):
            self._latest, self.newest = int(missed.ts[-1]), rows[-1]
        self.interrupted = False
        return len(missed)

    def update(self, bar: MarketDataOHLCV) -> NDArray[np.float64]:
        """The row of the next bar. Raises DataError for a bar that is not later than the last."""
        start = bar.timestamp_bar_start
        numbers = float(bar.open), float(bar.high), float(bar.low), float(bar.close), float(bar.volume)
        values = self._stream.update(start, *numbers)
        if self._outside:
            self.rows = {
                key: np.concatenate((values, columns.update(start, *numbers)))
                for key, columns in self._outside.items()
            }
            self._knows_outside = all(np.isfinite(row).all() for row in self.rows.values())
        self._latest = start
        self.interrupted = False
        self.newest = values
        return values

    def _extend_outside(self, bars: Candles) -> None:
        """Bars of the past; which rows they would have had is nobody's question."""
        newest = [columns.extend(bars)[-1:] for columns in self._outside.values()]
        if self._outside and len(bars):
            self._knows_outside = all(np.isfinite(row).all() for row in newest)


class LineWatch:
    """A `MarketSink` that notes for each series that the line was down."""

    def __init__(self, streams: Iterable[BarStream]) -> None:
        self._streams = tuple(streams)

    def on_status(self, *, connected: bool, system: str, reason: str) -> None:
        del system, reason
        if not connected:
            for stream in self._streams:
                stream.interrupted = True

    def on_book(self, pair: str, book: Book, received_ns: int, raw: bytes) -> None:
        """Not its concern, as all below."""

    def on_trades(self, pair: str, trades: Sequence[MarketDataTrade], received_ns: int) -> None: ...

    def on_candle(self, candle: MarketDataOHLCV) -> None: ...

    def on_invalid(self, pair: str, reason: str) -> None: ...

    def on_gap(self, pair: str, missed: int) -> None: ...

    def on_listing(self, pair: str, status: str) -> None: ...

    def on_heartbeat(self, received_ns: int) -> None: ...

    async def drained(self) -> None: ...
