"""Each section of the report, against numbers worked out by hand."""

import json
from decimal import Decimal

import numpy as np
import pytest

from gal_friday_core.config import CostsConfig
from gal_friday_core.errors import DataError
from gal_friday_core.evidence.sharpe import Record
from gal_friday_core.evidence.sharpe import deflated as deflated_ratio
from gal_friday_core.performance import daily_returns
from gal_friday_core.tearsheet.ambiguity import ambiguity
from gal_friday_core.tearsheet.comparison import compare, held
from gal_friday_core.tearsheet.costs import costs
from gal_friday_core.tearsheet.deflation import Tried, deflated
from gal_friday_core.tearsheet.distribution import distribution
from gal_friday_core.tearsheet.exposure import exposure
from gal_friday_core.tearsheet.months import calendar
from gal_friday_core.tearsheet.regimes import parts
from gal_friday_core.tearsheet.sheet import tearsheet
from gal_friday_core.times import from_iso
from tests.core.tearsheet.runs import at, bought, candles, curve, entry, run, stopped, won


def test_months_compound_their_days():
    found = calendar(from_iso("2024-01-31"), np.array([0.10, 0.10, -0.5, 0.0]))
    january, february = found.months
    assert (january.year, january.month, january.days, february.days) == (2024, 1, 1, 3)
    assert january.net_return == pytest.approx(0.10)
    assert february.net_return == pytest.approx(1.1 * 0.5 - 1)
    assert found.years[0].net_return == pytest.approx(1.1 * 1.1 * 0.5 - 1)
    assert (found.best_day[0], found.worst_day) == ("2024-01-31", ("2024-02-02", -0.5))
    assert found.winning_months == 0.5


def test_costs_are_told_apart_and_add_up_to_the_cent():
    """Bought at 100.1 for an open of 100, stopped at 89.91 for a trigger of 90: .1 and .09 of slippage for each unit."""
    fills = [bought("a", 1, "100.1", "2", "2.002"), stopped("a", 3, "89.91", "2", "1.7982")]
    bars = candles([100] * 5)
    found = costs(run(bars, [1000, 1000, 995, 990, 975, Decimal("975.8198")], fills))
    assert (Decimal(found.fees), Decimal(found.slippage)) == (Decimal("3.8002"), Decimal("0.38"))
    assert Decimal(found.net_profit) == Decimal("-24.1802")
    assert Decimal(found.gross_profit) == Decimal(-20)  # 2 units from 100 to 90
    assert found.bearable is None
    assert found.per_trade_bp == pytest.approx(10_000 * (3.8002 + 0.38) / 200.2)


def test_profit_says_how_many_times_the_costs_it_bears():
    fills = [bought("a", 1, "100.1", "1", "1"), won("a", 3, "110", "1", "1.1")]
    found = costs(run(candles([100] * 5), [1000, 1000, 1000, 1000, 1007.8, 1007.8], fills))
    assert Decimal(found.slippage) == Decimal("0.1")  # a target gives up no price
    assert found.bearable == pytest.approx(10 / 2.2)


def test_stop_in_a_bar_that_reached_the_target_too_is_counted():
    bars = candles([100, 100, 100, 100, 100], low=[100, 100, 100, 89, 100], high=[100, 100, 100, 111, 100])
    fills = [bought("a", 1, "100.1"), stopped("a", 3, "89.91", fee="0.8991")]
    found = ambiguity(run(bars, [1000] * 6, fills, [entry("a")]))
    assert (found.stopped, found.trades, found.signals) == (1, 1, ("signal-a",))
    assert Decimal(found.at_stake) == (110 - Decimal("1.1")) - (Decimal("89.91") - Decimal("0.8991"))


@pytest.mark.parametrize(
    ("low", "high", "opened", "price"),
    [
        (89, 109, 100, "89.91"),  # the target was not reached
        (85, 111, 88, "87.912"),  # the open had jumped over the stop: no doubt
    ],
)
def test_stop_that_leaves_no_doubt_is_not_counted(low, high, opened, price):
    lows, highs, opens = [100] * 5, [100] * 5, [100] * 5
    lows[3], highs[3], opens[3] = low, high, opened
    bars = candles([100] * 5, lows, highs, opens)
    found = ambiguity(run(bars, [1000] * 6, [bought("a", 1, "100.1"), stopped("a", 3, price)], [entry("a")]))
    assert (found.stopped, found.trades, Decimal(found.at_stake)) == (1, 0, 0)


