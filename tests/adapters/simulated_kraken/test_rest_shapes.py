"""The simulated answers and the given REST fixtures have the same shapes: fields, types, and digits shown."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import requests
from kraken.spot import Trade, User

from gal_friday_adapters.simulated_kraken.server import SimulatedKraken
from tests.adapters.simulated_kraken.running import KEY, SECRET

ID = re.compile(r"[A-Z][A-Z0-9.]*(-[A-Z0-9]+)*")
NUMBER = re.compile(r"-?\d+(\.\d+)?")
NEVER_HERE = {"ml"}
"""Only where there are margin positions."""
PAIR = "XBTUSDT"


def shape(value: Any, *, digits: bool) -> Any:
    """Types in place of values. A mapping from ids becomes the shape of its entries."""
    if isinstance(value, dict):
        if value and all(ID.fullmatch(key) for key in value):
            return {"<id>": shape(next(iter(value.values())), digits=digits)}
        return {key: shape(item, digits=digits) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item, digits=digits) for item in _first_row(value)]
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return f"number in text .{len(value.partition('.')[2])}" if digits else "number in text"
    return (
        "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__
    )


def _first_row(value: list[Any]) -> list[Any]:
    """Of a list of rows or ids the first; a row is shown whole."""
    listed = bool(value) and (isinstance(value[0], (list, dict)) or ID.fullmatch(str(value[0])))
    return value[:1] if listed else value


def same(ours: Any, theirs: Any, where: str = "") -> None:
    """Ours has each field of theirs, of its type; fields that only we have are Kraken's later ones."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), where
        assert not set(theirs) - set(ours) - NEVER_HERE, where
        for key in set(theirs) & set(ours):
            same(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list), where
        assert len(ours) == len(theirs), where
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            same(one, other, f"{where}[{number}]")
    elif ours != "NoneType":  # a field without a value says nothing of its type
        assert ours == theirs, where


@pytest.mark.parametrize(
    ("method", "params", "fixture"),
    [
        ("Time", {}, "http_server_time"),
        ("SystemStatus", {}, "http_system_status"),
        ("AssetPairs", {"pair": PAIR}, "http_asset_pairs"),
        ("Ticker", {"pair": PAIR}, "http_ticker"),
        ("Depth", {"pair": PAIR, "count": 5}, "http_order_book"),
        ("Trades", {"pair": PAIR}, "http_trades"),
        ("OHLC", {"pair": PAIR}, "http_ohlc"),
    ],
)
def test_public_answer_has_the_shape_of_the_real_one(
    kraken: SimulatedKraken, shared_data: Path, method: str, params: dict[str, Any], fixture: str
):
    real = json.loads((shared_data / "kraken_rest" / "public" / f"{fixture}.json").read_text())
    ours = requests.get(f"{kraken.url}/0/public/{method}", params=params, timeout=10).json()
    if method in {"OHLC", "Trades"}:  # the first row may have no trade, or a fraction of fewer digits
        real["result"][PAIR] = [row for row in real["result"][PAIR] if row[-1] and row[6] != "0.00000000"]
        ours["result"].pop("last", None)
        real["result"].pop("last", None)
    if method == "AssetPairs":  # nothing is lent here
        for answer in (real, ours):
            for name in ("leverage_buy", "leverage_sell", "ordermin", "costmin"):
                answer["result"][PAIR].pop(name)
    assert list(ours["result"]) == list(real["result"])
    same(shape(ours, digits=True), shape(real, digits=True))


