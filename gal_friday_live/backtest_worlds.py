"""Random worlds for backtests, each a function of its seed: markets, models, strategies, limits and costs that nobody would choose.

Prices of a dozen scales with few decimals or all of them, holes in time, jumps, bars without a range; limits so tight
that they refuse and halt; strategies that ship, and one that shipped ones have nothing of: limit orders, exits at odd
bars, protection on one side only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from gal_friday_core.calibration import Platt
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import BarriersConfig, Config
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import compute
from gal_friday_core.instruments import Instrument
from gal_friday_core.linear import LinearModel
from gal_friday_core.market_events import BOOK, LEVELS, TRADE, MarketEvents
from gal_friday_core.predictor import TARGET, ModelMetadata, Predictor
from gal_friday_core.primary_rules import PRIMARY_RULES
from gal_friday_core.prints import Prints
from gal_friday_core.strategies.protocol import Proposal, Situation
from gal_friday_core.strategies.registry import STRATEGIES, Factory
from gal_friday_core.times import DAY_NS, from_iso
from gal_friday_live.fast_backtest import Trading
from gal_friday_live.prediction_service import ModelOverride
from gal_friday_live.replay_data import Stretch

PAIRS = ("BTC/USD", "ADA/USD", "ETH/USD")
INTERVALS = ("1m", "1m", "5m", "15m", "1h", "4h", "1d")
CALM = {"max_daily_drawdown": 1, "max_weekly_drawdown": 1, "max_total_drawdown": 1}
MOST_BARS = 260
WARM = 330
"""Bars after which every feature is known."""
FRICTIONS = 7
"""Beside a world's seed, that of its frictions."""

Floats = NDArray[np.float64]


