import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import artifacts_dir
from gal_friday_adapters.postgres.database import Database
from gal_friday_assets.certify import certify
from gal_friday_assets.definitions import defs
from gal_friday_assets.partitions import range_tags
from gal_friday_assets.resources import Settings
from gal_friday_core.candles import Candles, Series
from gal_friday_core.certificate import Certificate
from gal_friday_core.errors import DataError
from gal_friday_core.evidence.report import Evidence
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry

SMALL = {
    "BARRIERS__HORIZON_BARS": "12",
    "TRAINING__TREES": "20",
    "TRAINING__DEPTH": "3",
    "TRAINING__LEARNING_RATE": "0.2",
    "TRAINING__MIN_CHILD_WEIGHT": "5",
    "TRAINING__FOLDS": "2",
    "TRAINING__MIN_EVENTS": "200",
    "TRAINING__STRIDE_BARS": "2",
    "TRAINING__EMBARGO_BARS": "12",
    "TRAINING__THREADS": "1",
}

Execute = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def execute(
    instance: dg.DagsterInstance,
    series: Series,
    database_url: str,
    data_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Execute:
    """Runs one of the two jobs for the series, on a small model and a real registry."""
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    for name, value in SMALL.items():
        monkeypatch.setenv(f"GAL_FRIDAY__{name}", value)

    def run(job: str, **options: Any) -> dg.ExecuteInProcessResult:
        where = (
            {"tags": range_tags(series, "2017-01", "2017-02")}
            if job == "refresh"
            else {"partition_key": series.key}
        )
        return defs.resolve_job_def(job).execute_in_process(instance=instance, **where, **options)

    return run


def said(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}


def stages(database_url: str) -> dict[str, str]:
    """Model id → stage, from the registry itself."""

    async def read() -> dict[str, str]:
        async with Database(database_url) as database:
            models = await ModelRegistry(ConfigurationManager(), database).list_models()
            return {model["model_id"]: model["stage"] for model in models}

    return asyncio.run(read())


def read_metadata(database_url: str, model_id: str) -> dict[str, Any]:
    async def read() -> dict[str, Any]:
        async with Database(database_url) as database:
            return await ModelRegistry(ConfigurationManager(), database).get_model_metadata(model_id)

    return asyncio.run(read())


def registered_again(database_url: str, model_id: str, model_type: str) -> str:
    """The same files under a type of their own."""

    async def register() -> str:
        async with Database(database_url) as database:
            registry = ModelRegistry(ConfigurationManager(), database)
            found = await registry.get_model(model_id, stage=None)
            return await registry.register_model(found.files, {"model_type": model_type})

    return asyncio.run(register())


def test_a_model_of_a_random_walk_is_registered_but_not_promoted(
    execute: Execute, stored: Candles, series: Series, database_url: str
):
    execute("refresh")
    result = execute("retrain")
    outcome = said(result, "production_model")
    assert outcome["model_id"] == f"{series.key}@v1"
    assert outcome["promoted"] is False
    assert outcome["production"] == ""
    assert outcome["reasons"]
    assert stages(database_url) == {f"{series.key}@v1": "development"}
    certificate = read_metadata(database_url, outcome["model_id"])["certificate"]
    assert (certificate["verified"], certificate["passed"], certificate["incumbent"]) == (True, False, None)
    gates = {gate["name"]: gate for gate in certificate["gates"]}
    assert gates["replay_parity"]["passed"]
    assert gates["serving_parity"]["passed"]
    refused = (gate["about"] for gate in gates.values() if not gate["passed"])
    assert outcome["reasons"] == list(dict.fromkeys(refused))
    traded = said(result, "backtest_report")
    assert traded["under_override"] is True
    assert traded["model_id"] == outcome["model_id"]
    assert "<html" in Path(traded["backtest_page"]).read_text()
    assert certify(outcome["model_id"], Settings())["reasons"] == outcome["reasons"]
    assert read_metadata(database_url, outcome["model_id"])["certificate"] == certificate


def test_a_passed_certificate_puts_the_model_into_production(
    execute: Execute,
    trending: Candles,
    series: Series,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
):
    """In a market so plain, the canary takes each trend for a leak: it is told to let them be."""
    monkeypatch.setenv("GAL_FRIDAY__GATES__MAX_FEATURE_AUC", "1")
    execute("refresh")
    result = execute("retrain")
    outcome = said(result, "production_model")
    assert outcome["promoted"] is True, outcome["reasons"]
    assert outcome["production"] == f"{series.key}@v1"
    assert stages(database_url) == {f"{series.key}@v1": "production"}
    assert certify(f"{series.key}@v1", Settings())["certified"] is True
    other = registered_again(database_url, f"{series.key}@v1", "other")
    judged = certify(other, Settings())
    assert (judged["certified"], judged["incumbent"]) == (True, None)
    assert read_metadata(database_url, other)["certificate"]["model_type"] == "other"
    traded = said(result, "backtest_report")
    assert traded["under_override"] is False
    assert traded["trade_count"] > 0
    assert traded["total_return"] > 0
    assert traded["trials"] == 1
    monkeypatch.setenv("GAL_FRIDAY__TRAINING__SEED", "8")
    successor = said(execute("retrain"), "backtest_report")
    assert successor["model_id"] == f"{series.key}@v2"
    page = Path(successor["backtest_page"])
    others = [one["other"] for one in json.loads(page.with_suffix(".json").read_bytes())["comparisons"]]
    assert others == ["buy and hold", f"{series.key}@v1"]


def test_a_validation_is_a_page_and_numbers_that_plot(execute: Execute, stored: Candles):
    execute("refresh")
    result = execute("retrain")
    measured, certified = said(result, "validation_report"), said(result, "certificate")
    page = Path(certified["validation_page"])
    assert page == Path(measured["validation_page"])
    assert certified["page"] == measured["page"] == "/reports/" + "/".join(page.parts[-3:])
    text = page.read_text()
    assert f"Refused: {len(certified['gates_failed'])} of 16 gates failed" in text
    for name in (
        "sharpe_trials",
        "days_out_of_sample",
        "leaks",
        "log_loss_gain",
        "auc",
        "missing_share",
    ):
        assert isinstance(measured[name], int | float), name
    document = Certificate.from_bytes(page.with_name("certificate.json").read_bytes())
    for gate in document.gates:
        assert certified.get(f"gate_{gate.name}") == gate.value
        assert f"| {gate.name} |" in certified["by_gate"]
    assert certified["certified"] is document.passed is False
    evidence = Evidence.from_bytes(page.with_name("evidence.json").read_bytes())
    assert evidence.sharpe.days == measured["days_out_of_sample"]


def test_a_model_in_production_keeps_the_certificate_that_it_came_there_with(
    execute: Execute, trending: Candles, monkeypatch: pytest.MonkeyPatch
):
    """Compared with itself it would not be better."""
    monkeypatch.setenv("GAL_FRIDAY__GATES__MAX_FEATURE_AUC", "1")
    execute("refresh")
    first, second = (execute("retrain") for _ in range(2))
    assert said(first, "certificate") == said(second, "certificate")
    assert said(second, "production_model")["promoted"] is True
    measured = said(first, "validation_report")
    assert 0 < measured["net_return_costs_doubled"] < measured["net_return_as_validated"]


def test_training_again_on_the_same_candles_registers_nothing_new(
    execute: Execute, stored: Candles, database_url: str
):
    execute("refresh")
    first, second = (said(execute("retrain"), "registered_model") for _ in range(2))
    assert first == second
    assert len(stages(database_url)) == 1


def test_the_registry_names_the_candles_that_a_model_was_trained_on(
    execute: Execute, stored: Candles, database_url: str
):
    execute("refresh")
    model_id = said(execute("retrain"), "registered_model")["model_id"]
    known = read_metadata(database_url, model_id)
    assert known["data_version"] == known["certificate"]["data_version"] == stored.fingerprint()


def test_assets_say_what_was_learnt_from_what(execute: Execute, stored: Candles, data_home: Path):
    seen: set[str] = set()
    execute("refresh")
    result = execute("retrain", resources={"progress": lambda step, done, of: seen.add(step)})
    labels, model = said(result, "training_set"), said(result, "candidate_model")
    report = said(result, "validation_report")
    assert 0 < labels["winning_share"] < 1
    assert labels["features"] > 20
    assert stored.ts[0] < model["holdout_start"] < stored.ts[-1]
    assert {"0.5", "0.95"} <= model["oos_quantiles"].keys()
    assert report["folds"] == 2
    assert report["log_loss_gain_low"] <= report["log_loss_gain"] <= report["log_loss_gain_high"]
    assert json.loads(Path(report["report"]).read_text())["verdict"]["passed"] == report["passed"]
    assert {"folds", "model"} <= seen
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks == {"sound_features": True, "serving_parity": True}


def test_an_altered_artifact_stops_before_the_registry(
    execute: Execute, stored: Candles, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    """One byte of the stored trees changes after training."""
    honest = ArtifactStore.put

    def put(self: ArtifactStore, files: dict[str, bytes]) -> str:
        stored_as = honest(self, files)
        (path,) = artifacts_dir().rglob("model.ubj")
        path.chmod(0o644)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        return stored_as

    execute("refresh")
    monkeypatch.setattr(ArtifactStore, "put", put)
    result = execute("retrain", raise_on_error=False)
    assert not result.success
    assert result.asset_materializations_for_node("registered_model") == []
    assert stages(database_url) == {}


def test_training_without_features_says_what_to_do(execute: Execute, stored: Candles):
    with pytest.raises(DataError, match="materialise it for every month"):
        execute("retrain")


def test_training_without_candles_says_what_to_do(execute: Execute, lake: CandleLake):
    with pytest.raises(DataError):
        execute("retrain")
