import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.account import Flow
from gal_friday_core.errors import ContractError
from gal_friday_core.kraken import rest_shapes as shapes
from gal_friday_core.kraken.names import PairNames, asset_name
from gal_friday_core.kraken.rest_shapes import read
from tests.core.kraken_books import mutated

NAMES = PairNames.of(
    [
        ("XXBTZUSD", "XBTUSD", "XBT/USD"),
        ("XBTUSDT", "XBTUSDT", "XBT/USDT"),
        ("ETHUSDT", "ETHUSDT", "ETH/USDT"),
        ("LTCUSDT", "LTCUSDT", "LTC/USDT"),
        ("XXRPZUSD", "XRPUSD", "XRP/USD"),
    ]
)


def result(path: Path) -> bytes:
    return bytes(read(path.read_bytes(), shapes.Envelope).result)


def case(shared_data: Path, name: str) -> Any:
    cases = json.loads((shared_data / "kraken_rest/private/ccxt_fixture_responses.json").read_text())["cases"]
    return next(entry["response"]["result"] for entry in cases if entry["case"] == name)


def order(shared_data: Path, name: str) -> Any:
    found = case(shared_data, name)
    orders = read(json.dumps(found.get("open", found)).encode(), dict[str, shapes.OrderShape])
    return next(shapes.order_facts(order_id, shape, NAMES) for order_id, shape in orders.items())


def test_a_resting_limit_order_is_new_and_has_no_average(shared_data: Path):
    facts = order(shared_data, "open post-only limit")
    assert (facts.status, facts.limit_price, facts.average_price) == ("NEW", 50, None)
    assert (facts.trading_pair, facts.opened_at) == ("LTC/USDT", 1705259439_563000000)


def test_a_filled_market_order_has_its_average_and_its_end(shared_data: Path):
    facts = order(shared_data, "closed market order (filled)")
    assert (facts.status, facts.filled, facts.average_price) == (
        "FILLED",
        Decimal("0.1"),
        Decimal("71.05741"),
    )
    assert facts.closed_at == 1705260547_472865800
    assert facts.limit_price is None


def test_trigger_and_limit_are_where_the_order_type_puts_them(shared_data: Path):
    target, stop = order(shared_data, "take-profit (market)"), order(shared_data, "stop-loss-limit")
    trailing = order(shared_data, "trailing-stop +50% on index")
    assert (target.trigger_price, target.limit_price) == (120, None)
    assert (stop.trigger_price, stop.limit_price) == (55, 54)
    assert trailing.trigger_price == Decimal("0.7579")


def test_balances_have_our_names(shared_data: Path):
    raw = result(shared_data / "kraken_rest/private/http_spot_balance.json")
    assert shapes.balances(read(raw, dict[str, Decimal])) == {"USD": 200_000, "BTC": Decimal("0.5"), "ETH": 2}


def test_fills_are_read_with_their_fee_in_quote(shared_data: Path):
    raw = result(shared_data / "kraken_rest/private/http_trades_history.json")
    first, second = [
        shapes.fill_facts(key, fill, NAMES) for key, fill in read(raw, shapes.TradesHistory).trades.items()
    ]
    assert (first.trading_pair, first.side, first.fee, first.fee_asset, first.maker) == (
        "BTC/USDT",
        "BUY",
        Decimal("23.60"),
        "USDT",
        True,
    )
    assert (second.timestamp, second.exchange_order_id) == (1688586440_345600000, "OYEQF4-FDE4C-NMUYUI")


@pytest.mark.parametrize(
    "name", ["AssetPairs_full_2021-04-17.json", "http_asset_pairs.json", "http_asset_pairs_tokenized.json"]
)
def test_every_real_pair_becomes_an_instrument(shared_data: Path, name: str):
    listed = read(result(shared_data / "kraken_rest/public" / name), dict[str, shapes.PairShape])
    names = PairNames.of(
        (rest_id, pair.altname, pair.wsname) for rest_id, pair in listed.items() if pair.wsname
    )
    made = {
        names.symbol(rest_id): shapes.instrument(names.symbol(rest_id), pair)
        for rest_id, pair in listed.items()
        if pair.wsname
    }
    assert made
    assert all(instrument.price_tick > 0 for instrument in made.values())
    if "XXBTZUSD" in listed:
        assert made["BTC/USD"].price_tick == Decimal("0.1")
        assert names.rest("BTC/USD") == "XBTUSD"


