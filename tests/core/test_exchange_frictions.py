"""What the simulated exchange gives away no more: fees by tier, slippage by size, latency, thin bars, the queue."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.fidelity_settings import FidelityConfig
from gal_friday_core.frictions import Notes
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import fee_of, value_of
from gal_friday_core.simulated_exchange import SimulatedExchange
from gal_friday_core.times import DAY_NS, MINUTE_NS
from tests.core.trading import COSTS, PAIR, bar, order

INSTRUMENT = Instrument(
    PAIR,
    price_tick=Decimal("0.01"),
    lot=Decimal("0.001"),
    min_quantity=Decimal("0.01"),
    min_cost=Decimal("0.1"),
)
TIERS = ((0, "0.005", "0.01"), (150, "0.002", "0.004"), (1_000, "0", "0.001"))


def venue(cash=100_000, base=0, **fidelity):
    made = SimulatedExchange(
        [INSTRUMENT],
        {"USD": Decimal(cash), "BTC": Decimal(base)},
        COSTS,
        fidelity=FidelityConfig(**fidelity),
    )
    made.notes = Notes()
    made.on_candle(bar(0, 100, 100, 100, 100))
    return made


def traded(minute, open_, high, low, close, volume):  # noqa: PLR0917 - as the bar reads
    return msgspec.structs.replace(bar(minute, open_, high, low, close), volume=Decimal(str(volume)))


def fills(reports):
    return [report for report in reports if report.execution_id is not None]


# Fees


def test_fees_fall_with_what_was_traded_before_the_fill():
    exchange = venue(fees="table", fee_tiers=TIERS)
    rates = []
    for number in range(1, 4):
        exchange.submit(order(f"o{number}"))
        (fill,) = fills(exchange.on_candle(bar(number, 100, 100, 100, 100)))
        rates.append(fill.commission / value_of(fill.last_quantity, fill.last_price))
    assert rates == [Decimal("0.01"), Decimal("0.01"), Decimal("0.004")]


def test_volume_counts_for_thirty_days_and_no_longer():
    exchange = venue(fees="table", fee_tiers=TIERS)
    for number, minute in enumerate((1, 2, 1 + 30 * 24 * 60)):
        exchange.submit(order(f"o{number}", quantity="2", created_at=minute * MINUTE_NS))
        exchange.on_candle(bar(minute, 100, 100, 100, 100))
    first, second, third = exchange.notes.fills.values()
    assert (first.tier, second.tier, third.tier) == (0, 150, 150)
    exchange.submit(order("late", created_at=80 * DAY_NS))
    exchange.on_candle(bar(80 * 24 * 60, 100, 100, 100, 100))
    assert exchange.notes.fills["late#1"].tier == 0


def test_a_limit_that_rested_pays_the_makers_fee_of_its_tier():
    exchange = venue(fees="table", fee_tiers=TIERS, volume_elsewhere=200)
    exchange.submit(order(type_="LIMIT", limit_price=99))
    exchange.on_candle(bar(1, 100, 100, 99.5, 100))
    (fill,) = fills(exchange.on_candle(bar(2, 100, 100, 98, 100)))
    assert fill.commission == fee_of(Decimal(99), Decimal("0.002"))
    assert exchange.notes.fills["a#1"].maker


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12))
def test_the_fee_is_the_sum_over_tiers_and_flat_fees_are_never_less(sizes):
    tiered, flat = venue(fees="table", fee_tiers=TIERS), venue()
    for exchange in (tiered, flat):
        for number, size in enumerate(sizes, 1):
            exchange.submit(order(f"o{number}", quantity=f"0.{size:03d}"))
            exchange.reports = fills(exchange.on_candle(bar(number, 100, 100, 100, 100)))
    parts = {}
    for note in tiered.notes.fills.values():
        parts.setdefault(note.tier, set()).add(note.rate)
    assert all(len(rates) == 1 for rates in parts.values())
    assert tiered.balances()["USD"] >= flat.balances()["USD"]


# Slippage by size


def slippage_paid(quantity, volume, *, high=101, low=99, **fidelity):
    exchange = venue(slippage="modelled", **fidelity)
    exchange.submit(order(quantity=str(quantity)))
    (fill,) = fills(exchange.on_candle(traded(1, 100, high, low, 100, volume)))
    return fill.last_price / 100 - 1


def test_slippage_is_the_half_spread_and_the_root_of_the_orders_share():
    paid = slippage_paid(1, 100, half_spread="0.0002", impact=1.0)
    # Parkinson: (101 - 99) / 100 / (2 sqrt(ln 2)) = 0.012011; a hundredth of the volume moves a tenth of it.
    assert float(paid) == pytest.approx(0.0002 + 0.0012011, rel=1e-4)


def test_an_order_four_times_as_large_moves_the_price_twice_as_far():
    small, large = (slippage_paid(size, 100, half_spread="0", impact=1.0) for size in (1, 4))
    assert float(large / small) == pytest.approx(2, rel=1e-5)


def test_a_bar_without_volume_gives_the_most():
    assert slippage_paid(1, 0, max_slippage="0.03") == Decimal("0.03")


@given(st.integers(1, 100), st.integers(1, 100), st.integers(0, 1_000), st.floats(0, 10), st.integers(0, 20))
@settings(max_examples=60)
def test_more_size_less_volume_or_more_impact_is_never_cheaper(size, more, volume, impact, spread):
    said = {"impact": impact, "half_spread": str(Decimal(spread) / 10_000)}
    least = slippage_paid(size, volume, **said)
    assert slippage_paid(size + more, volume, **said) >= least
    assert slippage_paid(size, volume / 2, **said) >= least
    assert slippage_paid(size, volume, **{**said, "impact": min(impact + 1, 100)}) >= least
    assert slippage_paid(size, volume, **{**said, "half_spread": "0.01"}) >= least


# Latency


def test_an_order_on_its_way_for_less_than_nothing_else_meets_the_open():
    exchange = venue(latency_ms=500)
    exchange.submit(order(created_at=MINUTE_NS - 500_000_000))
    (fill,) = fills(exchange.on_candle(bar(1, 100, 104, 96, 100)))
    assert fill.last_price == Decimal(100) * Decimal("1.001")


def test_an_order_that_comes_inside_the_bar_meets_the_worst_price_until_then():
    exchange = venue(latency_ms=15_000)
    exchange.submit(order())
    (fill,) = fills(exchange.on_candle(bar(1, 100, 104, 96, 100)))
    # A quarter of the minute: half of the way to the bar's worst.
    assert fill.last_price == Decimal(102) * Decimal("1.001")
    assert fill.timestamp_exchange == MINUTE_NS + 15_000_000_000


def test_an_order_that_takes_longer_than_the_bar_waits_for_the_next():
    exchange = venue(latency_ms=60_000)
    exchange.submit(order())
    assert exchange.watch(PAIR).next_bar
    assert exchange.on_candle(bar(1, 100, 104, 96, 100)) == []
    (fill,) = fills(exchange.on_candle(bar(2, 103, 104, 96, 100)))
    assert fill.last_price == Decimal(103) * Decimal("1.001")


def test_what_was_bought_inside_a_bar_may_be_stopped_in_it_and_wins_nothing_in_it():
    exchange = venue(latency_ms=15_000)
    exchange.submit(order(stop_price=99, target_price=103))
    reports = exchange.on_candle(bar(1, 100, 104, 99.5, 100))
    assert [report.client_order_id for report in fills(reports)] == ["a"]
    exchange.submit(order("b", stop_price=99, target_price=103, created_at=2 * MINUTE_NS))
    reports = exchange.on_candle(bar(2, 98, 102, 97, 100))
    stopped = [report for report in fills(reports) if report.client_order_id == "b-SL"]
    assert [report.last_price for report in stopped] == [Decimal(99) * Decimal("0.999")]


def test_an_order_that_comes_after_its_deadline_is_refused():
    exchange = venue(latency_ms=6_000)
    late = msgspec.structs.replace(order(), deadline=MINUTE_NS + 5_000_000_000)
    (refused,) = exchange.submit(late)
    assert refused.order_status == "REJECTED"
    assert "6000 ms" in refused.error_message


def test_a_limit_that_comes_to_rest_inside_a_bar_fills_in_none_of_its_prices():
    exchange = venue(latency_ms=15_000)
    exchange.submit(order(type_="LIMIT", limit_price=99))
    assert exchange.on_candle(bar(1, 100, 101, 90, 100)) == []
    (fill,) = fills(exchange.on_candle(bar(2, 100, 101, 98, 100)))
    assert fill.last_price == 99


# Thin bars


def test_an_entry_takes_what_the_bar_bears_and_gives_up_the_rest():
    exchange = venue(participation="0.1")
    exchange.submit(order(quantity="1", stop_price=98, target_price=110))
    reports = exchange.on_candle(traded(1, 100, 101, 99, 100, 4))
    assert [(r.client_order_id, r.order_status, r.quantity_filled) for r in reports[:2]] == [
        ("a", "PARTIALLY_FILLED", Decimal("0.4")), ("a", "CANCELED", Decimal("0.4")),
    ]  # fmt: skip
    assert [leg.quantity for leg in exchange.open_orders()] == [Decimal("0.4")] * 2
    assert exchange.notes.fills["a#1"].cut


def test_an_entry_into_a_bar_without_volume_gets_nothing():
    exchange = venue(participation="0.1")
    exchange.submit(order(stop_price=98))
    (report,) = exchange.on_candle(traded(1, 100, 101, 99, 100, 0))
    assert (report.order_status, report.quantity_filled) == ("CANCELED", 0)
    assert exchange.open_orders() == ()


def test_a_stop_that_the_bar_cannot_bear_goes_on_at_the_next_open_whatever_the_price():
    exchange = venue(participation="0.5")
    exchange.submit(order(quantity="1", stop_price=98, target_price=110))
    exchange.on_candle(traded(1, 100, 101, 99, 100, 4))
    first = exchange.on_candle(traded(2, 99, 99, 97, 97, 1))
    assert [(r.client_order_id, r.order_status) for r in first] == [
        ("a-SL", "PARTIALLY_FILLED"), ("a-TP", "CANCELED"),
    ]  # fmt: skip
    assert exchange.watch(PAIR).next_bar
    (rest,) = exchange.on_candle(traded(3, 105, 106, 104, 105, 4))
    assert (rest.order_status, rest.last_price) == ("FILLED", Decimal(105) * Decimal("0.999"))
    assert exchange.balances()["BTC"] == 0


def test_beside_a_target_that_sold_a_part_the_stop_stays_for_the_rest():
    exchange = venue(participation="0.5")
    exchange.submit(order(quantity="1", stop_price=98, target_price=102))
    exchange.on_candle(traded(1, 100, 101, 99, 100, 4))
    (part,) = exchange.on_candle(traded(2, 101, 103, 101, 103, 1))
    assert (part.client_order_id, part.last_quantity) == ("a-TP", Decimal("0.5"))
    stopped = exchange.on_candle(traded(3, 99, 99, 97, 97, 4))
    assert [(r.client_order_id, r.last_quantity) for r in fills(stopped)] == [("a-SL", Decimal("0.5"))]
    assert exchange.balances()["BTC"] == 0
    assert exchange.open_orders() == ()


def test_an_exit_at_market_goes_on_bar_by_bar_and_its_protection_gives_way():
    exchange = venue(participation="0.5")
    exchange.submit(order(quantity="1", stop_price=90, target_price=120))
    exchange.on_candle(traded(1, 100, 101, 99, 100, 4))
    exchange.submit(order("x", "SELL", quantity="1", reduce_only=True, created_at=2 * MINUTE_NS))
    sold = [
        report.last_quantity
        for minute in (2, 3, 4)
        for report in fills(exchange.on_candle(traded(minute, 100, 101, 99, 100, 0.8)))
    ]
    assert sold == [Decimal("0.4"), Decimal("0.4"), Decimal("0.2")]
    assert (exchange.balances()["BTC"], exchange.open_orders()) == (0, ())


def test_no_part_is_smaller_than_the_smallest_order_or_leaves_less_behind():
    exchange = venue(participation="1", base=1)
    exchange.submit(order("x", "SELL", quantity="0.015", reduce_only=True))
    assert exchange.on_candle(traded(1, 100, 101, 99, 100, 0.012)) == []
    (whole,) = exchange.on_candle(traded(2, 100, 101, 99, 100, 0.015))
    assert whole.last_quantity == Decimal("0.015")


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 40)), min_size=2, max_size=8),
    st.sampled_from(["0.1", "0.5", "1"]),
)
def test_our_orders_never_take_more_of_a_bar_than_their_share(bars, share):
    exchange = venue(participation=share, base=1)
    exchange.submit(order("x", "SELL", quantity="0.9", reduce_only=True))
    for minute, (tenths, volume) in enumerate(bars, 1):
        exchange.submit(order(f"o{minute}", quantity=str(Decimal(tenths) / 10)))
        reports = exchange.on_candle(traded(minute, 100, 101, 99, 100, Decimal(volume) / 10))
        taken = sum(report.last_quantity for report in fills(reports))
        assert taken <= Decimal(share) * Decimal(volume) / 10


# The queue


def test_a_touch_fills_a_limit_once_what_stood_before_it_was_traded():
    exchange = venue(limit_queue="volume", queue_ahead=1.0)
    exchange.submit(order(type_="LIMIT", limit_price=99))
    # Between 99 and 101 are 201 prices: 20.1 traded is 0.1 at each, and so much stands before the order.
    assert exchange.on_candle(traded(1, 100, 101, 99, 100, 20.1)) == []
    (fill,) = fills(exchange.on_candle(traded(2, 100, 101, 99, 100, 0.201)))
    assert (fill.last_price, exchange.notes.fills["a#1"].maker) == (99, True)


def test_a_touch_leaves_a_limit_in_the_queue_where_only_going_through_counts():
    exchange = venue(limit_queue="through", participation="1")
    exchange.submit(order(type_="LIMIT", limit_price=99))
    for minute in range(1, 6):
        assert exchange.on_candle(traded(minute, 100, 101, 99, 100, 1_000)) == []


def test_going_through_fills_whatever_stood_before():
    exchange = venue(limit_queue="volume", queue_ahead=1_000.0)
    exchange.submit(order(type_="LIMIT", limit_price=99))
    exchange.on_candle(traded(1, 100, 101, 99.5, 100, 50))
    (fill,) = fills(exchange.on_candle(traded(2, 100, 101, 98.99, 100, 1)))
    assert fill.last_price == 99


# Together


@given(
    st.lists(
        st.tuples(st.integers(-30, 30), st.integers(0, 20), st.integers(0, 20), st.integers(0, 50)),
        min_size=4,
        max_size=20,
    ),
    st.sampled_from([0, 250, 20_000]),
    st.sampled_from([None, "0.05", "1"]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_nothing_is_made_or_lost_whatever_the_frictions(moves, latency_ms, participation, volume):
    exchange = venue(
        cash=500, fees="table", fee_tiers=TIERS, slippage="modelled", latency_ms=latency_ms,
        participation=participation, limit_queue="volume" if volume else "through",
    )  # fmt: skip
    cash, base, price = Decimal(500), Decimal(0), Decimal(100)
    for minute, (move, up, down, traded_volume) in enumerate(moves, 1):
        now = minute * MINUTE_NS
        kind, limit = ("LIMIT", {"limit_price": price - 1}) if minute % 3 == 0 else ("MARKET", {})
        protection = {"stop_price": price - 3, "target_price": price + 3}
        exchange.submit(order(f"b{minute}", type_=kind, created_at=now, **limit, **protection))
        if minute % 4 == 0 and base:
            exchange.submit(order(f"s{minute}", "SELL", quantity=str(base), reduce_only=True, created_at=now))
        opened, price = price, max(price + Decimal(move) / 10, Decimal(50))
        high, low = max(opened, price) + Decimal(up) / 10, min(opened, price) - Decimal(down) / 10
        for fill in fills(exchange.on_candle(traded(minute, opened, high, low, price, traded_volume / 10))):
            sign = 1 if fill.side == "BUY" else -1
            base += sign * fill.last_quantity
            cash -= sign * value_of(fill.last_quantity, fill.last_price) + fill.commission
        assert exchange.balances() == {"USD": cash, "BTC": base}
        assert min(cash, base) >= 0
        protected = sum(leg.quantity for leg in exchange.open_orders() if leg.order_type == "STOP_LOSS")
        assert protected >= base
