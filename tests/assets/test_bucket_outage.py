"""A bucket that goes away in the middle of the work: told in one line, nothing half-written, and the same bytes afterwards."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_adapters.locations import ObjectUrl
from gal_friday_adapters.paths import lake_dir
from gal_friday_assets.definitions import defs
from gal_friday_assets.feature_store import assemble_series
from gal_friday_assets.partitions import PAIR, range_tags
from gal_friday_assets.resources import Settings
from gal_friday_core.config import Config
from gal_friday_core.errors import StorageError
from tests.adapters.test_artifact_store import tree
from tests.assets.conftest import BARS, SERIES, market
from tests.bucket_server import BucketServer

CANDLES = market(np.zeros(BARS))


@pytest.fixture
def config(
    data_home: Path, bucket: ObjectUrl, bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> Config:
    """A lake in a bucket that is asked once."""
    monkeypatch.setenv("GAL_FRIDAY__OBJECT_STORE__ENDPOINT_URL", bucket_server.endpoint)
    monkeypatch.setenv("GAL_FRIDAY__OBJECT_STORE__RETRIES", "0")
    monkeypatch.setenv("GAL_FRIDAY__STORAGE__LAKE", f"{bucket}/lake")
    return Settings().config


def refresh(config: Config) -> dg.ExecuteInProcessResult:
    """The assets `candles` and `feature_table` of all stored months."""
    months = CandleLake(lake_dir(config)).months(SERIES)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(PAIR, [SERIES.key])
        return defs.resolve_job_def("refresh").execute_in_process(
            instance=instance, tags=range_tags(SERIES, months[0], months[-1]), raise_on_error=False
        )


def cause(error: Any) -> str:
    """What a failed step says at the bottom of it."""
    while error.cause is not None:
        error = error.cause
    return f"{error.cls_name} {error.message}"


def test_candles_are_whole_wherever_the_bucket_went_away_and_complete_when_they_are_brought_again(
    bucket: ObjectUrl, bucket_server: BucketServer, tmp_path: Path
) -> None:
    CandleLake(tmp_path).write(CANDLES)
    expected = {name: held for name, held in tree(tmp_path).items() if not name.startswith("locks/")}
    said = []
    for answered in range(8):
        place = bucket / f"after-{answered}"
        lake = CandleLake(
            ObjectUrl(place.bucket, place.prefix, place.reach.model_copy(update={"retries": 0}))
        )
        bucket_server.patience = answered
        try:
            lake.write(CANDLES)
        except StorageError as error:
            said.append(str(error))
        bucket_server.patience = None
        assert tree(place).items() <= expected.items()
        lake.write(CANDLES)
        assert tree(place) == expected
    assert 3 <= len(said) < 8
    assert all(f"s3://{bucket.bucket}/" in one and "\n" not in one for one in said)


def test_features_are_whole_wherever_the_bucket_went_away_and_the_same_when_they_are_made_again(
    config: Config, bucket: ObjectUrl, bucket_server: BucketServer
) -> None:
    CandleLake(lake_dir(config)).write(CANDLES)
    candles = tree(bucket / "lake")
    asked = len(bucket_server.requests)
    assert refresh(config).success
    asked = len(bucket_server.requests) - asked
    expected = tree(bucket / "lake")
    tables = expected.keys() - candles.keys()
    assert tables
    place = f"{bucket}/again"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAL_FRIDAY__STORAGE__LAKE", place)
        again = Settings().config
        CandleLake(lake_dir(again)).write(CANDLES)
        bucket_server.patience = asked // 2
        result = refresh(again)
        bucket_server.patience = None
        assert not result.success
        failures = [event for event in result.all_node_events if event.is_step_failure]
        said = [cause(event.step_failure_data.error) for event in failures]
        assert all("cannot " in one and "is it up" in one for one in said), said
        assert said
        assert tree(bucket / "again").items() <= expected.items()
        assert refresh(again).success
        assert tree(bucket / "again") == expected


def test_a_training_that_cannot_read_says_so_and_never_takes_it_for_missing_data(
    config: Config, bucket_server: BucketServer
) -> None:
    lake, tables = CandleLake(lake_dir(config)), TableLake(lake_dir(config))
    lake.write(CANDLES)
    assert refresh(config).success
    asked = len(bucket_server.requests)
    whole = assemble_series(lake, tables, SERIES, config)
    asked = len(bucket_server.requests) - asked
    for answered in range(asked):
        bucket_server.patience = answered
        with pytest.raises(StorageError, match=r"s3://.*is it up"):
            assemble_series(lake, tables, SERIES, config)
    bucket_server.patience = None
    again = assemble_series(lake, tables, SERIES, config)
    assert again.candles_fingerprint == whole.candles_fingerprint
