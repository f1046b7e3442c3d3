"""ccxt, the installed package, trades on the simulated exchange with nothing changed but its URLs."""

from collections.abc import Iterator
from decimal import Decimal

import ccxt
import pytest

from gal_friday_adapters.simulated_kraken.server import SimulatedKraken
from tests.adapters.simulated_kraken.running import KEY, SECRET

PAIR = "BTC/USD"


@pytest.fixture
def client(kraken: SimulatedKraken) -> Iterator[ccxt.kraken]:
    urls = {"api": {"public": kraken.url, "private": kraken.url}}
    exchange = ccxt.kraken({"apiKey": KEY, "secret": SECRET, "urls": urls, "enableRateLimit": False})
    yield exchange
    exchange.close()


def test_markets_carry_the_precisions_and_minimums_of_the_exchange(client: ccxt.kraken):
    market = client.load_markets()[PAIR]
    assert (market["id"], market["altname"], market["active"]) == ("XXBTZUSD", "XBTUSD", True)
    assert market["precision"] == {"amount": 1e-8, "price": 0.1}
    assert (market["limits"]["amount"]["min"], market["limits"]["cost"]["min"]) == (0.0001, 0.5)
    assert (market["taker"], market["maker"]) == (0.004, 0.0025)
    assert {"ETH/USD", "DOGE/USD", "ETH/BTC", "BTC/EUR"} <= set(client.markets)


def test_public_market_data_reads_back(client: ccxt.kraken):
    book = client.fetch_order_book(PAIR, limit=3)
    assert [level[:2] for level in book["asks"]] == [[30000.1, 0.5], [30000.2, 1.0], [30000.3, 1.0]]
    assert [level[:2] for level in book["bids"]] == [[29999.9, 1.0], [29999.8, 1.0], [29999.7, 1.0]]
    ticker = client.fetch_ticker(PAIR)
    assert (ticker["bid"], ticker["ask"], ticker["last"]) == (29999.9, 30000.1, 30000.1)
    trade = client.fetch_trades(PAIR)[-1]
    assert (trade["price"], trade["amount"], trade["side"], trade["type"]) == (30000.1, 0.5, "buy", "market")
    assert client.fetch_trades(PAIR, since=trade["timestamp"] + 5000) == []
    assert client.fetch_ohlcv(PAIR, "5m")[-1][1:] == [30000.1, 30000.1, 30000.1, 30000.1, 0.5]
    assert client.fetch_status()["status"] == "ok"
    assert abs(client.fetch_time() - client.milliseconds()) < 10_000


def test_limit_order_is_placed_amended_and_cancelled(client: ccxt.kraken):
    placed = client.create_order(PAIR, "limit", "buy", 0.01, 29000)
    order_id = placed["id"]
    assert [order["id"] for order in client.fetch_open_orders(PAIR)] == [order_id]
    assert client.fetch_balance()["USD"]["used"] == pytest.approx(291.16)  # 0.01 × 29000 and the fee of 0.4 %
    client.edit_order(order_id, PAIR, "limit", "buy", 0.02, 29100)
    amended = client.fetch_order(order_id)
    assert (amended["id"], amended["price"], amended["amount"]) == (order_id, 29100, 0.02)
    client.cancel_order(order_id)
    assert client.fetch_order(order_id)["status"] == "canceled"
    assert client.fetch_balance()["USD"]["used"] == 0


def test_market_order_fills_and_shows_in_trades_and_balances(client: ccxt.kraken):
    order = client.fetch_order(client.create_order(PAIR, "market", "buy", 0.75)["id"])
    assert (order["status"], order["filled"]) == ("closed", 0.75)
    assert order["cost"] == pytest.approx(0.5 * 30000.1 + 0.25 * 30000.2)
    fills = sorted(client.fetch_my_trades(PAIR), key=lambda trade: trade["price"])
    assert [(fill["price"], fill["amount"], fill["takerOrMaker"]) for fill in fills] == [
        (30000.1, 0.5, "taker"),
        (30000.2, 0.25, "taker"),
    ]
    balance = client.fetch_balance()
    fees = sum(Decimal(str(fill["fee"]["cost"])) for fill in fills)
    assert balance["BTC"]["total"] == 2.75
    assert Decimal(str(balance["USD"]["total"])) == 100_000 - Decimal(order["info"]["cost"]) - fees
    assert [entry["currency"] for entry in client.fetch_ledger(limit=4)].count("USD") >= 2


def test_every_way_of_ordering_that_ccxt_offers_is_understood(client: ccxt.kraken):
    ways = [
        ("limit", "buy", 29000, {"clientOrderId": "6d1b345e-2821-40e2-ad83-4ecb18a06876"}),
        ("limit", "buy", 29000, {"userref": 12345}),
        ("limit", "buy", 29000, {"postOnly": True}),
        ("limit", "buy", 29000, {"timeInForce": "PO"}),
        ("limit", "buy", 29000, {"timeInForce": "GTD", "expiretm": "+60"}),
        ("market", "sell", None, {"stopLossPrice": 29000.1}),
        ("limit", "sell", 28900, {"stopLossPrice": 29000}),
        ("market", "sell", None, {"takeProfitPrice": 31000}),
        ("market", "sell", None, {"trailingPercent": 5}),
        ("market", "sell", None, {"trailingAmount": 100}),
        ("limit", "buy", 29000, {"close": {"ordertype": "stop-loss-limit", "price": 28000, "price2": 27900}}),
    ]
    placed = [
        client.create_order(PAIR, order_type, side, 0.01, price, params)["id"]
        for order_type, side, price, params in ways
    ]
    kinds = {order["id"]: order["info"]["descr"]["ordertype"] for order in client.fetch_open_orders(PAIR)}
    assert [kinds[order_id] for order_id in placed] == [
        *["limit"] * 5,
        *("stop-loss", "stop-loss-limit", "take-profit", "trailing-stop", "trailing-stop", "limit"),
    ]
    client.cancel_all_orders(PAIR)
    assert client.fetch_open_orders(PAIR) == []


def test_batches_and_the_dead_mans_switch_work(client: ccxt.kraken):
    orders = client.create_orders(
        [
            {"symbol": PAIR, "type": "limit", "side": "buy", "amount": 0.01, "price": price}
            for price in (29000, 29001)
        ]
    )
    client.cancel_orders([order["id"] for order in orders])
    assert client.fetch_open_orders(PAIR) == []
    switch = client.cancel_all_orders_after(60_000)
    assert switch["result"]["triggerTime"] > switch["result"]["currentTime"]


def test_cash_order_spends_what_was_asked(client: ccxt.kraken):
    order = client.create_market_buy_order_with_cost(PAIR, 300)
    assert client.fetch_order(order["id"])["cost"] == pytest.approx(300, abs=0.01)


def test_refusals_arrive_as_the_errors_that_ccxt_knows(client: ccxt.kraken):
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(PAIR, "limit", "buy", 100, 29000)
    with pytest.raises(ccxt.InvalidOrder):
        client.create_order(PAIR, "limit", "buy", 0.00005, 29000)
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order("OAAAAA-AAAAA-AAAAAA")
    client.secret = "AAAA"
    with pytest.raises(ccxt.ExchangeError, match="EAPI:Invalid signature"):
        client.fetch_balance()
    client.apiKey = "other"
    with pytest.raises(ccxt.AuthenticationError):
        client.fetch_balance()
