"""What each mode of `live` plays on: a market, an account, a clock. The rest of the engine is the same."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path

from gal_friday_adapters.history.recent import ingest_recent
from gal_friday_adapters.kraken.books import load
from gal_friday_adapters.kraken.connect import kraken_exchange
from gal_friday_adapters.kraken.key_check import require_trading_key
from gal_friday_adapters.kraken.kraken_exchange import KrakenExchange
from gal_friday_adapters.kraken.rest import KrakenRest
from gal_friday_adapters.kraken.rest_calls import Credentials
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import lake_dir
from gal_friday_adapters.simulated_kraken import demo
from gal_friday_adapters.simulated_kraken.about import require_loopback, scaled_time
from gal_friday_core import barriers
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import ConfigError
from gal_friday_core.features.drivers import warm
from gal_friday_core.instruments import Instrument
from gal_friday_core.ports import Clock
from gal_friday_core.strategies.registry import history_bars
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.historical_data_service import HistoricalDataService
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.means import Means
from gal_friday_live.outside_stage import exchange_of, outside
from gal_friday_live.pace import paced
from gal_friday_live.replay_data import instrument_of
from gal_friday_live.replay_stage import replayed
from gal_friday_live.simulated_venue import Simulation, simulated_server
from gal_friday_live.stage import PAPER_ACCOUNT, Stage, wanted_series

DEMO_ACCOUNT = "demo"
NONCE_FILE = "kraken-nonce"
NO_KEY = Credentials("", "")
"""Of a role that asks the exchange for public things only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What must stand before the stage: a simulated Kraken's address, the bars before its market, and its end."""

    venue: str | None = None
    known: Mapping[str, Candles] = field(default_factory=dict)
    is_over: Callable[[], bool] = lambda: False


@asynccontextmanager
async def ground(manager: ConfigurationManager, request: LiveRequest) -> AsyncIterator[Ground]:
    """For `opened`; what was started for it is stopped on leaving."""
    if request.simulated and request.recorded:
        async with _embedded(manager, request) as found:
            yield found
    else:
        yield Ground(venue=request.venue)


@asynccontextmanager
async def opened(
    manager: ConfigurationManager, request: LiveRequest, on: Ground, means: Means
) -> AsyncIterator[Stage]:
    """The stage of a mode; what was started for it is stopped on leaving. Raises what its parts raise."""
    if on.venue is not None:
        async with _at_venue(manager, on, on.venue, means) as stage:
            yield stage
    elif request.mode == "replay":
        yield replayed(manager, request)
    elif (added := exchange_of(manager)) is not None:
        async with outside(manager, request, added, means) as stage:
            yield stage
    elif request.mode == "live":
        async with _real(manager, means, sends=request.role in (None, "trader")) as stage:
            yield stage
    else:
        yield await _public(manager, means)


async def _public(manager: ConfigurationManager, means: Means) -> Stage:
    """The exchange's public feed, and paper money."""
    clock = SystemClock()
    historical = means.history(
        HistoricalDataService(manager, lake=CandleLake(lake_dir(manager.config)), clock=clock)
    )
    series = wanted_series(manager)
    history = {item: await historical.history(item, history_bars(manager.config)) for item in series}
    told = means.clock(clock)
    return Stage(
        venue=manager.config.market.exchange, account=PAPER_ACCOUNT, manager=manager, clock=told, series=series,
        feed=means.connections(manager, told).feed(series),
        instruments=[instrument_of(past) for past in history.values()], history=history, historical=historical,
    )  # fmt: skip


@asynccontextmanager
async def _real(manager: ConfigurationManager, means: Means, *, sends: bool) -> AsyncIterator[Stage]:
    """Kraken itself, with a key that may trade and may not take money away; none where no orders are sent."""
    config, clock = manager.config, SystemClock()
    told, credentials = means.clock(clock), means.credentials(manager) if sends else NO_KEY
    exchange = kraken_exchange(
        config.exchange, credentials, told, real_money=True, nonce_file=means.folder(manager) / NONCE_FILE,
        ways=means.ways(manager),
    )  # fmt: skip
    try:
        if sends:
            await require_trading_key(exchange.rest, config.market.pairs[0])
        lake = CandleLake(lake_dir(config))
        yield await _on_kraken(
            manager,
            exchange,
            told,
            HistoricalDataService(manager, lake=lake, clock=clock),
            means,
            venue=config.market.exchange,
            account=config.exchange.account,
        )
    finally:
        await exchange.rest.close()