def test_every_name_of_the_sheet_is_ours():
    names = {
        "XXBT": "BTC",
        "XBT": "BTC",
        "XXDG": "DOGE",
        "XDG": "DOGE",
        "ZUSD": "USD",
        "ADA": "ADA",
        "XTZ": "XTZ",
    }
    assert {name: asset_name(name) for name in names} == names


def test_staked_coins_are_not_counted_as_coins_to_trade():
    found = {"XXBT": Decimal(1), "XBT.M": Decimal(2), "XBT": Decimal("0.5")}
    assert shapes.balances(found) == {"BTC": Decimal("1.5"), "BTC.M": Decimal(2)}


def ledger(kind: str, amount: str, fee: str = "0") -> shapes.LedgerShape:
    return shapes.LedgerShape(
        type=kind, asset="ZUSD", amount=Decimal(amount), fee=Decimal(fee), time=Decimal("1700000000.5")
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("deposit", "DEPOSIT"),
        ("withdrawal", "WITHDRAWAL"),
        ("transfer", "TRANSFER"),
        ("staking", "STAKING"),
        ("adjustment", "ADJUSTMENT"),
        ("a kind of next year", "ADJUSTMENT"),
    ],
)
def test_money_that_moves_without_a_trade_is_a_flow_net_of_its_fee(kind: str, expected: str):
    assert shapes.flow("L1", ledger(kind, "-100", "2.5")) == Flow(
        flow_id="L1", kind=expected, asset="USD", amount=Decimal("-102.5"), timestamp=1700000000_500000000
    )


def test_a_trades_entry_is_no_flow():
    assert shapes.flow("L1", ledger("trade", "-100")) is None


def test_an_order_partly_filled_and_cancelled_keeps_what_was_filled():
    shape = shapes.OrderShape(
        status="canceled",
        opentm=Decimal(1),
        descr=shapes.OrderDescription(pair="XBTUSD", type="buy", ordertype="limit", price="100"),
        vol=Decimal(2),
        vol_exec=Decimal(1),
        cost=Decimal(100),
        price=Decimal(100),
    )
    facts = shapes.order_facts("O1", shape, NAMES)
    assert (facts.status, facts.filled, facts.quantity) == ("CANCELED", 1, 2)


def test_an_order_placed_in_quote_currency_counts_in_base():
    shape = shapes.OrderShape(
        status="closed",
        opentm=Decimal(1),
        descr=shapes.OrderDescription(pair="XBTUSD", type="buy", ordertype="market"),
        vol=Decimal(100),
        vol_exec=Decimal("0.003"),
        cost=Decimal(100),
        price=Decimal(33_333),
        oflags="fciq,viqc",
    )
    assert shapes.order_facts("O1", shape, NAMES).quantity == Decimal("0.003")


def test_a_pair_that_is_not_listed_is_refused_by_name():
    with pytest.raises(ContractError, match="NEWUSD"):
        NAMES.symbol("NEWUSD")
    with pytest.raises(ContractError, match="NEW/USD"):
        NAMES.rest("NEW/USD")


def test_an_answer_of_another_form_is_refused_without_showing_it():
    with pytest.raises(ContractError) as refused:
        read(b'{"token":"a secret token","expires":"never"}', shapes.Token)
    assert "a secret token" not in str(refused.value)


@given(st.integers(0, 4 * 10**18))
def test_seconds_become_nanoseconds_exactly(ns: int):
    assert shapes.nanoseconds(Decimal(ns).scaleb(-9)) == ns


ANSWER = (
    b'{"error":[],"result":{"open":{"O1":{"refid":null,"userref":0,"status":"open","opentm":1688583840.8648,'
    b'"descr":{"pair":"XBTUSDT","type":"buy","ordertype":"limit","price":"29500.0","price2":"0"},'
    b'"vol":"0.5","vol_exec":"0.1","cost":"0","fee":"0","price":"29500.0","stopprice":"0","limitprice":"0",'
    b'"misc":"","oflags":"fciq"}}}}'
)


@given(st.data())
def test_a_damaged_answer_is_refused_or_read_and_nothing_else_is_raised(data: st.DataObject):
    raw = data.draw(mutated([ANSWER]))
    try:
        envelope = read(raw, shapes.Envelope)
        found = read(envelope.result, shapes.OpenOrders).open
        facts = [shapes.order_facts(order_id, shape, NAMES) for order_id, shape in found.items()]
    except ContractError:
        return
    assert all(msgspec.json.encode(fact) for fact in facts)
