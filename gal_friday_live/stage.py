"""What an engine plays on: a market, an account, a clock, and whether any of it is real."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gal_friday_core.candles import Candles, Series
from gal_friday_core.instruments import Instrument
from gal_friday_core.ports import Clock, Exchange, Feed
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.historical_data_service import HistoricalDataService

PAPER_ACCOUNT = "paper"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """`venue` and `account` name whose orders these are: together with the mode they are the session.

    `exchange` None is the paper exchange, which starts with `paper.initial_cash`. `is_over` says that a recorded market has ended. `simulated` means
    that no real money can be moved, `watched` that time is real: then the engine's health, its account and its
    lines are looked after; a replay's are what the record says. `speed` is how many seconds of its time pass in one of ours.
    """

    venue: str
    account: str
    manager: ConfigurationManager
    clock: Clock
    feed: Feed
    series: Sequence[Series]
    instruments: Sequence[Instrument]
    history: Mapping[Series, Candles]
    historical: HistoricalDataService | None = None
    exchange: Exchange | None = None
    exchange_time_ns: Callable[[], Awaitable[int]] | None = None
    simulated: bool = True
    watched: bool = True
    speed: float = 1.0
    is_over: Callable[[], bool] = field(default=lambda: False)


def wanted_series(manager: ConfigurationManager) -> tuple[Series, ...]:
    """Every configured pair at the configured interval."""
    market = manager.config.market
    return tuple(Series(market.exchange, pair, market.interval) for pair in market.pairs)
