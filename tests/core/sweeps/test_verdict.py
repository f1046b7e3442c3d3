"""The best of many noises is flagged; an edge is not. Daily returns are drawn, so the truth is known."""

import numpy as np
import pytest

from gal_friday_core.config import GatesConfig
from gal_friday_core.errors import DataError
from gal_friday_core.sweeps.outcome import ratio_of
from gal_friday_core.sweeps.verdict import best_of, idle_ratio, judge

GATES = GatesConfig()
DAYS = 365


def judged(tried, *, trials=None, idle=0.0, ratios=None):
    known = [ratio_of(column) for column in tried.T]
    place = best_of(known)
    best = tried[:, 0] if place is None else tried[:, place]
    found = np.array([ratio for ratio in known if ratio is not None]) if ratios is None else ratios
    verdict, logits = judge(
        best, tried, ratios=found, trials=trials or tried.shape[1], idle=idle, gates=GATES
    )
    return verdict, logits


def noise(seed, points, days=DAYS):
    return 0.01 * np.random.default_rng(seed).standard_normal((days, points))


@pytest.mark.parametrize(("points", "seeds"), [(60, 8), (500, 2)])
def test_the_best_of_many_noises_looks_skilled_and_is_flagged(points, seeds):
    verdicts = [judged(noise([seed, points], points)) for seed in range(seeds)]
    assert all(len(logits) == 12_870 for _, logits in verdicts)
    assert all(verdict.overfitted for verdict, _ in verdicts)
    believed = sum(verdict.psr > 0.95 for verdict, _ in verdicts)
    assert believed >= 0.7 * seeds  # by who forgets the sweep


def test_an_edge_that_many_points_share_is_not_flagged():
    for seed in range(5):
        rng = np.random.default_rng([7, seed])
        edge = 0.004 * np.linspace(0.5, 1.0, 60)  # a ratio of 0.2 to 0.4 a day, smooth over the grid
        shared = 0.01 * rng.standard_normal((DAYS, 1))
        own = 0.003 * rng.standard_normal((DAYS, 60))
        verdict, _ = judged(shared + own + edge)
        assert verdict.word == "HOLDS", verdict
        assert verdict.dsr > 0.95
        assert verdict.pbo < 0.2


def test_among_points_that_all_earn_alike_it_is_luck_which_is_best_and_no_harm():
    rng = np.random.default_rng(8)
    tried = 0.004 + 0.01 * rng.standard_normal((DAYS, 1)) + 0.001 * rng.standard_normal((DAYS, 40))
    verdict, _ = judged(tried)
    assert verdict.pbo > 0.3
    assert verdict.loss_probability < 0.01
    assert verdict.word == "HOLDS"


def test_one_true_edge_among_noises_is_found_and_not_flagged():
    tried = noise(3, 200)
    tried[:, 120] += 0.004
    verdict, _ = judged(tried)
    assert verdict.word == "HOLDS"


def test_trials_of_earlier_sweeps_make_the_same_best_less_believable():
    tried = noise(11, 40)
    tried[:, 0] += 0.0022
    fresh, _ = judged(tried)
    known = np.array([ratio_of(column) for column in tried.T])
    remembered, _ = judged(tried, trials=5_000, ratios=known)
    assert remembered.luck > fresh.luck
    assert remembered.dsr < fresh.dsr


def test_what_holding_the_asset_earns_is_no_skill():
    rng = np.random.default_rng(5)
    market = 0.003 + 0.01 * rng.standard_normal(DAYS)
    tried = 0.5 * market[:, np.newaxis] + 0.0005 * rng.standard_normal((DAYS, 30))
    assert judged(tried)[0].dsr > 0.95
    assert judged(tried, idle=idle_ratio(market, 1.0))[0].overfitted


def test_random_times_in_the_market_have_the_root_of_the_exposure_as_their_share():
    """Independent of the formula: a year's days held or not by the toss of a coin, a thousand times."""
    rng = np.random.default_rng(6)
    market = 0.002 + 0.02 * rng.standard_normal(DAYS)
    tossed = [ratio_of(market * (rng.random(DAYS) < 0.25)) for _ in range(1_000)]
    assert idle_ratio(market, 0.25) == pytest.approx(np.mean(tossed), abs=0.003)


def test_what_cannot_be_told_is_said():
    short, _ = judged(noise(1, 5, days=40) + 0.01)
    assert short.word == "UNKNOWN"
    assert "40 days are too few" in short.reasons[0]
    idle, _ = judge(np.zeros(90), np.zeros((90, 3)), ratios=np.empty(0), trials=3, idle=0.0, gates=GATES)
    assert idle.word == "UNKNOWN"
    assert idle.ratio is None
    losing, _ = judged(noise(2, 3) - 0.02)
    assert losing.word == "LOSES"
    with pytest.raises(DataError, match="2 trials cannot have given 3 records"):
        judge(np.zeros(90), np.zeros((90, 3)), ratios=np.empty(0), trials=2, idle=0.0, gates=GATES)


def test_the_best_is_the_first_of_equals_and_none_where_nothing_traded():
    assert best_of([None, 0.1, 0.3, 0.3, None]) == 2
    assert best_of([None, None]) is None


def test_a_single_record_is_held_against_holding_and_not_against_luck():
    rng = np.random.default_rng(9)
    tried = 0.002 + 0.01 * rng.standard_normal((DAYS, 1))
    good, logits = judged(tried)
    assert (good.word, good.luck, good.pbo, len(logits)) == ("HOLDS", 0.0, None, 0)
    assert good.reasons[0].startswith("The record is beyond holding the asset at random")
    held = judged(tried, idle=0.5)[0]
    assert held.overfitted
    assert "95% is asked for" in held.reasons[0]
    assert judged(-tried)[0].reasons == ("It earned nothing.",)
