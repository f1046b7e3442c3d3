"""Bad input fails where it is found, in words, and leaves the model in production alone: on the instance that `up` uses."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.feature_tables import table_name
from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_adapters.parquet_store import decoded, encoded
from gal_friday_adapters.paths import artifacts_dir
from gal_friday_adapters.postgres.database import Database
from gal_friday_assets.abandoned import end_abandoned
from gal_friday_assets.definitions import defs
from gal_friday_assets.instance import prepare_home
from gal_friday_assets.partitions import PAIR, range_tags
from gal_friday_core.candles import Candles, Series
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry
from tests.assets.small import SMALL
from tests.live.certified import promote
from tests.live.world import files

ROOT = Path(__file__).resolve().parents[2]


class Factory:
    """The pipeline on its own PostgreSQL-backed instance, with a model in production that nothing may touch."""

    def __init__(self, instance: dg.DagsterInstance, database_url: str, series: Series) -> None:
        self.instance = instance
        self.series = series
        self._database_url = database_url
        self.incumbent = asyncio.run(self._install())

    def run(self, job: str, last: str = "2017-02") -> dg.ExecuteInProcessResult:
        where: dict[str, Any] = {"partition_key": self.series.key}
        if job == "refresh":
            where = {"tags": range_tags(self.series, "2017-01", last)}
        definition = defs.resolve_job_def(job)
        return definition.execute_in_process(instance=self.instance, raise_on_error=False, **where)

    def registered(self) -> dict[str, str]:
        """Model id → stage."""

        async def read(models: ModelRegistry) -> dict[str, str]:
            return {model["model_id"]: model["stage"] for model in await models.list_models()}

        return asyncio.run(self._with_registry(read))

    def intact(self) -> bool:
        """The incumbent is in production, and nothing was registered beside it."""
        return self.registered() == {self.incumbent: "production"}

    async def _install(self) -> str:
        async def install(models: ModelRegistry) -> str:
            model_id = await models.register_model(files(series=self.series), {})
            await promote(models, model_id)
            return model_id

        return await self._with_registry(install)

    async def _with_registry(self, conversation: Callable[[ModelRegistry], Any]) -> Any:
        async with Database(self._database_url) as database:
            manager = ConfigurationManager()
            manager.load_config()
            store = ArtifactStore(artifacts_dir(manager.config))
            return await conversation(ModelRegistry(manager, database, artifacts=store))


@pytest.fixture
def factory(
    series: Series, database_url: str, data_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Factory]:
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    for name, value in {**SMALL, **prepare_home(data_home / "dagster", database_url)}.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        assert type(instance.event_log_storage).__name__ == "PostgresEventLogStorage"
        instance.add_dynamic_partitions(PAIR, [series.key])
        yield Factory(instance, database_url, series)


def failed_check(result: dg.ExecuteInProcessResult) -> tuple[str, str]:
    """The one check that stopped a run, and what it said."""
    assert not result.success
    (check,) = [found for found in result.get_asset_check_evaluations() if not found.passed]
    return f"{check.asset_key.to_user_string()}:{check.check_name}", str(check.description)


def failed_step(result: dg.ExecuteInProcessResult) -> tuple[str, str]:
    """The one asset that failed, and why."""
    assert not result.success
    (event,) = [found for found in result.all_node_events if found.is_step_failure]
    error = event.step_failure_data.error
    assert error is not None
    return str(event.node_name), str(error.cause.message if error.cause else error.message)


def changed(lake: CandleLake, month: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Alter one stored month of features past the door."""
    (path,) = (lake.root / "tables").rglob(f"name={table_name(CANDLES_V1)}/*/month={month}/data.parquet")
    metadata = TableLake(lake.root).metadata(table_name(CANDLES_V1), "kraken:BTC-USD:5m", month)
    path.write_bytes(encoded(change(decoded(path.read_bytes(), str(path))), metadata))


def without_rsi(table: dict[str, Any]) -> dict[str, Any]:
    return {**table, "rsi_14": np.full(len(table["ts"]), np.nan)}


def of_another_schema(table: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("rsi_14", "rsi_21"): column for name, column in table.items()}


def test_a_missing_month_stops_before_features(factory: Factory, stored: Candles, lake: CandleLake):
    later = Candles(stored.series, stored.ts + 40 * 86_400 * 10**9, *stored.columns()[1:])
    lake.write(later.between(int(later.ts[2_000]), int(later.ts[-1])))
    result = factory.run("refresh", "2017-03")
    where, said = failed_check(result)
    assert where == "candles:continuity"
    assert "2017-02-06" in said
    assert "ingest the missing months" in said
    assert result.asset_materializations_for_node("feature_table") == []
    assert factory.intact()


