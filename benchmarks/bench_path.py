"""From a closed bar to a probability: ours beside talipp and XGBoost's in-place prediction.

Run: python benchmarks/bench_path.py [--rounds 15]. Exit code 1 when the promise does not hold: at most 1/50.

Both sides take the same bars, one at a time, in turns, in one process; figures are medians of CPU time over
rounds. Ours: all 36 features of `candles-v1`, then the compiled trees and the calibration. The other side:
the indicators that talipp has a class for (bench_features.py lists them, and what it lacks is left out on its
side), their newest values laid into a row as wide as the model, then `Booster.inplace_predict` with the same
trees, on one thread.

Below it: the same path as events through the bus and the feature engine, and what the features of book and
trades cost, for an update taken and for a row written.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import xgboost

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.bench_features import TalippSet, minute_candles
from gal_friday_core import artifact
from gal_friday_core.calibration import Platt
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import BarriersConfig, Config, CostsConfig
from gal_friday_core.features import drivers
from gal_friday_core.features.book_drivers import BookStream, compute_book, warm_book
from gal_friday_core.features.book_set import BOOK_V1
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.market_events import BOOK
from gal_friday_core.payloads import MarketDataOHLCV
from gal_friday_core.predictor import TARGET, ModelMetadata, Predictor, schema_document
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.feature_engine import FeatureEngine
from gal_friday_live.feeds import bars
from gal_friday_live.ids import SequentialIds
from tests.core.features.book_markets import book_market, minutes_of

BARS, BOOK_EVENTS, TREES, DEPTH, PROMISE = 2_000, 20_000, 300, 6, 50.0
WIDTH = len(CANDLES_V1)


def trained(candles: Candles) -> xgboost.Booster:
    """Full trees over the real feature set; what they predict does not matter here."""
    values = drivers.compute(candles).values[CANDLES_V1.warmup :]
    labels = np.random.default_rng(1).random(len(values)) + 1e3 * values[:, 0] > 0.5
    settings = {"objective": "binary:logistic", "tree_method": "hist", "max_depth": DEPTH, "nthread": 1}
    return xgboost.train(settings, xgboost.DMatrix(values, labels), TREES)


def predictor_of(booster: xgboost.Booster) -> Predictor:
    """The same booster as the engine gets it: through a sealed artifact."""
    return Predictor.from_files(artifact_of(booster), model_id="b", model_type="b", version=1)


def artifact_of(booster: xgboost.Booster) -> dict[str, bytes]:
    """The files of the artifact."""
    metadata = ModelMetadata(
        series="bench", target=TARGET, schema_hash=CANDLES_V1.hash, entry_threshold=0.5, mean_win=1.0,
        mean_loss=1.0, holdout_start_ns=0, oos_quantiles={"0.95": 0.5}, label="",
        barriers=BarriersConfig().model_dump(), costs=CostsConfig().model_dump(mode="json"), data={},
        training={}, seed=1, config_hash="", code_version="", libraries={}, parity={},
    )  # fmt: skip
    files = {
        artifact.MODEL: bytes(booster.save_raw("ubj")),
        artifact.CALIBRATION: artifact.to_json(msgspec.to_builtins(Platt(1.0, 0.0))),
        artifact.FEATURES: artifact.to_json(schema_document(CANDLES_V1)),
        artifact.METADATA: artifact.to_json(msgspec.to_builtins(metadata)),
        artifact.REPORT: artifact.to_json({}),
    }
    return artifact.seal(files)


def ours(rows: list, predictor: Predictor) -> None:
    update, predict = drivers.FeatureStream(CANDLES_V1, MINUTE_NS).update, predictor.predict_row
    for row in rows:
        predict(update(*row))


def talipp(rows: list, booster: xgboost.Booster) -> None:
    update, row = TalippSet().update, np.full((1, WIDTH), np.nan, np.float32)
    predict = booster.inplace_predict
    for bar in rows:
        for column, value in enumerate(update(*bar)):
            row[0, column] = value if isinstance(value, float) else first_of(value)
        predict(row)


def first_of(value: object) -> float:
    """Of indicators with several lines the first; NaN where there is none yet."""
    lines = vars(value).values() if value is not None else ()
    return next((line for line in lines if line is not None), np.nan)


def compare(candles: Candles, rounds: int) -> bool:
    """Print the two sides; whether the promise holds."""
    booster = trained(minute_candles(20_000))
    predictor = predictor_of(booster)
    booster.set_param({"nthread": 1})
    rows = list(zip(*(column.tolist() for column in candles.columns()[:6]), strict=True))
    contenders: dict[str, Callable[[], None]] = {
        "bar -> features -> prediction": lambda: ours(rows, predictor),
        "talipp + inplace_predict": lambda: talipp(rows, booster),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, contender in contenders.items():
            begin = time.process_time()
            contender()
            if turn:
                seconds[name].append((time.process_time() - begin) / len(rows))
    mine, theirs = seconds.values()
    ratio = statistics.median(b / a for a, b in zip(mine, theirs, strict=True))
    print(
        f"{TREES} trees of depth {DEPTH}, {WIDTH} features, {len(rows):,} bars, median of {rounds} rounds, CPU"
    )
    for name, spent in seconds.items():
        print(f"  {name:32} {statistics.median(spent) * 1e6:9.2f} us/bar")
    print(f"  ratio {ratio:.0f} (promised >= {PROMISE:.0f}: {'holds' if ratio >= PROMISE else 'BROKEN'})")
    asyncio.run(through_the_bus(candles, predictor, rounds))
    return ratio >= PROMISE


async def through_the_bus(candles: Candles, predictor: Predictor, rounds: int) -> None:
    """Each bar an event, each row an event, predicted where it arrives."""
    events = list(bars(candles))
    spent = [await one_run(events, candles.series, predictor) for _ in range(max(3, rounds // 3))]
    print(f"  as events through bus and engine  {statistics.median(spent) * 1e6:8.2f} us/bar")


async def one_run(events: list[MarketDataOHLCV], series: Series, predictor: Predictor) -> float:
    bus = PubSubManager(SimulatedClock(0), SequentialIds())
    engine = FeatureEngine(ConfigurationManager.from_config(Config()), bus, series=[series])
    await engine.start()
    bus.subscribe("FEATURES_CALCULATED", lambda event: predict_event(event, predictor))
    begin = time.process_time()
    for event in events:
        await bus.publish("MARKET_DATA_OHLCV", event)
    return (time.process_time() - begin) / len(events)


def predict_event(event, predictor: Predictor) -> None:
    predictor.predict_row(event.payload.features.values)


def book_features(rounds: int) -> None:
    """Book and trade features: an event of a recorded session, a live update, a row."""
    events = book_market(1, BOOK_EVENTS, pace_s=0.02)
    moments = minutes_of(events)
    batch = timed(lambda: compute_book(events, moments, MINUTE_NS), rounds) / len(events)
    books = np.flatnonzero((events.kind == BOOK) & (events.bid_quantities > 0).all(axis=1))
    books = books[(events.ask_quantities[books] > 0).all(axis=1)]
    told = [
        (int(events.ts[i]), events.bid_prices[i], events.bid_quantities[i], events.ask_prices[i], events.ask_quantities[i])
        for i in books
    ]  # fmt: skip
    stream = BookStream(MINUTE_NS)
    update = timed(lambda: tell(BookStream(MINUTE_NS), told), rounds) / len(told)
    tell(stream, told)
    row = timed(lambda: [stream.row(stream.time_ns) for _ in range(1_000)], rounds) / 1_000
    print(
        f"\nbook and trades: {len(BOOK_V1)} features, {BOOK_EVENTS:,} events, median of {rounds} rounds, CPU"
    )
    print(f"  recorded session, an event        {batch * 1e6:8.3f} us")
    print(f"  live, a book taken                {update * 1e6:8.3f} us")
    print(f"  live, a row written               {row * 1e6:8.3f} us")


def tell(stream: BookStream, books: list) -> None:
    for book in books:
        stream.take_book(*book)


def timed(work: Callable[[], object], rounds: int) -> float:
    """Median CPU seconds of a call."""
    spent = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        spent.append(time.process_time() - begin)
    return statistics.median(spent)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    drivers.warm()
    warm_book()
    holds = compare(minute_candles(BARS), rounds)
    book_features(rounds)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
