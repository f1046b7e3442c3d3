"""The stage of an exchange that an installed package adds: its market and account where Kraken's would be."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gal_friday_adapters.lake import CandleLake, by_month
from gal_friday_adapters.paths import lake_dir
from gal_friday_core.candles import Series
from gal_friday_core.errors import ConfigError
from gal_friday_core.extensions.contracts import parameters_of
from gal_friday_core.extensions.loading import Extension, extension
from gal_friday_core.extensions.offers import offers
from gal_friday_core.extensions.venues import ExchangeExtension, Venue, VenueMeans
from gal_friday_core.strategies.registry import history_bars
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.historical_data_service import Download, HistoricalDataService
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.means import Means
from gal_friday_live.stage import PAPER_ACCOUNT, Stage, wanted_series

KEY = "market.exchange"


def exchange_of(manager: ConfigurationManager) -> Extension[ExchangeExtension] | None:
    """The package's exchange that the configuration names, if it is one. Raises ConfigError where it cannot be loaded."""
    name = manager.config.market.exchange
    offered = any(offer.name == name for offer in offers("exchange"))
    return extension("exchange", name, ExchangeExtension, KEY) if offered else None


@asynccontextmanager
async def outside(
    manager: ConfigurationManager, request: LiveRequest, found: Extension[ExchangeExtension], means: Means
) -> AsyncIterator[Stage]:
    """Real money in mode live, paper money on the exchange's market otherwise.

    Raises ConfigError for what it cannot do, and whatever the package raises.
    """
    if request.record is not None:
        raise ConfigError(f"--record: what {found.offer} hears of the world is not recorded; leave it out")
    trades = request.mode == "live"
    keys = manager.get_exchange_keys(found.name) if trades else {}
    if trades and not keys:
        told = manager.key_name(found.name)
        raise ConfigError(
            f"live trading needs exchange keys: set {told}_KEY and {told}_SECRET, or their _FILE variants"
        )
    clock = SystemClock()
    given = VenueMeans(config=manager.config, clock=clock, folder=means.folder(manager), keys=keys)
    parameters = parameters_of(found.name, found.contents.parameters, manager.config)
    async with found.contents.open(parameters, given) as venue:
        if trades and venue.exchange is None:
            raise ConfigError(f"{found.offer} opened no account though it was given keys: repair the package")
        yield await _stage(manager, venue, clock, means, trades=trades)


async def _stage(
    manager: ConfigurationManager, venue: Venue, clock: SystemClock, means: Means, *, trades: bool
) -> Stage:
    config, series = manager.config, wanted_series(manager)
    historical = means.history(
        HistoricalDataService(
            manager, lake=CandleLake(lake_dir(config)), clock=clock, download=_download(venue)
        )
    )
    return Stage(
        venue=config.market.exchange, account=config.exchange.account if trades else PAPER_ACCOUNT, manager=manager,
        clock=means.clock(clock), series=series, exchange=venue.exchange if trades else None,
        feed=venue.feed(series), instruments=list(await venue.instruments([item.pair for item in series])),
        history={item: await historical.history(item, history_bars(config)) for item in series},
        historical=historical, exchange_time_ns=venue.server_time_ns, simulated=not trades,
    )  # fmt: skip


def _download(venue: Venue) -> Download:
    """Brings the lake up to date from the exchange's own bars."""

    def download(series: Series, lake: CandleLake, *, since_ns: int, now_ns: Callable[[], int]) -> None:
        length = series.interval_ns
        now = now_ns() // length * length
        for _, month in by_month(venue.candles(series, since_ns // length * length, now)):
            lake.write(month)

    return download
