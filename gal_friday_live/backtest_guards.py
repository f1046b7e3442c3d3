"""The lookahead guards of a backtest: its own decisions asked for again with another future, alone, and late."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.backtest.forecast import Forecast, forecast
from gal_friday_core.backtest.run import Player, run
from gal_friday_core.candles import Candles, concatenate
from gal_friday_core.config import Config
from gal_friday_core.features.registry import feature_set
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.features.streams import REACH, from_history, stream
from gal_friday_core.lookahead import DELAYS, Columns, Delayed, Guards, late, past_alone, shuffled_future
from gal_friday_core.performance import sharpe
from gal_friday_core.tearsheet.of_run import record_of
from gal_friday_live.fast_backtest import Trading, player_of
from gal_friday_live.ids import derived

MOST_BARS = 200_000
"""Of a longer run the newest are asked again: every feature of every bar is kept for that."""


def guards(config: Config, trading: Trading, cash: Decimal) -> Guards:
    """Of one pair, as it was traded. Raises DataError where there are too few bars.

    The checks ask at most `MOST_BARS` bars, the newest; delays are told of the whole run.
    """
    player = player_of(config, trading)
    history, bars = _newest(trading.played.history, trading.played.bars)
    seed, schema = config.training.seed, feature_set(config.features.sets[0])

    def decide(before: Candles, asked: Candles) -> Columns:
        return _decided(player, before, asked) | _features(before, asked, schema)

    reach = max(REACH, player.strategy.rule.reach if player.strategy.rule is not None else 0)
    checks = (
        shuffled_future(decide, history, bars, seed=seed),
        past_alone(decide, history, bars, reach=reach, seed=seed),
    )
    said = forecast(player.market, player.strategy, player.served)
    delays = tuple(_delayed(config, player, said, cash, bars) for bars in (0, *DELAYS))
    return Guards(checks=checks, delays=delays)


def _newest(history: Candles, bars: Candles) -> tuple[Candles, Candles]:
    """At most `MOST_BARS` to ask again, and what stands before them."""
    if len(bars) <= MOST_BARS:
        return history, bars
    early = bars[:-MOST_BARS]
    return (concatenate([history, early]) if len(history) else early), bars[-MOST_BARS:]


def _decided(player: Player, history: Candles, bars: Candles) -> dict[str, NDArray[Any]]:
    """Where the strategy would enter, and what the model says, if one is asked."""
    market = replace(player.market, bars=bars, history=history)
    said = forecast(market, player.strategy, player.served)
    found: dict[str, NDArray[Any]] = {"entries": said.entries}
    if said.probability is not None and said.volatility is not None:
        found |= {"probability": said.probability, "volatility": said.volatility}
    return found


def _features(history: Candles, bars: Candles, schema: FeatureSchema) -> dict[str, NDArray[np.float64]]:
    """Each feature, named, so that one that leaks is told by its name."""
    told = from_history(history, schema) if len(history) else stream(schema, bars.series.interval_ns)
    values = told.extend(bars)
    return {name: values[:, column] for column, name in enumerate(schema.names)}


def _delayed(config: Config, player: Player, said: Forecast, cash: Decimal, bars: int) -> Delayed:
    """The same run with everything that is decided on so many bars old; fills are those of its own bars."""
    ran = run(config, (replace(player, forecast=_late(said, bars)),), cash, derived)
    record = record_of(ran, config.costs)
    estimate = sharpe(record.returns)
    net = record.curve.final - record.curve.initial
    return Delayed(
        bars=bars,
        trades=len(record.trips.trades),
        net_profit=str(net),
        total_return=float(net / record.curve.initial),
        sharpe=None if estimate is None else estimate.value,
    )


def _late(said: Forecast, bars: int) -> Forecast:
    columns = {"entries": said.entries, "probability": said.probability, "volatility": said.volatility}
    known = {name: column for name, column in columns.items() if column is not None}
    moved = late(known, bars)
    return replace(
        said,
        entries=moved["entries"],
        probability=moved.get("probability"),
        volatility=moved.get("volatility"),
    )
