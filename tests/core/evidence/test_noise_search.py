"""Noise, searched over two hundred trials, looks like profit; the gates that know of the search refuse it."""

import pytest

from gal_friday_core.evidence.trials import ONE
from gal_friday_core.gates import Outside, certify
from gal_friday_core.training import train_on
from tests.core.evidence.noise_search import CONFIG, IDEAS, searched


@pytest.fixture(scope="module")
def certificate():
    candidate, _, _ = searched()
    return certify(candidate.files, CONFIG.gates, Outside())


def test_the_best_of_two_hundred_noises_looks_profitable_to_who_forgets_the_search(certificate):
    for deceived in ("net_profit", "trades", "psr", "min_track_record", "stress_costs"):
        assert certificate.gate(deceived).passed, deceived


def test_the_gates_that_know_of_the_search_refuse_it(certificate):
    assert certificate.trials == IDEAS
    assert certificate.gate("dsr").value < 0.8
    assert certificate.gate("pbo").value > 0.3
    assert not certificate.gate("log_loss_gain").passed
    assert not certificate.passed
    assert any("the luck of the best of 200" in reason for reason in certificate.reasons)


def test_forgetting_the_search_makes_the_same_noise_look_less_like_luck():
    """The same model of the same data: only what is known of the search differs."""
    _, tried, data = searched()
    assert tried.returns.shape[1] == IDEAS
    alone = train_on(data, CONFIG, trials=ONE).evidence.sharpe
    known = train_on(data, CONFIG, trials=tried).evidence.sharpe
    assert alone.luck == 0 < known.luck
    assert alone.ratio == known.ratio
    assert known.dsr < alone.dsr
