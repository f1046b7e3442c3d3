"""`live --mode replay`: a recorded market straight into the feed, paper money, and a clock that the record moves."""

import uuid
from pathlib import Path

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import lake_dir
from gal_friday_adapters.sessions.kraken_session import kraken_session
from gal_friday_adapters.sessions.reader import Session
from gal_friday_adapters.sessions.survey import survey
from gal_friday_adapters.simulated_kraken.candle_market import read_candles
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import DataError
from gal_friday_core.features.drivers import REACH
from gal_friday_core.strategies.registry import history_bars
from gal_friday_core.times import SECOND_NS, to_iso
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.feeds import RecordedFeed
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.replay_data import history_before, instrument_of
from gal_friday_live.stage import PAPER_ACCOUNT, Stage


def replayed(manager: ConfigurationManager, request: LiveRequest) -> Stage:
    """Each replay is an account of its own. Raises DataError for a record that cannot be played."""
    if request.session is not None:
        return _session(manager, request.session, request.speed)
    assert request.candles is not None, "a checked request names its record"
    return _candles(manager, request.candles, request.speed)


def _candles(manager: ConfigurationManager, path: Path, speed: float | None) -> Stage:
    read = read_candles(path)
    series = Series(manager.config.market.exchange, read.series.pair, read.series.interval)
    candles = Candles(series, *read.columns())
    first = min(REACH, len(candles) // 2)
    past, played = candles[:first], candles[first:]
    clock = SimulatedClock(int(played.ts[0]))
    pace = speed * SECOND_NS / series.interval_ns if speed else None
    return Stage(
        venue=str(uuid.uuid4()), account=PAPER_ACCOUNT, manager=manager, clock=clock, series=(series,),
        feed=RecordedFeed((played,), clock, bars_per_second=pace), instruments=(instrument_of(past),),
        history={series: past}, watched=False,
    )  # fmt: skip


def _session(manager: ConfigurationManager, path: Path, speed: float | None) -> Stage:
    session = Session(path)
    found = survey(session)
    market = manager.config.market
    series = tuple(
        Series(market.exchange, pair, market.interval) for pair in found.usable if pair in market.pairs
    )
    if not series:
        held = ", ".join(found.usable) or "no pair that can be read"
        raise DataError(f"{path} holds {held}; market.pairs asks for {', '.join(market.pairs)}")
    lake = CandleLake(lake_dir(manager.config))
    before = history_bars(manager.config)
    history = {item: history_before(lake, item, found.first_ns, before) for item in series}
    empty = [item.key for item, past in history.items() if not len(past)]
    if empty:
        raise DataError(
            f"features of {', '.join(empty)} need bars before {to_iso(found.first_ns)}: gal-friday ingest them first"
        )
    clock = SimulatedClock(found.first_ns)
    return Stage(
        venue=str(uuid.uuid4()), account=PAPER_ACCOUNT, manager=manager, clock=clock, series=series,
        feed=kraken_session(session, found, clock, interval=market.interval, speed=speed),
        instruments=[instrument_of(past) for past in history.values()], history=history, watched=False,
    )  # fmt: skip
