from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gal_friday_adapters.simulated_kraken.bars import COMMITTED, Bars
from gal_friday_core.times import DAY_NS, MINUTE_NS

START = 1_700_000_000 * 1_000_000_000 // DAY_NS * DAY_NS + 5 * MINUTE_NS


def test_trades_make_bars_and_silence_makes_flat_ones():
    bars = Bars(Decimal(100), START)
    bars.add(Decimal(101), Decimal(2), START + 1)
    bars.add(Decimal(99), Decimal(1), START + 2)
    rows = bars.rows(1, START + 2 * MINUTE_NS)
    first, silent, running = rows
    assert (first.open, first.high, first.low, first.close, first.volume, first.trades) == (
        *(Decimal(101), Decimal(101), Decimal(99), Decimal(99), Decimal(3)),
        2,
    )
    assert first.vwap == Decimal("100.3333333333333333333333333")
    assert (silent.open, silent.volume, silent.vwap, silent.trades) == (Decimal(99), 0, 0, 0)
    assert running.begin_ns == START + 2 * MINUTE_NS


def test_no_more_than_720_finished_bars_are_given_and_the_running_one():
    bars = Bars(Decimal(100), START)
    rows = bars.rows(1, START + 5000 * MINUTE_NS)
    assert len(rows) == COMMITTED + 1
    assert rows[-1].begin_ns == START + 5000 * MINUTE_NS
    assert [b.begin_ns - a.begin_ns for a, b in pairwise(rows)] == [MINUTE_NS] * COMMITTED


@given(
    st.lists(st.tuples(st.integers(1, 900), st.integers(90, 110), st.integers(1, 5)), min_size=1, max_size=60)
)
def test_coarse_bars_hold_what_their_minutes_hold(trades):
    bars = Bars(Decimal(100), START)
    now = START
    for seconds, price, quantity in trades:
        now += seconds * 1_000_000_000
        bars.add(Decimal(price), Decimal(quantity), now)
    minutes = [bar for bar in bars.rows(1, now) if bar.trades]
    for length in (5, 15, 60):
        for bar in bars.rows(length, now):
            inside = [m for m in minutes if bar.begin_ns <= m.begin_ns < bar.begin_ns + length * MINUTE_NS]
            assert bar.volume == sum(m.volume for m in inside)
            assert bar.trades == sum(m.trades for m in inside)
            if inside:
                assert (bar.open, bar.close) == (inside[0].open, inside[-1].close)
                assert (bar.high, bar.low) == (max(m.high for m in inside), min(m.low for m in inside))


def test_day_statistics_reach_back_a_day_and_to_midnight():
    bars = Bars(Decimal(100), START)
    bars.add(Decimal(120), Decimal(1), START)
    bars.add(Decimal(80), Decimal(1), START + DAY_NS)
    now = START + DAY_NS
    assert (bars.last_day(now).high, bars.last_day(now).trades) == (Decimal(120), 2)
    assert (bars.today(now).high, bars.today(now).low) == (Decimal(120), Decimal(80))
    assert bars.today(now).trades == 1
