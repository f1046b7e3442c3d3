"""The last look at an order: form, venue, account; and that it lets through what the signal's check approves."""

from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from msgspec.structs import replace

from gal_friday_core.instruments import Instrument
from gal_friday_core.orders import Order
from gal_friday_core.payloads import OrderType
from gal_friday_core.risk.check import check
from gal_friday_core.risk.codes import CODES, Approved
from gal_friday_core.risk.orders import _NEEDS, Account, deny, deny_list
from tests.core.risk.desks import INSTRUMENT
from tests.core.test_risk import worlds
from tests.core.trading import PAIR

TEN = Instrument(
    PAIR, price_tick=Decimal("0.01"), lot=Decimal("0.001"), min_quantity=Decimal("0.01"),
    min_cost=Decimal(5), max_quantity=Decimal(10),
)  # fmt: skip
ALL_TYPES = frozenset(get_args(OrderType))
ACCOUNT = Account(
    instrument=TEN, order_types=ALL_TYPES - {"ICEBERG"}, now_ns=100, held=Decimal(2), selling=Decimal(1),
    free=Decimal(202), fee_rate=Decimal("0.01"), price=Decimal(100), max_order_value=Decimal(250),
    known=frozenset({"used"}),
)  # fmt: skip
BUY = Order(
    client_order_id="a", signal_id="s", trading_pair=PAIR, side="BUY", order_type="MARKET", quantity=Decimal(2),
    created_at=1, stop_price=Decimal(95), target_price=Decimal(110),
)  # fmt: skip
SELL = Order(
    client_order_id="b", signal_id="s", trading_pair=PAIR, side="SELL", order_type="MARKET",
    quantity=Decimal(1), created_at=1, purpose="EXIT", reduce_only=True,
)  # fmt: skip


def test_orders_that_the_account_can_bear_pass():
    assert deny(BUY, ACCOUNT) is None
    assert deny(SELL, ACCOUNT) is None
    assert deny(replace(SELL, purpose="STOP", quantity=Decimal(2)), ACCOUNT) is None
    assert deny(replace(SELL, client_order_id="0b6ff4c8-07a3-5a40-9ff0-6f38a9a9a0b1"), ACCOUNT) is None


D = Decimal
REFUSED = [
    ({"client_order_id": "used"}, "DUPLICATE_CLIENT_ORDER_ID"),
    ({"client_order_id": "x" * 19}, "INVALID_CLIENT_ORDER_ID"),
    ({"client_order_id": ""}, "INVALID_CLIENT_ORDER_ID"),
    ({"trading_pair": "ETH/USD"}, "UNKNOWN_PAIR"),
    ({"quantity": D("1.0001")}, "QUANTITY_PRECISION"),
    ({"quantity": D("0.005")}, "BELOW_MINIMUM"),
    ({"quantity": D("0.04")}, "BELOW_MINIMUM"),
    ({"quantity": D(11)}, "EXCEEDS_MAX_QUANTITY"),
    ({"quantity": D("2.001")}, "INSUFFICIENT_FUNDS"),
    ({"stop_price": D("95.001")}, "PRICE_PRECISION"),
    ({"target_price": D(-1)}, "PRICE_PRECISION"),
    ({"order_type": "LIMIT", "limit_price": D("99.999")}, "PRICE_PRECISION"),
    ({"order_type": "LIMIT"}, "MISSING_PRICE"),
    ({"order_type": "STOP_LOSS_LIMIT", "trigger_price": D(99)}, "MISSING_PRICE"),
    ({"order_type": "TRAILING_STOP"}, "MISSING_PRICE"),
    ({"order_type": "ICEBERG", "limit_price": D(100), "display_quantity": D(1)}, "UNSUPPORTED_ORDER_TYPE"),
    ({"order_type": "LIMIT", "limit_price": D(100), "time_in_force": "GTD"}, "MISSING_EXPIRY"),
    ({"expires_at": 100}, "EXPIRED"),
    ({"deadline": 99}, "EXPIRED"),
    ({"time_in_force": "IOC"}, "UNSUPPORTED_TIME_IN_FORCE"),
    ({"order_type": "LIMIT", "limit_price": D(100), "time_in_force": "IOC", "post_only": True},
     "UNSUPPORTED_TIME_IN_FORCE"),
    ({"order_type": "STOP_LOSS", "trigger_price": D(100), "time_in_force": "FOK"}, "UNSUPPORTED_TIME_IN_FORCE"),
    ({"post_only": True}, "POST_ONLY_MARKET"),
    ({"stop_price": None}, "MISSING_STOP"),
    ({"stop_price": D(100)}, "INVALID_PROTECTION"),
    ({"target_price": D(95)}, "INVALID_PROTECTION"),
    ({"reduce_only": True}, "REDUCE_ONLY_WOULD_INCREASE"),
    ({"purpose": "STOP"}, "REDUCE_ONLY_WOULD_INCREASE"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "code"), REFUSED)
