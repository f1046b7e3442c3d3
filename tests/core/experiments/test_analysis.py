import numpy as np
import pytest

from gal_friday_core.experiments.analysis import analyse, curves, rule_of, settled
from gal_friday_core.experiments.guard_rails import alarms
from gal_friday_core.experiments.outcomes import Paired, Served
from gal_friday_core.times import DAY_NS, HOUR_NS
from tests.core.experiments.designs import PLAIN, designed

THIRD = {"name": "third", "model_id": "m@v3"}


def pairs(gain, units=1_000, seed=0):
    rng = np.random.default_rng(seed)
    market = rng.standard_normal(units)
    gains = np.atleast_1d(gain)
    own = rng.standard_normal((units, len(gains) + 1)) * 0.5
    values = market[:, None] + own + np.concatenate(([0.0], gains))
    return Paired(np.arange(units), values)


def served(gain, units=2_000, to_challenger=0.5, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    by = (rng.random(units) < to_challenger).astype(np.int64)
    values = (rng.standard_normal(units) + gain * by) * scale
    return Served(np.arange(units), values, by, np.tile([1 - to_challenger, to_challenger], (units, 1)))


def test_better_challenger_is_proven_and_only_recommended():
    found = analyse(designed(), pairs(0.3), running_ns=DAY_NS)
    (one,) = found.comparisons
    assert one.verdict == "BETTER"
    assert one.low <= 0.3 <= one.high
    assert one.low > 0
    assert one.p_value < 0.05
    assert one.decided_after % 10 == 0
    assert (found.winner, found.over) == ("challenger", True)
    assert "certificate" in found.recommendation
    assert "not promoted" in found.recommendation


def test_worse_challenger_leaves_the_control_as_winner_and_trips_the_guard():
    found = analyse(designed(), pairs(-0.3), running_ns=DAY_NS)
    assert found.winner == "champion"
    assert [alarm.code for alarm in found.alarms] == ["HARM"]
    assert found.alarms[0].variant == "challenger"


def test_equal_models_are_not_told_apart_until_time_is_over():
    going = analyse(designed(), pairs(0.0), running_ns=DAY_NS)
    assert (going.comparisons[0].verdict, going.winner, going.over) == ("UNDECIDED", None, False)
    assert going.alarms == ()
    ended = analyse(designed(most_units=1_000), pairs(0.0), running_ns=DAY_NS)
    assert (ended.winner, ended.over) == (None, True)
    assert ended.recommendation.startswith("Keep")


def test_models_that_never_differ_are_called_identical():
    same = Paired(np.arange(500), np.ones((500, 2)))
    found = analyse(designed(), same, running_ns=DAY_NS)
    assert found.comparisons[0].verdict == "IDENTICAL"
    assert found.plan is None


def test_of_several_challengers_the_surest_wins_and_the_loser_is_named():
    design = designed(variants=[*PLAIN["variants"], THIRD])
    found = analyse(design, pairs([0.5, 0.25]), running_ns=DAY_NS)
    assert found.winner == "challenger"
    mixed = analyse(design, pairs([0.0, -0.5]), running_ns=DAY_NS)
    assert mixed.winner is None
    assert mixed.recommendation == "Stop third, and go on with the others."


def test_split_traffic_sees_what_pairing_sees_with_more_units():
    design = designed(mode="split", most_units=20_000)
    found = analyse(design, served(0.6, units=6_000), running_ns=DAY_NS)
    assert found.winner == "challenger"
    assert found.comparisons[0].low <= 0.6 <= found.comparisons[0].high


def test_experiment_without_traffic_says_so_after_a_while():
    nothing = Paired(np.zeros(0, np.int64), np.zeros((0, 2)))
    early = analyse(designed(), nothing, running_ns=HOUR_NS)
    assert early.alarms == ()
    assert early.comparisons[0].verdict == "TOO_FEW"
    late = analyse(designed(), nothing, running_ns=30 * HOUR_NS)
    assert [alarm.code for alarm in late.alarms] == ["NO_TRAFFIC"]
    assert "30.0 hours" in late.alarms[0].text
    assert not late.alarms[0].stops


@pytest.mark.parametrize("known", [0, 300])
def test_dead_variant_is_found(known):
    outcomes = pairs(0.0)
    outcomes.values[known:, 1] = np.nan
    found = analyse(designed(), outcomes, running_ns=DAY_NS)
    assert [(alarm.code, alarm.variant) for alarm in found.alarms] == [("DEAD_VARIANT", "challenger")]
    assert found.winner is None


def test_dead_variant_of_split_traffic_is_found():
    outcomes = served(0.0)
    outcomes.served[400:] = 0
    codes = {
        alarm.code for alarm in alarms(designed(mode="split"), outcomes, rule_of(designed()), running_ns=0)
    }
    assert codes == {"DEAD_VARIANT", "TRAFFIC_MISMATCH"}


def test_traffic_that_gets_lost_spoils_the_conclusion():
    outcomes = served(2.0, to_challenger=0.4)
    told = Served(outcomes.at_ns, outcomes.values, outcomes.served, np.full((2_000, 2), 0.5))
    found = analyse(designed(mode="split"), told, running_ns=DAY_NS)
    assert "TRAFFIC_MISMATCH" in {alarm.code for alarm in found.alarms}
    assert found.winner is None
    assert found.recommendation.startswith("Conclude nothing")


def test_variant_that_spends_too_much_is_stopped_long_before_proof():
    design = designed(mode="split", guards={"max_loss": 0.02})
    outcomes = served(-0.5, units=200, scale=0.001)
    found = analyse(design, outcomes, running_ns=DAY_NS)
    assert [(alarm.code, alarm.variant) for alarm in found.alarms] == [("LOSS", "challenger")]


def test_curves_end_where_the_analysis_stands():
    outcomes = pairs(0.1)
    (curve,) = curves(designed(), outcomes)
    found = analyse(designed(), outcomes, running_ns=DAY_NS).comparisons[0]
    assert curve.units[-1] == found.units == 1_000
    assert curve.walk.low[-1] == found.low


def test_block_is_settled_once():
    assert settled(designed(block=None), 70).block == 70
    assert settled(designed(), 70).block == 10
