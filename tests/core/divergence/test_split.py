"""The parts of live minus backtest: they add up, and each cause shows where it belongs."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.divergence.split import PARTS, Decision, Lived, split, together
from gal_friday_core.divergence.trades import Leg, Trade, net_of, trades_of

RATE = Decimal("0.002")
MARK = Decimal(100)
D = Decimal


def leg(ts, side, quantity, price, rate=RATE):
    return Leg(ts_ns=ts, side=side, quantity=D(quantity), price=D(price), fee=D(0)).charged(rate)


def trade(moment, quantity="2", bought="100", sold="103", rate=RATE):
    return Trade(
        decided_ns=moment,
        legs=(leg(moment + 1, "BUY", quantity, bought, rate), leg(moment + 5, "SELL", quantity, sold, rate)),
    )


def approved(quantity="2", **changes):
    return Decision(verdict="APPROVED", quantity=D(quantity), **changes)


SAME = [trade(10), trade(20, sold="98"), trade(30)]
AGREED = {10: approved(), 20: approved(), 30: approved()}


def parts(live, decisions=None, backtest=SAME, on_bars=None, simulated=None):
    on_bars = backtest if on_bars is None else on_bars
    found = split(
        backtest, on_bars, on_bars if simulated is None else simulated,
        Lived(trades=tuple(live), decisions=AGREED if decisions is None else decisions), mark=MARK, fee_rate=RATE,
    )  # fmt: skip
    assert sum(found.parts.values()) == found.gap
    assert found.live == net_of(live, MARK).quantize(D("0.01"))
    return {name: amount for name, amount in found.parts.items() if amount}


def test_where_live_did_what_the_backtest_did_there_is_nothing_to_explain():
    assert parts(SAME) == {}


@pytest.mark.parametrize(
    ("cause", "world", "amount"),
    [
        ("data", {"live": [trade(10)], "on_bars": [trade(10)], "backtest": [*SAME[:1], trade(20, sold="101")]}, "-1.19"),
        ("feature", {"live": SAME[:1], "on_bars": SAME[:2], "simulated": SAME[:1], "backtest": SAME[:2]}, "4.79"),
        ("latency", {"live": SAME[:2], "decisions": {10: approved(), 20: approved()}}, "-5.18"),
        ("risk", {"live": SAME[:2], "decisions": AGREED | {30: Decision(verdict="EXCEEDS_MAX_EXPOSURE")}}, "-5.18"),
        ("risk", {"live": [*SAME[:2], trade(30, "1")], "decisions": AGREED | {30: approved("1")}}, "-2.59"),
        ("fill", {"live": [*SAME[:2], trade(30, bought="100.5")]}, "-1.00"),
        ("fill", {"live": SAME[:2]}, "-5.18"),  # approved, sent, and never filled
        ("fee", {"live": [*SAME[:2], trade(30, rate=D("0.004"))]}, "-0.81"),
    ],
)  # fmt: skip
def test_single_cause_shows_in_its_part_and_in_no_other(cause, world, amount):
    assert parts(**world) == {cause: D(amount)}


def test_order_sent_bars_late_is_bought_at_the_price_of_then():
    late = trade(30, bought="101")
    found = parts([*SAME[:2], late], AGREED | {30: approved(moved=D("1.01"))})
    assert found == {"latency": D("-2.00")}


def test_trade_missed_while_live_still_held_another_is_a_matter_of_fills():
    longer = Trade(decided_ns=10, legs=(SAME[0].legs[0], leg(25, "SELL", "2", "103")))
    found = parts([longer, SAME[2]], {10: approved(), 30: approved()})
    assert found == {"fill": D("4.80")}  # 10.376 instead of 5.584: what the second trade lost


def test_trade_that_only_lives_risk_check_allowed_is_a_matter_of_risk():
    assert parts(SAME, backtest=SAME[:2]) == {"risk": D("5.18")}


def test_what_is_still_held_counts_alike_on_both_sides():
    held = Trade(decided_ns=30, legs=SAME[2].legs[:1])
    assert parts([*SAME[:2], held], backtest=[*SAME[:2], held]) == {}
    assert held.net(MARK) == D("-0.4")


def test_fills_become_trades_from_flat_to_flat():
    fills = [
        (1, leg(1, "SELL", "1", "9")),  # of something bought before
        (2, leg(2, "BUY", "1", "10")), (2, leg(3, "BUY", "1", "11")), (7, leg(8, "SELL", "2", "12")),
        (9, leg(9, "BUY", "3", "10")),
    ]  # fmt: skip
    first, second = trades_of(fills)
    assert (first.decided_ns, first.bought, first.left, first.ended_ns) == (2, 2, 0, 8)
    assert (second.decided_ns, second.left) == (9, 3)
    assert first.holds(2)
    assert not first.holds(8)
    assert second.holds(10**18)


amounts = st.decimals("0.001", "50", places=5)
prices = st.decimals("0.01", "90000", places=4)
rates = st.sampled_from([D(0), D("0.0025"), D("0.004")])


@st.composite
def worlds(draw):
    """Trades at some of twelve moments, each with prices of its own; some still open."""
    found = []
    for moment in sorted(draw(st.sets(st.integers(1, 12), max_size=6))):
        whole, rate = draw(amounts), draw(rates)
        legs = [leg(10 * moment + 1, "BUY", whole, draw(prices), rate)]
        if draw(st.booleans()):
            legs.append(leg(10 * moment + draw(st.integers(2, 40)), "SELL", whole, draw(prices), rate))
        found.append(Trade(decided_ns=10 * moment, legs=tuple(legs)))
    return found


decisions = st.dictionaries(
    st.integers(1, 12).map(lambda moment: moment * 10),
    st.builds(
        Decision, verdict=st.sampled_from(["APPROVED", "NO_MONEY"]), quantity=st.none() | amounts,
        moved=st.decimals("0.9", "1.1", places=3),
    ),
)  # fmt: skip


@given(st.tuples(worlds(), worlds(), worlds()), worlds(), decisions, prices)
def test_parts_always_add_up_to_the_gap_to_the_cent(simulations, live, decided, mark):
    lived = Lived(trades=tuple(live), decisions=decided)
    found = split(*simulations, lived, mark=mark, fee_rate=RATE)
    assert tuple(found.parts) == PARTS
    assert sum(found.parts.values()) == found.gap == found.live - found.backtest
    assert found.live == net_of(live, mark).quantize(D("0.01"))
    assert found.backtest == net_of(simulations[0], mark).quantize(D("0.01"))
    both = together([found, found])
    assert both.gap == 2 * found.gap
    assert sum(both.parts.values()) == both.gap
