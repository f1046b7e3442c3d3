"""Drift in a replay → detection → retraining → shadow → certificate → promotion → the running engine swaps.

No hand is on it. What a configuration would loosen is named in `LOOSE`: the market is small and plain, and a week's
shadow would make it a long test. Gates, certificates and the registry are the real ones.
"""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import dagster as dg
import pytest

from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.retrainings import RetrainingRepository
from gal_friday_assets.definitions import defs
from gal_friday_assets.partitions import range_tags
from gal_friday_assets.resources import Settings
from gal_friday_assets.retraining_runs import TAG
from gal_friday_core.candles import Candles
from gal_friday_core.retraining.policy import Retraining
from gal_friday_live.engine import Engine
from gal_friday_live.paper import build_paper_engine
from sensors.retraining import retraining
from tests.assets.changing_market import LOOSE, OLD, REST, SEEN, SHADOWED, changing_market
from tests.assets.conftest import SERIES

V1, V2 = f"{SERIES.key}@v1", f"{SERIES.key}@v2"


class Replay:
    """A paper engine in a thread of its own, which plays on to a bar and waits there for leave to go on."""

    def __init__(self, url: str, lake: CandleLake, start_ns: int) -> None:
        self._url, self._lake, self._start_ns = url, lake, start_ns
        self._leave, self._there = threading.Semaphore(0), threading.Semaphore(0)
        self._until = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.engine: Engine | None = None
        self.told: list[tuple[str, Any]] = []
        self.said: list[tuple[int, str]] = []
        self.error: BaseException | None = None

    def play(self, bars: int) -> None:
        """So many bars more, with all that follows from them."""
        self._until += bars
        if not self._thread.is_alive():
            self._thread.start()
        self._leave.release()
        assert self._there.acquire(timeout=120)
        if self.error is not None:
            raise self.error

    def until(self, holds: Callable[[Engine], object]) -> None:
        """Wait until something is true of the engine while the market stands still."""
        waiting = threading.Event()
        for _ in range(600):
            assert self.engine is not None
            if holds(self.engine):
                return
            waiting.wait(0.05)
        raise AssertionError("the engine did not take it over")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Play to the end, whatever came before: a thread that waits for leave would never end."""
        self._until = 10**9
        self._leave.release()
        if self._thread.is_alive():
            self._thread.join(60)

    async def _run(self) -> None:
        try:
            async with Database(self._url) as database:
                settings = Settings()
                engine = self.engine = await build_paper_engine(
                    settings.manager,
                    database=database,
                    lake=self._lake,
                    series=SERIES,
                    start_ns=self._start_ns,
                )
                for kind in ("DRIFT_DETECTION", "MODEL_LIFECYCLE"):
                    engine.bus.subscribe(
                        kind, lambda event: self.told.append((event.event_type, event.payload))
                    )
                engine.bus.subscribe(
                    "PREDICTION_GENERATED",
                    lambda event: self.said.append(
                        (event.payload.timestamp_prediction_for, event.payload.model_id)
                    ),
                )
                engine.ingestor._feed = Gated(engine.ingestor._feed, self, engine)
                await engine.start()
                await engine.run()
                await engine.stop()
        except BaseException as error:
            self.error = error
            raise
        finally:
            self._there.release()


class Gated:
    """A feed that stops where the replay is to wait."""

    live = False

    def __init__(self, feed: Any, replay: Replay, engine: Engine) -> None:
        self._feed, self._replay, self._engine = feed, replay, engine

    async def run(self, sink: Any) -> None:
        count = 0
        await asyncio.to_thread(self._replay._leave.acquire)
        async for candle in self._feed.candles():
            while count >= self._replay._until:
                await self._engine.journal.flush()
                self._replay._there.release()
                await asyncio.to_thread(self._replay._leave.acquire)
            count += 1
            sink.on_candle(candle)
            await sink.drained()

    async def close(self) -> None:
        await self._feed.close()


class House:
    """The pipeline over a lake that grows as the market goes on."""

    def __init__(self, instance: dg.DagsterInstance, lake: CandleLake, market: Candles, url: str) -> None:
        self.instance, self.lake, self.market, self.url = instance, lake, market, url

    def grow(self, bars: int) -> None:
        """The market up to a bar, with features."""
        self.lake.write(self.market[:bars])
        months = self.lake.months(SERIES)
        self.run("refresh", tags=range_tags(SERIES, months[0], months[-1]))

    def run(self, job: str, **options: Any) -> dg.ExecuteInProcessResult:
        where = {} if job == "refresh" else {"partition_key": SERIES.key}
        return defs.resolve_job_def(job).execute_in_process(instance=self.instance, **where, **options)

    def said(self, result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
        (event,) = result.asset_materializations_for_node(asset)
        return {name: value.value for name, value in event.metadata.items()}

    def tick(self) -> list[dg.RunRequest]:
        settings = Settings()
        context = dg.build_sensor_context(
            instance=self.instance,
            definitions=defs,
            resources={"settings": settings, "lake": self.lake, "tables": TableLake(self.lake.root)},
        )
        found = retraining(context)
        assert isinstance(found, dg.SensorResult)
        return list(found.run_requests or [])

    def retrainings(self) -> list[Retraining]:
        async def read() -> list[Retraining]:
            async with Database(self.url) as database:
                return await RetrainingRepository(database).runs()

        return asyncio.run(read())


@pytest.fixture
def house(
    instance: dg.DagsterInstance, lake: CandleLake, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> House:
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    for name, value in LOOSE.items():
        monkeypatch.setenv(f"GAL_FRIDAY__{name}", value)
    monkeypatch.setenv("GAL_FRIDAY__MARKET__INTERVAL", SERIES.interval)
    return House(instance, lake, changing_market(), database_url)


def test_drift_in_a_replay_ends_with_a_new_model_in_the_running_engine(house: House, tmp_path: Path):
    house.grow(OLD)
    first = house.said(house.run("retrain"), "production_model")
    assert first["production"] == V1, first["reasons"]
    everything = CandleLake(tmp_path / "the whole market")
    everything.write(house.market)

    with Replay(house.url, everything, int(house.market.ts[OLD])) as replay:
        replay.play(SEEN)
        house.grow(OLD + SEEN)

        look = house.run("monitor")
        report = house.said(look, "drift_report")
        assert report["model_id"] == V1
        assert report["drift"]
        (check,) = look.get_asset_check_evaluations()
        assert not check.passed
        assert Path(report["drift_page"]).read_text(encoding="utf-8").startswith("<!doctype html>")
        replay.until(lambda engine: engine.snapshot()["restrictions"].get(V1))
        assert ("DRIFT_DETECTION", V1) in [(kind, payload.model_id) for kind, payload in replay.told]

        (request,) = house.tick()
        assert (request.partition_key, request.tags[TAG]) == (SERIES.key, report["retraining"])
        result = house.run("retrain", tags=dict(request.tags))
        outcome = house.said(result, "production_model")
        assert (outcome["model_id"], outcome["promoted"], outcome["production"]) == (V2, False, V1)
        assert outcome["shadow"], outcome["reasons"]
        assert house.tick() == []
        replay.until(
            lambda engine: (
                V2 in [payload.model_id for kind, payload in replay.told if kind == "MODEL_LIFECYCLE"]
            )
        )

        replay.play(SHADOWED)
        house.grow(OLD + SEEN + SHADOWED)
        shadow = house.said(house.run("monitor"), "shadow_result")
        assert (shadow["state"], shadow["successor"]) == ("PROMOTED", V2)
        assert shadow["gain"] > 0
        replay.until(lambda engine: engine.prediction.trading == [V2])
        assert replay.engine is not None
        before = replay.engine.risk.approved
        replay.play(REST - 1)
        assert replay.engine.risk.approved > before
        turn = int(house.market.ts[OLD + SEEN + SHADOWED - 1]) + SERIES.interval_ns
        assert {model for at, model in replay.said if at <= turn} == {V1}
        assert {model for at, model in replay.said if at > turn} == {V2}
        first_one, *later = house.retrainings()
        assert first_one.state == "PROMOTED"
        assert {run.state for run in later} <= {"HELD_BACK"}  # asked for while the first was under way