def test_bar_before_the_entry_is_no_doubt():
    """A stop that the very bar of the entry jumped over is dated at its open, where the bar before it ends."""
    bars = candles([100] * 4, low=[100, 80, 80, 80], high=[100, 120, 100, 100])
    fills = [bought("a", 2, "100.1"), stopped("a", 1, "89.91")]
    assert ambiguity(run(bars, [1000] * 5, fills, [entry("a")])).trades == 0


def test_exposure_is_what_is_held_at_every_close():
    bars = candles([100, 110, 120, 120, 120])
    found = exposure(run(bars, [1000] * 6, [bought("a", 1, "100", "2"), won("a", 2, "120", "2")]))
    assert found == pytest.approx([0, 0, 0.22, 0, 0, 0])  # bought when bar 1 opened, sold within bar 2


def test_exact_sales_leave_nothing_behind():
    fills = [bought("a", 1, "100", "0.3"), won("a", 2, "120", "0.1"), won("b", 2, "120", "0.2")]
    assert exposure(run(candles([100] * 5), [1000] * 6, fills))[-1] == 0.0


def test_holding_the_market_pays_both_legs():
    bars = candles([100, 150, 200])
    free = CostsConfig(taker_fee=Decimal(0), maker_fee=Decimal(0), slippage=Decimal(0))
    ts = curve(bars, [1, 1, 1, 1]).ts
    pairs = {"BTC/USD": bars}
    assert held(pairs, free, 1000.0, ts) == pytest.approx([1000, 1000, 1500, 2000])
    dear = held(pairs, CostsConfig(taker_fee=Decimal("0.01"), slippage=Decimal("0.1")), 1000.0, ts)
    assert dear[0] == 1000
    assert dear[-1] == pytest.approx(1000 / 1.1 / 1.01 / 100 * 200 * 0.9 * 0.99)


def test_trades_are_sorted_by_what_the_market_had_done_before():
    rng = np.random.default_rng(3)
    steps = np.repeat([0.0005, 0.005, 0.02], (400, 350, 250)) * rng.normal(size=1_000)
    close = 100 * np.exp(np.cumsum(steps))
    close[700:] *= np.linspace(1, 20, 300)
    fills = [
        bought("a", 300, "100"), stopped("a", 305, "90"),
        bought("b", 990, "100"), won("b", 995, "110"),
    ]  # fmt: skip
    found = {(part.by, part.name): part for part in parts(run(candles(close), np.full(1_001, 1000.0), fills))}
    assert (found["volatility", "calm"].trades, Decimal(found["volatility", "calm"].net)) == (1, -10)
    assert (found["volatility", "wild"].trades, found["volatility", "wild"].hit_rate) == (1, 1.0)
    assert found["trend", "rising"].trades >= 1
    assert found["pair", "BTC/USD"].trades == 2
    for by, known in (("volatility", 940), ("trend", 760)):
        shares = [part.bars for part in found.values() if part.by == by]
        assert sum(shares) == pytest.approx(known / 1_000)  # before that nothing is known
        assert sum(part.trades for part in found.values() if part.by == by) == 2
    assert sum(part.trades for part in found.values() if part.by == "hour") == 2


def test_regime_of_a_trade_knows_nothing_of_its_own_bar():
    close = np.full(400, 100.0)
    trades = [bought("a", 300, "100"), won("a", 310, "110")]
    before = parts(run(candles(close), np.full(401, 1000.0), trades))
    after = np.where(np.arange(400) >= 300, 10.0, 100.0)
    falls = parts(run(candles(after), np.full(401, 1000.0), trades))

    def trend(found):
        return [part.name for part in found if part.by == "trend" and part.trades]

    assert trend(before) == trend(falls) == ["rising"]


def test_distribution_of_trades_by_hand():
    fills = []
    for number, price in enumerate(["110", "90", "90", "120", "105", "101"]):
        key = f"k{number}"
        fills += [bought(key, 2 * number + 1, "100"), won(key, 2 * number + 1, price)]
    found = distribution(run(candles([100] * 20), [1000] * 21, fills).trips.trades, 0.95, 1)
    assert (found.trades, found.longest_winning_run, found.longest_losing_run) == (6, 3, 2)
    assert found.mean.value == pytest.approx((0.1 - 0.1 - 0.1 + 0.2 + 0.05 + 0.01) / 6)
    assert found.mean.low is None  # six trades are too few
    assert Decimal(found.without_best) == -10  # the worst one alone
    assert sum(one.trades for one in found.bins) == 6
    assert all(one.high <= 1e-12 or one.low >= -1e-12 for one in found.bins)  # none holds gains and losses
    assert sum(one.trades for one in found.bins if one.high <= 1e-12) == 2
    assert found.hold_quantiles_s[3] == 3600.0
    assert distribution([], 0.95, 1) is None


