"""The scan's arithmetic is the books' own: marks, drawdown peaks and prices to the last digit."""

from decimal import Decimal
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.backtest.scan import ENTER, EQUITY, PAIR, PEAKS, flawed, run_on, whole_prices, worth
from gal_friday_core.drawdown import Peaks
from gal_friday_core.money import value_of
from gal_friday_core.times import DAY_NS, MINUTE_NS

NO_LIMITS = (1.0, 1.0, 1.0)


@settings(deadline=None)
@given(st.integers(0, 10**13), st.integers(1, 10**12), st.integers(0, 9))
def test_worth_is_the_value_that_is_booked(quantity, price, decimals):
    if quantity * price > 4 * 10 ** (18 + decimals):
        quantity %= 10**6
    booked = value_of(Decimal(quantity).scaleb(-8), Decimal(price).scaleb(-decimals))
    assert Decimal(int(worth(quantity, price, 10**decimals))).scaleb(-8) == booked


def test_worth_rounds_a_half_to_even():
    assert [int(worth(quantity, 5, 10)) for quantity in (1, 3, 5, 7)] == [0, 2, 2, 4]


@settings(deadline=None)
@given(st.lists(st.decimals(Decimal("0.000001"), 10**6, places=4), min_size=1, max_size=30))
def test_prices_with_few_decimals_are_counted_in_whole_numbers(prices):
    positive = np.array([float(price) for price in prices if price > 0] or [1.0])
    found = np.empty(len(positive), np.int64)
    decimals = int(whole_prices(positive, 9, found))
    assert 0 <= decimals <= 4
    assert [Decimal(int(whole)).scaleb(-decimals) for whole in found] == [
        Decimal(repr(float(price))) for price in positive
    ]


@pytest.mark.parametrize("price", [1 / 3, 1e-10, 123456789.123456789, 2e15])
def test_a_price_that_no_whole_number_writes_is_told(price):
    assert whole_prices(np.array([1.5, price]), 9, np.empty(2, np.int64)) == -1


def scan(closes, *, quantity=100_000_000, limits=NO_LIMITS, step_ns=MINUTE_NS, **changes):
    """One pair over these closes in whole cents, `quantity` held since before the first."""
    closes = np.array(closes, np.int64)
    bars = len(closes)
    times = np.arange(1, bars + 1, dtype=np.int64) * step_ns
    floats = closes / 100
    flags = np.array(changes.get("flags", [0] * bars), np.uint8)
    value = int(worth(quantity, 10_000, 100))
    equity = value + 5 * 10**8
    pairs = np.zeros((1, PAIR), np.int64)
    pairs[0] = changes.get("wanted", 0), changes.get("due", bars), quantity, value, 100, -1
    triggers = np.array([[changes.get("low", -inf), changes.get("high", inf)]])
    books = np.array([equity, equity, equity, equity, 0, 0, 0, 0], np.int64)
    curve = np.zeros(bars, np.int64)
    tape = (times, np.zeros(bars, np.uint8), floats, floats, closes, flags)
    return int(run_on(tape, pairs, triggers, books, np.array(limits), curve, 0)), curve, books


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 30_000), min_size=1, max_size=40),
    st.sampled_from([MINUTE_NS, DAY_NS // 5, DAY_NS, 9 * DAY_NS]),
)
def test_marks_and_peaks_are_those_of_the_portfolio(closes, step_ns):
    reached, curve, (equity, *peaks, _moved) = scan(closes, step_ns=step_ns, limits=(9.0, 9.0, 9.0))
    told = Decimal(105).quantize(Decimal("1e-8"))
    expected = Peaks(0, told)
    for bar, close in enumerate(closes):
        now = value_of(Decimal(1), Decimal(close).scaleb(-2)) + 5
        if now != told:
            expected.observe((bar + 1) * step_ns, told, now)
        told = now
        assert Decimal(int(curve[bar])).scaleb(-8) == now
    assert reached == len(closes)
    assert int(equity) == int(told.scaleb(8))
    found = [[int(peaks[3 + at]), Decimal(int(peaks[at])).scaleb(-8)] for at in range(3)]
    assert found == list(expected.as_record().values())


def test_the_scan_stops_where_an_order_can_fill_or_a_bar_is_due():
    closes = [10_000, 10_050, 9_900, 10_200, 9_000]
    assert scan(closes, low=99.0)[0] == 2
    assert scan(closes, high=102.0)[0] == 3
    assert scan(closes, due=1)[0] == 1
    assert scan(closes, low=98.99, high=102.01)[0] == 4


def test_the_scan_stops_at_a_wanted_entry_only():
    flags = [0, ENTER, 0, ENTER]
    assert scan([10_000] * 4, flags=flags)[0] == 4
    assert scan([10_000] * 4, flags=flags, wanted=ENTER)[0] == 1


def test_the_scan_stops_before_a_drawdown_limit_and_leaves_that_bar_unmarked():
    reached, curve, books = scan([10_000, 9_500, 9_000], limits=(0.06, 1.0, 1.0))
    assert reached == 2
    assert books[EQUITY] == curve[1]
    assert books[PEAKS] == 105 * 10**8


def test_a_new_day_forgets_the_loss_of_the_old_one():
    closes = [10_000, 9_500, 9_000]
    assert scan(closes, limits=(0.06, 1.0, 1.0), step_ns=DAY_NS)[0] == 3
    assert scan(closes, limits=(1.0, 1.0, 0.06), step_ns=DAY_NS)[0] == 2


def test_a_bar_that_the_kernel_refuses_is_found():
    ts = np.arange(3, dtype=np.int64) * MINUTE_NS
    prices = tuple(np.array([2.0, 2.0, 2.0]) for _ in range(4))
    volume = np.ones(3)
    assert flawed(ts, prices, volume, MINUTE_NS, -1) == -1
    assert flawed(ts, prices, volume, MINUTE_NS, 0) == 0
    assert flawed(ts, prices, np.array([1.0, -1.0, 1.0]), MINUTE_NS, -1) == 1
    prices[2][2] = np.nan
    assert flawed(ts, prices, volume, MINUTE_NS, -1) == 2
