"""What a model says of every bar of a market, by the batch drivers of the kernels that the engine calls bar by bar.

Bars are taken in chunks, and of a chunk's features only what decisions read is kept: a year of one-minute bars has
two hundred megabytes of features, and a run should not need more memory than its bars.
"""

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.backtest.tape import Market
from gal_friday_core.candles import Candles
from gal_friday_core.config import BarriersConfig
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.features.streams import BarStream, from_history, stream
from gal_friday_core.predictor import Predictor
from gal_friday_core.strategies.protection import VOLATILITY
from gal_friday_core.strategies.protocol import EntryRule, Strategy

CHUNK = 4_096
_VOLATILITY = CANDLES_V1.index(VOLATILITY)

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A model that trades a market, from `entry_threshold` on: its own, or that of an override."""

    predictor: Predictor
    entry_threshold: float

    @property
    def barriers(self) -> BarriersConfig:
        return self.predictor.barriers


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """One market, a row a bar. `probability` is NaN where nothing was predicted; `entries` marks the bars at which the
    strategy may enter. `predictions` counts what the engine would have published, `skipped` what it would have left
    out, by reason.
    """

    entries: Mask
    probability: Floats | None
    volatility: Floats | None
    predictions: int
    skipped: dict[str, int]

    def said(self, row: int) -> tuple[float, float]:
        """Probability and volatility of a bar; NaN where there are none."""
        if self.probability is None or self.volatility is None:
            return nan, nan
        return self.probability.item(row), self.volatility.item(row)


def forecast(
    market: Market, strategy: Strategy, served: Served | None, said: "Predicted | None" = None
) -> Forecast:
    """Of every bar of the market; `said` where it is known already what the model says of it.

    Raises DataError for bars that the features' kernel refuses.
    """
    rule = strategy.rule
    if served is None:
        bars = len(market.bars)
        entries = np.zeros(bars, np.bool_) if rule is None else _fires(rule, market)
        return Forecast(entries, None, None, 0, {"NO_MODEL": bars} if bars else {})
    told = said or predicted(market, served.predictor)
    if rule is not None:
        entries = _fires(rule, market)
    else:
        entries = strategy.candidates(told.probability, served.entry_threshold) & told.asked
    return Forecast(entries, told.probability, told.volatility, told.predictions, told.skipped)


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """What a model says of a market, a row a bar, whatever strategy listens; `asked` marks bars of which it has learnt."""

    probability: Floats
    volatility: Floats
    asked: Mask
    predictions: int
    skipped: dict[str, int]


def predicted(market: Market, predictor: Predictor) -> Predicted:
    """Of every bar. Raises DataError for bars that the features' kernel refuses, SchemaMismatchError for a model of others."""
    bars = market.bars
    live = _stream(market, predictor.schema)
    probability, volatility = np.full(len(bars), np.nan), np.empty(len(bars))
    asked = np.zeros(len(bars), np.bool_)
    unknown = 0
    for first in range(0, len(bars), CHUNK):
        chunk = slice(first, min(first + CHUNK, len(bars)))
        values = live.extend(bars[chunk])
        volatility[chunk] = values[:, _VOLATILITY]
        known: Mask = np.logical_and.reduce(np.isfinite(values), axis=1)
        unknown += len(known) - int(known.sum())
        probability[chunk] = _probabilities(predictor, values, known)
        asked[chunk] = _asked(predictor, values)
    told = np.isfinite(probability)
    fit = told & (probability >= 0) & (probability <= 1)
    skipped = {"FEATURES_UNKNOWN": unknown, "NOT_A_PROBABILITY": len(bars) - unknown - int(fit.sum())}
    probability[~fit] = np.nan
    return Predicted(
        probability,
        volatility,
        asked,
        int(fit.sum()),
        {code: count for code, count in skipped.items() if count},
    )


def _probabilities(predictor: Predictor, values: Floats, known: Mask) -> Floats:
    """NaN where a feature is not known."""
    if known.all():
        return predictor.predict(values)
    found = np.full(len(values), np.nan)
    if known.any():
        found[known] = predictor.predict(values[known])
    return found


def _asked(predictor: Predictor, values: Floats) -> Mask:
    """Bars of which the model has learnt something: where its primary rule fires, if it has one."""
    primary = predictor.metadata.primary
    return np.ones(len(values), np.bool_) if primary is None else primary.fires(values, predictor.schema)


def _stream(market: Market, schema: FeatureSchema) -> BarStream:
    if len(market.history):
        return from_history(market.history, schema)
    return stream(schema, market.series.interval_ns)


def _fires(rule: EntryRule, market: Market) -> Mask:
    fired = rule.stream(market.series.interval_ns)
    past: Candles = market.history[-rule.reach :]
    if len(past):
        fired.extend(past)
    return fired.extend(market.bars)
