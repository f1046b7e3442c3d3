"""A split engine in simulated worlds: whichever role dies when, nothing is lost, nothing doubled, and all agree in the end."""

import json

import pytest
from typer.testing import CliRunner

from gal_friday_live.cli import app
from gal_friday_live.simulation.world import Plan, run

FOUND = (1_038, 1_042)
"""Worlds that broke a promise once."""
SEEDS = (*range(5), *FOUND)


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


def test_a_desk_is_killed_at_steps_of_any_of_its_roles_and_loses_nothing():
    shown = CliRunner().invoke(
        app,
        [
            "simulate",
            "--desk",
            "--crash-every-step",
            "2",
            "--lasts",
            "25",
            "--every",
            "1100",
            "--jobs",
            "1",
            "--json",
        ],
    )
    told = json.loads(shown.stdout)
    assert (shown.exit_code, told["violations"]) == (0, 0)
    assert told["worlds"] >= 3


def test_the_command_says_which_desk_to_look_at_and_that_bugs_are_hunted_without_the_option():
    shown = CliRunner().invoke(app, ["simulate", "--desk", "--seed", "1", "--lasts", "30", "--json"])
    assert (shown.exit_code, json.loads(shown.stdout)["worlds"]) == (0, 1)
    refused = CliRunner().invoke(app, ["simulate", "--desk", "--planted"])
    assert refused.exit_code == 2
    assert "--desk" in refused.stderr
