"""The comparison alone: what each difference is called, and what may be done about it."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from gal_friday_core.account import FillFacts, Flow, OrderFacts
from gal_friday_core.reconciliation import ExchangeView, InternalView, OurOrder, Tolerance, compare
from tests.core.trading import PAIR

ORDER = OurOrder(
    client_order_id="a", exchange_order_id="O1", trading_pair=PAIR, status="NEW", quantity=Decimal(1),
    filled=Decimal(0), updated_at=0, limit_price=Decimal(100),
)  # fmt: skip
FACTS = OrderFacts(
    client_order_id="a", exchange_order_id="O1", trading_pair=PAIR, side="BUY", order_type="LIMIT", status="NEW",
    quantity=Decimal("1.0"), filled=Decimal(0), opened_at=0, limit_price=Decimal("100.00"),
)  # fmt: skip
FILL = FillFacts(
    execution_id="T1", exchange_order_id="O1", client_order_id="a", trading_pair=PAIR, side="BUY", order_type="LIMIT",
    quantity=Decimal("0.5"), price=Decimal(100), fee=Decimal(0), fee_asset="USD", timestamp=0,
)  # fmt: skip
FLOW = Flow(flow_id="L1", kind="DEPOSIT", asset="USD", amount=Decimal(5), timestamp=0)
STRICT = Tolerance(adjust_below=Decimal(1), adjustable=Decimal(3), young_ns=10)


def found(ours=None, theirs=None, tolerance=STRICT):
    theirs = {"read_ns": 100} | (theirs or {})
    differences = compare(InternalView(**(ours or {})), ExchangeView(**theirs), tolerance)
    return [(item.kind, item.resolution) for item in differences]


def test_the_same_on_both_sides_is_no_difference():
    ours = {
        "orders": (ORDER,),
        "executions": frozenset({"T1"}),
        "flows": frozenset({"L1"}),
        "balances": {"USD": Decimal(5)},
    }
    theirs = {
        "open_orders": (FACTS,),
        "fills": (FILL,),
        "flows": (FLOW,),
        "balances": {"USD": Decimal("5.00"), "DOGE": Decimal(9)},
    }
    assert found(ours, theirs) == []


def test_missing_money_comes_first_and_nothing_that_follows_from_it_is_judged():
    ours = {"orders": (ORDER,), "balances": {"USD": Decimal(99)}}
    theirs = {"fills": (FILL,), "flows": (FLOW,), "found": {"a": None}}
    assert found(ours, theirs) == [("MISSED_FILL", "APPLY_FILL"), ("MISSED_FLOW", "BOOK_FLOW")]


@pytest.mark.parametrize("status", ["PENDING_NEW", "UNKNOWN"])
def test_a_fill_without_a_name_waits_while_it_may_be_that_of_an_order_whose_fate_is_open(status):
    """Booked as a stranger's, it would leave that order short of it for ever, and what it bought without a stop."""
    lost = replace(ORDER, status=status, exchange_order_id=None)
    nameless = replace(FILL, client_order_id=None)
    assert found({"orders": (lost,)}, {"fills": (nameless,)}) == [("MISSED_FILL", "WAIT")]
    assert found({"orders": (lost,)}, {"fills": (FILL,)}) == [("MISSED_FILL", "APPLY_FILL")]
    elsewhere = replace(lost, trading_pair="ETH/USD")
    assert found({"orders": (elsewhere,)}, {"fills": (nameless,)}) == [("MISSED_FILL", "APPLY_FILL")]
    assert found({"orders": (lost, ORDER)}, {"fills": (nameless,)}) == [("MISSED_FILL", "APPLY_FILL")]


def test_an_open_order_without_a_name_waits_while_it_may_be_the_stop_of_an_entry_whose_fate_is_open():
    lost = replace(ORDER, status="UNKNOWN", exchange_order_id=None)
    stop = replace(FACTS, client_order_id=None, exchange_order_id="O2", parent_exchange_order_id="O1")
    assert found({"orders": (lost,)}, {"open_orders": (stop,)}) == [("UNKNOWN_ORDER", "WAIT")]
    parent = replace(ORDER, client_order_id="b", filled=Decimal(1), quantity=Decimal(1))
    known = {"found": {"b": replace(FACTS, filled=Decimal(1), limit_price=Decimal(100))}}
    ours = {"orders": (lost, parent)}
    assert ("UNKNOWN_ORDER", "ADOPT_ORDER") in found(ours, {"open_orders": (stop,)} | known)
    stranger = replace(FACTS, client_order_id="his", exchange_order_id="O3")
    assert ("UNKNOWN_ORDER", "ADOPT_ORDER") in found({"orders": (lost,)}, {"open_orders": (stranger,)})


