"""The engine: a backtest of one-minute bars through every service, and the bus alone against asyncio's queues.

CPU time, medians of interleaved runs. The model is 200 trees of depth 5 on labels of noise: speed is asked
for here, not profit. The busy run enters whenever it can, so a position is open nearly all the time.
"""

import asyncio
import statistics
import sys
import time
from decimal import Decimal
from itertools import count
from pathlib import Path

import msgspec
import numpy as np
import xgboost

sys.path.insert(0, str(Path(__file__).parents[1]))

from gal_friday_core import artifact
from gal_friday_core.calibration import Platt
from gal_friday_core.candles import Series
from gal_friday_core.config import BarriersConfig, Config, CostsConfig
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import compute
from gal_friday_core.market_simulator import simulate
from gal_friday_core.payloads import LogEntry
from gal_friday_core.predictor import TARGET, ModelMetadata, Predictor, schema_document
from gal_friday_core.times import from_iso
from gal_friday_live.backtesting import BacktestingEngine
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.ids import SequentialIds
from gal_friday_live.replay_data import Stretch, instrument_of

BARS, HISTORY, RUNS, EVENTS = 30_000, 2_000, 3, 50_000
SERIES = Series("synthetic", "BTC/USD", "1m")
CALM = {"max_daily_drawdown": 1, "max_weekly_drawdown": 1, "max_total_drawdown": 1}


def model(candles, threshold):
    """A sealed artifact, read back as the engine reads it."""
    values = compute(candles).values[300:]
    labels = np.random.default_rng(1).random(len(values)) < 0.5
    settings = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "nthread": 2,
        "max_depth": 5,
        "seed": 1,
    }
    booster = xgboost.train(settings, xgboost.DMatrix(values, labels), 200)
    metadata = ModelMetadata(
        series=SERIES.key, target=TARGET, schema_hash=CANDLES_V1.hash, entry_threshold=threshold, mean_win=0.01,
        mean_loss=0.01, holdout_start_ns=0, oos_quantiles={"0.95": threshold}, label="noise",
        barriers=BarriersConfig().model_dump(), costs=CostsConfig().model_dump(mode="json"), data={}, training={},
        seed=1, config_hash="0" * 64, code_version="bench", libraries={}, parity={},
    )  # fmt: skip
    files = artifact.seal(
        {
            artifact.MODEL: bytes(booster.save_raw("ubj")),
            artifact.CALIBRATION: artifact.to_json(msgspec.to_builtins(Platt(1.0, 0.0))),
            artifact.FEATURES: artifact.to_json(schema_document(CANDLES_V1)),
            artifact.METADATA: artifact.to_json(msgspec.to_builtins(metadata)),
            artifact.REPORT: artifact.to_json({"verdict": {"passed": True, "reasons": []}}),
        }
    )
    return Predictor.from_files(files, model_id=f"{SERIES.key}@v1", model_type=SERIES.key, version=1)


def backtest(played, predictor):
    """Microseconds of CPU a bar, and the run's summary."""
    config = ConfigurationManager.from_config(Config.model_validate({"risk": CALM}))
    engine = BacktestingEngine(config, predictor=predictor, exact=True)
    started = time.process_time()
    report = asyncio.run(engine.run(played, Decimal(10_000)))
    return (time.process_time() - started) / len(played.bars) * 1e6, report["engine"]


async def through_bus(subscribers):
    """Nanoseconds of CPU an event."""
    bus, heard = PubSubManager(SimulatedClock(), SequentialIds()), count()

    async def hear(_):
        next(heard)

    for _ in range(subscribers):
        bus.subscribe("LOG_ENTRY", hear)
    entry = LogEntry(level="INFO", message="x")
    started = time.process_time_ns()
    for _ in range(EVENTS):
        await bus.publish("LOG_ENTRY", entry)
    return (time.process_time_ns() - started) / EVENTS


async def through_queue(subscribers):
    """The usual shape: one queue and one waiting task a subscriber."""
    queues = [asyncio.Queue() for _ in range(subscribers)]

    async def consume(queue):
        while await queue.get() is not None:
            pass

    consumers = [asyncio.create_task(consume(queue)) for queue in queues]
    entry = LogEntry(level="INFO", message="x")
    started = time.process_time_ns()
    for _ in range(EVENTS):
        for queue in queues:
            queue.put_nowait(entry)
        await asyncio.sleep(0)
    for queue in queues:
        queue.put_nowait(None)
    await asyncio.gather(*consumers)
    return (time.process_time_ns() - started) / EVENTS


def main():
    candles = simulate(SERIES, from_iso("2024-01-01"), BARS + HISTORY, seed=3)
    past, bars = candles[:HISTORY], candles[HISTORY:]
    played = Stretch(SERIES, bars, past, instrument_of(past))
    rates = {}
    for name, threshold in (("busy", 0.4), ("quiet", 0.99)):
        predictor = model(candles, threshold)
        runs = [backtest(played, predictor) for _ in range(RUNS)]
        rates[name] = statistics.median(spent for spent, _ in runs)
        summary = runs[0][1]
        print(f"backtest, {name}: {rates[name]:.1f} us a bar, {1e6 / rates[name]:,.0f} bars a CPU second "
              f"({summary['predictions']:,} predictions, {summary['orders']:,} orders)")  # fmt: skip
    for subscribers in (1, 5):
        ours, theirs = [], []
        for _ in range(RUNS):
            ours.append(asyncio.run(through_bus(subscribers)))
            theirs.append(asyncio.run(through_queue(subscribers)))
        bus, queue = statistics.median(ours), statistics.median(theirs)
        print(f"bus, {subscribers} subscribers: {bus:,.0f} ns an event (envelope, id, lanes, timing included); "
              f"asyncio queues {queue:,.0f} ns: ratio {queue / bus:.2f}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
