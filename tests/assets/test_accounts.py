"""Days stated and accounts audited as assets: tables, pages, numbers to plot, and checks that tell somebody."""

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from uuid import uuid4

import dagster as dg
import polars as pl
import pytest

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_assets.accounts import daily_statement, reconciliation
from gal_friday_assets.alerting import Seen, changed_checks
from gal_friday_assets.definitions import defs
from gal_friday_assets.resources import Settings
from gal_friday_core.times import DAY_NS, HOUR_NS
from gal_friday_live.clock import SimulatedClock
from jobs.accounts import daily_statements, hourly_reconciliation
from tests.adapters.simulated_kraken.running import KEY, SECRET, exchange, running
from tests.core.test_statement import START, Account


@pytest.fixture
def journalled(data_home, database_url, monkeypatch):
    """Write an account's bookings as a real engine's journal; its session."""
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)

    async def write(bookings):
        async with Database(database_url) as database:
            journal = PostgresJournal(database, str(uuid4()), SimulatedClock(START))
            await journal.begin("live", config_hash="c", code_version="v")
            run = {"mode": "live", "venue": "kraken", "account": "main", "series": ["kraken:BTC-USD:1m"]}
            await journal.append("RUN", "first", START, run)
            for one in bookings:
                if one.report is not None:
                    await journal.append("EXECUTION_REPORT", one.key, one.ts_ns, one.report)
                record = dict(one.record)
                if one.key == "opening:USD":
                    record["opening"] = {"USD": record["amount"]}
                await journal.append(one.kind, one.key, one.ts_ns, record)
            return journal.session_id

    return lambda bookings: asyncio.run(write(bookings))


@pytest.fixture
def materialised(instance):
    return partial(_materialised, instance)


def _materialised(instance, asset, day=None):
    done = dg.materialize([asset], resources={"settings": Settings()}, instance=instance, partition_key=day)
    (event,) = done.asset_materializations_for_node(asset.key.to_user_string())
    (check,) = done.get_asset_check_evaluations()
    return {name: value.value for name, value in event.metadata.items()}, check


def traded():
    account = Account()
    account.fill("BUY", "0.5", "1000", START + HOUR_NS, fee="1.3")
    account.fill("SELL", "0.2", "1100", START + DAY_NS + HOUR_NS, fee="0.57")
    return account


def test_a_day_is_stated_as_tables_page_and_numbers(journalled, materialised, data_home):
    session = journalled(traded().bookings)
    told, check = materialised(daily_statement, "2024-03-02")
    assert check.passed
    assert (told["accounts"], told["live_kraken_main_fills"]) == (1, 1)
    assert told["live_kraken_main_realized"] == 20.0
    assert told["page_live_kraken_main"] == f"/reports/statements/{session}/2024-03-02.html"
    trades = pl.read_parquet(data_home / "statements" / "trades" / session / "2024-03-02.parquet")
    assert trades["realized"].to_list() == [Decimal(20)]
    page = data_home / "reports" / "statements" / session / "2024-03-02.html"
    assert "Statement of 2024-03-02" in page.read_text()
    assert json.loads(page.with_suffix(".json").read_text())["closing"]["cash"] == "9718.13000000"


def test_books_that_do_not_add_up_fail_the_check(journalled, materialised):
    account = traded()
    last = account.bookings[-1]
    wrong = dict(last.record) | {"cash": "1"}
    account.bookings[-1] = type(last)(
        seq=last.seq, ts_ns=last.ts_ns, kind=last.kind, key=last.key, record=wrong, report=last.report
    )
    session = journalled(account.bookings)
    _, check = materialised(daily_statement, "2024-03-02")
    assert not check.passed
    assert session in check.metadata["problems"].value


def test_a_day_before_any_account_has_nothing_to_say(journalled, materialised):
    journalled(traded().bookings)
    told, check = materialised(daily_statement, "2024-02-28")
    assert (told["accounts"], check.passed) == (0, True)


def test_an_audit_finds_what_differs_tells_somebody_and_calls_silence_unknown(
    journalled, materialised, instance, data_home, monkeypatch
):
    told, check = materialised_without_account(materialised, monkeypatch)
    assert (told["verdict"], check.passed) == ("NOTHING", True)
    session = journalled(Account().bookings)
    before = Seen(after=0)
    with running(exchange()) as venue:
        for name, value in {
            "GAL_FRIDAY__EXCHANGE__REST_URL": venue.url, "GAL_FRIDAY__EXCHANGE__TIER": "pro",
            "GAL_FRIDAY__RECONCILIATION__PAUSE_S": "0", "GAL_FRIDAY__RECONCILIATION__CONFIRMATIONS": "2",
            "GAL_FRIDAY__RECONCILIATION__OTHER_ASSETS": '["ETH"]',
            "KRAKEN_AUDIT_API_KEY": KEY, "KRAKEN_AUDIT_API_SECRET": SECRET,
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        told, check = materialised(reconciliation)
    assert (told["verdict"], told["missing_flow"], told["balance_differs"]) == ("DIFFERS", 2, 1)
    assert "| BTC | 0 | 2.0000000000 | 2.0000000000 |" in told["balances"]
    assert not check.passed
    assert "USD: 10000.00000000 booked, 100000.0000000000 at the exchange" in check.description
    page = (data_home / "reports" / "audits" / session / "audit.html").read_text()
    assert "BALANCE_DIFFERS" in page
    told, check = materialised(reconciliation)  # the exchange is gone
    assert (told["verdict"], told["discrepancies"]) == ("UNKNOWN", 0)
    assert not check.passed
    assert "exchange is unknown" in check.description
    alerts, _ = changed_checks(instance, before)
    (alert,) = [alert for alert in alerts if "reconciliation" in alert.title]
    assert (alert.code, alert.severity) == ("CHECK_FAILED", "warning")
    assert "BALANCE_DIFFERS" in alert.text


def materialised_without_account(materialised, monkeypatch):
    for name in ("KRAKEN_AUDIT_API_KEY", "KRAKEN_AUDIT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    return materialised(reconciliation)


def test_yesterday_and_the_day_before_are_stated_each_night(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as stored:
        context = dg.build_schedule_context(
            instance=stored, scheduled_execution_time=datetime(2024, 3, 3, 0, 20, tzinfo=UTC)
        )
        asked = list(daily_statements(context))
        assert isinstance(hourly_reconciliation(context), dg.RunRequest)
        (limit,) = stored.event_log_storage.get_pool_limits()
    assert (limit.name, limit.limit) == ("account", 1)
    assert [request.partition_key for request in asked] == ["2024-03-01", "2024-03-02"]
    assert len({request.run_key for request in asked}) == 2
    covered = {
        key.to_user_string()
        for job in ("statements", "reconcile")
        for key in defs.resolve_job_def(job).asset_layer.executable_asset_keys
    }
    assert covered == {"daily_statement", "reconciliation"}
