"""What engines did, back as assets: Parquet by month, byte-wise parity, labels, and live beside the backtest."""

import asyncio
import uuid
from functools import partial

import dagster as dg
import numpy as np
import polars as pl
import pytest

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.live_tables import LiveTables
from gal_friday_adapters.paths import artifacts_dir, lake_dir
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_assets import live_records
from gal_friday_assets.partitions import PAIR, range_tags
from gal_friday_assets.resources import Settings
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import compute
from gal_friday_core.labels import label_trades
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.model_registry import ModelRegistry
from tests.live.certified import promote
from tests.live.trading import trading
from tests.live.world import SERIES, files, manager, market, played

BARS, WARM = 3_000, 2_000
MONTH = "2024-03"
ASSETS = [
    live_records.live_predictions, live_records.live_features, live_records.live_orders, live_records.live_fills,
    live_records.live_latencies, live_records.live_labels, live_records.live_divergence,
]  # fmt: skip
V1 = f"{SERIES.key}@v1"
WRONG, WRONG_AT = CANDLES_V1.names[5], int(market().ts[WARM + 123]) + SERIES.interval_ns


class OneWrongByte(PostgresJournal):
    """A journal in which one number of the features differs in its lowest byte from the one that was used."""

    def note(self, kind, key, ts_ns, record):
        if kind == "FEATURES" and ts_ns == WRONG_AT:
            values = bytearray(record["values"])
            values[8 * CANDLES_V1.index(WRONG)] ^= 1
            record = {**record, "values": bytes(values)}
        super().note(kind, key, ts_ns, record)


async def _live(database_url, journal_of=PostgresJournal):
    """An engine that traded a thousand bars with the registry's model."""
    async with Database(database_url) as database:
        registry = ModelRegistry(ConfigurationManager(), database, artifacts=ArtifactStore(artifacts_dir()))
        await registry.register_model(files(), {})
        await promote(registry, V1)
        journal = journal_of(database, str(uuid.uuid4()), SystemClock())
        await journal.begin("paper-replay", config_hash="0", code_version="test")
        models = FixedModels(await registry.by_id(V1))
        async with trading(manager(), models, played(market()[:BARS]), journal) as engine:
            await engine.run()
        await journal.close()


@pytest.fixture
def home(data_home, database_url, monkeypatch):
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    lake = CandleLake(lake_dir())
    lake.write(market()[:BARS])
    return lake


@pytest.fixture
def materialised(instance, home):
    instance.add_dynamic_partitions(PAIR, [SERIES.key])
    return partial(_materialised, instance, home)


def _materialised(instance, lake, *assets):
    result = dg.materialize(
        [*assets, dg.AssetSpec("live_engine"), dg.AssetSpec("candles")],
        selection=list(assets), resources={"settings": Settings(), "lake": lake}, instance=instance,
        tags=range_tags(SERIES, MONTH, MONTH),
    )  # fmt: skip
    events = [
        event.step_materialization_data.materialization for event in result.get_asset_materialization_events()
    ]
    told = {
        event.asset_key.to_user_string(): {n: v.value for n, v in event.metadata.items()} for event in events
    }
    return told, result.get_asset_check_evaluations()


def test_everything_a_live_engine_did_comes_back_as_assets(materialised, home, database_url):
    asyncio.run(_live(database_url))
    told, (check,) = materialised(*ASSETS, live_records.parity)
    store = LiveTables(lake_dir())
    predictions, fills = (store.read(name, SERIES, MONTH) for name in ("predictions", "fills"))
    assert told["live_predictions"]["dagster/row_count"] == len(predictions) == BARS - WARM
    assert told["live_predictions"]["models"] == V1
    assert told["live_features"]["dagster/row_count"] == BARS - WARM
    assert told["live_orders"]["orders"] == told["live_latencies"]["dagster/row_count"] > 5
    assert told["live_fills"]["dagster/row_count"] == len(fills) > 5
    assert told["live_latencies"]["whole_ms_p50"] == 0.0  # the clock of a replay stands still within a bar
    assert "durable_ms_p50" not in told["live_latencies"]
    assert check.passed
    assert check.description == "1,000 rows, bit for bit"
    divergence = told["live_divergence"]
    assert divergence["compared"]
    parts = [divergence[name] for name in divergence if name.startswith("part_")]
    assert round(sum(parts), 2) == round(divergence["gap"], 2) == 0.0
    assert divergence["live"] == divergence["backtest"] != 0
    _page_shows(divergence["divergence_page"])
    _labels_are_those_of_training(store, home, told["live_labels"])


def _page_shows(path):
    with open(path, encoding="utf-8") as page:  # noqa: PTH123 - the metadata's own value
        text = page.read()
    for part in ("Live against backtest", "<rect", "latency", "Risk check", "APPROVED"):
        assert part in text
    assert "<script" not in text


def _labels_are_those_of_training(store, lake, told):
    labels = store.read("labels", SERIES, MONTH)
    known = labels.filter(pl.col("outcome") != 9)
    candles = lake.read(SERIES)
    model_free = label_trades(
        candles, np.full(len(candles), 0.001), manager().config.barriers, manager().config.costs
    )
    assert told["known"] == len(known) == int((model_free.t0_ns >= labels["t0_ns"][0]).sum())
    assert known["t1_ns"].max() <= candles.ts[-1] + SERIES.interval_ns
    assert labels.filter(pl.col("outcome") == 9)["net_return"].is_nan().all()
    assert 0 < told["winning_share"] < 1
    assert told["unknown_models"] == ""


def test_one_wrong_byte_in_recorded_features_fails_the_check_and_is_named(materialised, database_url):
    asyncio.run(_live(database_url, OneWrongByte))
    _, (check,) = materialised(live_records.live_features, live_records.parity)
    right = compute(market()[:BARS])[WARM + 123 : WARM + 124].column(WRONG)[0]
    (used,) = np.array([right]).view(np.int64) ^ 1
    assert not check.passed
    assert check.metadata["differing"].value == 1
    assert f"bar of 2024-03-02T11:23:00Z, {WRONG}: used " in check.description
    assert f"(0x{used:016x}), should be {right.item()!r} (0x{used ^ 1:016x})" in check.description
    assert WRONG in check.metadata["differences"].value


def test_where_nothing_was_recorded_that_is_said_and_nothing_fails(materialised):
    told, (check,) = materialised(*ASSETS, live_records.parity)
    assert told["live_predictions"]["dagster/row_count"] == 0
    assert not told["live_divergence"]["compared"]
    assert "no prediction that could be traded was recorded" in told["live_divergence"]["reason"]
    assert check.passed
    assert check.description == "no features were recorded"


def test_materialising_again_changes_no_byte(materialised, database_url):
    asyncio.run(_live(database_url))
    materialised(*ASSETS)
    root = lake_dir() / "live"
    before = {path: path.read_bytes() for path in root.rglob("*.parquet")}
    materialised(*ASSETS)
    assert {path: path.read_bytes() for path in root.rglob("*.parquet")} == before
    assert len(before) == 6
