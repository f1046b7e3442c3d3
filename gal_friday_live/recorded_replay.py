"""What was recorded of the pairs that a backtest trades, for orders to meet: `fidelity.replay`."""

from dataclasses import replace

import numpy as np

from gal_friday_adapters.paths import lake_dir
from gal_friday_adapters.sessions.market_lake import MarketLake
from gal_friday_core.candles import Candles
from gal_friday_core.config import Config
from gal_friday_core.errors import DataError
from gal_friday_core.prints import Prints
from gal_friday_core.times import DAY_NS, to_iso
from gal_friday_live.replay_data import Stretch


def with_recorded(config: Config, played: Stretch) -> Stretch:
    """The stretch with what was recorded of its time; as it is where orders are to meet bars.

    Raises DataError where nothing was.
    """
    if config.fidelity.replay == "bars" or played.recorded is not None:
        return played
    return replace(played, recorded=_prints(MarketLake(lake_dir(config)), played.bars))


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
    stored = lake.days(series.venue, series.pair)
    known = f"there are those of {stored[0]} to {stored[-1]}" if stored else "there are none"
    raise DataError(
        f"no recorded trades of {series.pair} from {to_iso(start)} to {to_iso(end)}, {known}: gal-friday feed rebuild a "
        "session of that time, or leave fidelity.replay at bars"
    )
