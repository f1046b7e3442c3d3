"""From a file of real candles to a certificate, twice, in data directories that know nothing of each other: the same bytes."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.ingest import ingest_paths
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import DATA_DIR_VARIABLE, artifacts_dir, lake_dir
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.models import ModelMetadataRepository
from gal_friday_assets.definitions import defs
from gal_friday_assets.partitions import PAIR, range_tags
from gal_friday_assets.resources import Settings
from gal_friday_core import artifact
from gal_friday_core.candles import Series
from gal_friday_core.certificate import GATES, Certificate

NewDatabase = Callable[[], AbstractContextManager[str]]

FILE = "binance_BTCUSDT_5m_2024-01_2024-09.parquet"
BARS = 5_000
SERIES = Series("binance", "BTC/USDT", "5m")
SMALL = {
    "BARRIERS__HORIZON_BARS": "12",
    "TRAINING__TREES": "20",
    "TRAINING__MIN_CHILD_WEIGHT": "5",
    "TRAINING__FOLDS": "2",
    "TRAINING__MIN_EVENTS": "200",
    "TRAINING__EMBARGO_BARS": "12",
}


@pytest.fixture
def file(shared_data: Path, tmp_path: Path) -> Path:
    """The first seventeen days of a real file."""
    path = tmp_path / FILE
    pl.read_parquet(shared_data / "ohlcv" / FILE).head(BARS).write_parquet(path)
    return path


def certified(file: Path) -> dict[str, bytes]:
    """Ingest, refresh and retrain in the data directory of the environment; the artifact's files and the certificate."""
    lake = CandleLake(lake_dir())
    ingest_paths([file], lake)
    months = lake.months(SERIES)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(PAIR, [SERIES.key])
        where = {
            "refresh": {"tags": range_tags(SERIES, months[0], months[-1])},
            "retrain": {"partition_key": SERIES.key},
        }
        for job, options in where.items():
            result = defs.resolve_job_def(job).execute_in_process(instance=instance, **options)
    (event,) = result.asset_materializations_for_node("certificate")
    stored = str(event.metadata["artifact"].value)
    page = Path(str(event.metadata["validation_page"].value))
    files = ArtifactStore(artifacts_dir()).get(stored)
    return {
        **files,
        "page": page.read_bytes(),
        "certificate": document(str(event.metadata["model_id"].value)),
    }


def document(model_id: str) -> bytes:
    """The certificate as the registry keeps it."""

    async def read() -> bytes:
        async with Database(Settings().database_url) as database:
            found = await ModelMetadataRepository(database).certificate(model_id)
            assert found is not None
            return found.document

    return asyncio.run(read())


def test_real_candles_give_the_same_artifact_evidence_and_certificate_twice(
    file: Path, new_database: NewDatabase, data_home: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in SMALL.items():
        monkeypatch.setenv(f"GAL_FRIDAY__{name}", value)
    found = []
    for run in ("first", "second"):
        monkeypatch.setenv(DATA_DIR_VARIABLE, str(data_home / run))
        with new_database() as url:
            monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", url)
            found.append(certified(file))
    first, second = found
    assert first.keys() >= {artifact.MODEL, artifact.EVIDENCE, artifact.REPORT, "certificate", "page"}
    assert [name for name in first if first[name] != second[name]] == []
    certificate = Certificate.from_bytes(first["certificate"])
    assert tuple(gate.name for gate in certificate.gates) == GATES
    assert certificate.gate("replay_parity").passed
    assert certificate.gate("data_quality").passed
