"""What a simulated engine trades: a lively market for a few pairs, and a model that enters whenever it may."""

import random
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from gal_friday_core.calibration import Platt
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import BarriersConfig, CostsConfig
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import REACH
from gal_friday_core.predictor import TARGET, ModelMetadata, Predictor
from gal_friday_core.times import MINUTE_NS, SECOND_NS, from_iso
from gal_friday_core.trees import LANES, NODE, PackedTrees
from gal_friday_core.venue.listings import DEMO_LISTINGS, Listing
from gal_friday_core.venue.markets import GeneratedMarket

START_NS = from_iso("2024-03-01T12:00:40")
"""When every world begins: twenty seconds before a bar closes."""
SECONDS = 1_800
"""Of a market's way that are drawn, unless a world lasts longer; after that it stands still."""
STEP_S = 5
SCALE, THIN_SCALE = 40.0, 1.0
ORDERS_A_SECOND, ORDERS_A_SIDE = 1.0, 25
LISTINGS = tuple(replace(listing, quote=DEMO_LISTINGS[0].quote) for listing in DEMO_LISTINGS[:2])


def series_of(listing: Listing) -> Series:
    """Its one-minute bars."""
    return Series("kraken", listing.symbol, "1m")


class LivelyPath:
    """A value that moves enough for stops and targets to be reached within minutes, with a jump now and then."""

    def __init__(self, listing: Listing, chance: random.Random, seconds: float = SECONDS) -> None:
        self.history = history(listing.symbol, float(listing.start_price))
        value = float(listing.start_price)
        self._values = [value]
        restless = chance.choice((0.0003, 0.0008, 0.0015))
        for _ in range(int(seconds) // STEP_S):
            jump = chance.choice((-1, 1)) * 0.01 if chance.random() < 0.01 else 0.0
            value *= 1 + chance.gauss(0, restless) + jump
            self._values.append(value)

    def at(self, now_ns: int) -> tuple[float, float]:
        """Value and activity at a time."""
        passed = max((now_ns - START_NS) / (STEP_S * SECOND_NS), 0.0)
        leg = min(int(passed), len(self._values) - 2)
        share = min(passed - leg, 1.0)
        return self._values[leg] + share * (self._values[leg + 1] - self._values[leg]), 1.0


@cache
def history(pair: str, ends_at: float) -> Candles:
    """As many minutes as features reach back over, up to the minute in which the world begins."""
    chance = np.random.Generator(np.random.PCG64(1))
    steps = chance.normal(0, 0.0005, REACH)
    close = ends_at * np.exp(np.cumsum(steps) - steps.sum())
    opened = np.concatenate((close[:1], close[:-1]))
    high, low = np.maximum(opened, close) * 1.0002, np.minimum(opened, close) * 0.9998
    first = START_NS // MINUTE_NS * MINUTE_NS - REACH * MINUTE_NS
    ts = first + np.arange(REACH, dtype=np.int64) * MINUTE_NS
    volume = chance.gamma(2.0, 1.0, REACH) + 0.1
    trades = np.full(REACH, 5, np.int64)
    return Candles(Series("kraken", pair, "1m"), ts, opened, high, low, close, volume, trades)


def market(
    listing: Listing,
    seed: int,
    *,
    thin: bool = False,
    rate: float = ORDERS_A_SECOND,
    seconds: float = SECONDS,
) -> GeneratedMarket:
    """The outside traders of one pair."""
    path = LivelyPath(listing, random.Random(f"path {seed} {listing.symbol}"), seconds)  # noqa: S311 - drawn from a seed
    return GeneratedMarket(
        listing,
        seed,
        orders_a_second=rate,
        orders_a_side=ORDERS_A_SIDE,
        path=path,
        size_scale=THIN_SCALE if thin else SCALE,
    )


@dataclass(frozen=True, eq=False, slots=True)
class Laggard(Predictor):
    """A model that may take its time: `hold_up` is called with every prediction."""

    hold_up: Callable[[], None]

    @classmethod
    def of(cls, model: Predictor, hold_up: Callable[[], None]) -> "Laggard":
        return cls(**{field.name: getattr(model, field.name) for field in fields(model)}, hold_up=hold_up)

    def predict_row(self, values: NDArray[np.float64]) -> float:
        self.hold_up()
        return Predictor.predict_row(self, values)


@cache
def eager_model(pair: str, horizon_bars: int) -> Predictor:
    """A model without trees that is always certain: its engine holds a position whenever it may."""
    series = Series("kraken", pair, "1m")
    features = len(CANDLES_V1)
    nodes = np.zeros(1, NODE)
    nodes["packed"] = features  # a leaf that adds nothing
    groups = np.zeros((1, LANES + 1), np.uint32)
    barriers = BarriersConfig(
        horizon_bars=horizon_bars, target_volatility=0.5, stop_volatility=0.5, min_width=0.003, max_width=0.01
    )
    metadata = ModelMetadata(
        series=series.key, target=TARGET, schema_hash=CANDLES_V1.hash, entry_threshold=0.5, mean_win=0.01,
        mean_loss=0.01, holdout_start_ns=0, oos_quantiles={}, label="none", barriers=barriers.model_dump(),
        costs=CostsConfig().model_dump(mode="json"), data={}, training={}, seed=0, config_hash="0" * 64,
        code_version="simulation", libraries={}, parity={},
    )  # fmt: skip
    trees = PackedTrees(nodes, groups, np.float32(3.0), features, 1)
    model_type = series.key
    return Predictor(
        f"{model_type}@v1", model_type, 1, CANDLES_V1, metadata, Platt(1.0, 0.0), trees, "0" * 64
    )
