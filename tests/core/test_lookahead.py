"""Lookahead guards: what knows its future is found, what does not is not."""

import numpy as np
import pytest

from gal_friday_core.errors import DataError
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import REACH, FeatureStream
from gal_friday_core.lookahead import Check, Guards, late, past_alone, shuffled, shuffled_future
from tests.live.world import market

BARS, HISTORY = market()[2_000:4_000], market()[:2_000]


def honest(history, bars):
    """The features that are traded on, and a rule over closes."""
    stream = FeatureStream.from_history(history) if len(history) else FeatureStream(CANDLES_V1, 60 * 10**9)
    values = stream.extend(bars)
    return {"features": values, "rises": values[:, 0] > 0}


def peeks_one_bar(history, bars):
    """The classic: a column shifted the wrong way."""
    rises = np.concatenate((bars.close[1:] > bars.close[:-1], [False]))
    return {**honest(history, bars), "rises": rises}


def scaled_by_all_bars(history, bars):
    """Normalised by a mean that was not known yet."""
    return {**honest(history, bars), "level": bars.close / bars.close.mean()}


def counted_from_the_start(history, bars):
    """Knows no future, but gives another answer to who starts later."""
    return {**honest(history, bars), "sum": np.cumsum(bars.close)}


def looked(decide):
    return (
        shuffled_future(decide, HISTORY, BARS, seed=1),
        past_alone(decide, HISTORY, BARS, reach=REACH, seed=1, rows=20),
    )


def test_features_and_rules_of_the_past_pass():
    future, past = looked(honest)
    assert (future.differing, past.differing, past.checked) == (0, 0, 20)
    assert future.checked == sum(2_000 * cut // 6 for cut in range(1, 6))
    assert future.passed
    assert past.passed


@pytest.mark.parametrize(("decide", "column"), [(peeks_one_bar, "rises"), (scaled_by_all_bars, "level")])
def test_future_in_a_decision_is_found_and_named(decide, column):
    future, past = looked(decide)
    assert (future.passed, past.passed) == (False, False)
    assert future.columns == past.columns == (column,)


def test_only_one_leaking_bar_at_each_cut_is_enough():
    future, _ = looked(peeks_one_bar)
    assert 1 <= future.differing <= 5  # the last known bar of each of five cuts, where its answer turned


def test_answer_that_depends_on_where_a_run_began_is_found():
    future, past = looked(counted_from_the_start)
    assert future.passed
    assert (past.passed, past.columns) == (False, ("sum",))


def test_shuffled_bars_are_valid_ones_of_other_means_at_the_same_times():
    mixed = shuffled(BARS, 500, np.random.default_rng(1))
    assert mixed[:500].fingerprint() == BARS[:500].fingerprint()
    assert (mixed.ts == BARS.ts).all()
    assert sorted(mixed.trades) == sorted(BARS.trades)
    for column in (mixed.open, mixed.close, mixed.low):
        assert (mixed.high >= column).all()
    assert (mixed.close[500:] != BARS.close[500:]).all()
    assert mixed.close[500:].mean() > 1.4 * BARS.close[500:].mean()
    assert mixed.volume[500:].sum() > 1.4 * BARS.volume[500:].sum()


def test_too_few_bars_have_no_future():
    with pytest.raises(DataError, match="11 bars are too few to shuffle the future of: at least 12"):
        shuffled_future(honest, HISTORY, BARS[:11], seed=1)


def test_decisions_that_skip_bars_are_refused():
    with pytest.raises(DataError, match="bars were decided on where"):
        shuffled_future(
            lambda history, bars: {"x": bars.close[: int(bars.close[-1]) % 7]}, HISTORY, BARS, seed=1
        )


def test_late_columns_say_what_was_said_before():
    found = late({"p": np.array([0.1, 0.2, 0.3]), "entries": np.array([True, False, True])}, 2)
    np.testing.assert_array_equal(found["p"], [np.nan, np.nan, 0.1])
    assert found["entries"].tolist() == [False, False, True]
    assert late({"p": np.array([0.1])}, 5)["p"].tolist() == pytest.approx([np.nan], nan_ok=True)


def test_verdict_of_all_is_that_of_each():
    good = Check(name="a", about="", checked=3, differing=0)
    unasked = Check(name="b", about="", checked=0, differing=0)
    assert Guards(checks=(good,), delays=()).to_dict()["passed"] is True
    assert Guards(checks=(good, unasked), delays=()).passed is False
