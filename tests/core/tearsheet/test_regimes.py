"""Which market a trade began in: known from what came before it, also before the run."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.candles import concatenate
from gal_friday_core.evidence.slices import TREND_BARS
from gal_friday_core.tearsheet.regimes import UNKNOWN, VOLATILITY_BARS, parts
from tests.core.tearsheet.runs import at, bought, candles, run, won

BARS = 600
FIRST = 2
"""A trade that is decided at the close of the run's first bar but one."""


def market(seed):
    steps = np.random.default_rng(seed).normal(0, 0.01, BARS)
    return candles((100 * np.exp(np.cumsum(steps))).round(2))


def named(bars, before, bar):
    """Volatility and trend that a trade of `bar` began in, where the run begins with bar `before` and knows those before it."""
    record = run(
        bars[before:], np.full(BARS - before + 1, 1_000.0), [bought("a", bar, "100"), won("a", bar, "102")]
    )
    known = run(bars[before:], record.curve.equity, record.fills, history=bars[:before])
    return [
        {part.by: part.name for part in parts(one) if part.trades and part.by in {"volatility", "trend"}}
        for one in (record, known)
    ]


@given(seed=st.integers(0, 50))
def test_a_market_is_known_from_the_first_bar_where_there_is_history(seed):
    bars, before = market(seed), 300
    alone, known = named(bars, before, before + FIRST)
    assert alone == {"volatility": UNKNOWN, "trend": UNKNOWN}
    rise = bars.close[before + FIRST - 1] - bars.close[before + FIRST - 1 - TREND_BARS]
    assert known["trend"] == ("rising" if rise >= 0 else "falling")
    assert known["volatility"] in {"calm", "normal", "wild"}


def test_history_changes_nothing_of_bars_that_need_none():
    alone, known = named(market(3), 100, 100 + TREND_BARS + 50)
    assert alone["trend"] == known["trend"] != UNKNOWN


def test_too_short_a_history_leaves_open_what_it_cannot_say():
    bars, before = market(4), VOLATILITY_BARS
    _, known = named(bars, before, before + FIRST)
    assert known["trend"] == UNKNOWN != known["volatility"]


def test_history_with_a_hole_before_the_run_is_taken_bar_by_bar():
    bars = market(5)
    holed = concatenate([bars[:200], bars[290:300]])
    equity = np.full(BARS - 300 + 1, 1_000.0)
    fills = [bought("a", 302, "100"), won("a", 302, "102")]
    found = run(bars[300:], equity, fills, history=holed)
    assert [part.name for part in parts(found) if part.by == "trend" and part.trades] == [UNKNOWN]
    assert found.bars["BTC/USD"].ts[0] == at(300)
