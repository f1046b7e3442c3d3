"""One process that holds so many pairs or models and says how much memory that takes; `capacity_engine.py` starts it."""

import asyncio
import gc
import json
import sys
from pathlib import Path

import psutil

import gal_friday_live.live_program  # noqa: F401 - what the command `live` loads
from gal_friday_core.candles import Series
from gal_friday_core.config import Config
from gal_friday_core.features import drivers
from gal_friday_core.market_simulator import VENUE, simulate
from gal_friday_core.predictor import Predictor
from gal_friday_core.times import from_iso
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.feeds import RecordedFeed
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.replay_data import instrument_of
from gal_friday_live.wiring import Ports, build

HISTORY = 2_000


async def pairs(number, files):
    """An engine that has warmed up on the history of so many pairs and has taken a bar of each."""
    listed = [Series(VENUE, f"C{place}/USD", "1m") for place in range(number)]
    candles = {
        one: simulate(one, from_iso("2024-01-01"), HISTORY + 1, seed=place)
        for place, one in enumerate(listed)
    }
    clock = SimulatedClock(int(candles[listed[0]].ts[-1]))
    feed = RecordedFeed(tuple(one[HISTORY:] for one in candles.values()), clock, bars_per_second=None)
    model = Predictor.from_files(files, model_id=f"{listed[0].key}@v1", model_type=listed[0].key, version=1)
    engine = build(
        ConfigurationManager.from_config(Config()),
        Ports(
            series=listed, clock=clock, feed=feed, journal=MemoryJournal(keep_notes=False),
            instruments=[instrument_of(one) for one in candles.values()], models=FixedModels(model),
            history={one: past[:HISTORY] for one, past in candles.items()},
        ),
    )  # fmt: skip
    await engine.start()
    await engine.run()
    kept = resident()
    await engine.stop()
    return kept


async def models(number, files):
    held = [
        Predictor.from_files(files, model_id=f"m@v{place}", model_type="m", version=place)
        for place in range(1, number + 1)
    ]
    kept = resident()
    assert len(held) == number
    return kept


def resident():
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


def main():
    drivers.warm()
    what = {"pairs": pairs, "models": models}[sys.argv[1]]
    files = {path.name: path.read_bytes() for path in Path(sys.argv[3]).iterdir()}
    print(json.dumps({"resident_mb": asyncio.run(what(int(sys.argv[2]), files))}))


if __name__ == "__main__":
    main()
