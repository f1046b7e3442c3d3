"""A split engine in simulated worlds: whichever role dies when, nothing is lost, nothing doubled, and all agree in the end."""

import pytest

from gal_friday_live.simulation.world import Plan, run

SEEDS = range(12)


def test_a_calm_desk_trades_and_ends_well():
    outcome = run(Plan(seed=1, faults=(), seconds=100, desk=True))
    assert outcome.violations == ()
    assert outcome.orders >= 3
    assert outcome.fills >= 3


def test_the_same_seed_is_the_same_desk_to_the_byte():
    first, second = run(Plan(seed=6, seconds=60, desk=True)), run(Plan(seed=6, seconds=60, desk=True))
    assert first.trace == second.trace
    assert first.digest != run(Plan(seed=7, seconds=60, desk=True)).digest


@pytest.mark.parametrize("seed", SEEDS)
def test_a_desk_of_which_things_go_wrong_keeps_every_promise(seed):
    outcome = run(Plan(seed=seed, desk=True))
    assert outcome.violations == (), "\n".join(outcome.trace[-40:])
