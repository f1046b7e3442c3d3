"""The last look before the send: against the account of that instant, its own reservation aside."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from gal_friday_core.config import RiskConfig
from gal_friday_core.instruments import Instrument
from gal_friday_core.orders import Order
from gal_friday_core.portfolio import Position
from gal_friday_core.reservations import Reservations
from gal_friday_core.risk.order_checks import OrderChecks
from gal_friday_live.clock import SimulatedClock
from tests.core.risk.desks import reserved
from tests.core.trading import COSTS, PAIR

D = Decimal
ENTRY = Order(
    client_order_id="o", signal_id="s", trading_pair=PAIR, side="BUY", order_type="MARKET", quantity=D(1),
    created_at=0, stop_price=D(95), target_price=D(110),
)  # fmt: skip
EXIT = Order(
    client_order_id="x", signal_id="e", trading_pair=PAIR, side="SELL", order_type="MARKET", quantity=D(2),
    created_at=0, reduce_only=True, purpose="EXIT",
)  # fmt: skip


def checks(*reservations, cash="101", held="2", **changes):
    ports = {
        "instruments": [Instrument(PAIR, price_tick=D("0.01"), lot=D("0.001"))],
        "reservations": Reservations(reservations), "clock": SimulatedClock(0), "costs": COSTS,
        "limits": RiskConfig, "cash": lambda: D(cash), "order_types": lambda: frozenset({"MARKET"}),
        "position": lambda _: Position(quantity=D(held), cost=D(held) * 100),
    }  # fmt: skip
    return OrderChecks(**{**ports, **changes})


def code(verdict):
    return verdict.code if verdict is not None else None


def test_an_entry_may_spend_what_was_reserved_for_it():
    own = reserved("s", quantity="1")
    assert checks(own).why(ENTRY) is None
    assert code(checks(own, cash="100").why(ENTRY)) == "INSUFFICIENT_FUNDS"
    assert code(checks(own, reserved("other", quantity="1")).why(ENTRY)) == "INSUFFICIENT_FUNDS"


def test_an_exit_may_sell_what_no_other_exit_sells():
    assert checks(reserved("e", "SELL", "2")).why(EXIT) is None
    competing = checks(reserved("e", "SELL", "2"), reserved("other", "SELL", "0.5"))
    assert code(competing.why(EXIT)) == "REDUCE_ONLY_WOULD_INCREASE"


@pytest.mark.parametrize(
    ("order", "ports", "expected"),
    [
        (replace(ENTRY, trading_pair="ETH/USD"), {}, "UNKNOWN_PAIR"),
        (replace(ENTRY, order_type="LIMIT", limit_price=D(100)), {}, "UNSUPPORTED_ORDER_TYPE"),
        (ENTRY, {"trading": lambda: "REDUCING"}, "REDUCING"),
        (ENTRY, {"limits": lambda: RiskConfig(max_order_value=D(99))}, "EXCEEDS_MAX_ORDER_VALUE"),
        (EXIT, {"trading": lambda: "HALTED"}, None),
    ],
)
def test_states_limits_and_the_venue_are_asked_at_that_instant(order, ports, expected):
    assert code(checks(reserved("s", quantity="1"), **ports).why(order)) == expected


@pytest.mark.parametrize("purpose", ["STOP", "TARGET", "LIQUIDATION"])
def test_who_keeps_a_position_safe_answers_for_protection(purpose):
    assert checks(held="0").why(replace(EXIT, purpose=purpose)) is None


def test_the_status_that_the_exchange_told_last_counts():
    looked = checks(reserved("s", quantity="1"))
    looked.listed(PAIR, "post_only")
    assert code(looked.why(ENTRY)) == "PAIR_NOT_ONLINE"
    looked.listed("ETH/USD", "online")
    assert code(looked.why(ENTRY)) == "PAIR_NOT_ONLINE"
    looked.listed(PAIR, "online")
    assert looked.why(ENTRY) is None
