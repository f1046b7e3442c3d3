import pytest

from gal_friday_core.experiments.power import (
    blocks_needed,
    plan,
    power_by,
    rule_for,
    smallest_effect,
    typical_end,
)


def test_blocks_that_are_needed_give_the_power_asked_for_and_one_fewer_do_not():
    for effect in (0.05, 0.2, 1.0):
        needed = blocks_needed(effect, 1.0, 0.05, 0.8)
        assert power_by(effect, 1.0, needed, rule_for(needed, 0.05)) >= 0.8
        if needed > 20:
            assert power_by(effect, 1.0, needed - 1, rule_for(needed - 1, 0.05)) < 0.8


def test_smallest_effect_is_the_inverse_of_power():
    rule = rule_for(200, 0.05)
    for power in (0.6, 0.8, 0.95):
        assert power_by(smallest_effect(2.0, 200, rule, power), 2.0, 200, rule) == pytest.approx(power)


def test_larger_effects_are_seen_sooner():
    rule = rule_for(1_000, 0.05)
    ends = [typical_end(effect, 1.0, rule, 1_000) for effect in (0.2, 0.3, 0.5)]
    assert ends == sorted(ends, reverse=True)
    assert len(set(ends)) == 3


def test_effect_too_small_for_any_bearable_length_is_said_to_be():
    assert blocks_needed(1e-6, 1.0, 0.05, 0.8) is None
    found = plan(sd=1.0, block=50, alpha=0.05, power=0.8, effect=1e-6)
    assert (found.blocks, found.days, found.median_units) == (None, None, None)


def test_plan_tells_days_where_the_rate_of_units_is_known():
    found = plan(sd=1.0, block=50, alpha=0.05, power=0.8, most_units=10_000, units_per_day=1_440)
    assert (found.blocks, found.units) == (200, 10_000)
    assert found.days == pytest.approx(10_000 / 1_440)
    assert found.smallest_effect is not None
    seen = plan(
        sd=1.0,
        block=50,
        alpha=0.05,
        power=0.8,
        most_units=10_000,
        effect=found.smallest_effect,
        units_per_day=1_440,
    )
    assert seen.power == pytest.approx(0.8)
    assert 0 < seen.median_days < seen.days
