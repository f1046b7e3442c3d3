"""The first page: what the account was worth, drawn from its journal."""

import json
from dataclasses import replace

import pytest

from gal_friday_adapters.postgres.trading_history import TradingHistory
from gal_friday_live.dashboard.accounts import accounts, chosen, series_of
from gal_friday_live.dashboard.pages import main
from tests.live.dashboard_world import looking


async def test_the_equity_chart_of_a_traded_account_is_drawn_from_what_its_bars_were_worth(traded_account):
    manager, summary, url = traded_account
    async with looking(manager, url) as view:
        drawn = await main.equity(view)
    traces = {trace["name"]: trace for trace in drawn["data"]}
    assert set(traces) == {"Equity", "Drawdown"}
    worth, fallen = traces["Equity"]["y"], traces["Drawdown"]["y"]
    assert len(worth) > 10
    assert worth[0] == pytest.approx(10_000, rel=0.01)
    assert min(worth) >= float(summary["final_equity"]) - 1
    assert max(fallen) == 0 > min(fallen)
    json.dumps(drawn, allow_nan=False)


async def test_an_account_whose_run_told_no_series_is_drawn_by_the_bars_it_heard(traded_account):
    manager, _, url = traded_account
    async with looking(manager, url) as view:
        account = chosen(view, await accounts(view, view.database))
        history = TradingHistory(view.database)
        told = await series_of(history, account)
        assert told
        assert await series_of(history, replace(account, series=())) == told
