"""What a split engine's strands say comes back as assets, outlives retention, and counts each fill of an account once."""

import asyncio
import json
from datetime import UTC, datetime
from functools import partial

import dagster as dg
import polars as pl
import pytest

from gal_friday_adapters.live_records import LiveRecords
from gal_friday_adapters.live_tables import LiveTables
from gal_friday_adapters.paths import lake_dir
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.experiments import ExperimentRepository
from gal_friday_assets import live_records
from gal_friday_assets.partitions import PAIR, range_tags
from gal_friday_assets.resources import Settings
from gal_friday_core.experiments.trades import trades_of
from gal_friday_core.live_answers import answers_of
from gal_friday_core.live_orders import FILL, INTENT, latencies_of
from tests.live.split import ACCOUNT, desk, stretches
from tests.live.world import CALM, SERIES, manager

MONTH = f"{datetime.now(UTC):%Y-%m}"
NEVER_NS = 2**62
ASSIGNED = "EXPERIMENT_ASSIGNMENT"


async def _split(database_url):
    """Three roles that traded on one database; what each of them counted."""
    async with desk(database_url, manager(risk=CALM), stretches(120)) as split:
        for role in split.roles.values():
            journal = role.base.ports.journal
            await journal.append("RUN", f"run {role.module}", 0, {"account_session": ACCOUNT})
        note = {"experiment_id": "e", "unit": "u", "pair": SERIES.pair, "model_id": "m"}
        split.roles["alpha"].base.ports.journal.note(ASSIGNED, "u", split.now_ns, note)
        await split.play()
        risk = split.decision.deciding.risk
        for role in split.roles.values():
            await role.base.ports.journal.flush()
        return split.roles["alpha"].plans.written, risk.approved, split.trader.trades.execution.orders


@pytest.fixture
def counted(data_home, database_url, monkeypatch):
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    return asyncio.run(_split(database_url))


def _materialised(instance):
    assets = [live_records.live_decisions, live_records.live_executions]
    result = dg.materialize(
        [*assets, dg.AssetSpec("live_engine")], selection=assets, resources={"settings": Settings()},
        instance=instance, tags=range_tags(SERIES, MONTH, MONTH),
    )  # fmt: skip
    events = [
        event.step_materialization_data.materialization for event in result.get_asset_materialization_events()
    ]
    return {
        event.asset_key.to_user_string(): {n: v.value for n, v in event.metadata.items()} for event in events
    }


async def _asked(database_url, ask):
    async with Database(database_url) as database:
        return await ask(database)


async def _removed(database):
    """As retention does, for all that is there."""
    async with database.transaction() as connection:
        for table in ("alpha_inbox", "dm_inbox", "trader_inbox", "tr_strands", "dm_strands", "ad_strands"):
            await connection.execute(f"delete from {table}")


def test_plans_with_their_verdicts_and_fills_come_back_and_outlive_the_strands(
    instance, counted, database_url
):
    plans, approved, orders = counted
    instance.add_dynamic_partitions(PAIR, [SERIES.key])
    told = _materialised(instance)
    store = LiveTables(lake_dir())
    decisions, executions = (store.read(name, SERIES, MONTH) for name in ("decisions", "executions"))
    assert told["live_decisions"]["plans"] == len(decisions) == plans > 2
    assert (decisions["verdict"] == "approved").sum() == approved
    assert told["live_decisions"]["refused_share"] == pytest.approx((plans - approved) / plans)
    assert told["live_decisions"]["decided_ms_p50"] > 0
    fills = executions.filter(pl.col("execution_id") != "")
    assert told["live_executions"]["fills"] == len(fills) >= orders - 1 > 1
    planned = fills.filter(pl.col("plan") != "")
    assert set(planned["plan"]) <= set(decisions["plan"])
    assert planned["slippage_bps"].is_finite().all()
    assert (planned["reported_ms"] >= planned["decided_ms"]).all()
    before = {name: store.read(name, SERIES, MONTH) for name in ("decisions", "executions")}
    asyncio.run(_asked(database_url, _removed))
    assert (
        _materialised(instance)["live_executions"]["filled_share"] == told["live_executions"]["filled_share"]
    )
    assert all(store.read(name, SERIES, MONTH).equals(frame) for name, frame in before.items())


def test_a_split_engines_orders_and_fills_count_once_in_the_accounts_session(counted, database_url):
    orders = counted[2]
    lines = asyncio.run(
        _asked(database_url, lambda database: LiveRecords(database).traded(SERIES, 0, NEVER_NS))
    )
    assert {line.session for line in lines} == {ACCOUNT}
    fills = [line.key for line in lines if line.kind == FILL]
    assert len(fills) == len(set(fills)) >= orders - 1
    assert sum(line.kind == INTENT for line in lines) == orders
    assert all(one.filled_ns > 0 for one in latencies_of(lines, {})[:1])
    model_id = f"{SERIES.key}@v1"
    answers = answers_of(lines, [model_id])[model_id]
    entries = sum(json.loads(line.record)["purpose"] == "ENTRY" for line in lines if line.kind == INTENT)
    assert 0 < answers.filled <= answers.approved == entries


def test_an_experiments_assignments_meet_the_fills_of_the_account(counted, database_url):
    ask = partial(ExperimentRepository.traded, start_ns=0, end_ns=NEVER_NS)
    rows = asyncio.run(_asked(database_url, lambda database: ask(ExperimentRepository(database))))
    assert {row["session"] for row in rows} == {ACCOUNT}
    assert sum(row["kind"] == ASSIGNED for row in rows) == 1
    ended = trades_of((row["kind"], row["ts_ns"], row["record"]) for row in rows)
    assert [one for one in ended if one.net_return is not None]
