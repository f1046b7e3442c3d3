"""The benchmark of backtesters: our run gives the trades of a plain loop, and its page tells why a list differs."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import backtest_ours, backtest_page, cross

RULE = cross.Rule()
BARS = 12_000


def ours(bars):
    given = SimpleNamespace(**RULE.as_dict())
    return backtest_ours.told(backtest_ours.run(backtest_ours.prepare(bars, given)))


def jumping(bars):
    """The same closes; every fifth bar opens away from the close before it, on a tick."""
    opened = bars["open"].copy()
    opened[5::5] = cross.ticks(
        opened[5::5] * (1 + np.random.default_rng(2).normal(0, 0.004, len(opened[5::5])))
    )
    high, low = np.maximum(bars["high"], opened), np.minimum(bars["low"], opened)
    return bars | {"open": opened, "high": high, "low": low}


@pytest.mark.parametrize("change", [lambda bars: bars, jumping])
def test_our_run_gives_the_trades_of_a_plain_loop(change):
    bars = change(cross.simulated(BARS))
    expected, equity = cross.by_hand(bars, RULE)
    trades, final = ours(bars)
    assert len(expected) > 15
    # A stop that was jumped over is told at its bar's open, any other at the close, so exits are compared by price.
    filled = np.array([(entered, entry, left) for entered, _, entry, left in trades])
    np.testing.assert_allclose(
        filled, [(first, entry, left) for first, _, entry, left in expected], atol=1e-9
    )
    assert float(final) == pytest.approx(equity, rel=1e-7)


def test_simulated_bars_are_whole_and_open_where_the_last_closed():
    bars = cross.simulated(BARS)
    opened, high, low, close = (bars[name] for name in cross.FIELDS[1:5])
    assert (opened[1:] == close[:-1]).all()
    assert (high >= np.maximum(opened, close)).all()
    assert (low <= np.minimum(opened, close)).all()
    assert (close == cross.ticks(close)).all()


def result(name, trades, equity=100.0, **more):
    figures = {"wall_s": 1.0, "cpu_s": 2.0, "memory_mib": 3.0, "version": "1", "bars": BARS, "repeated": True}
    return {"name": name, "trades": trades, "final_equity": equity, **figures, **more}


MINE = [(10, 20, 100.0, 99.0), (21, 30, 100.0, 102.0), (40, 50, 100.0, 99.0)]
CASES = [
    (MINE, "The same trades; final equity +0.0e+00 of ours"),
    ([*MINE, (60, BARS - 1, 100.0, 101.0)], "The same trades; one that was open at the end was sold"),
    ([MINE[0], MINE[2]], "1 entries missing that follow an exit in the very bar before"),
    ([*MINE[:2], (35, 55, 100.0, 99.0)], "1 more entries missing, while another trade of its own was open; 1 entries of its own"),
    ([*MINE[:2], (40, 50, 100.0, 99.2)], "1 with another price or bar of the exit"),
]  # fmt: skip


@pytest.mark.parametrize(("theirs", "says"), CASES)
def test_the_page_says_by_what_a_list_differs(theirs, says):
    page = backtest_page.page(
        [result("Gal-Friday", MINE), result("vectorbt", theirs)], cross.simulated(10), RULE, 1, "simulated"
    )
    told = next(line for line in page.splitlines() if line.startswith("- **vectorbt**"))
    assert says in told


def test_the_page_names_who_did_not_run():
    rows = [
        result("Gal-Friday", MINE),
        {"name": "jesse", "failed": "could not be installed: no such package"},
    ]
    page = backtest_page.page(rows, cross.simulated(10), RULE, 1, "simulated")
    assert "- jesse could not be installed: no such package" in page
