import numpy as np

from gal_friday_core.experiments.pairing import Said, paired
from gal_friday_core.labels import Labels

MINUTE = 60_000_000_000


def labels(returns, held=3):
    count = len(returns)
    t0 = np.arange(1, count + 1) * MINUTE
    net = np.array(returns, float)
    return Labels(np.arange(count), t0, t0 + held * MINUTE, net, np.zeros(count, np.int8))


def said(probability, known, threshold=0.5, first=1, **more):
    at = np.arange(first, first + len(probability)) * MINUTE
    return Said(at, np.array(probability, float), threshold, known, **more)


def test_each_model_earns_at_its_own_entries_one_position_at_a_time():
    known = labels([0.1, 0.2, 0.3, 0.4, -0.5, 0.6])
    found = paired([said([0.9] * 6, known), said([0.1, 0.9, 0.1, 0.1, 0.9, 0.1], known)], "net_return")
    assert found.values[:, 0].tolist() == [0.1, 0, 0, 0.4, 0, 0]
    assert found.values[:, 1].tolist() == [0, 0.2, 0, 0, -0.5, 0]
    assert found.difference(1).sum() == np.float64(0.2 - 0.5 - 0.1 - 0.4)


def test_bars_whose_end_is_not_known_to_all_wait():
    found = paired([said([0.9] * 8, labels([0.1] * 8)), said([0.9] * 8, labels([0.1] * 5))], "net_return")
    assert len(found.at_ns) == 5


def test_more_candles_later_change_nothing_of_what_was_known():
    rng = np.random.default_rng(1)
    returns, one, two = rng.normal(size=(3, 60))
    early, late = (
        paired([said(one + 0.5, labels(returns[:end])), said(two + 0.5, labels(returns[:end]))], "net_return")
        for end in (40, 60)
    )
    assert np.array_equal(early.values, late.values[:40])


def test_model_that_was_silent_is_unknown_there_and_not_zero():
    known = labels([0.1] * 6)
    found = paired([said([0.9] * 6, known), said([0.9] * 3, known, first=4)], "net_return")
    assert np.isnan(found.values[:3, 1]).all()
    assert len(found.difference(1)) == 3


def test_log_loss_is_turned_so_that_more_is_better():
    known = labels([0.1, -0.1])
    found = paired([said([0.9, 0.1], known), said([0.5, 0.5], known)], "log_loss")
    assert (found.values[:, 0] > found.values[:, 1]).all()


def test_nothing_said_is_no_unit():
    assert len(paired([said([], labels([0.1])), said([], labels([0.1]))], "net_return").at_ns) == 0
    assert len(paired([said([0.9], labels([])), said([0.9], labels([]))], "net_return").at_ns) == 0
