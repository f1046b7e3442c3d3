"""Choosing the best of noise is found out; choosing among strategies with an edge is not blamed."""

import numpy as np
import pytest

from gal_friday_core.errors import DataError
from gal_friday_core.evidence.overfitting import probability_of_overfitting


def noise(seed, times=1_000, strategies=200):
    return np.random.default_rng(seed).normal(0, 0.01, (times, strategies))


def test_the_best_of_noise_is_as_good_as_any_out_of_sample():
    found = [probability_of_overfitting(noise(seed)) for seed in range(4)]
    assert {one.splits for one in found} == {12_870}
    assert np.mean([one.probability for one in found]) == pytest.approx(0.5, abs=0.15)
    assert all(one.degradation < 0 for one in found), "what rose in one half fell in the other"


def test_an_edge_in_twenty_of_two_hundred_is_seen():
    returns = noise(5)
    returns[:, :20] += 0.0015
    found = probability_of_overfitting(returns)
    assert found.probability < 0.01
    assert found.loss_probability < 0.05


def test_it_is_what_the_definition_says_on_a_small_matrix():
    """Against a plain reading of the definition: four blocks, six splits."""
    from itertools import combinations

    returns = noise(9, times=40, strategies=5)
    parts = returns.reshape(4, 10, 5)
    logits = []
    for half in combinations(range(4), 2):
        inside = np.concatenate([parts[block] for block in half])
        outside = np.concatenate([parts[block] for block in range(4) if block not in half])
        best = np.argmax(inside.mean(axis=0) / inside.std(axis=0))
        ratio = outside.mean(axis=0) / outside.std(axis=0)
        rank = (ratio <= ratio[best]).sum()
        logits.append(np.log(rank / 6 / (1 - rank / 6)))
    found = probability_of_overfitting(returns, blocks=4)
    assert found.logits == pytest.approx(logits)
    assert found.probability == np.mean(np.array(logits) <= 0)


@pytest.mark.parametrize(
    ("returns", "blocks", "said"),
    [
        (noise(1).T, 16, "transposed"),
        (noise(1, 100, 3), 15, "even number"),
        (noise(1, 20, 3), 16, "too few"),
        (noise(1, 100, 1), 16, "two strategies"),
        (np.full((100, 3), np.nan), 16, "not finite"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_words(returns, blocks, said):
    with pytest.raises(DataError, match=said):
        probability_of_overfitting(returns, blocks)


def test_strategies_that_did_nothing_are_no_error():
    returns = noise(2, 200, 4)
    returns[:, 1:] = 0
    assert 0 <= probability_of_overfitting(returns).probability <= 1
