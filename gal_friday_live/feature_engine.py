"""Bars in, feature vectors out: the same compiled kernel that made the training table (001 §2.2)."""

from collections.abc import Iterable, Mapping

from gal_friday_core.candles import Candles, Series
from gal_friday_core.events import Event
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import FeatureStream
from gal_friday_core.features.schema import FeatureSchema, FeatureVector
from gal_friday_core.payloads import FeaturesCalculated, MarketDataOHLCV
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager

SOURCE = "FeatureEngine"


class FeatureEngine:
    """One stream a series. `history` holds the bars before the first live one; with `drivers.REACH` of them
    the first live row already equals the training table's.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        event_bus: PubSubManager,
        *,
        series: Iterable[Series] | None = None,
        history: Mapping[Series, Candles] | None = None,
        schema: FeatureSchema = CANDLES_V1,
    ) -> None:
        market = config.config.market
        configured = (Series(market.exchange, pair, market.interval) for pair in market.pairs)
        self._bus = event_bus
        self._series = tuple(series if series is not None else configured)
        self._history = dict(history or {})
        self._schema = schema
        self._streams: dict[tuple[str, str, str], tuple[FeatureStream, int]] = {}
        self._subscription: str | None = None
        self.calculated = 0

    async def start(self) -> None:
        """Warm up and listen. Raises DataError where the history is damaged."""
        for series in self._series:
            self._streams[series.venue, series.pair, series.interval] = (
                self._stream(series),
                series.interval_ns,
            )
        self._history.clear()
        self._subscription = self._bus.subscribe("MARKET_DATA_OHLCV", self.handle_market_data_event)

    async def stop(self) -> None:
        if self._subscription is not None:
            self._bus.unsubscribe(self._subscription)

    async def handle_market_data_event(self, event: Event) -> None:
        """Update the series' stream with a closed bar and publish its row, NaN where not warm yet."""
        bar = event.payload
        assert isinstance(bar, MarketDataOHLCV)
        known = self._streams.get((bar.exchange, bar.trading_pair, bar.interval))
        if known is None or not bar.closed:
            return
        stream, length = known
        start = bar.timestamp_bar_start
        values = stream.update(
            start, float(bar.open), float(bar.high), float(bar.low), float(bar.close), float(bar.volume)
        )
        self.calculated += 1
        await self._bus.publish(
            "FEATURES_CALCULATED",
            FeaturesCalculated(
                trading_pair=bar.trading_pair,
                exchange=bar.exchange,
                timestamp_features_for=start + length,
                features=FeatureVector(self._schema, values),
                reference_price=bar.close,
            ),
            source=SOURCE,
        )

    def _stream(self, series: Series) -> FeatureStream:
        history = self._history.get(series)
        if history is None or not len(history):
            return FeatureStream(self._schema, series.interval_ns)
        return FeatureStream.from_history(history, self._schema)
