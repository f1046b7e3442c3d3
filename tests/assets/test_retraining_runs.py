"""Every way to a model: the first by its certificate, each after it through the shadow of the one in production."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_adapters.paths import artifacts_dir
from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.retrainings import RetrainingRepository
from gal_friday_assets import retraining_runs
from gal_friday_assets.definitions import defs
from gal_friday_assets.partitions import PAIR
from gal_friday_assets.resources import Settings
from gal_friday_assets.retraining_runs import TAG, deploy, wanted
from gal_friday_core.retraining.policy import Retraining
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry
from jobs.schedules import weekly_retrain
from sensors import corrections
from tests.core.model_files import model_files
from tests.live.certified import certify, promote

KEY = "kraken:BTC-USD:1m"
OTHER = "kraken:ETH-USD:1m"
OLD, NEW = f"{KEY}@v1", f"{KEY}@v2"
SUNDAY = datetime(2017, 2, 5, 2, tzinfo=UTC)
VERSION = "c0ffee" * 10


class Desk:
    """A registry, and Dagster over it."""

    def __init__(self, instance: dg.DagsterInstance, lake: CandleLake, url: str) -> None:
        self.instance, self.lake, self.url = instance, lake, url
        self.cursor = "{}"

    def talk(self, body: Callable[[ModelRegistry], Awaitable[Any]]) -> Any:
        async def conversation() -> Any:
            async with Database(self.url) as database:
                store = ArtifactStore(artifacts_dir())
                return await body(ModelRegistry(ConfigurationManager(), database, artifacts=store))

        return asyncio.run(conversation())

    def add(self, seed: int, *, failed: tuple[str, ...] = ()) -> str:
        async def body(registry: ModelRegistry) -> str:
            model_id = await registry.register_model(model_files(seed=seed), {})
            await certify(registry, model_id, failed=failed)
            return model_id

        return str(self.talk(body))

    def stage(self, model_id: str) -> str:
        async def body(registry: ModelRegistry) -> str:
            return (await registry.get_model(model_id, stage=None)).stage

        return str(self.talk(body))

    def deploy(self, model_id: str, run: dict[str, str] | None = None) -> dict[str, Any]:
        return deploy(Settings(), self.lake, model_id, run or {}, "a-run")

    def runs(self) -> list[Retraining]:
        async def read() -> list[Retraining]:
            async with Database(self.url) as database:
                return await RetrainingRepository(database).runs()

        return asyncio.run(read())

    def weekly(self) -> list[dg.RunRequest] | dg.SkipReason:
        with dg.build_schedule_context(
            instance=self.instance, scheduled_execution_time=SUNDAY,
            resources={"settings": Settings(), "lake": self.lake},
        ) as context:  # fmt: skip
            found = weekly_retrain(context)
        assert isinstance(found, list | dg.SkipReason)
        return found

    def corrected(self) -> list[dg.RunRequest]:
        """One tick of the sensor; what it looks at is planted by `a_correction`."""
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, definitions=defs,
            resources={"settings": Settings(), "lake": self.lake, "tables": TableLake(self.lake.root)},
        ) as context:  # fmt: skip
            found = corrections.corrected_history(context)
        assert isinstance(found, dg.SensorResult)
        self.cursor = str(found.cursor)
        return list(found.run_requests or [])

    def launched(self, request: dg.RunRequest) -> None:
        """As if the daemon had started it."""
        self.instance.create_run_for_job(
            defs.resolve_job_def("retrain").get_subset(), tags=dict(request.tags),
            status=dg.DagsterRunStatus.STARTED,
        )  # fmt: skip


@pytest.fixture
def desk(
    lake: CandleLake, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        instance.add_dynamic_partitions(PAIR, [KEY])
        yield Desk(instance, lake, database_url)


@pytest.fixture
def traded(desk: Desk) -> Desk:
    """With a model in production."""

    async def body(registry: ModelRegistry) -> None:
        await promote(registry, await registry.register_model(model_files(seed=3), {}))

    desk.talk(body)
    return desk


@pytest.fixture
def a_correction(monkeypatch: pytest.MonkeyPatch) -> None:
    """The candles that the last candidate learnt from were corrected once; every later look finds them unchanged."""
    monkeypatch.setattr(corrections, "said", lambda *_: {"trained_on": {"candles_sha256": "old"}})

    def look(_lake: Any, _tables: Any, _series: Any, _learnt: Any, before: Any, **_: Any) -> tuple[Any, Any]:
        return (
            (VERSION, {"learnt": "old", "months": {}}) if before is None else (before.get("waiting"), before)
        )

    monkeypatch.setattr(corrections, "look", look)


def test_the_first_model_of_a_type_is_promoted_by_its_certificate(desk: Desk):
    model_id = desk.add(3)
    outcome = desk.deploy(model_id)
    assert (outcome["promoted"], outcome["production"], outcome["shadow"]) == (True, OLD, False)
    assert desk.deploy(model_id)["promoted"] is True
    assert desk.runs() == []


def test_the_candidate_of_a_run_that_nobody_asked_for_goes_into_the_shadow(traded: Desk):
    outcome = traded.deploy(traded.add(8))
    assert outcome == {"model_id": NEW, "promoted": False, "reasons": [], "production": OLD, "shadow": True}
    (run,) = traded.runs()
    assert (run.cause, run.state, run.successor, run.model_id) == ("run", "SHADOW", NEW, OLD)
    assert (traded.stage(OLD), traded.stage(NEW)) == ("production", "staging")
    assert run.cpu_s > 0


def test_a_candidate_that_its_certificate_refuses_is_not_even_watched(traded: Desk):
    outcome = traded.deploy(traded.add(8, failed=("dsr",)))
    assert (outcome["shadow"], outcome["reasons"]) == (False, ["dsr: bad"])
    assert (traded.runs()[0].state, traded.stage(NEW)) == ("REFUSED", "development")


def test_while_another_is_in_the_shadow_a_second_candidate_waits_outside(traded: Desk):
    traded.deploy(traded.add(8))
    third = traded.add(9)
    (first,) = traded.runs()
    outcome = deploy(Settings(), traded.lake, third, {}, "another-run")
    assert outcome["reasons"] == [f"another is under way: {first.run_id} is SHADOW"]
    assert (outcome["production"], traded.stage(third)) == (OLD, "development")


def test_the_weekly_retrain_of_a_traded_series_is_a_retraining_and_a_first_model_is_not(traded: Desk):
    traded.instance.add_dynamic_partitions(PAIR, [OTHER])
    first = traded.weekly()
    assert isinstance(first, list)
    assert [(request.partition_key, TAG in request.tags) for request in first] == [
        (KEY, True),
        (OTHER, False),
    ]
    (run,) = traded.runs()
    assert (run.cause, first[0].run_key, first[0].tags[TAG]) == ("schedule", run.run_id, run.run_id)
    assert wanted(traded.instance, Settings(), traded.lake) == []  # whoever asked starts it
    traded.launched(first[0])
    again = traded.weekly()
    assert isinstance(again, list)
    assert [request.partition_key for request in again] == [OTHER]


def test_a_weekly_retrain_within_the_cool_down_says_why_it_does_not_run(traded: Desk):
    traded.deploy(traded.add(8))
    said = traded.weekly()
    assert isinstance(said, dg.SkipReason)
    assert "another is under way" in str(said.skip_message)


def test_a_request_whose_run_was_never_started_is_started_by_the_sensor(
    traded: Desk, monkeypatch: pytest.MonkeyPatch
):
    traded.weekly()
    monkeypatch.setattr(retraining_runs, "GRACE_NS", -1)
    (request,) = wanted(traded.instance, Settings(), traded.lake)
    assert request.run_key == traded.runs()[0].run_id


@pytest.mark.usefixtures("a_correction")
def test_corrected_candles_are_a_retraining_and_held_back_they_are_asked_for_again(
    traded: Desk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GAL_FRIDAY__RETRAINING__RUNS_A_WEEK", "0")
    assert traded.corrected() == traded.corrected() == []
    (held,) = traded.runs()
    assert (held.cause, held.state) == ("correction", "HELD_BACK")
    monkeypatch.delenv("GAL_FRIDAY__RETRAINING__RUNS_A_WEEK")
    with connect(traded.url) as connection:  # a day later
        connection.execute("set session_replication_role = replica")
        connection.execute("update retraining_run set cause_window = 'yesterday'")
    (request,) = traded.corrected()
    assert (request.partition_key, request.tags[TAG]) == (KEY, traded.runs()[-1].run_id)
    assert traded.corrected() == []


@pytest.mark.usefixtures("a_correction")
def test_corrected_candles_of_a_series_without_a_model_make_a_run(desk: Desk):
    (request,) = desk.corrected()
    assert (request.run_key, TAG in request.tags) == (f"{KEY} {VERSION}", False)
