"""The risk page: limits as the engine counts them, the worst case of each side, drawdowns, refusals and halts."""

import json
from decimal import Decimal

import pytest

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.trading_history import TradingHistory
from gal_friday_core.times import HOUR_NS
from gal_friday_live.dashboard.pages import risk
from gal_friday_live.dashboard.view import Reading, View
from tests.live.dashboard_world import NOW_NS, looking, manager_of


def change(hour, state, reason="", who=None, action=None):
    return {
        "ts_ns": hour * HOUR_NS,
        "record": {"state": state, "reason": reason, "who": who, "halt_action": action},
    }


def limit(value, bound, used, **more):
    return {
        "name": "max_total_exposure",
        "scope": "",
        "unit": "fraction",
        "value": value,
        "limit": bound,
        "used": used,
    } | more


async def test_the_page_shows_the_halt_that_its_journal_tells_of_and_that_it_stands(traded_account):
    manager, summary, url = traded_account
    assert summary["halted"], "the seeded account loses more in a day than it may"
    async with looking(manager, url) as view:
        page = await risk.render(view)
    assert "HALTED since 2024-03-01" in page
    assert "DAILY_DRAWDOWN_LIMIT_HIT" in page
    assert (
        "Equity lost since 00:00 UTC is beyond risk.max_daily_drawdown" not in page
    )  # nothing was refused for it
    assert "Trading is halted; only orders that reduce are taken." in page
    assert "No engine trades this account now" in page


async def test_of_an_engine_that_ended_the_journal_is_held_against_the_limits(traded_account):
    manager, summary, url = traded_account
    async with looking(manager, url) as view:
        page = await risk.render(view)
        database = view.database
        assert await TradingHistory(database).equity_span(summary["session"], "BTC/USD") is not None
        assert await TradingHistory(database).equity_span(summary["session"], "ETH/USD") is None
    lost = Decimal(summary["total_drawdown"])
    assert f"{lost:.2%}" in page
    assert f"{lost / Decimal('0.20'):.0%} of the limit" in page
    assert "Held and ordered BTC/USD" in page
    assert "data-live-bar" not in page


async def test_the_drawdown_chart_ends_where_the_account_stands(traded_account):
    manager, summary, url = traded_account
    async with looking(manager, url) as view:
        drawn = await risk.drawdown(view)
    traces = {trace["name"]: trace for trace in drawn["data"]}
    assert set(traces) == {"Since the highest", "This week", "Today"}
    worst = traces["Since the highest"]["y"]
    assert -worst[-1] == pytest.approx(float(summary["total_drawdown"]))
    assert min(worst) == worst[-1] < -0.05  # the fill that halted it is part of the picture
    assert all(
        total <= week <= day <= 0
        for total, week, day in zip(worst, traces["This week"]["y"], traces["Today"]["y"], strict=True)
    )
    assert traces["Today"]["x"] == sorted(traces["Today"]["x"])
    json.dumps(drawn, allow_nan=False)


async def test_a_chart_of_few_points_keeps_the_last_of_each_stretch(traded_account):
    _, summary, url = traded_account
    async with Database(url) as database:
        history = TradingHistory(database)
        first, last = await history.equity_span(summary["session"], "BTC/USD")
        every = await history.equity(summary["session"], "BTC/USD", first, last + 1, 10**18)
        few = await history.equity(summary["session"], "BTC/USD", first, last + 1, 10)
    assert [every[0][0], every[-1][0]] == [first, last]
    assert 2 <= len(few) <= 11 < len(every)
    assert few[-1] == every[-1]
    assert [one for one in every if one in few] == few


async def test_a_running_engine_keeps_the_bars_current(traded_account):
    manager, summary, url = traded_account
    told = {
        "engine": {"session": summary["session"]},
        "risk": {
            "equity": "10000", "cash_free": "2500", "stop_loss": "75.5", "stop_loss_share": "0.00755",
            "limits": {
                "max_total_exposure": limit("0.72", "0.75", 0.96),
                "max_pair_exposure BTC/USD": limit("0.3", "0.25", 1.2, name="max_pair_exposure", scope="BTC/USD"),
                "max_losses_in_a_row": limit("3", None, None, name="max_losses_in_a_row", unit="count"),
            },
            "sides": {
                "BTC/USD": {
                    "held": "0.2", "worth": "6000", "buying": "1500", "if_bought": "7500", "selling": "0.05",
                    "if_sold": "0.15", "stop_loss": "75.5", "unprotected": "0.02",
                }
            },
        },
    }  # fmt: skip
    async with looking(manager, url, Reading("live", NOW_NS, told, NOW_NS)) as view:
        page = await risk.render(view)
    assert "No engine trades this account now" not in page
    assert 'data-live-bar="risk.limits.max_total_exposure"' in page
    assert 'class="bar warn"' in page
    assert 'class="bar bad"' in page
    assert "no limit" in page
    assert "7,500.00" in page
    assert "0.02 ✕" in page
    assert 'data-live="risk.stop_loss"' in page
    assert ">0.76%<" in page


def test_halts_are_stretches_from_their_cause_to_their_release():
    told = [
        change(1, "HALTED", "MANUAL by ada: lunch", "ada", "CANCEL_ENTRIES"),
        change(2, "RUNNING", "lunch is over", "ada"),
        change(3, "REDUCING", "LOOP_LAG"),
        change(4, "HALTED", "DISK_FULL"),
        change(5, "HALTED", "DISK_FULL", action="LIQUIDATE_POSITIONS"),
    ]
    standing, reducing, lunch = risk.halts_of(told)
    assert (standing.since_ns, standing.until_ns, standing.reason) == (4 * HOUR_NS, None, "DISK_FULL")
    assert (reducing.state, reducing.until_ns, reducing.resumed_by) == ("REDUCING", 4 * HOUR_NS, "")
    assert (lunch.until_ns, lunch.resumed_by, lunch.resumed_because) == (2 * HOUR_NS, "ada", "lunch is over")


def test_who_halted_is_named_also_where_only_the_reason_says_it():
    by_hand, by_itself = risk.halts_of([
        change(1, "HALTED", "DISK_FULL"), change(2, "RUNNING", "space again", "bob"),
        change(3, "HALTED", "MANUAL by dashboard ada 7f: lunch"),
    ])  # fmt: skip
    page = risk._halts([by_hand, by_itself])
    assert "<td>dashboard ada 7f</td>" in page
    assert "<td>the engine</td>" in page
    assert "<td>bob: space again</td>" in page


def test_an_account_that_always_traded_has_no_halt():
    assert risk.halts_of([]) == []
    assert risk.halts_of([change(1, "RUNNING", "started")]) == []


def test_a_chart_without_points_says_what_is_missing():
    assert "empty" in risk.figure([])


async def test_without_a_database_or_an_account_the_page_says_what_to_do(tmp_path, database_url):
    manager = manager_of(tmp_path)
    nothing = View(manager=manager, database=None, reading=Reading("gone", NOW_NS), now_ns=NOW_NS)
    assert "gal-friday up" in await risk.render(nothing)
    async with looking(manager, database_url) as view:
        assert "gal-friday up" in await risk.render(view)
        assert "empty" in await risk.drawdown(view)