def test_the_more_was_tried_the_less_a_ratio_says():
    returns = np.random.default_rng(2).normal(0.001, 0.01, 500)
    alone = deflated(returns, Tried(), 0.95)
    assert (alone.luck, alone.dsr) == (0.0, alone.psr)
    few, many = (deflated(returns, Tried(count, 0.002, "a sweep"), 0.95) for count in (5, 500))
    assert alone.dsr > few.dsr > many.dsr
    assert many.dsr == pytest.approx(deflated_ratio(Record.of(returns), 500, 0.002))
    assert (many.trials_from, many.variance_from) == ("a sweep", "trials")


def test_variance_of_trials_that_nobody_kept_is_that_of_chance():
    returns = np.random.default_rng(2).normal(0.001, 0.01, 401)
    found = deflated(returns, Tried(100), 0.95)
    assert (found.variance, found.variance_from) == (1 / 400, "theory")
    assert deflated(np.zeros(50), Tried(100), 0.95).dsr is None


def test_compared_with_itself_a_run_is_neither_ahead_nor_behind():
    returns = np.random.default_rng(4).normal(0.001, 0.01, 200)
    found = compare("itself", returns, returns, 0.95, 1)
    assert (found.mean_difference.value, found.mean_difference.low, found.ahead) == (0, 0, 0.5)
    assert (found.beta, found.correlation) == (pytest.approx(1), pytest.approx(1))
    assert found.alpha == pytest.approx(0)


def test_difference_on_the_same_days_is_seen_where_each_alone_says_nothing():
    rng = np.random.default_rng(4)
    market = rng.normal(0, 0.03, 400)
    found = compare("market", market + 0.001 + rng.normal(0, 0.001, 400), market, 0.95, 1)
    assert found.mean_difference.low > 0
    assert found.ahead == 1.0
    assert found.alpha == pytest.approx(0.365, rel=0.2)


def test_runs_of_other_days_are_not_compared():
    with pytest.raises(DataError, match="model b has 3 days, this run 4: run both over the same bars"):
        compare("model b", np.zeros(4), np.zeros(3), 0.95, 1)


def test_whole_sheet_is_json_and_says_the_same_twice():
    rng = np.random.default_rng(8)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.002, 24 * 90)))
    bars = candles(close)
    fills = [one for number in range(30) for one in _trip(number, close)]
    equity = 1000 * np.exp(np.cumsum(rng.normal(0, 0.001, len(close) + 1)))
    record = run(bars, equity, fills, [entry(f"k{number}") for number in range(30)])
    others = {"model b": daily_returns(record.curve.ts, equity[::-1].copy())}
    sheet = tearsheet(record, tried=Tried(20, None, "told"), others=others)
    again = tearsheet(record, tried=Tried(20, None, "told"), others=others)
    assert json.dumps(sheet, allow_nan=False) == json.dumps(again)
    assert [other["other"] for other in sheet["comparisons"]] == ["buy and hold", "model b"]
    assert sheet["deflated"]["trials"] == 20
    assert sheet["trades"]["count"] == sheet["distribution"]["trades"] == 30
    curves = sheet["curves"]
    assert len(curves["times"]) == len(curves["exposure"]) == len(curves["buy and hold"]) <= 1_000
    months = np.prod([1 + month["net_return"] for month in sheet["calendar"]["months"]]) - 1
    assert months == pytest.approx(sheet["total_return"])


def _trip(number, close):
    first = 60 * number + 10
    return [
        bought(f"k{number}", first, str(close[first])),
        won(f"k{number}", first + 5, str(close[first + 5])),
    ]


def test_run_without_trades_has_a_sheet():
    bars = candles([100 + place % 7 for place in range(24 * 40)])
    sheet = tearsheet(run(bars, [1000] * (24 * 40 + 1)))
    assert sheet["distribution"] is None
    assert sheet["deflated"]["dsr"] is None
    assert sheet["ambiguity"]["stopped"] == 0
    assert sheet["costs"]["bearable"] is None


def test_short_run_has_a_sheet():
    bars = candles([100, 101, 102])
    assert tearsheet(run(bars, [1000, 1000, 1001, 1002]))["calendar"]["months"][0]["days"] == 1
    assert at(0) == bars.ts[0]
