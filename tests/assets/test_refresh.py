from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_assets import features, history
from gal_friday_assets.feature_checks import leaked_columns, stream_mismatches
from gal_friday_assets.feature_store import assemble_series, compute_months, read_table
from gal_friday_assets.partitions import range_tags
from gal_friday_assets.resources import Settings, build_resources
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import DataError
from gal_friday_core.features import drivers
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.registry import feature_set
from jobs.pipelines import refresh as refresh_job
from tests.live.extending import Site

Refresh = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def refresh(instance: dg.DagsterInstance, series: Series) -> Refresh:
    definitions = dg.Definitions(
        assets=[history.candles, features.feature_table],
        asset_checks=[
            history.quality,
            history.continuity,
            features.no_leakage,
            features.no_dead_feature,
            features.live_parity,
        ],
        resources=build_resources(),
        jobs=[refresh_job],
    )

    def run(first: str = "2017-01", last: str = "2017-02", **options: Any) -> dg.ExecuteInProcessResult:
        job = definitions.resolve_job_def("refresh")
        return job.execute_in_process(instance=instance, tags=range_tags(series, first, last), **options)

    return run


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, dict[str, Any]]:
    """Month → what the asset said of it."""
    return {
        str(event.partition).partition("|")[0]: {name: value.value for name, value in event.metadata.items()}
        for event in result.asset_materializations_for_node(asset)
    }


def test_months_are_described_and_features_stored(refresh: Refresh, stored: Candles, lake: CandleLake):
    seen = []
    result = refresh(resources={"progress": lambda step, done, of: seen.append((step, done, of))})
    candles, table = metadata(result, "candles"), metadata(result, "feature_table")
    assert candles.keys() == table.keys() == {"2017-01", "2017-02"}
    assert sum(month["dagster/row_count"] for month in candles.values()) == len(stored)
    assert candles["2017-01"]["missing_share"] == pytest.approx(19 / 31)
    assert table["2017-02"]["not_ready_share"] == 0
    assert table["2017-01"]["not_ready_share"] > 0
    assert [done for _, done, _ in seen] == [1, 2]
    tables = TableLake(lake.root)
    read = read_table(tables, stored.series, CANDLES_V1, stored.ts)
    assert read.values.tobytes() == drivers.compute(stored).values.tobytes()


def test_checks_pass_on_a_sound_kernel(refresh: Refresh, stored: Candles):
    checks = {check.check_name: check.passed for check in refresh().get_asset_check_evaluations()}
    names = ("quality", "continuity", "no_leakage", "no_dead_feature", "live_parity")
    assert checks == dict.fromkeys(names, True)


def test_features_of_an_installed_package_are_computed_checked_stored_and_learnt_from(
    refresh: Refresh, stored: Candles, lake: CandleLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    site = Site(tmp_path / "outside", monkeypatch)
    site.template("feature-set", "own-columns")
    monkeypatch.setenv("GAL_FRIDAY__FEATURES__SETS", '["own-columns"]')
    monkeypatch.setenv("GAL_FRIDAY__TRAINING__FEATURE_SET", "own-columns")
    monkeypatch.setenv("GAL_FRIDAY__BARRIERS__HORIZON_BARS", "12")
    try:
        checks = {check.check_name: check.passed for check in refresh().get_asset_check_evaluations()}
        schema, settings = feature_set("own-columns"), Settings()
        learnt = assemble_series(lake, TableLake(lake.root), stored.series, settings.config)
    finally:
        site.forget()
    assert all(checks.values())
    assert len(checks) == 5
    assert learnt.schema == schema
    assert learnt.table.values.shape == (len(stored), len(CANDLES_V1) + 2)
    assert learnt.table.values[:, : len(CANDLES_V1)].tobytes() == drivers.compute(stored).values.tobytes()


def test_the_same_candles_give_the_same_data_version(refresh: Refresh, stored: Candles):
    def version() -> set[str]:
        events = refresh().asset_materializations_for_node("feature_table")
        return {event.tags["dagster/data_version"] for event in events}

    first = version()
    assert len(first) == 1
    assert version() == first


def test_implausible_candles_stop_before_features(refresh: Refresh, lake: CandleLake, stored: Candles):
    """A frozen, empty feed that reached the lake past the door."""
    frozen = np.full(len(stored), 1_000.0)
    lake.write(
        Candles(
            stored.series, stored.ts, frozen, frozen, frozen, frozen, np.zeros(len(stored)), stored.trades
        )
    )
    result = refresh(raise_on_error=False)
    assert not result.success
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert [check.check_name for check in failed] == ["quality"]
    assert stored.series.key in str(failed[0].description)
    assert len(result.asset_materializations_for_node("candles")) == 2
    assert result.asset_materializations_for_node("feature_table") == []


def test_one_month_alone_gets_the_bits_of_the_whole_series(stored: Candles):
    whole = drivers.compute(stored)
    months = stored.ts.astype("datetime64[ns]").astype("datetime64[M]").astype(str)
    for first, last in pairwise(["2017-01", "2017-02", "2017-02"]):
        part = compute_months(stored, [first, last], CANDLES_V1)
        rows = (months >= first) & (months <= last)
        assert part.values.tobytes() == whole.values[rows].tobytes()


def test_features_of_other_bars_are_refused(refresh: Refresh, stored: Candles, lake: CandleLake):
    refresh("2017-02", "2017-02")
    with pytest.raises(DataError, match="materialise it for every month"):
        read_table(TableLake(lake.root), stored.series, CANDLES_V1, stored.ts)


def test_a_kernel_that_looks_ahead_is_found(stored: Candles, monkeypatch: pytest.MonkeyPatch):
    honest = drivers.compute

    def cheating(candles: Candles, *arguments: Any) -> drivers.FeatureTable:
        table = honest(candles, *arguments)
        table.values[:-1, 3] = candles.close[1:]
        return table

    monkeypatch.setattr("gal_friday_assets.feature_checks.compute", cheating)
    assert leaked_columns(stored) == [CANDLES_V1.names[3]]


def test_a_live_driver_that_differs_in_one_bit_is_found(stored: Candles, monkeypatch: pytest.MonkeyPatch):
    honest = drivers.compute

    def rounded(candles: Candles, *arguments: Any) -> drivers.FeatureTable:
        table = honest(candles, *arguments)
        table.values[1_000, 0] = np.nextafter(table.values[1_000, 0], np.inf)
        return table

    monkeypatch.setattr("gal_friday_assets.feature_checks.compute", rounded)
    assert stream_mismatches(stored) == 1
