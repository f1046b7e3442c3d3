"""What was recorded of the pairs that a backtest trades, for orders to meet: `fidelity.replay`."""

from dataclasses import replace

import numpy as np

from gal_friday_adapters.paths import lake_dir
from gal_friday_adapters.sessions.market_lake import MarketLake
from gal_friday_core.candles import Candles
from gal_friday_core.config import Config
from gal_friday_core.errors import DataError
from gal_friday_core.market_events import BOOK, MarketEvents
from gal_friday_core.prints import Prints
from gal_friday_core.times import DAY_NS, HOUR_NS, to_iso
from gal_friday_live.replay_data import Stretch


def with_recorded(config: Config, played: Stretch) -> Stretch:
    """The stretch with what was recorded of its time; as it is where orders are to meet bars.

    Raises DataError where nothing was.
    """
    if config.fidelity.replay == "bars" or played.recorded is not None:
        return played
    lake = MarketLake(lake_dir(config))
    find = _prints if config.fidelity.replay == "trades" else _book
    return replace(played, recorded=find(lake, played.bars))


def _book(lake: MarketLake, bars: Candles) -> MarketEvents:
    """From an hour before the first bar on, so that there is a book when it opens."""
    series = bars.series
    start, end = int(bars.ts[0]), int(bars.ts[-1]) + series.interval_ns
    events = lake.events(series.venue, series.pair, start - HOUR_NS, end)
    if events is not None and (events.kind == BOOK).any():
        return events
    stored = lake.hours(series.venue, series.pair)
    raise _nothing("books", bars, stored)


def _prints(lake: MarketLake, bars: Candles) -> Prints:
    series = bars.series
    start, end = int(bars.ts[0]), int(bars.ts[-1]) + series.interval_ns
    days = [to_iso(moment)[:10] for moment in range(start - start % DAY_NS, end, DAY_NS)]
    table = lake.trades(series.venue, series.pair, days)
    if table:
        within = (table["ts"] >= start) & (table["ts"] < end)
        if within.any():
            columns = (table[name][within] for name in ("ts", "price", "quantity"))
            return Prints.of(*(np.ascontiguousarray(column) for column in columns))
    raise _nothing("trades", bars, lake.days(series.venue, series.pair))


def _nothing(what: str, bars: Candles, stored: list[str]) -> DataError:
    series = bars.series
    known = f"there are those of {stored[0]} to {stored[-1]}" if stored else "there are none"
    span = f"from {to_iso(int(bars.ts[0]))} to {to_iso(int(bars.ts[-1]) + series.interval_ns)}"
    return DataError(
        f"no recorded {what} of {series.pair} {span}, {known}: gal-friday feed rebuild a session of that time, or leave "
        "fidelity.replay at bars"
    )