def test_a_buy_is_refused_with_its_code(changes, code):
    verdict = deny(replace(BUY, **changes), ACCOUNT)
    assert verdict.code == code
    assert code in CODES
    assert verdict.details["value"] or code == "INVALID_CLIENT_ORDER_ID"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity": D("1.001")}, "REDUCE_ONLY_WOULD_INCREASE"),
        ({"quantity": D("1.001"), "reduce_only": False}, "NO_SHORTS"),
        ({"quantity": D("2.001"), "purpose": "LIQUIDATION"}, "REDUCE_ONLY_WOULD_INCREASE"),
        ({"stop_price": D(90)}, "INVALID_PROTECTION"),
    ],
)
def test_a_sell_beyond_what_is_held_is_refused(changes, code):
    assert deny(replace(SELL, **changes), ACCOUNT).code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"trading": "HALTED"}, "HALTED"),
        ({"trading": "REDUCING"}, "REDUCING"),
        ({"trading": "REDUCING", "block": ("LOOP_LAG", "0.4 s")}, "LOOP_LAG"),
        ({"block": ("RECONCILING", "after a reconnect")}, "RECONCILING"),
        ({"max_order_value": D(199)}, "EXCEEDS_MAX_ORDER_VALUE"),
        ({"min_order_value": D(201)}, "BELOW_MINIMUM"),
    ],
)
def test_only_buys_are_kept_back_by_states_and_limits(changes, code):
    account = replace(ACCOUNT, **changes)
    assert deny(BUY, account).code == code
    assert deny(SELL, account) is None


@pytest.mark.parametrize(
    ("status", "buy", "sell"),
    [("cancel_only", False, False), ("reduce_only", False, True), ("limit_only", False, False)],
)
def test_the_status_of_the_pair_decides_what_it_takes(status, buy, sell):
    pair = Instrument(PAIR, price_tick=Decimal("0.01"), status=status)
    account = replace(ACCOUNT, instrument=pair)
    assert (deny(BUY, account) is None, deny(SELL, account) is None) == (buy, sell)


def test_a_limited_pair_takes_what_rests():
    pair = Instrument(PAIR, price_tick=Decimal("0.01"), status="limit_only")
    resting = replace(BUY, order_type="LIMIT", limit_price=D(100))
    assert deny(resting, replace(ACCOUNT, instrument=pair)) is None
    posted = Instrument(PAIR, price_tick=Decimal("0.01"), status="post_only")
    assert deny(resting, replace(ACCOUNT, instrument=posted)).code == "PAIR_NOT_ONLINE"
    assert deny(replace(resting, post_only=True), replace(ACCOUNT, instrument=posted)) is None


def test_every_order_type_says_what_it_needs():
    assert set(_NEEDS) == set(ALL_TYPES)


def test_funds_tell_by_how_much_they_fall_short():
    verdict = deny(replace(BUY, quantity=D("2.001")), ACCOUNT)
    assert verdict.details == {"limit": "202", "value": "202.101", "over": "0.101"}


def test_a_list_is_sent_whole_or_not_at_all():
    small = replace(BUY, quantity=D(1))
    stop = replace(SELL, client_order_id="c", purpose="STOP", parent="a", quantity=D(1))
    assert deny_list([small, stop], ACCOUNT) == {}
    refused = deny_list([small, replace(stop, quantity=D(3))], ACCOUNT)
    assert {key: found.code for key, found in refused.items()} == {
        "a": "LIST_DENIED",
        "c": "REDUCE_ONLY_WOULD_INCREASE",
    }
    assert refused["a"].details == {"value": "c", "because": "REDUCE_ONLY_WOULD_INCREASE"}


def test_orders_that_pass_alone_may_be_too_much_together():
    second = replace(BUY, client_order_id="c", quantity=D(1))
    assert deny(BUY, ACCOUNT) is None
    assert deny(second, ACCOUNT) is None
    refused = deny_list([BUY, second, SELL], ACCOUNT)
    assert [refused[key].code for key in "acb"] == ["CUMULATIVE_FUNDS", "CUMULATIVE_FUNDS", "LIST_DENIED"]
    sales = [SELL, replace(SELL, client_order_id="c")]
    assert {found.code for found in deny_list(sales, ACCOUNT).values()} == {"NO_SHORTS"}


@pytest.mark.parametrize(
    "orders",
    [
        [],
        [BUY, BUY],
        [BUY, replace(SELL, trading_pair="ETH/USD")],
        [BUY, replace(SELL, purpose="STOP", parent="never sent")],
    ],
    ids=["empty", "an id twice", "two pairs", "a parent that is missing"],
)
def test_an_incomplete_list_is_refused(orders):
    assert {found.code for found in deny_list(orders, ACCOUNT).values()} == {"LIST_INCOMPLETE"}


@given(worlds())
def test_what_the_signal_check_approves_the_order_check_lets_pass(world):
    proposed, on = world
    verdict = check(proposed, on)
    if not isinstance(verdict, Approved):
        return
    reservations = on.reservations
    account = Account(
        instrument=INSTRUMENT, order_types=ALL_TYPES, now_ns=on.now_ns, held=on.state.held(PAIR),
        selling=reservations.selling(PAIR), free=on.state.cash - reservations.cash(),
        fee_rate=on.costs.taker_fee, price=verdict.reservation.price,
        min_order_value=on.limits.min_order_value,
    )  # fmt: skip
    buys = proposed.side == "BUY"
    order = Order(
        client_order_id="o", signal_id="s", trading_pair=PAIR, side=proposed.side, order_type=proposed.entry_type,
        quantity=verdict.quantity, created_at=0, limit_price=proposed.proposed_entry_price,
        stop_price=proposed.proposed_sl_price if buys else None, reduce_only=not buys,
        purpose="ENTRY" if buys else "EXIT",
    )  # fmt: skip
    assert deny(order, account) is None
