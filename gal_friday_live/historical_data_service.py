"""Bars of the past for whoever starts or was cut off: from the lake, and from the exchange what the lake lacks (003)."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from gal_friday_adapters.history.recent import ingest_recent
from gal_friday_adapters.lake import CandleLake
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import DataError, ExchangeError
from gal_friday_core.features.drivers import REACH
from gal_friday_core.ports import Clock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.replay_data import history_before

log = logging.getLogger(__name__)


class Download(Protocol):
    """Brings a lake up to date with an exchange; blocks. Raises ExchangeError, DataError or StorageError."""

    def __call__(
        self, series: Series, lake: CandleLake, *, since_ns: int, now_ns: Callable[[], int]
    ) -> object: ...


class HistoricalDataService:
    """Answers from the lake after it has been brought up to date by `download`; one download at a time.

    What was downloaded stays in the lake. Without `download` the lake alone answers.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        *,
        lake: CandleLake,
        clock: Clock,
        download: Download | None = ingest_recent,
    ) -> None:
        market = config.config.market
        self._series = tuple(Series(market.exchange, pair, market.interval) for pair in market.pairs)
        self._lake = lake
        self._clock = clock
        self._download = download
        self._turn = asyncio.Lock()
        self.downloads = 0
        self.failures = 0

    async def start(self) -> None:
        """Bring the lake up to date for every configured series, as far as features reach back."""
        for series in self._series:
            await self.history(series)

    async def stop(self) -> None:
        """Wait for the download in hand."""
        async with self._turn:
            return

    async def history(self, series: Series, bars: int = REACH) -> Candles:
        """The last `bars` closed bars that are known; fewer, and told in the log, where the exchange cannot be asked.

        Raises StorageError where the lake is damaged.
        """
        since = self._clock.now_ns() - (bars + 1) * series.interval_ns
        try:
            await self._update(series, since)
        except (ExchangeError, DataError) as error:
            log.warning("%s starts on stored history alone: %s", series.key, error)
        return await asyncio.to_thread(history_before, self._lake, series, None, bars)

    async def between(self, series: Series, start_ns: int, end_ns: int) -> Candles:
        """The bars that open in [start_ns, end_ns), from the exchange where the lake lacks them.

        Raises ExchangeError or DataError where the exchange does not answer: what is missing is then unknown.
        """
        await self._update(series, start_ns)
        return await asyncio.to_thread(self._lake.read, series, start_ns, end_ns)

    async def _update(self, series: Series, since_ns: int) -> None:
        if self._download is None:
            return
        async with self._turn:
            self.downloads += 1
            try:
                await asyncio.to_thread(
                    self._download, series, self._lake, since_ns=since_ns, now_ns=self._clock.now_ns
                )
            except (ExchangeError, DataError):
                self.failures += 1
                raise
