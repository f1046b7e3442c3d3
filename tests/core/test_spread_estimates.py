"""Spreads and impact, estimated where they are known."""

from decimal import Decimal

import numpy as np
import pytest

from gal_friday_core.candles import Candles, Series
from gal_friday_core.market_events import BOOK, LEVELS, TRADE, MarketEvents
from gal_friday_core.spread_estimates import FEWEST_BARS, from_bars, from_books
from gal_friday_core.times import MINUTE_NS, SECOND_NS
from gal_friday_core.trade_bars import bars_of_trades

SERIES = Series("kraken", "BTC/USD", "1m")


def market(spread, *, volatility=0.001, bars=4_000, trades=60, seed=1, trend=0.0):
    """Trades at the bid or the ask around a walk: `volatility` a bar, `spread` as fractions. With `trend` it rises and falls
    by so much a bar, ten bars each.
    """
    rng = np.random.default_rng(seed)
    count = bars * trades
    moves = rng.normal(0, volatility / np.sqrt(trades), count)
    moves += trend / trades * np.where(np.arange(count) // (10 * trades) % 2, -1, 1)
    middle = 30_000 * np.exp(np.cumsum(moves))
    price = middle * (1 + np.where(rng.random(count) < 0.5, -1, 1) * spread / 2)
    ts = (np.arange(count) * (MINUTE_NS // trades)).astype(np.int64)
    return bars_of_trades(SERIES, ts, price, np.full(count, 0.01))


@pytest.mark.parametrize("spread", [0.0005, 0.001, 0.004])
def test_abdi_and_ranaldo_find_the_spread_that_was_planted(spread):
    found = from_bars(market(spread), Decimal("0.01"))
    assert found.abdi_ranaldo == pytest.approx(spread / 2, rel=0.15)
    assert found.half_spread >= found.abdi_ranaldo


@pytest.mark.parametrize("spread", [0.001, 0.004])
def test_corwin_and_schultz_find_it_less_well(spread):
    assert from_bars(market(spread), Decimal("0.01")).corwin_schultz == pytest.approx(spread / 2, rel=0.5)


def test_without_a_spread_hardly_one_is_found_and_half_a_tick_is_the_least():
    found = from_bars(market(0.0), Decimal(60))
    assert found.abdi_ranaldo < 0.0001
    assert found.half_spread == found.half_tick == pytest.approx(60 / 30_000 / 2, rel=0.2)


def test_where_the_price_trends_from_bar_to_bar_the_dearer_word_counts():
    found = from_bars(market(0.0, trend=0.002), Decimal("0.01"))
    assert found.abdi_ranaldo == 0
    assert found.half_spread == found.corwin_schultz > 0


def test_bars_that_do_not_follow_each_other_or_did_not_trade_say_nothing():
    candles = market(0.001, bars=FEWEST_BARS + 2)
    assert from_bars(candles, Decimal("0.1")).pairs == FEWEST_BARS + 1
    ts = np.where(np.arange(len(candles)) >= 50, candles.ts + 10 * MINUTE_NS, candles.ts)
    volume = np.where(np.arange(len(candles)) == 20, 0.0, candles.volume)
    holed = Candles(
        SERIES, ts, candles.open, candles.high, candles.low, candles.close, volume, candles.trades
    )
    found = from_bars(holed, Decimal("0.1"))
    assert (found.pairs, found.half_spread) == (FEWEST_BARS + 1 - 3, None)


def recorded(levels, minutes=20, per_minute=12, quantity=1.0):
    """A book that stands still at 100.00 to 100.02, with so much at each level, and trades on both sides of it."""
    rows = []
    for minute in range(minutes):
        for number in range(per_minute):
            ts = minute * MINUTE_NS + number * (MINUTE_NS // per_minute)
            rows.append((ts, BOOK, 0, 0.0))
            price = 10_000 if number % 2 else 10_002
            price += (minute % 3) * (1 if number == 3 else 0)
            rows.append((ts + SECOND_NS, TRADE, price, quantity))
    count = len(rows)
    ladders = [np.zeros((count, LEVELS), np.int64) for _ in range(4)]
    for row, (_, kind, _, _) in enumerate(rows):
        if kind == BOOK:
            ladders[0][row], ladders[2][row] = 10_000 - np.arange(LEVELS), 10_002 + np.arange(LEVELS)
            ladders[1][row] = ladders[3][row] = int(levels * 10**8)
    ts, kind = (np.array([row[place] for row in rows]) for place in (0, 1))
    price = np.array([row[2] for row in rows], np.int64)
    quantity = np.array([int(row[3] * 10**8) for row in rows], np.int64)
    nothing = np.zeros(count, np.int64)
    return MarketEvents(
        "kraken", "BTC/USD", 2, 8, ts.astype(np.int64), ts.astype(np.int64), kind.astype(np.int8), *ladders,
        price, quantity, np.ones(count, np.int8), nothing,
    )  # fmt: skip


def test_books_tell_their_spread_and_what_sizes_move():
    found = from_books(recorded(levels=0.5))
    assert found.half_spread == pytest.approx(0.01 / 100.01)
    assert found.impact > 0
    assert found.beyond == 0


def test_thinner_books_move_further_and_those_too_thin_are_told():
    thick, thin = from_books(recorded(levels=0.5)), from_books(recorded(levels=0.1))
    assert thin.impact > thick.impact
    assert thin.beyond > 0


def test_no_book_no_estimate():
    events = recorded(levels=1.0)
    assert from_books(events[1:2]) is None
