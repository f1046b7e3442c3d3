"""Every gate says its number, its limit and why."""

import pytest

from gal_friday_core import gate_checks as checks
from gal_friday_core.config import GatesConfig
from gal_friday_core.evidence.parity import Parity
from gal_friday_core.evidence.report import Canary, Choice, Quality, SharpeFamily, Stress, Suspect
from gal_friday_core.resampling import UNKNOWN, Estimate

LIMITS = GatesConfig()


def sharpe(**changes):
    values = {
        "days": 300, "ratio": 0.1, "annual_ratio": 1.9, "skewness": 0.0, "kurtosis": 3.0, "autocorrelation": 0.0,
        "psr": 0.96, "psr_2026": 0.96, "dsr": 0.8, "passive": -0.1, "luck": 0.05, "trials": 40,
        "variance_of_trials": 0.001, "minimum_record_days": 270.0, "minimum_backtest_years": 1.0,
    }  # fmt: skip
    return SharpeFamily(**{**values, **changes})


def choice(probability=0.1, about="chosen well", apart=0):
    return Choice(
        strategies=40, days=300, splits=12_870, probability=probability, loss_probability=0.1, degradation=0.0,
        about=about, apart=apart,
    )  # fmt: skip


def canary(**changes):
    values = {"recomputed": True, "rows": 24, "differing": 0, "features": (), "overlaps": 0, "suspects": ()}
    return Canary(**{**values, **changes})


def by_name(gates):
    return {gate.name: gate for gate in gates}


def test_skill_is_asked_in_itself_after_the_search_and_for_its_length():
    found = by_name(checks.skill(sharpe(), choice(), LIMITS))
    assert {name: gate.passed for name, gate in found.items()} == {
        "psr": True, "dsr": False, "pbo": True, "min_track_record": True,
    }  # fmt: skip
    assert found["dsr"].about == (
        "Sharpe ratio +1.90 a year over 300 days out of sample: beyond the luck of the best of 40 and of taking "
        "every trade with probability 80.0%"
    )
    assert found["min_track_record"].limit == 300
    assert "270 days would be needed" in found["min_track_record"].about


def test_trials_on_other_days_were_no_choice_and_count_as_luck_all_the_same():
    elsewhere = choice(None, "the other 39 were tried on other days", apart=39)
    found = by_name(checks.skill(sharpe(), elsewhere, LIMITS))
    assert (found["pbo"].passed, found["pbo"].limit, found["dsr"].passed) == (True, None, False)
    some = by_name(checks.skill(sharpe(), choice(None, "too few days", apart=38), LIMITS))
    assert not some["pbo"].passed


def test_a_single_configuration_was_not_chosen_and_many_without_returns_are_not_excused():
    alone = by_name(checks.skill(sharpe(trials=1, dsr=0.96), choice(None, "nothing was chosen"), LIMITS))
    assert alone["pbo"].passed
    assert alone["pbo"].limit is None
    assert "a single try" in alone["dsr"].about
    lost = by_name(checks.skill(sharpe(dsr=None), choice(None, "no returns were kept"), LIMITS))
    assert not lost["pbo"].passed
    assert not lost["dsr"].passed
    assert "cannot be told" in lost["dsr"].about


def test_too_few_trades_for_a_ratio_fail_all_that_ask_for_one():
    none = sharpe(ratio=None, annual_ratio=None, psr=None, dsr=None, minimum_record_days=None)
    found = by_name(checks.skill(none, choice(), LIMITS))
    for name in ("psr", "dsr", "min_track_record"):
        assert not found[name].passed
        assert "too few trades" in found[name].about


def test_a_losing_record_is_never_long_enough():
    found = by_name(checks.skill(sharpe(annual_ratio=-1.0, minimum_record_days=None), choice(), LIMITS))
    assert not found["min_track_record"].passed
    assert "no record is long enough" in found["min_track_record"].about


def test_stress_looks_at_the_mean_and_at_nothing_where_nothing_was_traded():
    mean = Estimate(0.001, -0.001, 0.003)
    dear = Stress(
        name="costs doubled", trades=50, mean_net_return=mean, total_net_return=0.05, annual_ratio=1.0
    )
    late = Stress(
        name="one bar late", trades=0, mean_net_return=UNKNOWN, total_net_return=0, annual_ratio=None
    )
    costs, latency = checks.stress((dear, late), LIMITS)
    assert costs.passed
    assert costs.about == "costs doubled: mean net return a trade +0.100% over 50 trades"
    assert not latency.passed
    assert not checks.stress((), LIMITS)[0].passed


@pytest.mark.parametrize(
    ("changes", "value", "said"),
    [
        ({}, 0.0, "24 feature rows computed again without their future: the same bits"),
        ({"differing": 3, "features": ("rsi", "macd")}, 3.0, "3 of 24 feature rows are not what the candles until then give (rsi, macd)"),
        ({"overlaps": 7}, 7.0, "7 labels that were learnt from touch a tested moment"),
        ({"suspects": (Suspect("oracle", 0.91),)}, 1.0, "oracle alone tells the outcome with an AUC of 0.910"),
        ({"recomputed": False}, None, "nobody could look"),
    ],
)  # fmt: skip
def test_every_sign_of_a_leak_is_counted_and_told(changes, value, said):
    gate = checks.leakage(canary(**changes))
    assert gate.value == value
    assert gate.passed is (value == 0)
    assert said in gate.about


def test_parity_that_was_not_measured_is_not_passed():
    assert not checks.replayed(None).passed
    assert not checks.replayed(Parity(0, 0, "nothing")).passed
    assert not checks.serving(0, 0).passed
    assert not checks.serving(100, 1).passed
    assert checks.serving(100, 0).passed
    assert checks.replayed(Parity(100, 0, "a session")).passed


def test_candles_that_cannot_be_believed_say_why():
    gate = checks.believable(
        Quality(candles=10, missing_share=0.4, reasons=("40% are missing", "a frozen feed"))
    )
    assert (gate.value, gate.passed) == (2.0, False)
    assert gate.about == "40% are missing; a frozen feed"
