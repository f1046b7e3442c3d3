"""python-kraken-sdk's REST clients trade on the simulated exchange with nothing changed but their URLs."""

import pytest
from kraken.exceptions import (
    KrakenApiLimitExceededError,
    KrakenInsufficientFundsError,
    KrakenInvalidAPIKeyError,
    KrakenInvalidNonceError,
    KrakenUnknownOrderError,
)
from kraken.spot import Market, SpotClient, Trade, User

from gal_friday_adapters.simulated_kraken.server import SimulatedKraken
from tests.adapters.simulated_kraken.running import KEY, SECRET


@pytest.fixture
def market(kraken: SimulatedKraken) -> Market:
    return Market(url=kraken.url)


@pytest.fixture
def trade(kraken: SimulatedKraken) -> Trade:
    return Trade(key=KEY, secret=SECRET, url=kraken.url)


@pytest.fixture
def user(kraken: SimulatedKraken) -> User:
    return User(key=KEY, secret=SECRET, url=kraken.url)


def test_market_data_reads_back(market: Market):
    assert market.get_asset_pairs(pair="XBTUSD")["XXBTZUSD"]["pair_decimals"] == 1
    assert market.get_assets(assets="XBT")["XXBT"]["altname"] == "XBT"
    assert market.get_order_book("XBTUSD", count=1)["XXBTZUSD"]["asks"][0][:2] == ["30000.10000", "0.500"]
    assert market.get_ticker("XBTUSD")["XXBTZUSD"]["c"] == ["30000.10000", "0.50000000"]
    assert market.get_ohlc("XBTUSD")["XXBTZUSD"][-1][1:5] == ["30000.1"] * 4
    assert market.get_recent_trades("XBTUSD")["XXBTZUSD"][-1][3:5] == ["b", "m"]
    assert market.get_recent_spreads("XBTUSD")["XXBTZUSD"][-1][1:] == ["29999.90000", "30000.10000"]
    assert market.get_system_status()["status"] == "online"


def test_a_pair_asked_for_by_its_websocket_name_is_answered_under_it(market: Market):
    assert market.get_asset_pairs(pair="BTC/USD")["BTC/USD"]["altname"] == "XBTUSD"


def test_order_is_placed_amended_edited_and_cancelled(trade: Trade, user: User):
    placed = trade.create_order(ordertype="limit", side="buy", volume=0.01, pair="XBTUSD", price=29000)
    order_id = placed["txid"][0]
    assert placed["descr"]["order"] == "buy 0.01000000 XBTUSD @ limit 29000.0"
    assert user.get_open_orders()["open"][order_id]["vol"] == "0.01000000"
    assert trade.amend_order(txid=order_id, order_qty=0.02, limit_price=29001)["amend_id"]
    assert user.get_order_amends(order_id)["count"] == 2
    assert user.get_open_orders()["open"][order_id]["descr"]["price"] == "29001.0"
    edited = trade.edit_order(txid=order_id, pair="XBTUSD", volume=0.03, price=29002)
    assert edited["originaltxid"] == order_id != edited["txid"]
    assert trade.cancel_order(txid=edited["txid"]) == {"count": 1}
    assert user.get_open_orders() == {"open": {}}
    assert user.get_closed_orders()["count"] == 2


def test_filled_order_shows_in_every_report(trade: Trade, user: User):
    order_id = trade.create_order(ordertype="market", side="buy", volume=0.1, pair="XBTUSD")["txid"][0]
    order = user.get_orders_info(order_id, trades=True)[order_id]
    assert (order["status"], order["vol_exec"], order["price"]) == ("closed", "0.10000000", "30000.10000")
    history = user.get_trades_history(ledgers=True)
    (exec_id,) = order["trades"]
    assert list(history["trades"]) == [exec_id]
    assert user.get_trades_info(exec_id)[exec_id]["ordertxid"] == order_id
    ledgers = history["trades"][exec_id]["ledgers"]
    assert set(user.get_ledgers(ledgers)) == set(ledgers)
    assert user.get_ledgers_info(asset="XBT", type_="trade")["count"] == 1
    assert user.get_account_balance()["XXBT"] == "2.1000000000"
    assert user.get_balances()["ZUSD"]["hold_trade"] == "0.0000000000"
    assert user.get_trade_balance()["eb"] == user.get_trade_balance()["e"]
    assert user.get_trade_volume(pair="XBTUSD")["fees"]["XXBTZUSD"]["fee"] == "0.4000"
    assert user.get_open_positions() == {}


def test_batches_client_ids_and_cancel_all(trade: Trade):
    orders = [
        {"ordertype": "limit", "type": "buy", "volume": "0.01", "price": "29000", "cl_ord_id": "mine"},
        {"ordertype": "limit", "type": "sell", "volume": "0.01", "price": "31000"},
        {"ordertype": "limit", "type": "sell", "volume": "90", "price": "31000"},
    ]
    answers = trade.create_order_batch(orders, pair="BTC/USD")["orders"]
    assert [("txid" in answer, answer.get("error")) for answer in answers] == [
        (True, None),
        (True, None),
        (False, "EOrder:Insufficient funds"),
    ]
    assert trade.cancel_order(cl_ord_id="mine") == {"count": 1}
    assert trade.cancel_all_orders() == {"count": 1}
    assert trade.cancel_all_orders() == {"count": 0}
    more = trade.create_order_batch(orders[:2], pair="XBTUSD")["orders"]
    assert trade.cancel_order_batch([order["txid"] for order in more]) == {"count": 2}


def test_validated_order_is_described_and_not_placed(trade: Trade, user: User):
    answer = trade.create_order(
        ordertype="limit", side="buy", volume=0.01, pair="XBTUSD", price=29000, validate=True
    )
    assert set(answer) == {"descr"}
    assert user.get_open_orders() == {"open": {}}


def test_refusals_arrive_as_the_errors_that_the_sdk_knows(trade: Trade, kraken: SimulatedKraken):
    with pytest.raises(KrakenInsufficientFundsError):
        trade.create_order(ordertype="limit", side="buy", volume=90, pair="XBTUSD", price=29000)
    with pytest.raises(KrakenUnknownOrderError):
        trade.cancel_order(txid="OAAAAA-AAAAA-AAAAAA")
    with pytest.raises(KrakenInvalidAPIKeyError):
        User(key="other", secret=SECRET, url=kraken.url).get_account_balance()


def test_nonce_that_does_not_grow_is_refused(kraken: SimulatedKraken):
    client = SpotClient(key=KEY, secret=SECRET, url=kraken.url)
    client.get_nonce = lambda: "5"
    client.request("POST", "/0/private/Balance")
    with pytest.raises(KrakenInvalidNonceError):
        client.request("POST", "/0/private/Balance")


def test_calling_too_often_is_limited(user: User):
    for _ in range(9):  # two points each, of twenty
        user.get_trades_history()
    with pytest.raises(KrakenApiLimitExceededError):
        [user.get_trades_history() for _ in range(3)]
