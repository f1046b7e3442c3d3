"""Days, stress, slices, overlaps, importance and the calibration curve, each against a plain reading of what it says."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.evidence.canary import overlaps
from gal_friday_core.evidence.cross import cross_validate
from gal_friday_core.evidence.daily import daily, spread
from gal_friday_core.evidence.explain import calibration_curve, importance
from gal_friday_core.evidence.quality import quality
from gal_friday_core.evidence.slices import slices
from gal_friday_core.evidence.stress import doubled, stressed
from gal_friday_core.evidence.track_record import choice, sharpe_family
from gal_friday_core.evidence.trials import ONE, Trials
from gal_friday_core.labels import Labels
from gal_friday_core.scores import calibration_error
from gal_friday_core.times import DAY_NS
from gal_friday_core.training import walk_folds
from gal_friday_core.training_set import TrainingSet, assemble
from tests.core.evidence.momentum_market import CONFIG, market

LIMITS = CONFIG.gates


@pytest.fixture(scope="module")
def data() -> TrainingSet:
    return assemble(*market(4_000), CONFIG)


@pytest.fixture(scope="module")
def folds(data):
    return [fold.result for fold in walk_folds(data, CONFIG.training)]


def test_every_trade_is_on_the_day_it_ended_and_every_tested_day_is_there(data, folds):
    found = daily(data.labels, folds)
    by_day = dict[int, float]()
    for fold in folds:
        for row in fold.trades:
            day = (int(data.labels.t1_ns[row]) - 1) // DAY_NS
            by_day[day] = by_day.get(day, 0.0) + float(data.labels.net_return[row])
    assert {
        found.first_day + day: value for day, value in enumerate(found.net_return) if value
    } == pytest.approx(by_day)
    assert found.trades.sum() == sum(len(fold.trades) for fold in folds)
    dates = [day.date for day in found.days()]
    assert dates == sorted(set(dates))
    assert len(dates) == (int(data.labels.t1_ns[folds[-1].events].max()) - 1) // DAY_NS - found.first_day + 1
    assert (np.diff(found.folds) >= 0).all()


def test_the_days_do_not_depend_on_what_was_traded(data, folds):
    idle = [replace(fold, trades=fold.trades[:0]) for fold in folds]
    assert len(daily(data.labels, idle).net_return) == len(daily(data.labels, folds).net_return)
    assert not daily(data.labels, idle).net_return.any()


def test_a_close_at_midnight_belongs_to_the_day_that_ends():
    assert spread(np.array([DAY_NS, DAY_NS + 1]), np.array([1.0, 2.0]), 0, 2).tolist() == [1.0, 2.0]
    assert spread(np.array([9 * DAY_NS]), np.array([1.0]), 0, 2).tolist() == [0.0, 0.0]


def test_stress_repeats_the_trades_at_twice_the_costs_and_as_those_of_the_next_bar(data, folds):
    usual, dear, late = stressed(data, CONFIG, folds, daily(data.labels, folds), 5)
    taken = np.concatenate([fold.trades for fold in folds])
    earned = data.labels.net_return[taken]
    assert usual.trades == dear.trades == len(taken)
    assert usual.mean_net_return.value == pytest.approx(earned.mean())
    # Twice the costs: 2 × (2 × 0.04 % + 0.01 % to 0.02 %) instead of once.
    assert 0.0008 < usual.mean_net_return.value - dear.mean_net_return.value < 0.0011
    row_of = {int(bar): row for row, bar in enumerate(data.labels.index)}
    after = [
        data.labels.net_return[row_of[int(bar) + 1]]
        for bar in data.labels.index[taken]
        if int(bar) + 1 in row_of
    ]
    assert late.trades - len(after) in {0, 1}, "only the very last bar's next one may lie in the holdout"
    assert late.mean_net_return.value == pytest.approx(np.mean(after), rel=0.05)
    assert usual.mean_net_return.low < usual.mean_net_return.value < usual.mean_net_return.high


def test_costs_are_doubled_all_of_them():
    twice, once = doubled(CONFIG.costs), CONFIG.costs
    assert (twice.taker_fee, twice.maker_fee, twice.slippage) == (
        once.taker_fee * 2, once.maker_fee * 2, once.slippage * 2,
    )  # fmt: skip


def test_the_slices_of_each_kind_hold_every_event_and_every_trade_once(data, folds):
    events, trades = sum(len(fold.events) for fold in folds), sum(len(fold.trades) for fold in folds)
    found = slices(data, folds)
    for by in ("month", "volatility", "trend", "pair"):
        parts = [part for part in found if part.by == by]
        assert sum(part.events for part in parts) == events
        assert sum(part.trades for part in parts) == trades
        assert len({part.name for part in parts}) == len(parts)
    assert {part.name for part in found if part.by == "volatility"} == {"calm", "normal", "wild"}
    assert [part.name for part in found if part.by == "pair"] == ["BTC/USD"]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8), st.booleans()), min_size=2, max_size=25))
def test_overlaps_are_counted_as_a_plain_comparison_of_all_pairs_does(drawn):
    drawn.sort()
    t0 = np.array([start for start, _, _ in drawn])
    t1 = t0 + np.array([length for _, length, _ in drawn])
    is_test = np.array([test for _, _, test in drawn])
    taught, tested = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    if not len(taught) or not len(tested):
        return
    touching = {a for a, b in product(taught.tolist(), tested.tolist()) if t0[a] <= t1[b] and t0[b] <= t1[a]}
    assert overlaps(_labelled(t0, t1), taught, tested) == len(touching)


def _labelled(t0, t1):
    labels = Labels(np.arange(len(t0)), t0, t1, np.zeros(len(t0)), np.zeros(len(t0), np.int8))
    return replace(assemble(*market(4_000), CONFIG), labels=labels)


def test_the_calibration_curve_has_the_error_that_the_scores_tell():
    rng = np.random.default_rng(1)
    said = rng.random(997)
    seen = rng.random(997) < said**2
    bins = calibration_curve(said, seen)
    error = sum(one.events * abs(one.said - one.seen) for one in bins) / 997
    assert error == pytest.approx(calibration_error(said, seen))
    assert [one.said for one in bins] == sorted(one.said for one in bins)


def test_importance_is_in_order_and_gain_a_share():
    found = importance(("a", "b", "c"), np.array([1.0, 3.0, 0.0]), np.array([0.1, 0.1, 0.4]))
    assert [one.feature for one in found] == ["c", "a", "b"]
    assert [one.gain for one in found] == [0.0, 0.25, 0.75]


def test_candles_with_holes_and_frozen_prices_are_not_believed():
    candles, _ = market(4_000)
    assert quality(candles, 0.25).reasons == ()
    kept = np.arange(len(candles)) % 3 != 0
    holed = replace(candles, **{
        name: getattr(candles, name)[kept] for name in ("ts", "open", "high", "low", "close", "volume", "trades")
    })  # fmt: skip
    assert "bars are missing (33.3%, at most 25%)" in quality(holed, 0.25).reasons[0]
    ones = np.full(len(candles), 5.0)
    frozen = replace(candles, open=ones, high=ones, low=ones, close=ones)
    assert "the price never changes" in quality(frozen, 0.25).reasons


def test_too_short_a_history_for_paths_says_so_and_stops_nothing(data):
    short = replace(data, events=data.events[:4])
    found = cross_validate(short, CONFIG)
    assert found.paths == ()
    assert "too few for 6 groups" in found.about


def test_a_history_with_more_events_is_thinned(data):
    config = CONFIG.model_copy(
        update={"validation": CONFIG.validation.model_copy(update={"max_events": 600})}
    )
    found = cross_validate(data, config)
    assert {path.events for path in found.paths} == {len(data.events[:: -(-len(data.events) // 600)])}


def noise(days=300, strategies=40, seed=0):
    return np.random.default_rng(seed).normal(0, 0.01, (days, strategies))


def test_a_search_takes_from_the_same_record_and_a_paying_market_takes_more():
    returns = noise(seed=4)
    returns[:, 0] += 0.0015
    ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    idle = np.zeros(300)
    alone = sharpe_family(returns[:, 0], idle, ONE, 0.95)
    tried = sharpe_family(returns[:, 0], idle, Trials(40, ratios, returns), 0.95)
    paid = sharpe_family(returns[:, 0], returns[:, 0], Trials(40, ratios, returns), 0.95)
    assert alone.dsr == alone.psr == tried.psr
    assert alone.passive is None
    assert tried.dsr < alone.dsr
    assert paid.dsr < 0.5, "it earned what every trade did"
    losing = sharpe_family(returns[:, 0], -returns[:, 0], Trials(40, ratios, returns), 0.95)
    assert losing.dsr == tried.dsr, "a market that punishes being in it excuses nobody"


def test_a_choice_is_judged_where_its_returns_were_kept_and_else_says_why_not():
    assert choice(ONE).probability is None
    assert "nothing was chosen" in choice(ONE).about
    returns = noise()
    judged = choice(Trials(40, np.zeros(40), returns))
    assert 0 < judged.probability < 1
    assert judged.splits == 12_870
    assert "40 configurations were tried, but the daily returns of 0 kept" in choice(Trials(40)).about
    short = choice(Trials(40, np.zeros(40), returns[:50]))
    assert short.probability is None
    assert "50 days are too few" in short.about
    wide = choice(Trials(400, np.zeros(400), noise(300, 400)))
    assert "400 are needed" in wide.about


def test_trials_whose_ratios_are_unknown_leave_luck_unknown():
    assert Trials(5, np.array([0.1])).variance is None
    assert ONE.variance == 0
    assert Trials(3, np.array([0.1, 0.3])).variance == pytest.approx(0.02)
    assert sharpe_family(noise()[:, 0], np.zeros(300), Trials(5), 0.95).dsr is None


def test_a_record_without_a_trade_has_no_ratio():
    found = sharpe_family(np.zeros(300), np.zeros(300), ONE, 0.95)
    assert (found.ratio, found.psr, found.dsr, found.days) == (None, None, None, 300)
