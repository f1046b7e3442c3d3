"""Backtests without the engine's event loop, where nothing configured needs it: the same modules, from event to event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from gal_friday_core import barriers
from gal_friday_core.backtest.forecast import Served
from gal_friday_core.backtest.run import Player, Ran, run
from gal_friday_core.backtest.scan import flawed
from gal_friday_core.backtest.tape import Market
from gal_friday_core.config import Config
from gal_friday_core.features.registry import feature_set
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.features.streams import is_of_bars
from gal_friday_core.predictor import Predictor
from gal_friday_core.prints import Prints
from gal_friday_core.strategies.registry import STRATEGIES, Factory, factory
from gal_friday_core.times import to_iso
from gal_friday_live.ids import derived
from gal_friday_live.replay_data import Stretch

FIRST = 64
"""Bars to warm up on."""


@dataclass(frozen=True, slots=True, eq=False)
class Trading:
    """One pair of a run: what is played, and the model that trades it from `entry_threshold` on, if any."""

    played: Stretch
    predictor: Predictor | None = None
    entry_threshold: float | None = None

    @property
    def market(self) -> Market:
        played = self.played
        return Market(played.bars, played.history, played.instrument, played.recorded)


def why_not(config: Config, pairs: Sequence[Trading]) -> str:
    """Why only the engine can run this; empty where nothing speaks against the fast way."""
    told = [feature_set(name) for name in config.features.sets]
    if len(told) > 1 or not is_of_bars(told[0]):
        return f"features.sets has more than one set, or one with a book: {', '.join(config.features.sets)}"
    if len(pairs) > 1 and config.risk.max_correlated_exposure < 1:
        return "risk.max_correlated_exposure follows every bar of every pair"
    return next(filter(None, (_pair_fault(pair, told[0]) for pair in pairs)), "")


def warm(config: Config, pair: Trading) -> None:
    """Compile all that a run of this pair calls, or load it: its first bars alone."""
    barriers.warm()
    first = replace(pair.played, bars=pair.played.bars[:FIRST])
    trade(config, (replace(pair, played=first),), config.paper.initial_cash)


def trade(
    config: Config, pairs: Sequence[Trading], cash: Decimal, strategies: Mapping[str, Factory] = STRATEGIES
) -> Ran:
    """Run it, once `why_not` has nothing to say."""
    return run(config, [player_of(config, pair, strategies) for pair in pairs], cash, derived)


def player_of(config: Config, pair: Trading, strategies: Mapping[str, Factory] = STRATEGIES) -> Player:
    """The configured strategy on this pair, with the model that it listens to."""
    predictor = pair.predictor
    served = None
    if predictor is not None:
        own = pair.entry_threshold is None
        served = Served(predictor, predictor.entry_threshold if own else float(pair.entry_threshold or 0.0))
    make = factory(config.strategy.id, strategies)
    return Player(pair.market, make(config, config.barriers if served is None else served.barriers), served)


def _pair_fault(pair: Trading, schema: FeatureSchema) -> str:
    bars, history, predictor = pair.played.bars, pair.played.history, pair.predictor
    key = bars.series.key
    recorded = pair.played.recorded
    beyond = recorded.beyond(bars) if isinstance(recorded, Prints) else 0
    if beyond:
        return f"{beyond:,} recorded trades of {key} lie outside their bars, by which bars are passed over"
    if predictor is not None and predictor.schema_hash != schema.hash:
        return f"model {predictor.model_id} reads other features than {schema.name}"
    if predictor is not None and predictor.metadata.series != key:
        return f"model {predictor.model_id} was trained for {predictor.metadata.series}, not for {key}"
    prices = tuple(np.ascontiguousarray(column) for column in (bars.open, bars.high, bars.low, bars.close))
    latest = int(history.ts[-1]) if len(history) else -1
    row = int(flawed(bars.ts, prices, bars.volume, bars.series.interval_ns, latest))
    return "" if row < 0 else f"the bar of {key} at {to_iso(int(bars.ts[row]))} halts the engine"
