"""A stop that the market has passed and of which nobody says anything is asked about."""

from decimal import Decimal
from types import SimpleNamespace

from gal_friday_live.passed_stops import PassedStops
from gal_friday_live.refused_protection import FIRST_PAUSE_S, RefusedProtection

TRIGGER = Decimal(90)


def stops(*names):
    return [SimpleNamespace(order=SimpleNamespace(client_order_id=name)) for name in names]


def test_a_stop_is_asked_about_once_the_bid_was_below_its_trigger_at_two_looks():
    asked = []
    passed = PassedStops(asked.append)
    passed.look("BTC/USD", stops("a"), TRIGGER, Decimal(89))
    assert asked == []
    passed.look("BTC/USD", stops("a", "b"), TRIGGER, Decimal(88))
    assert asked == ["a"]


def test_a_stop_that_the_market_has_not_passed_is_left_alone():
    asked = []
    passed = PassedStops(asked.append)
    for bid in (Decimal(89), None, Decimal(89), TRIGGER, Decimal(89)):
        passed.look("BTC/USD", stops("a"), TRIGGER, bid)
    passed.look("ETH/USD", stops("a"), TRIGGER, Decimal(89))
    passed.look("BTC/USD", stops("a"), None, Decimal(89))
    assert asked == []


def test_refused_protection_is_tried_again_within_ten_seconds_however_often_it_was_refused():
    refused = RefusedProtection(gate=None, event_bus=None)
    pauses = [refused.count("BTC/USD") for _ in range(12)]
    assert pauses[:4] == [FIRST_PAUSE_S, 2.0, 4.0, 8.0]
    assert max(pauses) == 10.0
