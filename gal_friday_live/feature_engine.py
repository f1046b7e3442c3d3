"""Bars, books and trades in, feature vectors out: the same compiled kernels that made the training tables (001 §2.2)."""

import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.book_layout import Columns
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import DataError, ExchangeError, StorageError
from gal_friday_core.events import Event
from gal_friday_core.features.book_drivers import warm_book
from gal_friday_core.features.book_set import BOOK_V1, CANDLES_BOOK_V1
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import warm
from gal_friday_core.features.registry import FEATURE_SETS, feature_set
from gal_friday_core.features.schema import FeatureSchema, FeatureVector
from gal_friday_core.payloads import FeaturesCalculated, MarketDataOHLCV
from gal_friday_core.ports import Journal, MarketSink
from gal_friday_core.times import to_iso
from gal_friday_live.bar_features import BarStream, LineWatch
from gal_friday_live.book_features import BookFeatures, middle
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.entry_rules import EntryRules
from gal_friday_live.feature_record import KIND, feature_record, key_of
from gal_friday_live.historical_data_service import HistoricalDataService
from gal_friday_live.tasks import TaskSupervisor

SOURCE = "FeatureEngine"
MILLISECOND_NS = 1_000_000

Rows = Mapping[tuple[str, str, int], NDArray[np.float64]]

log = logging.getLogger(__name__)


