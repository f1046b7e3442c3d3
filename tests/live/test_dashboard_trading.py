"""The trading page, on an account that really traded: what it shows is what the journal holds."""

import html
import json
import re
from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.trading_history import TradingHistory
from gal_friday_core.booked_trades import booked_trades
from gal_friday_live.dashboard.pages import trading
from gal_friday_live.dashboard.view import Reading, View
from tests.live.dashboard_world import NOW_NS, looking, manager_of


def sources(page):
    """Where the page's rows are opened from."""
    return [html.unescape(found) for found in re.findall(r'data-expand="([^"]+)"', page)]


def query_of(address):
    return dict(parse_qsl(urlsplit(address).query))


async def test_trades_add_up_to_what_the_engine_realised(traded_account):
    _, summary, url = traded_account
    async with Database(url) as database:
        fills = await TradingHistory(database).fills(summary["session"], 10_000)
    trades = booked_trades(fills)
    assert len(fills) == summary["fills"]
    net = sum(one.net for one in trades)
    assert net == Decimal(summary["realized_pnl"]) - Decimal(summary["fees"])
    assert {one.ended_by for one in trades if one.closed_ns} <= {"STOP", "TARGET", "EXIT"}
    assert all(one.stop < one.entry < one.target for one in trades)


async def test_the_newest_fills_alone_tell_the_same_trades_but_not_half_a_one(traded_account):
    _, summary, url = traded_account
    async with Database(url) as database:
        history = TradingHistory(database)
        every = booked_trades(await history.fills(summary["session"], 10_000))
        for most in range(1, 12):
            cut = booked_trades(await history.fills(summary["session"], most), whole=False)
            assert cut == every[len(every) - len(cut) :]
            assert len(cut) >= most // 2


async def test_the_page_shows_the_account_and_says_that_nobody_trades_it(traded_account):
    manager, summary, url = traded_account
    async with looking(manager, url) as view:
        page = await trading.render(view)
    assert summary["session"][:8] in page
    assert "No engine trades this account now" in page
    assert "2024-03-0" in page
    assert len(sources(page)) >= 20
    assert "<script" not in page


async def test_each_trade_tells_why_it_was_made(traded_account):
    manager, _, url = traded_account
    async with looking(manager, url) as view:
        page = await trading.render(view)
    address = sources(page)[0]
    async with looking(manager, url, **query_of(address)) as view:
        told = await trading.why(view)
    assert address.startswith("/data/trading/why?")
    parts = {part["title"]: dict(part["rows"]) for part in told["parts"]}
    decision = parts["Decision"]
    assert float(decision["Probability"]) >= float(decision["Entry from"])
    assert decision["Verdict of the risk check"] == "APPROVED"
    assert {"Model", "Training data", "Code"} <= set(parts["Where it came from"])
    assert "volatility_60" in parts["What the model saw"]
    assert any("filled" in said for said in parts["Order and fills"].values())
    assert json.loads(msgspec.json.encode(told)) == told


async def test_an_order_that_nobody_knows_is_said_in_words(traded_account):
    manager, _, url = traded_account
    async with looking(manager, url, order="nobody") as view:
        told = await trading.why(view)
    assert "no order nobody" in told["parts"][0]["rows"][0][1]


async def test_the_chart_draws_the_bars_that_the_engine_heard_with_fills_stops_and_targets(traded_account):
    manager, summary, url = traded_account
    async with looking(manager, url, bars="1440") as view:
        drawn = await trading.candles(view)
    traces = {trace["name"]: trace for trace in drawn["data"]}
    bars = traces["BTC/USD"]
    assert len(bars["x"]) == len(bars["close"]) == summary["bars"]
    assert bars["x"] == sorted(bars["x"])
    assert all(
        low <= close <= high
        for low, close, high in zip(bars["low"], bars["close"], bars["high"], strict=True)
    )
    for name in ("Bought", "Sold"):
        assert len(traces[name]["x"]) > 5
        assert min(bars["x"]) <= min(traces[name]["x"]) <= max(traces[name]["x"])
    assert {"Trade", "Stop", "Target"} <= set(traces)
    assert len(traces["Stop"]["x"]) % 3 == 0
    assert drawn["layout"]["yaxis"]["tickformat"] == ",.2f"
    json.dumps(drawn, allow_nan=False)


async def test_a_trade_is_found_again_in_the_chart_that_it_opens(traded_account):
    manager, _, url = traded_account
    async with looking(manager, url) as view:
        page = await trading.render(view)
    links = [html.unescape(one) for one in re.findall(r'href="(/trading\?[^"]*to=[^"]*)"', page)]
    query = query_of(links[-1])
    async with looking(manager, url, **query) as view:
        drawn = await trading.candles(view)
    traces = {trace["name"]: trace for trace in drawn["data"]}
    assert min(traces["BTC/USD"]["x"]) <= traces["Trade"]["x"][0] <= max(traces["BTC/USD"]["x"])


@pytest.mark.parametrize(
    "query",
    [
        {"pair": "<script>"},
        {"bars": "-1"},
        {"to": "9" * 40},
        {"to": "x"},
        {"session": "'; drop table journal"},
        {"bars": "1e9"},
    ],
)
async def test_what_the_address_says_is_never_believed(traded_account, query):
    manager, _, url = traded_account
    async with looking(manager, url, **query) as view:
        page = await trading.render(view)
        drawn = await trading.candles(view)
    assert "<script" not in page
    assert "data" in drawn or "empty" in drawn


async def test_a_running_engine_is_believed_about_positions_and_orders(traded_account):
    manager, summary, url = traded_account
    order = {
        "client_order_id": "0123456789abcdef", "pair": "BTC/USD", "purpose": "ENTRY", "side": "BUY", "type": "MARKET",
        "status": "PENDING_NEW", "quantity": "0.5", "filled": "0", "limit_price": None, "trigger_price": None,
        "created_at": "2024-03-05T00:00:00.000000000Z",
    }  # fmt: skip
    told = {
        "engine": {"session": summary["session"]},
        "positions": {"BTC/USD": {"quantity": "2", "average_entry_price": "31234.5", "current_market_value": "62469",
                                  "unrealized_pnl": "-12.5", "protected_quantity": "2"}},
        "orders": [order],
    }  # fmt: skip
    async with looking(manager, url, Reading("live", NOW_NS, told, NOW_NS)) as view:
        page = await trading.render(view)
    assert "No engine trades this account now" not in page
    assert 'data-live="positions.BTC/USD.unrealized_pnl"' in page
    assert "31,234.5" in page
    assert "pending new" in page


async def test_without_a_database_or_an_account_the_page_says_what_to_do(tmp_path, database_url):
    manager = manager_of(tmp_path)
    nothing = View(manager=manager, database=None, reading=Reading("gone", NOW_NS), now_ns=NOW_NS)
    assert "gal-friday up" in await trading.render(nothing)
    assert "gal-friday up" in (await trading.candles(nothing))["empty"]
    async with looking(manager, database_url) as view:
        assert "gal-friday up" in await trading.render(view)
        assert "empty" in await trading.candles(view)
