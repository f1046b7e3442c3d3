"""Drift planted in a replay, and everything that follows, by the daemon's own sensors: `python benchmarks/drift_timeline.py`.

    python benchmarks/drift_timeline.py [--hold] [--port 3000] [--folder DIR]

PostgreSQL, Dagster's web server and daemon are processes as `./gal-friday up` starts them; a paper engine trades a market
that changes under its model. Sensors and schedules are switched on as in the UI, over the web server, and from then on
nobody does anything: bars reach the lake as the market goes on, the daemon looks, and what happens is printed with its times.
It ends once the engine has bought with the successor. `--hold` then leaves everything running, to be looked at.

The first days of the new market pass quickly and the rest slowly, since Dagster's processes take as long as ever. What the
configuration loosens for so small a market is named in `tests/assets/changing_market.py`.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.dagster_web import WebServer
from gal_friday_adapters import paths
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_core.candles import Candles
from gal_friday_core.times import SECOND_NS, to_iso
from gal_friday_live.clock import SimulatedClock, SystemClock
from gal_friday_live.configuration import ConfigurationManager, fingerprint
from gal_friday_live.dagster_processes import start_dagster
from gal_friday_live.engine import Engine
from gal_friday_live.feeds import RecordedFeed
from gal_friday_live.interruption import Interruption
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.paper import replay_ports
from gal_friday_live.pipeline_process import run_pipeline
from gal_friday_live.processes import Children
from gal_friday_live.replay_data import stretch
from gal_friday_live.retraining_history import RetrainingHistory
from gal_friday_live.up import child_environment, running_database
from gal_friday_live.wiring import build
from tests.assets.changing_market import LOOSE, OLD, SEEN, changing_market
from tests.assets.conftest import SERIES

QUICKLY, SLOWLY = 60.0, 1.5
"""Bars a second, before the lake has the first of the new market, and after."""

TOP_UP_BARS = 10
"""Bars that reach the lake at once, from then on."""

PATIENCE_S = 30 * 60
MOST_BARS = 12_000
SENSORS = ("pair_universe", "corrected_history", "new_bars", "retraining")
SCHEDULES = ("hourly_monitor", "hourly_experiments")
V1 = f"{SERIES.key}@v1"

STEPS = (
    ("REQUESTED", "until drift was found and a successor asked for"),
    ("retrain begins", "until its run began"),
    ("SHADOW", "until it was trained, certified and in the shadow"),
    ("PROMOTED", "until the shadow period was over and it was promoted"),
    ("engine trades it", "until the running engine had swapped"),
    ("first signal of it", "until a signal of it was approved"),
)
"""Moments, as they are told, in the order of the loop."""

SETTINGS = {f"GAL_FRIDAY__{name}": value for name, value in LOOSE.items()} | {
    "GAL_FRIDAY__MARKET__INTERVAL": SERIES.interval,
    "GAL_FRIDAY__DRIFT__LOOK_EVERY_BARS": "200",
}


class Timeline:
    """Prints what happened, once, with the time since the market changed."""

    def __init__(self) -> None:
        self.begin_ns = time.time_ns()
        self._told: set[tuple[int, str, str]] = set()

    def tell(self, at_ns: int, what: str, about: str) -> None:
        """A moment that was told is not told again; what was before the change is another story."""
        if at_ns < self.begin_ns or (at_ns, what, about) in self._told:
            return
        self._told.add((at_ns, what, about))
        after = (at_ns - self.begin_ns) / SECOND_NS
        print(f"{to_iso(at_ns)[11:19]} {after:8.1f} s  {what:24}{about}", flush=True)

    def steps(self) -> None:
        """How long each part of the loop took, from one to the next."""
        before = self.begin_ns
        for what, name in STEPS:
            found = [at for at, told, _ in sorted(self._told) if told == what and at >= before]
            if found:
                print(f"{(found[0] - before) / SECOND_NS:8.1f} s  {name}")
                before = found[0]

    def now(self, what: str, about: str) -> None:
        self.tell(time.time_ns(), what, about)


class Market(RecordedFeed):
    """The bars, quickly at first and slowly then; `played` are over."""

    def __init__(self, bars: Candles, clock: SimulatedClock) -> None:
        super().__init__((bars,), clock)
        self.played = 0

    async def candles(self) -> AsyncGenerator[Any, None]:
        async for candle in super().candles():
            await asyncio.sleep(1 / (QUICKLY if self.played < SEEN else SLOWLY))
            yield candle
            self.played += 1


async def trading(
    manager: ConfigurationManager, database: Database, everything: CandleLake, start_ns: int
) -> tuple[Engine, Market]:
    """A paper engine on the market, not yet started, with a session of its own in the journal."""
    played = stretch(everything, SERIES, start_ns, None)
    journal = PostgresJournal(database, str(uuid.uuid4()), SystemClock())
    await journal.begin("paper-replay", config_hash=fingerprint(manager.config), code_version="timeline")
    clock = SimulatedClock(int(played.bars.ts[0]))
    market = Market(played.bars, clock)
    models = ModelRegistry(manager, database)
    return build(manager, replay_ports(played, models, journal, clock=clock, feed=market)), market


async def topped_up(lake: CandleLake, market: Candles, feed: Market) -> None:
    """What a top-up does: bars that are over reach the lake; first those of all the days that passed quickly."""
    stored = 0
    while True:
        if feed.played >= SEEN and feed.played - stored >= TOP_UP_BARS:
            stored = feed.played
            await asyncio.to_thread(lake.write, market[: OLD + stored])
        await asyncio.sleep(0.5)


async def watched(web: WebServer, history: RetrainingHistory, told: Timeline) -> None:
    """All that is put on record, as it is."""
    while True:
        await tell(web, history, told)
        await asyncio.sleep(2)


async def tell(web: WebServer, history: RetrainingHistory, told: Timeline) -> None:
    """Runs from Dagster, the rest from the database."""
    found = await asyncio.to_thread(web.moments)
    for run in await history.runs():
        found += [
            (one.at_ns, one.what, f"{one.whom} by {one.by}: {one.said}")
            for one in await history.moments(run["run_id"])
        ]
    for moment in sorted(found):
        told.tell(*moment)


def listen(engine: Engine, told: Timeline) -> Callable[[], str]:
    """Tell what the engine takes over; returns which model its last approved signal came of."""
    by: dict[str, str] = {}

    def swapped(event: Any) -> None:
        said = event.payload
        if said.model_id != V1:
            does = "trades it" if said.stage == "production" else "scores it"
            told.now(f"engine {does}", f"{said.model_id}, {said.action.lower()}")

    def predicted(event: Any) -> None:
        by["now"] = event.payload.model_id

    def approved(_: Any) -> None:
        if by.get("now") != by.get("bought"):
            told.now("first signal of it", f"{by['now']}, approved")
        by["bought"] = by["now"]

    engine.bus.subscribe("MODEL_LIFECYCLE", swapped)
    engine.bus.subscribe("PREDICTION_GENERATED", predicted)
    engine.bus.subscribe("TRADE_SIGNAL_APPROVED", approved)
    return lambda: by.get("bought", "")


@dataclass(frozen=True, slots=True)
class Stage:
    """Where it plays. `check` raises where somebody asked to stop."""

    manager: ConfigurationManager
    market: Candles
    folder: Path
    check: Callable[[], None]


async def run(stage: Stage, url: str, web: WebServer) -> bool:
    """The market, until the engine has bought with a successor; whether it did."""
    manager, market = stage.manager, stage.market
    everything = CandleLake(stage.folder / "exchange")
    everything.write(market)
    told = Timeline()
    async with Database(url) as database:
        engine, feed = await trading(manager, database, everything, int(market.ts[OLD]))
        bought_with = listen(engine, told)
        lake = CandleLake(paths.lake_dir(manager.config))
        history = RetrainingHistory(ModelRegistry(manager, database), database)
        await engine.start()
        told.now("the market changes", f"{V1} in production learnt the one before")
        tasks = [
            asyncio.ensure_future(one)
            for one in (engine.run(), topped_up(lake, market, feed), watched(web, history, told))
        ]
        until = time.monotonic() + PATIENCE_S
        try:
            while time.monotonic() < until and bought_with() in {"", V1}:
                stage.check()
                done, _ = await asyncio.wait(tasks, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
                if done:
                    done.pop().result()
                    break
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await engine.stop()
        await tell(web, history, told)
        told.steps()
        return bought_with() not in {"", V1}


def shown(stage: Stage, port: int, *, hold: bool) -> bool:
    """Everything started, run and stopped again; whether the engine took a successor."""
    manager, swapped = stage.manager, False
    with (
        suppress(KeyboardInterrupt),
        running_database(manager.config) as url,
        Children(paths.logs_dir(manager.config)) as children,
    ):
        os.environ["GAL_FRIDAY_DATABASE_URL"] = url
        env = child_environment(manager.config, url, None)
        CandleLake(paths.lake_dir(manager.config)).write(stage.market[:OLD])
        outcome = run_pipeline(children, SERIES, env, lambda *_: None, stage.check)
        print(
            f"{outcome['model_id']}: {'in production' if outcome['promoted'] else outcome['reasons']}",
            flush=True,
        )
        web = WebServer(start_dagster(children, port, env).address)
        web.await_answer(PATIENCE_S)
        print(f"Dagster: {web.address}   data: {stage.folder}", flush=True)
        web.switch_on(SENSORS, SCHEDULES)
        swapped = asyncio.run(run(stage, url, web))
        print("The engine trades the successor." if swapped else "The engine took NO successor.", flush=True)
        while hold:
            stage.check()
            time.sleep(0.2)
    return swapped


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--hold", action="store_true", help="leave everything running until Ctrl-C")
    arguments.add_argument("--port", type=int, default=0, help="of Dagster's web server")
    arguments.add_argument("--folder", type=Path, help="the data directory; a temporary one by default")
    options = arguments.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="drift-timeline-"))
    os.environ |= {"GAL_FRIDAY_DATA_DIR": str(folder), **SETTINGS}
    manager = ConfigurationManager()
    manager.load_config()
    interval_ns = SERIES.interval_ns
    begin = (time.time_ns() // interval_ns - OLD - SEEN - MOST_BARS) * interval_ns
    with Interruption() as stop:
        stage = Stage(manager, changing_market(MOST_BARS, begin), folder, stop.check)
        swapped = shown(stage, options.port, hold=options.hold)
    if options.folder is None and not options.hold:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if swapped else 1


if __name__ == "__main__":
    sys.exit(main())