def test_flows_of_assets_that_are_not_ours_to_count_are_left_alone():
    assert found({"balances": {"USD": Decimal(0)}}, {"flows": (replace(FLOW, asset="DOGE"),)}) == []


def test_an_unknown_order_is_adopted():
    assert found({}, {"open_orders": (FACTS,)}) == [("UNKNOWN_ORDER", "ADOPT_ORDER")]


def test_an_order_is_known_by_the_exchanges_name_too():
    assert found({"orders": (ORDER,)}, {"open_orders": (replace(FACTS, client_order_id=None),)}) == []


@pytest.mark.parametrize(
    ("order", "facts", "expected"),
    [
        ({}, {"status": "CANCELED"}, ("ORDER_ENDED", "TAKE_STATE")),
        ({}, {"filled": Decimal("0.5")}, ("ORDER_LAGS", "WAIT")),
        ({"filled": Decimal("0.5")}, {}, ("ORDER_LAGS", "WAIT")),
        ({}, {"status": "FILLED", "filled": Decimal(1)}, ("ORDER_LAGS", "WAIT")),
        ({"status": "UNKNOWN"}, {}, ("ORDER_STATE", "TAKE_STATE")),
        ({"status": "PENDING_NEW"}, {}, ("ORDER_STATE", "TAKE_STATE")),
        ({}, {"quantity": Decimal(2)}, ("ORDER_STATE", "TAKE_STATE")),
        ({}, {"trigger_price": Decimal(2)}, ("ORDER_STATE", "TAKE_STATE")),
    ],
)  # fmt: skip
def test_what_the_exchange_knows_of_an_order(order, facts, expected):
    assert found({"orders": (replace(ORDER, **order),)}, {"found": {"a": replace(FACTS, **facts)}}) == [
        expected
    ]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"updated_at": 95}, [("ORDER_GONE", "WAIT")]),
        ({"updated_at": 90}, [("ORDER_GONE", "END_ORDER")]),
        ({"status": "UNKNOWN"}, []),
        ({"status": "PENDING_NEW"}, []),
    ],
)
def test_an_order_that_the_exchange_does_not_know(order, expected):
    assert found({"orders": (replace(ORDER, **order),)}, {"found": {"a": None}}) == expected


def test_what_a_stranger_had_filled_before_he_was_adopted_is_not_waited_for():
    theirs = {"open_orders": (replace(FACTS, client_order_id=None, filled=Decimal("0.5")),)}
    assert found({"orders": (replace(ORDER, client_order_id="external:O1"),)}, theirs) == []


@pytest.mark.parametrize(
    ("there", "prices", "expected"),
    [
        ("99.5", {"USD": Decimal(1)}, [("BALANCE_DIFFERS", "ADJUST")]),
        ("98.5", {"USD": Decimal(1)}, [("BALANCE_DIFFERS", "HALT")]),
        ("98.5", {}, [("BALANCE_DIFFERS", "WAIT")]),
        ("100.00", {}, []),
        (
            "100.000000001",
            {"USD": Decimal(1)},
            [],
        ),  # finer than anything is booked: no adjustment could end it
        ("100.00000001", {"USD": Decimal(1)}, [("BALANCE_DIFFERS", "ADJUST")]),
    ],
)
def test_a_balance_that_nothing_explains(there, prices, expected):
    ours = {"balances": {"USD": Decimal(100)}, "prices": prices}
    assert found(ours, {"balances": {"USD": Decimal(there)}}) == expected


def test_adjustments_together_stay_within_what_is_left_for_the_day():
    ours = {"balances": dict.fromkeys("ABCDE", Decimal(0)), "prices": dict.fromkeys("ABCDE", Decimal(1))}
    theirs = {"balances": dict.fromkeys("ABCDE", Decimal(1))}
    assert [resolution for _, resolution in found(ours, theirs)] == ["ADJUST"] * 3 + ["HALT"] * 2


def test_coins_without_a_price_are_waited_for():
    assert found(
        {"unpriced": ("BTC",), "balances": {"BTC": Decimal(1)}}, {"balances": {"BTC": Decimal(1)}}
    ) == [("COINS_WITHOUT_PRICE", "WAIT")]
