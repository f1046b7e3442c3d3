"""Brings the market onto the bus: each closed bar once, in order, and only when the last one is digested (001 §2.1)."""

from collections import Counter
from collections.abc import Mapping
from contextlib import aclosing

from gal_friday_core.candles import Series
from gal_friday_core.payloads import MarketDataOHLCV
from gal_friday_core.ports import Exchange, Feed
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.tasks import TaskSupervisor

SOURCE = "DataIngestor"


class DataIngestor:
    """Pumps one feed. `published` counts bars, `refused` what the feed sent that was not a new closed bar.

    `after` says for a series when its last known bar opened: only later ones are new.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        event_bus: PubSubManager,
        *,
        feed: Feed,
        exchange: Exchange,
        tasks: TaskSupervisor,
        after: Mapping[Series, int] | None = None,
    ) -> None:
        del config  # which series are fed is the feed's business
        self._bus = event_bus
        self._feed = feed
        self._exchange = exchange
        self._tasks = tasks
        self._latest = {(series.venue, series.pair): opened for series, opened in (after or {}).items()}
        self._running = False
        self.published = 0
        self.refused: Counter[str] = Counter()

    async def start(self) -> None:
        self._running = True

    async def stop(self) -> None:
        """End `run` after the bar in hand."""
        self._running = False
        await self._feed.close()

    async def run(self) -> None:
        """Until the feed ends or `stop`. Raises ExchangeError where the feed cannot go on.

        A simulated venue sees a bar before the strategy does, so that what was decided on the last bar
        fills in this one.
        """
        async with aclosing(self._feed.candles()) as candles:
            async for candle in candles:
                if not self._running:
                    return
                if self._is_new(candle):
                    await self._take(candle)

    async def _take(self, candle: MarketDataOHLCV) -> None:
        tasks = self._tasks
        await self._exchange.on_candle(candle)
        if tasks.working:
            await tasks.settle()
        await self._publish_market_data(candle)
        if tasks.working:
            await tasks.settle()

    async def _publish_market_data(self, candle: MarketDataOHLCV) -> None:
        self.published += 1
        await self._bus.publish("MARKET_DATA_OHLCV", candle, source=SOURCE)

    def _is_new(self, candle: MarketDataOHLCV) -> bool:
        if not candle.closed:
            self.refused["RUNNING"] += 1
            return False
        key = (candle.exchange, candle.trading_pair)
        if candle.timestamp_bar_start <= self._latest.get(key, -1):
            self.refused["NOT_LATER"] += 1
            return False
        self._latest[key] = candle.timestamp_bar_start
        return True