def test_prices_that_never_move_stop_before_features(factory: Factory, stored: Candles, lake: CandleLake):
    still = np.full(len(stored), 1_000.0)
    lake.write(Candles(stored.series, stored.ts, *[still] * 4, stored.volume, stored.trades))
    where, said = failed_check(factory.run("refresh"))
    assert where == "candles:quality"
    assert "one unchanged price" in said
    assert factory.intact()


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("TRAINING__MIN_EVENTS", "100000", "training.min_events): use more history"),
        ("COSTS__TAKER_FEE", "0.4", "every one of"),
        ("LABELS__SET", "meta-reversion-v1", "training.min_events): use more history"),
    ],
    ids=["too little data", "one class", "a rule that hardly fires"],
)
def test_labels_that_teach_nothing_stop_before_training(
    factory: Factory, stored: Candles, monkeypatch: pytest.MonkeyPatch, *, setting: str, value: str, said: str
):
    assert factory.run("refresh").success
    monkeypatch.setenv(f"GAL_FRIDAY__{setting}", value)
    where, why = failed_step(factory.run("retrain"))
    assert where == "training_set"
    assert said in why
    assert factory.intact()


def test_stored_features_that_are_not_what_they_should_be_stop_before_training(
    factory: Factory, stored: Candles, lake: CandleLake
):
    """Unknown throughout; of another schema; of candles that were corrected since, shortly before February."""
    assert factory.run("refresh").success
    for month in ("2017-01", "2017-02"):
        changed(lake, month, without_rsi)
    where, why = failed_step(factory.run("retrain"))
    assert where == "training_set"
    assert "the feature rsi_14 is unknown (NaN) at 100% of the bars" in why
    for month in ("2017-01", "2017-02"):
        changed(lake, month, of_another_schema)
    where, why = failed_step(factory.run("retrain"))
    assert where == "training_set"
    assert "is not of candles-v1" in why
    assert "rsi_14, rsi_21" in why
    assert factory.run("refresh").success
    bar = Candles(stored.series, *(column[3_400:3_401].copy() for column in stored.columns()))
    bar.volume[0] *= 2
    lake.write(bar)
    where, why = failed_step(factory.run("retrain"))
    assert where == "training_set"
    assert "2017-01, 2017-02 came from candles that were corrected" in why
    assert factory.intact()


@pytest.mark.parametrize(
    ("rsi", "said"),
    [
        (50.0, "features that say nothing: rsi_14 is always 50"),
        (np.nan, "features that are not stored as they are computed: rsi_14"),
    ],
    ids=["constant", "partly unknown"],
)
def test_features_that_no_refresh_vouches_for_stop_before_training(
    factory: Factory, stored: Candles, lake: CandleLake, *, rsi: float, said: str
):
    """Stored whole, of the right candles, and still not what the kernel gives."""
    assert factory.run("refresh").success
    for month in ("2017-02",) if np.isnan(rsi) else ("2017-01", "2017-02"):
        changed(lake, month, lambda table: {**table, "rsi_14": np.full(len(table["ts"]), rsi)})
    result = factory.run("retrain")
    where, why = failed_check(result)
    assert where == "training_set:sound_features"
    assert said in why
    assert result.asset_materializations_for_node("candidate_model") == []
    assert factory.intact()


def test_a_training_that_is_killed_leaves_the_incumbent_and_can_be_run_again(
    factory: Factory, stored: Candles, data_home: Path, database_url: str
):
    """The process dies without a word while it walks the folds."""
    own = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    command = [sys.executable, "-m", "gal_friday_assets.pipeline", "--series", stored.series.key]
    with subprocess.Popen(
        command, env=own, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            said = json.loads(line)
            assert "error" not in said, said
            if said.get("step") == "folds" and said["done"] == 1:
                child.send_signal(signal.SIGKILL)
                break
    assert child.returncode == -signal.SIGKILL
    assert factory.intact()
    assert (
        len(end_abandoned(factory.instance)) == 1
    )  # as the next pipeline does, and a sensor within a minute
    assert factory.run("retrain").success
    assert factory.registered() == {
        factory.incumbent: "production", f"{stored.series.key}@v2": "development",
    }  # fmt: skip