def test_asset_pairs_has_every_field_of_the_complete_real_answer(kraken: SimulatedKraken, shared_data: Path):
    real = json.loads(
        (shared_data / "kraken_rest" / "public" / "AssetPairs_full_2021-04-17.json").read_text()
    )
    ours = requests.get(f"{kraken.url}/0/public/AssetPairs", timeout=10).json()["result"]
    real_pairs = real.get("result", real)
    shared = set(ours) & set(real_pairs)
    assert {"XXBTZUSD", "XETHZUSD", "XXRPZUSD", "ADAUSD", "XETHXXBT", "XXBTZEUR", "XBTUSDT"} <= shared
    for pair in shared:
        for name in ("altname", "wsname", "base", "quote", "lot_decimals"):
            assert ours[pair][name] == real_pairs[pair][name], (pair, name)
        assert set(real_pairs[pair]) <= set(ours[pair])


@pytest.mark.parametrize(
    ("ask", "fixture"),
    [
        (lambda user: user.get_open_orders(), "http_open_orders"),
        (lambda user: user.get_closed_orders(), "http_closed_orders"),
        (lambda user: user.get_trades_history(ledgers=True), "http_trades_history"),
        (lambda user: user.get_account_balance(), "http_spot_balance"),
        (lambda user: user.get_trade_balance(), "http_spot_trade_balance"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_private_answer_has_the_shape_of_the_fixture(
    kraken: SimulatedKraken, shared_data: Path, ask, fixture
):
    trade = Trade(key=KEY, secret=SECRET, url=kraken.url)
    trade.create_order(ordertype="limit", side="buy", volume=0.01, pair="XBTUSD", price=29000)
    trade.create_order(ordertype="market", side="buy", volume=0.01, pair="XBTUSD")
    real = json.loads((shared_data / "kraken_rest" / "private" / f"{fixture}.json").read_text())
    ours = ask(User(key=KEY, secret=SECRET, url=kraken.url))
    same(shape(ours, digits=False), shape(real["result"], digits=False))


def transcribed(shared_data: Path, endpoint: str) -> list[dict[str, Any]]:
    """Real private answers, written down by a third party."""
    path = shared_data / "kraken_rest" / "private" / "ccxt_fixture_responses.json"
    cases = json.loads(path.read_text())["cases"]
    return [case["response"]["result"] for case in cases if case["endpoint"].endswith(endpoint)]


def test_add_and_cancel_answer_as_really_seen(kraken: SimulatedKraken, shared_data: Path):
    trade = Trade(key=KEY, secret=SECRET, url=kraken.url)
    ours = trade.create_order(ordertype="market", side="buy", volume=0.01, pair="XBTUSD")
    for real in transcribed(shared_data, "AddOrder"):
        assert shape(ours, digits=False) == shape(real, digits=False)
    placed = trade.create_order(ordertype="limit", side="buy", volume=0.01, pair="XBTUSD", price=29000)
    real = json.loads((shared_data / "kraken_rest" / "private" / "http_cancel_order_spot.json").read_text())
    assert trade.cancel_order(txid=placed["txid"][0]) == real["result"]


def test_queried_orders_have_the_fields_really_seen(kraken: SimulatedKraken, shared_data: Path):
    trade, user = (client(key=KEY, secret=SECRET, url=kraken.url) for client in (Trade, User))
    txid = trade.create_order(ordertype="market", side="buy", volume=0.01, pair="XBTUSD")["txid"][0]
    ours = user.get_orders_info(txid, trades=True)[txid]
    for answer in transcribed(shared_data, "QueryOrders"):
        for order in answer.values():
            assert set(order) <= set(ours)
            assert set(order["descr"]) <= set(ours["descr"])


def test_stop_order_shows_trigger_and_limit_where_the_real_one_does(kraken: SimulatedKraken):
    trade, user = (client(key=KEY, secret=SECRET, url=kraken.url) for client in (Trade, User))
    stop = {"ordertype": "stop-loss-limit", "side": "sell", "pair": "XBTUSD", "volume": 0.01}
    txid = trade.create_order(**stop, price=29000, price2=28900)["txid"][0]
    order = user.get_open_orders()["open"][txid]
    assert (order["descr"]["price"], order["descr"]["price2"]) == ("29000.0", "28900.0")
    assert order["stopprice"] == "29000.00000"