@asynccontextmanager
async def _embedded(manager: ConfigurationManager, request: LiveRequest) -> AsyncIterator[Ground]:
    """A simulated Kraken of our own over a recorded market, met over real sockets."""
    simulation = Simulation(
        session=request.session, candles=request.candles, speed=request.speed or 1.0, faults=request.faults,
        seed=request.seed, funds=_paper_funds(manager),
    )  # fmt: skip
    venue = simulated_server(simulation)
    known = {}
    if venue.history is not None:
        (pair,) = venue.server.exchange.markets
        known = {pair: venue.history}

    def is_over() -> bool:
        return venue.end_ns is not None and venue.time.now_ns() >= venue.end_ns

    async with venue.server:
        yield Ground(venue=venue.server.url, known=known, is_over=is_over)


@asynccontextmanager
async def _at_venue(
    manager: ConfigurationManager, on: Ground, url: str, means: Means
) -> AsyncIterator[Stage]:
    """A simulated Kraken at an address: its market, its time, and the demo account, over the wire like the real one."""
    address = require_loopback(url)
    about = await means.about(address)
    clock = scaled_time(about) or SystemClock()
    told, speed = means.clock(clock), about.time.speed if about.time is not None else 1.0
    answers = paced(manager, address, 1.0).config.exchange  # an answer takes as long as ever
    manager = paced(manager, address, speed)
    exchange = kraken_exchange(
        answers, Credentials(demo.KEY, demo.SECRET), told, real_money=False, ways=means.ways(manager)
    )
    with tempfile.TemporaryDirectory(prefix="gal-friday-") as folder, means.following(about, address, clock):
        # A simulated market's candles must never reach the lake that models are trained on.
        download = partial(ingest_recent, url=address, deep=False)
        lake = _lake(Path(folder), wanted_series(manager), on.known)
        historical = HistoricalDataService(manager, lake=lake, clock=clock, download=download)
        try:
            yield await _on_kraken(
                manager,
                exchange,
                told,
                historical,
                means,
                venue=about.venue_id,
                account=DEMO_ACCOUNT,
                is_over=on.is_over,
                speed=speed,
            )
        finally:
            await exchange.rest.close()


async def _on_kraken(
    manager: ConfigurationManager,
    exchange: KrakenExchange,
    clock: Clock,
    bars: HistoricalDataService,
    means: Means,
    *,
    venue: str,
    account: str,
    is_over: Callable[[], bool] | None = None,
    speed: float = 1.0,
) -> Stage:
    """The same for the real exchange and a simulated one: only addresses, keys and time differ."""
    series, historical = wanted_series(manager), means.history(bars)
    for compile_now in (load, warm, barriers.warm):
        await asyncio.to_thread(compile_now)  # a cold compiler must not hold up a line that is already open
    return Stage(
        venue=venue, account=account, manager=manager, clock=clock, series=series, exchange=exchange,
        feed=means.connections(manager, clock).feed(series),
        instruments=await _listed(exchange.rest, series),
        history={item: await historical.history(item, history_bars(manager.config)) for item in series}, historical=historical,
        exchange_time_ns=exchange.rest.server_time_ns, simulated=is_over is not None,
        is_over=is_over or (lambda: False), speed=speed,
    )  # fmt: skip


async def _listed(rest: KrakenRest, series: Sequence[Series]) -> list[Instrument]:
    """The pairs' precisions and minimums as the exchange tells them."""
    listed = await rest.instruments()
    unknown = [item.pair for item in series if item.pair not in listed]
    if unknown:
        raise ConfigError(f"market.pairs: the exchange does not list {', '.join(unknown)}")
    return [listed[item.pair] for item in series]


def _paper_funds(manager: ConfigurationManager) -> dict[str, Decimal]:
    """Paper cash in every quote currency that is traded."""
    cash = manager.config.paper.initial_cash
    return {item.quote: cash for item in wanted_series(manager)}


def _lake(folder: Path, series: Sequence[Series], known: Mapping[str, Candles]) -> CandleLake:
    lake = CandleLake(folder)
    for item in series:
        past = known.get(item.pair)
        if past is not None and len(past):
            lake.write(Candles(item, *past.columns()))
    return lake
