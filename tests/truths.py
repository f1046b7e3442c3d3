"""What every Python must say alike: digests of each stage from candles to the tear sheet of a backtest, and of what judges later.

`python -m tests.truths` prints them, for `tests/test_one_truth.py` and to lay those of two environments side by side. The
market is made of whole numbers from a hash, so that it is the same whatever draws random numbers or takes a logarithm.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec
import numpy as np

from gal_friday_core import artifact
from gal_friday_core.backtest.run import Ran
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import BarriersConfig, Config, CostsConfig, TrainingConfig
from gal_friday_core.drift.data import Reference, data_drift, data_finding
from gal_friday_core.experiments import thompson
from gal_friday_core.experiments.analysis import analyse
from gal_friday_core.experiments.design import design_of
from gal_friday_core.experiments.outcomes import Served
from gal_friday_core.features.drivers import FeatureTable, compute
from gal_friday_core.instruments import Instrument
from gal_friday_core.predictor import Predictor
from gal_friday_core.tearsheet.of_run import record_of
from gal_friday_core.tearsheet.sheet import tearsheet
from gal_friday_core.training import Candidate, train_on
from gal_friday_core.training_set import TrainingSet, assemble
from gal_friday_live.fast_backtest import Trading, trade
from gal_friday_live.replay_data import Stretch

HOUR = 3_600_000_000_000
START = 1_600_000_000_000_000_000 // (24 * HOUR) * 24 * HOUR
BARS = 5_000
CONFIG = Config(
    costs=CostsConfig(taker_fee="0.0004", maker_fee="0.0002", slippage="0.0001"),
    barriers=BarriersConfig(
        horizon_bars=12, target_volatility=1.5, stop_volatility=1.5, min_width=0.005, max_width=0.1
    ),
    training=TrainingConfig(
        trees=12, depth=3, min_child_weight=5, stride_bars=2, folds=2, embargo_bars=12, min_events=300
    ),
)  # fmt: skip


def whole(name: str, count: int, below: int) -> np.ndarray:
    """(count,) whole numbers in [0, below), the same for the same name."""
    drawn = np.frombuffer(hashlib.shake_128(name.encode()).digest(8 * count), "<u8")
    return (drawn % np.uint64(below)).astype(np.int64)


@cache
def market() -> Candles:
    """Hourly bars in whole cents that drift one way for days, so that a model finds something."""
    drift = np.repeat(whole("drift", BARS // 40 + 1, 241) - 120, 40)[:BARS]
    close = 100_000 + np.cumsum(whole("step", BARS, 1201) - 600 + drift - drift.sum() // BARS)
    opened = np.concatenate(([100_000], close[:-1]))
    high = np.maximum(opened, close) + whole("high", BARS, 200)
    low = np.minimum(opened, close) - whole("low", BARS, 200)
    ts = START + HOUR * np.arange(BARS, dtype=np.int64)
    prices = (column / 100 for column in (opened, high, low, close))
    volume = (1 + whole("volume", BARS, 100_000)) / 1_000
    return Candles(Series("test", "BTC/USD", "1h"), ts, *prices, volume, 1 + whole("trades", BARS, 50))


@cache
def features() -> FeatureTable:
    return compute(market())


@cache
def training_set() -> TrainingSet:
    return assemble(market(), features(), CONFIG)


@cache
def candidate() -> Candidate:
    return train_on(training_set(), CONFIG, code_version="0")


@cache
def backtest() -> Ran:
    files = candidate().files
    model = Predictor.from_files(files, model_id="test@v1", model_type="test", version=1)
    begin = int(np.searchsorted(market().ts, candidate().holdout_start_ns))
    past, bars = market()[:begin], market()[begin:]
    played = Stretch(bars.series, bars, past, Instrument.derive(bars.series.pair, past.close.tolist()))
    return trade(CONFIG, [Trading(played, model, 0.5)], CONFIG.paper.initial_cash)


def columns(*arrays: np.ndarray) -> bytes:
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


def metadata() -> bytes:
    """Without the versions of libraries: they may be newer, where the rest is the same."""
    said = json.loads(candidate().files[artifact.METADATA])
    del said["libraries"]
    return artifact.to_json(said)


def rounded(value: Any) -> Any:
    """Floats to ten digits."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return float(f"{value:.10g}") if isinstance(value, float) else value


def evidence() -> bytes:
    """To ten digits: its exponentials are the C library's, which chooses them by what the processor can do."""
    return artifact.to_json(rounded(json.loads(candidate().files[artifact.EVIDENCE])))


def file(name: str) -> Callable[[], bytes]:
    return lambda: candidate().files[name]


def orders() -> bytes:
    account = backtest().account
    return msgspec.json.encode([account.orders, account.reports])


def labels() -> bytes:
    found = training_set().labels
    return columns(found.index, found.t0_ns, found.t1_ns, found.net_return, found.outcome)


def drift() -> bytes:
    """Of the second half of the features against the first."""
    values = features().values[features().finite_rows()]
    half, names = len(values) // 2, [one.name for one in features().schema.features]
    found = data_drift(Reference.of(values[:half], names), values[half:], CONFIG.drift)
    weights = {name: place / 7 for place, name in enumerate(names)}
    return msgspec.json.encode([found, data_finding("test@v1", found, CONFIG.drift, weights)], enc_hook=float)


def experiment() -> bytes:
    """Three variants, each served a share of the units: what is said of them, and the shares that they get next."""
    names = ("champion", "second", "third")
    variants = [{"name": name, "model_id": f"{name}@v1"} for name in names]
    design = design_of(
        {"name": "night", "series": "test:BTC-USD:1h", "variants": variants, "block": 10, "most_units": 3_000}
    )
    units, by = 1_500, whole("served", 1_500, 3)
    values = (whole("outcome", units, 2_001) - 1_000 + 30 * by) / 10_000
    outcomes = Served(np.arange(units), values, by, np.full((units, 3), 1 / 3))
    served = [values[by == place] for place in range(3)]
    arms = [thompson.Arm(len(own), len(own), float(own.sum()), float((own * own).sum())) for own in served]
    return msgspec.json.encode(
        [analyse(design, outcomes, running_ns=90 * 24 * HOUR), thompson.shares(arms, 0.1)]
    )


STAGES: Mapping[str, Callable[[], bytes]] = {
    "candles": lambda: columns(*market().columns()),
    "features": lambda: columns(features().values),
    "labels": labels,
    "uniqueness": lambda: columns(training_set().uniqueness),
    "model": file(artifact.MODEL),
    "calibration": file(artifact.CALIBRATION),
    "feature schema": file(artifact.FEATURES),
    "metadata": metadata,
    "report": file(artifact.REPORT),
    "evidence": evidence,
    "orders and fills": orders,
    "equity": lambda: columns(backtest().equity.curve().ts, backtest().equity.curve().equity),
    "drift": drift,
    "experiment": experiment,
    "tear sheet": lambda: artifact.to_json(tearsheet(record_of(backtest(), CONFIG.costs))),
}


def digests() -> dict[str, str]:
    return {name: hashlib.sha256(stage()).hexdigest()[:16] for name, stage in STAGES.items()}


def main(**extra: Any) -> None:
    print(json.dumps(digests() | extra, indent=1))


if __name__ == "__main__":
    main()