class FeatureEngine:
    """Publishes the configured feature sets of each series at every bar's close, those with a book also between.

    Between two bars a row of `candles-book-v1` is the last closed bar's columns and those of the book now.

    `history` holds the bars before the first live one; with `drivers.REACH` of them the first live row already
    equals the training table's; DataError where they are damaged. With `historical` and `tasks`, bars that were missed while the line was down
    are fetched before the pair has features again. `sinks` are to hear the market beside the bus. The `journal` is noted each
    bar with the rows that were made of it. `rows`, by pair, schema hash and time of the close, are told in place of those computed.
    `rules` take the same bars, before their features are told.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        event_bus: PubSubManager,
        *,
        series: Iterable[Series] | None = None,
        history: Mapping[Series, Candles] | None = None,
        historical: HistoricalDataService | None = None,
        tasks: TaskSupervisor | None = None,
        journal: Journal | None = None,
        rows: Rows | None = None,
        rules: EntryRules | None = None,
    ) -> None:
        market, features = config.config.market, config.config.features
        configured = (Series(market.exchange, pair, market.interval) for pair in market.pairs)
        self._bus = event_bus
        self._series = tuple(series if series is not None else configured)
        self._historical = historical
        self._tasks = tasks
        self._journal = journal
        self._rows = rows or {}
        self._rules = rules
        self._every_ns = features.book_every_ms * MILLISECOND_NS
        self._sets = tuple(feature_set(name) for name in features.sets)
        outside = tuple(schema for schema in self._sets if schema not in FEATURE_SETS)
        self._streams = {
            (item.venue, item.pair, item.interval): BarStream(item, (history or {}).get(item), outside)
            for item in self._series
        }
        self._told: dict[str, int] = {}
        self._books: BookFeatures | None = None
        self._of_books = tuple(schema for schema in self._sets if schema in {BOOK_V1, CANDLES_BOOK_V1})
        if self._of_books:
            self._books = BookFeatures(self._series, self._between_bars if self._every_ns else None)
        self._subscription: str | None = None
        self.calculated = 0
        self.filled = 0

    @property
    def schemas(self) -> Sequence[FeatureSchema]:
        """The feature sets that are published."""
        return self._sets

    @property
    def sinks(self) -> Sequence[MarketSink]:
        """Who must hear the market at once; for the data ingestor."""
        watch = (LineWatch(self._streams.values()),) if self._historical is not None else ()
        return (*watch, *((self._books,) if self._books is not None else ()))

    def is_warm(self, series: Series) -> bool:
        """Whether the series' newest row was known in every configured feature: before that it does not trade."""
        stream = self._streams.get((series.venue, series.pair, series.interval))
        bars = stream is not None and stream.ready
        return bars and (self._books is None or self._books.ready(series.pair))

    async def start(self) -> None:
        """Listen; the bars of the past were taken when the engine was made."""
        warm()
        if self._books is not None:
            warm_book()
        self._subscription = self._bus.subscribe("MARKET_DATA_OHLCV", self._on_bar)

    async def stop(self) -> None:
        if self._subscription is not None:
            self._bus.unsubscribe(self._subscription)

    async def handle_market_data_event(self, event: Event) -> None:
        """Take a closed bar and publish its rows, NaN where not warm yet.

        Where bars were missed before it, it waits until they have been fetched.
        """
        self._on_bar(event)

    def _on_bar(self, event: Event) -> None:
        bar = event.payload
        assert isinstance(bar, MarketDataOHLCV)
        stream = self._streams.get((bar.exchange, bar.trading_pair, bar.interval))
        if stream is None or not bar.closed:
            return
        if not stream.waiting and not (self._historical and stream.misses_before(bar)):
            self._publish_features(stream, bar)
            return
        stream.waiting.append(bar)
        if self._tasks is not None and not stream.fetching:
            stream.fetching = True
            self._tasks.background(self._fill(stream), f"missed bars of {stream.series.key}")

    async def _fill(self, stream: BarStream) -> None:
        """Take the bars that were missed from history, then those that waited for them.

        Where they cannot be had, the next bar tries again; until then the pair has no features.
        """
        assert self._historical is not None
        start, end = stream.missed()
        try:
            missed = await self._historical.between(stream.series, start, end)
        except (ExchangeError, StorageError, DataError) as error:
            stream.fetching = False
            log.warning(
                "%s has no features: bars since %s are missing (%s)", stream.series.key, to_iso(start), error
            )
            return
        self.filled += stream.fill(missed)
        if self._rules is not None:
            self._rules.fill(stream.series, missed)
        while stream.waiting:
            self._publish_features(stream, stream.waiting.popleft())
        stream.fetching = False

    def _publish_features(self, stream: BarStream, bar: MarketDataOHLCV) -> None:
        values = stream.update(bar)
        if self._rules is not None:
            self._rules.update(stream.series, bar)
        close = bar.timestamp_bar_start + stream.series.interval_ns
        self.calculated += 1
        for schema in self._sets:
            row = stream.rows.get(schema.hash)
            if row is None:
                row = self._row(schema, bar.trading_pair, values, close)
            if self._rows:
                row = self._rows.get((bar.trading_pair, schema.hash, close), row)
            self._bus.emit(
                "FEATURES_CALCULATED",
                FeaturesCalculated(
                    trading_pair=bar.trading_pair,
                    exchange=bar.exchange,
                    timestamp_features_for=close,
                    features=FeatureVector(schema, row),
                    reference_price=bar.close,
                ),
                source=SOURCE,
            )
            if self._journal is not None:
                record = feature_record(stream.series, schema, bar, row)
                self._journal.note(KIND, key_of(stream.series, schema, close), close, record)

    def _row(
        self, schema: FeatureSchema, pair: str, values: NDArray[np.float64], close: int
    ) -> NDArray[np.float64]:
        if schema is CANDLES_V1:
            return values
        assert self._books is not None
        book = self._books.row(pair, close)
        return np.concatenate((values, book)) if schema is CANDLES_BOOK_V1 else book

    def _between_bars(self, series: Series, book: Columns, places: int, received_ns: int) -> None:
        """Publish what the book changed, at most once in `features.book_every_ms`; not while the bus is behind."""
        since = received_ns - self._told.get(series.pair, 0)
        if self._bus.backlog or 0 <= since < self._every_ns:
            return
        assert self._books is not None
        self._told[series.pair] = received_ns
        bars = self._streams[(series.venue, series.pair, series.interval)]
        for schema in self._of_books:
            if schema is BOOK_V1:
                row = self._books.newest(series.pair, received_ns)
            elif bars.ready and bars.newest is not None:
                row = self._books.newest(series.pair, received_ns, bars.newest)
            else:
                continue
            self._bus.emit(
                "FEATURES_CALCULATED",
                FeaturesCalculated(
                    trading_pair=series.pair,
                    exchange=series.venue,
                    timestamp_features_for=received_ns,
                    features=FeatureVector(schema, row),
                    reference_price=middle(book, places),
                ),
                source=SOURCE,
            )
