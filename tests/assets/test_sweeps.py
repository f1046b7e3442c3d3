"""The asset `parameter_sweep`: a rule over stored candles, and a page, figures and a check that say what it is worth."""

from pathlib import Path

import dagster as dg
import pytest

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import lake_dir
from gal_friday_assets.definitions import defs
from gal_friday_assets.sweep_runs import SweepSettings, made
from gal_friday_core.errors import ConfigError, DataError, RegistryError
from tests.live.test_sweeping import BTC, ETH, market


@pytest.fixture
def stored(database_url, tmp_path, monkeypatch):
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GAL_FRIDAY__COSTS__TAKER_FEE", "0")
    monkeypatch.setenv("GAL_FRIDAY__COSTS__SLIPPAGE", "0")
    CandleLake(lake_dir()).write(market(seed=3))


def test_a_sweep_of_noise_is_materialised_with_a_failing_check(stored):
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("pair", [BTC.key])
        config = {"strategy": "ema_cross", "grid": ["ema_cross.fast=6..30:6", "ema_cross.slow=24,48"]}
        done = defs.resolve_job_def("sweep").execute_in_process(
            instance=instance,
            partition_key=BTC.key,
            run_config={"ops": {"parameter_sweep": {"config": config}}},
        )
        assert done.success
        said = instance.get_latest_materialization_event(dg.AssetKey("parameter_sweep"))
        found = said.asset_materialization.metadata
        assert found["points"].value == 8
        assert "This sweep overfits" in Path(str(found["sweep_page"].value)).read_text()
        assert found["verdict"].value == "OVERFITTED"
        (check,) = [event for event in done.all_events if event.event_type_value == "ASSET_CHECK_EVALUATION"]
        assert not check.asset_check_evaluation_data.passed
        assert check.asset_check_evaluation_data.severity is dg.AssetCheckSeverity.WARN


def test_what_cannot_be_swept_is_said(stored):
    resources = defs.resources
    settings, lake = resources["settings"], CandleLake(lake_dir())
    settings = settings.resource_fn(dg.build_init_resource_context())
    from gal_friday_assets.resources import Registry

    given = (settings, lake, Registry(settings))
    with pytest.raises(DataError, match="no candles of kraken:ETH-USD:1h"):
        made(SweepSettings(), *given, ETH, progress=lambda *_: None)
    with pytest.raises(RegistryError, match="no production model to sweep threshold with"):
        made(SweepSettings(), *given, BTC, progress=lambda *_: None)
    far = SweepSettings(strategy="ema_cross", scheduler="tcp://10.0.0.7:8786")
    with pytest.raises(ConfigError, match="plain TCP lets anybody"):
        made(far, *given, BTC, progress=lambda *_: None)
    with pytest.raises(ConfigError, match="strategy"):
        made(SweepSettings(strategy="nothing"), *given, BTC, progress=lambda *_: None)
