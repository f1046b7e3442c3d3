"""The analysis as an asset: reviewed, plotted, told."""

import asyncio
from functools import partial

import dagster as dg
import numpy as np
import pytest

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import lake_dir
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.experiments import ExperimentRepository, Outcome
from gal_friday_assets.experiments import experiment_analysis, nothing_is_wrong
from gal_friday_assets.resources import Settings
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.experiment_manager import ExperimentManager
from gal_friday_live.model_registry import ModelRegistry
from tests.live.certified import promote
from tests.live.world import SERIES, START, files

V1, V2 = (f"{SERIES.key}@v{number}" for number in (1, 2))
VARIANTS = [{"name": "champion", "model_id": V1}, {"name": "challenger", "model_id": V2}]


@pytest.fixture
def experiment(data_home, database_url, monkeypatch):
    """Start one, and let its challenger gain so much a unit."""
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)

    async def begin(gain, units):
        manager = ConfigurationManager()
        async with Database(database_url) as database:
            registry = ModelRegistry(manager, database)
            for seed in (3, 11):
                await registry.register_model(files(seed), {})
            await promote(registry, V1)
            await registry.promote_model(V2, "staging")
            experiments = ExperimentManager(manager, database)
            design = {
                "name": "night",
                "series": SERIES.key,
                "variants": VARIANTS,
                "block": 10,
                "guards": {"silent_units": 100},
            }
            named = await experiments.create_experiment(design)
            await experiments.start_experiment(named)
            values = np.random.default_rng(1).normal(0, 0.01, (units, 2)) + np.array([0.0, gain])
            rows = [
                Outcome(
                    unit=str(unit),
                    variant=variant["name"],
                    at_ns=START + unit,
                    value=float(values[unit, place]),
                )
                for place, variant in enumerate(VARIANTS)
                for unit in range(units if place == 0 or gain else 0)
            ]
            await ExperimentRepository(database).record(named, rows)
            return named

    return lambda gain, units: asyncio.run(begin(gain, units))


@pytest.fixture
def materialised(instance):
    return partial(_materialised, instance)


def _materialised(instance):
    resources = {"settings": Settings(), "lake": CandleLake(lake_dir())}
    result = dg.materialize([experiment_analysis, nothing_is_wrong], resources=resources, instance=instance)
    (event,) = result.asset_materializations_for_node("experiment_analysis")
    (check,) = result.get_asset_check_evaluations()
    return {name: value.value for name, value in event.metadata.items()}, check


def test_without_experiments_there_is_nothing_to_say(materialised, data_home, database_url, monkeypatch):
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    told, check = materialised()
    assert told["running"] == 0
    assert check.passed


def test_winner_is_told_with_its_page_and_the_experiment_has_ended(materialised, experiment, data_home):
    named = experiment(0.004, 600)
    told, check = materialised()
    assert told["night_challenger_low"] > 0
    assert told["night_challenger_p_value"] < 0.05
    assert "| night | challenger | 600 | BETTER |" in told["by_challenger"]
    assert check.passed
    page = (data_home / "reports" / "experiments" / named / "experiment.html").read_text()
    assert told["page_night"].endswith("experiment.html")
    for part in ("Experiment night", "<polygon", "BETTER", "Consider kraken:BTC-USD:1m@v2", "COMPLETED"):
        assert part in page
    assert "<script" not in page
    assert materialised()[0]["running"] == 0


def test_dead_variant_fails_the_check_and_ends_the_experiment(materialised, experiment):
    experiment(0.0, 150)
    told, check = materialised()
    assert not check.passed
    assert "had no outcome in the last 150 units" in told["alarms"]["night"]
    assert materialised()[0]["running"] == 0
