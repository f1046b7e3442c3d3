"""One next step for a position's protection: never more than is held, never while something is on its way."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gal_friday_core.blotter import OrderRecord, Sells
from gal_friday_core.brackets import (
    Bracket,
    Brackets,
    Cancel,
    Desk,
    GrowStop,
    Offer,
    PlaceStop,
    SellNow,
    SendFreed,
    Swap,
    TakeTarget,
    TooSmall,
    decide,
    unprotected,
)
from gal_friday_core.instruments import Instrument
from tests.core.trading import PAIR, fill, order

INSTRUMENT = Instrument(PAIR, price_tick=Decimal("0.1"), lot=Decimal("0.01"), min_quantity=Decimal("0.1"))
STOP, TARGET = Decimal(90), Decimal(110)


def resting(key, quantity, purpose="STOP", status="NEW", side="SELL"):
    made = replace(order(key, side, "STOP_LOSS", str(quantity), trigger_price=90), purpose=purpose)
    return OrderRecord(made, made.quantity, None, made.trigger_price, status=status)


def desk(held="1", *, stops=(), leaving=(), others=(), entries=(), bid="100", **changes):
    given = {
        "bracket": Bracket(PAIR, "a", "signal-a", STOP, TARGET, Decimal(held)),
        "position": Decimal(held), "sells": Sells(tuple(stops), tuple(leaving), tuple(others)),
        "entries": tuple(entries), "swap": None, "best_bid": Decimal(bid) if bid else None,
        "instrument": INSTRUMENT, "amends": True, "settled": True,
    }  # fmt: skip
    return Desk(**{**given, **changes})


def test_what_has_no_stop_gets_one():
    assert decide(desk(stops=[resting("s", "0.4")])) == PlaceStop(Decimal("0.6"), STOP)


def test_what_is_covered_is_left_alone():
    assert decide(desk(stops=[resting("s", 1)])) is None
    assert decide(desk(stops=[resting("s", 1, status="UNKNOWN")])) is None
    assert decide(desk(leaving=[resting("s", 1, status="PENDING_CANCEL")])) is None


def test_beyond_the_stop_it_is_sold_at_once_and_with_no_price_known_it_gets_the_stop():
    assert decide(desk(bid="90")) == SellNow(Decimal(1))
    assert decide(desk(bid=None)) == PlaceStop(Decimal(1), STOP)


def offered(key, quantity):
    made = replace(order(key, "SELL", "LIMIT", str(quantity), limit_price=90), purpose="STOP")
    return OrderRecord(made, made.quantity, made.limit_price, None, status="NEW")


def test_where_nobody_buys_a_stop_would_end_at_once_and_an_offer_rests():
    assert decide(desk(bid=None, nobody_buys=True)) == Offer(Decimal(1), STOP)
    assert decide(desk(bid="90", nobody_buys=True)) == Offer(Decimal(1), STOP)
    above = desk(bid="90.1", nobody_buys=True)
    assert decide(above) == PlaceStop(Decimal(1), STOP)  # an offer would sell what nothing asks to be sold


def test_an_offer_gives_way_to_buyers_after_a_while():
    stops = [offered("o", 1)]
    assert decide(desk(stops=stops, bid=None)) is None
    assert decide(desk(stops=stops, bid="80", may_lift_offer=False)) is None
    assert decide(desk(stops=stops, bid="80")) == Cancel(("o",))
    assert decide(desk(stops=[resting("s", 1)], bid="80")) is None


def test_while_the_venue_may_yet_tell_of_its_own_stop_nothing_is_placed():
    assert decide(desk(settled=False)) is None


def test_a_position_that_is_not_ours_is_not_touched():
    assert decide(desk(position=Decimal(0))) is None
    assert decide(desk(position=Decimal(5))) == PlaceStop(Decimal(1), STOP)


def test_too_little_joins_a_stop_that_rests_or_waits():
    small = {"stops": [resting("s", "0.95")]}
    assert decide(desk(**small)) == GrowStop("s", Decimal("1.00"))
    assert decide(desk(**small, amends=False)) == Cancel(("s",))
    assert decide(desk("0.05")) == TooSmall(Decimal("0.05"))
    assert not unprotected(desk("0.05"))


def test_the_target_is_taken_where_the_bid_is_there_and_nothing_else_sells():
    stops = [resting("s", 1)]
    assert decide(desk(stops=stops, bid="110")) == TakeTarget(TARGET)
    assert decide(desk(stops=stops, bid="109.9")) is None
    assert decide(desk(stops=stops, bid="110", may_take_target=False)) is None
    assert decide(desk(others=[resting("e", 1, "EXIT")], bid="110")) is None


def test_a_swap_ends_entries_then_stops_then_sells_what_that_freed():
    swap = Swap("TARGET")
    entry = resting("b", 1, "ENTRY", side="BUY")
    stop = resting("s", 1)
    assert decide(desk(stops=[stop], entries=[entry], swap=swap)) is None  # the plan is not durable yet
    swap.durable = True
    assert decide(desk(stops=[stop], entries=[entry], swap=swap)) == Cancel(("b",))
    swap.asked.add("b")
    assert decide(desk(stops=[stop], entries=[entry], swap=swap)) is None
    assert decide(desk(stops=[stop], swap=swap)) == Cancel(("s",))
    swap.asked.add("s")
    assert decide(desk(leaving=[stop], swap=swap)) is None
    assert decide(desk(swap=swap)) == SendFreed(Decimal(1))
    assert decide(desk("0.001", swap=swap)) == SendFreed(Decimal(0))


def test_an_exit_waits_until_no_other_sale_of_ours_is_under_way():
    swap = Swap("EXIT", durable=True)
    assert decide(desk(others=[resting("t", "0.4", "TARGET")], swap=swap)) is None
    assert decide(desk(others=[resting("e", "0.4", "EXIT", "UNKNOWN")], swap=swap)) is None
    assert decide(desk(others=[resting("x", "0.4", "EXTERNAL")], swap=swap)) == SendFreed(Decimal("0.6"))


def test_an_entry_that_nobody_knows_of_holds_up_no_exit():
    swap = Swap("EXIT", durable=True)
    lost = resting("b", 1, "ENTRY", "UNKNOWN", "BUY")
    assert decide(desk(stops=[resting("s", 1)], entries=[lost], swap=swap)) == Cancel(("s",))


QUANTITIES = st.integers(0, 200).map(lambda units: Decimal(units) / 100)


@st.composite
def desks(draw):
    return desk(
        str(draw(QUANTITIES)), position=draw(QUANTITIES), amends=draw(st.booleans()), settled=draw(st.booleans()),
        bid=draw(st.sampled_from(["80", "90", "100", "110", None])),
        stops=[resting(f"s{n}", draw(QUANTITIES)) for n in range(draw(st.integers(0, 3)))],
        leaving=[resting(f"l{n}", draw(QUANTITIES), status="PENDING_CANCEL") for n in range(draw(st.integers(0, 2)))],
        others=[resting(f"o{n}", draw(QUANTITIES), "EXIT") for n in range(draw(st.integers(0, 2)))],
        swap=Swap("TARGET", durable=True) if draw(st.booleans()) else None,
    )  # fmt: skip


@given(desks())
def test_no_step_ever_sells_more_than_is_held_and_free(looked):
    step = decide(looked)
    claimed = sum((record.quantity for group in looked.sells for record in group), Decimal(0))
    free = max(min(looked.bracket.quantity, looked.position) - claimed, Decimal(0))
    if isinstance(step, PlaceStop | SellNow | SendFreed | TooSmall):
        assert step.quantity <= free
    if isinstance(step, SendFreed):
        assert not looked.sells.stops
        assert not looked.sells.leaving
    if isinstance(step, GrowStop):
        (grown,) = [one for one in looked.sells.stops if one.order.client_order_id == step.client_order_id]
        assert step.quantity - grown.quantity <= free


def bought(quantity, price="100", **changes):
    return order("a", stop_price=90, target_price=110), fill("a", "BUY", quantity, price, **changes)


def test_a_bracket_follows_the_fills_and_ends_with_the_last_sale():
    brackets = Brackets()
    brackets.apply(*bought("1"))
    assert (brackets.get(PAIR).quantity, brackets.get(PAIR).stop, brackets.get(PAIR).entry) == (1, STOP, "a")
    brackets.apply(order("s", "SELL"), fill("s", "SELL", "0.4", "110"))
    assert brackets.get(PAIR).quantity == Decimal("0.6")
    brackets.apply(order("s", "SELL"), fill("s", "SELL", "0.6", "110"))
    assert brackets.pairs() == ()


def test_a_fee_taken_in_the_base_asset_was_never_held():
    brackets = Brackets()
    brackets.apply(*bought("1", fee="0.002", fee_asset="BTC"))
    assert brackets.get(PAIR).quantity == Decimal("0.998")


def test_what_somebody_else_bought_has_no_bracket():
    brackets = Brackets()
    brackets.apply(replace(order("x"), purpose="EXTERNAL"), fill("x", "BUY", "1", "100"))
    assert brackets.pairs() == ()