class OddStrategy:
    """Decides by the digits of what it is asked: no shipped strategy does any of this, every one might."""

    rule = None

    def __init__(self, barriers: BarriersConfig, salt: int) -> None:
        self._barriers = barriers
        self._salt = salt
        self.id = "odd"
        self.earliest_exit = max(1, barriers.horizon_bars // (1 + salt % 3))

    def is_likely_enough(self, probability: float, entry_threshold: float) -> bool:
        return probability >= entry_threshold * (0.9 + self._salt % 3 / 10)

    def candidates(self, probabilities: Floats, entry_threshold: float) -> NDArray[np.bool_]:
        return probabilities >= entry_threshold * (0.9 + self._salt % 3 / 10)

    def decide(self, situation: Situation) -> Proposal | None:
        price, digit = situation.reference_price, self._digit(situation.reference_price)
        if situation.quantity > 0:
            return self._exit(situation, price, digit)
        if situation.exit_pending or (situation.entry_pending and digit):
            return None
        tick = situation.instrument.price_up
        stop = None if digit == 9 else tick(price * Decimal(98 + digit % 2) / 100)
        target = None if digit in (0, 5) else tick(price * Decimal(102 + digit) / 100)
        if digit % 3:
            return Proposal(side="BUY", reason="RULE_FIRED", stop=stop, target=target)
        limit = tick(price * Decimal(1000 - digit) / 1000)
        return Proposal(
            side="BUY", reason="RULE_FIRED", entry_type="LIMIT", entry_price=limit, stop=stop, target=target
        )

    def _exit(self, situation: Situation, price: Decimal, digit: int) -> Proposal | None:
        if situation.bars_held < self.earliest_exit or situation.exit_pending:
            return None
        if situation.bars_held >= self._barriers.horizon_bars or digit == 1:
            return Proposal(side="SELL", reason="HORIZON_REACHED")
        if digit != 7:
            return None
        limit = situation.instrument.price_up(price * Decimal(1002) / 1000)
        return Proposal(side="SELL", reason="HORIZON_REACHED", entry_type="LIMIT", entry_price=limit)

    def _digit(self, price: Decimal) -> int:
        digits = price.as_tuple().digits
        return (sum(digits[-4:]) + self._salt) % 10


@dataclass(frozen=True, slots=True, eq=False)
class BacktestWorld:
    """All that one backtest is made of."""

    seed: int
    config: Config
    pairs: tuple[Trading, ...]
    cash: Decimal
    strategies: Mapping[str, Factory]
    override: ModelOverride | None = None

    def __str__(self) -> str:
        traded = ", ".join(f"{len(pair.played.bars)} of {pair.played.series.key}" for pair in self.pairs)
        return f"world {self.seed}: {self.config.strategy.id}, {traded}"


def world(seed: int, *, books: bool = False) -> BacktestWorld:
    """The same world for the same seed; with `books` orders meet a recorded book in it."""
    rng = np.random.default_rng(seed)
    interval = str(rng.choice(INTERVALS))
    count = int(rng.choice((1, 1, 1, 2, 3)))
    names = list(PAIRS[:count])
    rng.shuffle(names)
    chosen = ("threshold", "cost_and_volatility", "ema_cross", "odd")[int(rng.integers(4))]
    config = _config(rng, "threshold" if chosen == "odd" else chosen, interval, several=count > 1)
    apart = np.random.default_rng((seed, FRICTIONS))
    config = _with_frictions(apart, config)
    played = [_stretch(rng, Series("kraken", pair, interval)) for pair in names]
    if books or apart.random() < 0.3:
        record = _book if books else _prints
        played = [replace(stretch, recorded=record(apart, stretch.bars)) for stretch in played]
    models = [
        _model(rng, stretch) if chosen != "ema_cross" or rng.random() < 0.2 else None for stretch in played
    ]
    salt = int(rng.integers(100))
    strategies: Mapping[str, Factory] = STRATEGIES
    if chosen == "odd":
        strategies = {"threshold": lambda _, barriers: OddStrategy(barriers, salt)}
    cash = Decimal(repr(float(rng.choice((60.0, 1_000.5, 10_000.0, 123_456.789, 5e6)))))
    override = None
    if count == 1 and models[0] is not None and rng.random() < 0.15:
        override = ModelOverride(
            models[0].model_id, "another threshold", round(float(rng.uniform(0.3, 0.7)), 3)
        )
    threshold = None if override is None else override.entry_threshold
    pairs = tuple(Trading(stretch, model, threshold) for stretch, model in zip(played, models, strict=True))
    return BacktestWorld(seed, config, pairs, cash, strategies, override)


def _config(rng: np.random.Generator, strategy: str, interval: str, *, several: bool) -> Config:
    """Drawn again where the parts contradict each other."""
    while True:
        sections = {
            "strategy": {"id": strategy, "margin": _pick(rng, 0.0, 0.01)},
            "ema_cross": {"fast": int(rng.integers(2, 8)), "slow": int(rng.integers(9, 40)),
                          "stop": _pick(rng, "0.01", "0.004", "0.03"), "target": _pick(rng, "0.02", "0.005", "0.1")},
            "cost_and_volatility": {"min_edge": _pick(rng, 0.0, 0.001), "min_move_to_cost": _pick(rng, 0.0, 1.0),
                                    "max_bar_volatility": 0.5, "min_edge_to_risk": _pick(rng, 0.0, 0.05)},
            "barriers": {"horizon_bars": int(rng.integers(2, 40)), "min_width": 0.004, "max_width": 0.2},
            "market": {"interval": interval},
            "costs": {"taker_fee": _pick(rng, "0.0026", "0", "0.004", "0.000123"),
                      "maker_fee": _pick(rng, "0.0016", "0"), "slippage": _pick(rng, "0.0005", "0", "0.00137")},
            "risk": _limits(rng, several=several),
        }  # fmt: skip
        try:
            return Config.model_validate(sections)
        except ValidationError:
            continue


def _with_frictions(rng: np.random.Generator, config: Config) -> Config:
    """In half of the worlds an exchange that gives less away; drawn apart, so that the rest of a world stays what it was."""
    if rng.random() < 0.5:
        return config
    maker, taker = config.costs.maker_fee, config.costs.taker_fee
    step = _pick(rng, 300, 3_000, 40_000)
    tiers = [(0, maker, taker), (step, maker / 2, taker / 2), (5 * step, 0, taker / 4)]
    rare: dict[str, Any] = {
        "fees": "table",
        "slippage": "modelled",
        "latency_ms": _pick(rng, 250, 4_000, 90_000),
        "participation": _pick(rng, "1", "0.1", "0.01"),
        "limit_queue": "volume",
    }
    chosen = {name: value for name, value in rare.items() if rng.random() < 0.5}
    chosen |= {
        "fee_tiers": tiers, "volume_elsewhere": _pick(rng, 0, 250), "impact": _pick(rng, 0.0, 0.7, 5.0),
        "half_spread": _pick(rng, "0", "0.0004"), "max_slippage": _pick(rng, "0.05", "0.001"),
        "queue_ahead": _pick(rng, 0.0, 1.0, 3.0),
    }  # fmt: skip
    sections = config.model_dump()
    sections["fidelity"] = chosen
    sections["exchange"]["order_deadline_s"] = _pick(rng, 5.0, 60.0)
    return Config.model_validate(sections)


def _prints(rng: np.random.Generator, bars: Candles) -> Prints:
    """Trades that could have made the bars: each of its prices once, in an order of their own; of some bars none are left."""
    kept = rng.random(len(bars)) < 0.9
    prices = np.column_stack((bars.open, bars.high, bars.low, bars.close))[kept]
    turned = rng.random(len(prices)) < 0.5
    prices[turned] = prices[turned][:, (0, 2, 1, 3)]
    places = np.sort(rng.integers(0, bars.series.interval_ns, prices.shape), axis=1)
    quantity = np.repeat(bars.volume[kept] / 4, 4).round(8)
    return Prints.of((bars.ts[kept][:, None] + places).ravel(), prices.ravel(), quantity)


def _book(rng: np.random.Generator, bars: Candles) -> MarketEvents:
    """A book around each of a bar's prices, thin against its volume, and some of them traded."""
    count = 4 * len(bars)
    middle = np.column_stack((bars.open, bars.low, bars.high, bars.close)).ravel()
    decimals = max(0, 5 - int(np.floor(np.log10(bars.close.min()))))
    one, sizes = (
        10.0**decimals,
        np.repeat(bars.volume, 4)[:, None] * rng.uniform(0.01, 0.3, (count, 2 * LEVELS)),
    )
    steps = np.cumsum(rng.integers(1, 4, (count, 2 * LEVELS)).reshape(count, 2, LEVELS), axis=2)
    price, quantity = np.rint(middle * one).astype(np.int64), np.rint(sizes * 1e8).astype(np.int64)
    bids, asks = (price[:, None] + way * steps[:, side] for side, way in ((0, -1), (1, 1)))
    traded = np.repeat(np.where(rng.random(count) < 0.5, TRADE, BOOK).astype(np.int8)[:, None], 2, axis=1)
    traded[:, 0] = BOOK
    kind, rows = traded.ravel(), np.repeat(np.arange(count), 2)
    is_book = (kind == BOOK)[:, None]
    ladders = (bids, quantity[:, :LEVELS], asks, quantity[:, LEVELS:])
    places = np.sort(rng.integers(0, bars.series.interval_ns, (len(bars), 8)), axis=1)
    ts = (bars.ts[:, None] + places).ravel()
    side = np.where(rng.random(2 * count) < 0.5, 1, -1).astype(np.int8) * ~is_book[:, 0]
    told = is_book & (bids[rows] > 0)
    bid_prices, bid_sizes, ask_prices, ask_sizes = (np.where(told, ladder[rows], 0) for ladder in ladders)
    return MarketEvents(
        bars.series.venue, bars.series.pair, decimals, 8, ts, ts, kind, bid_prices, bid_sizes, ask_prices, ask_sizes,
        np.where(is_book[:, 0], 0, price[rows]), np.where(is_book[:, 0], 0, quantity[rows, 0] + 1), side,
        np.arange(2 * count, dtype=np.int64),
    )  # fmt: skip


def _limits(rng: np.random.Generator, *, several: bool) -> dict[str, Any]:
    """Half of the worlds never halt; each of the other limits binds in some."""
    limits: dict[str, Any] = {
        "risk_per_trade": _pick(rng, "0.005", "0.02", "1"),
        "max_pair_exposure": _pick(rng, "0.25", "0.5", "0.99"),
        "max_total_exposure": _pick(rng, "0.75", "0.6", "1"),
        "max_daily_drawdown": _pick(rng, "0.05", "0.003", "0.01", "1"),
        "max_weekly_drawdown": _pick(rng, "0.10", "0.01", "1"),
        "max_total_drawdown": _pick(rng, "0.20", "0.02", "1"),
    }
    if rng.random() < 0.5:
        limits |= CALM
    rare: dict[str, Any] = {
        "sizing": "volatility_scaled",
        "max_order_value": _pick(rng, "500", "3.5"),
        "min_order_value": _pick(rng, "50", "2000"),
        "max_losses_in_a_row": int(rng.integers(1, 4)),
        "loss_pause_s": _pick(rng, 60.0, 36_000.0),
        "max_daily_fees": _pick(rng, "0.002", "0.02"),
        "max_orders_per_minute": 1,
        "halt_orders_per_minute": int(rng.integers(1, 3)),
        "duplicate_window_s": _pick(rng, 600.0, 100_000.0),
        "max_open_orders": 1,
        "ramp_orders": int(rng.integers(1, 6)),
        "max_position_volatility": "0.05",
    }
    if not several:
        rare["max_correlated_exposure"] = "0.3"
    return limits | {name: value for name, value in rare.items() if rng.random() < 0.12}


def _stretch(rng: np.random.Generator, series: Series) -> Stretch:
    candles = _market(rng, series)
    warm = int(rng.choice((0, WARM, WARM)))
    past, bars = candles[:warm], candles[warm:]
    derived = Instrument.derive(series.pair, (past if len(past) else bars).close.tolist())
    if rng.random() < 0.7:
        return Stretch(series, bars, past, derived)
    tick = derived.price_tick * int(rng.choice((1, 5, 10)))
    lot = Decimal(str(rng.choice(("0.00000001", "0.0001", "0.5", "0.0000000001"))))
    instrument = Instrument(
        series.pair, price_tick=tick, lot=lot, min_quantity=lot * int(rng.choice((1, 3))), min_cost=Decimal(5),
        max_quantity=_pick(rng, None, lot * 1_000),
    )  # fmt: skip
    return Stretch(series, bars, past, instrument)


def _market(rng: np.random.Generator, series: Series) -> Candles:
    """A walk with holes, jumps, and stretches on which nothing moves."""
    bars = WARM + int(rng.integers(60, MOST_BARS))
    moves = rng.normal(0, float(rng.choice((3e-4, 2e-3, 8e-3))), bars) * (
        rng.random(bars) < rng.uniform(0.3, 1)
    )
    moves += rng.normal(0, 0.04, bars) * (rng.random(bars) < 0.005)
    close = float(10 ** rng.uniform(-4, 5)) * np.exp(np.cumsum(moves))
    opened = np.concatenate((close[:1], close[:-1])) * np.exp(
        rng.normal(0, 2e-4, bars) * (rng.random(bars) < 0.5)
    )
    reach = np.abs(rng.normal(0, float(rng.choice((0.0, 5e-4, 3e-3))), (2, bars)))
    high, low = np.maximum(opened, close) * (1 + reach[0]), np.minimum(opened, close) * (1 - reach[1])
    if rng.random() < 0.85:
        places = int(rng.integers(0, 3)) + max(0, 3 - int(np.floor(np.log10(close.min()))))
        opened, high, low, close = (column.round(places) for column in (opened, high, low, close))
    volume = rng.gamma(2.0, 1.5, bars).round(6) * (rng.random(bars) < 0.9)
    steps = np.where(rng.random(bars) < 0.01, rng.integers(2, 90, bars), 1)
    steps[:WARM] = 1
    start = from_iso("2024-03-01") + int(rng.integers(0, 10)) * DAY_NS
    start -= start % series.interval_ns
    ts = start + np.cumsum(steps).astype(np.int64) * series.interval_ns
    return Candles(series, ts, opened, high, low, close, volume, np.full(bars, 3, np.int64))


def _model(rng: np.random.Generator, stretch: Stretch) -> Predictor:
    """A linear model of random weights, spread so that it is sure of itself now and then."""
    source = stretch.history if len(stretch.history) else stretch.bars
    values = compute(source).values
    known = values[np.isfinite(values).all(axis=1)]
    mean = known.mean(axis=0) if len(known) else np.zeros(len(CANDLES_V1))
    spread = known.std(axis=0) if len(known) else np.ones(len(CANDLES_V1))
    weight = rng.normal(0, 0.3, len(CANDLES_V1))
    model = LinearModel(mean, np.where(spread > 0, spread, 1.0), weight, float(rng.normal(0, 0.3)))
    series = stretch.series
    rule = str(rng.choice(list(PRIMARY_RULES)))
    barriers = BarriersConfig(horizon_bars=int(rng.integers(2, 40)), min_width=0.004, max_width=0.2)
    metadata = ModelMetadata(
        series=series.key, target=TARGET, schema_hash=CANDLES_V1.hash,
        entry_threshold=round(float(rng.uniform(0.4, 0.75)), 3), mean_win=0.01, mean_loss=0.01, holdout_start_ns=0,
        oos_quantiles={}, label="none", barriers=barriers.model_dump(), costs={}, data={}, training={}, seed=1,
        config_hash="", code_version="", libraries={}, parity={},
        primary=PRIMARY_RULES[rule] if rng.random() < 0.3 else None,
    )  # fmt: skip
    return Predictor(
        f"{series.key}@v1", series.key, 1, CANDLES_V1, metadata, Platt(1.0, 0.0), model, "0" * 64
    )


def _pick(rng: np.random.Generator, *options: Any) -> Any:
    return options[int(rng.integers(len(options)))]
