"""The whole engine in simulated worlds: the same seed is the same world, and nothing that was promised breaks."""

import asyncio
import inspect
import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache

import pytest
from typer.testing import CliRunner

from gal_friday_live.cli import app
from gal_friday_live.commands import simulate_worlds
from gal_friday_live.commands.simulate import simulate as simulate_command
from gal_friday_live.simulation.campaign import simulate
from gal_friday_live.simulation.loop import ForbiddenError, SimLoop, no_real_world
from gal_friday_live.simulation.world import SAFETY_S, Plan, run

FOUND = (
    7_046, 7_060, 31_715, 32_427, 32_566, 32_696, 32_905, 40_081, 40_574, 100_591, 100_701, 101_028, 101_934, 200_685, 203_000,
    203_744, 204_367, 206_709, 208_107, 225_796, 231_741, 237_541, 244_835, 300_021,
)  # fmt: skip
"""Worlds that broke a promise once."""
SEEDS = (*range(2_000, 2_040), *FOUND)
CRASHED = Plan(seed=1, faults=(), seconds=50)
SENT_AT = 20.7, 22.0
"""Between these seconds that world's engine decides, journals, sends, and hears what became of its order."""


@cache
def world(plan):
    return run(plan)


def test_a_calm_world_trades_and_ends_well():
    outcome = world(Plan(seed=1, faults=()))
    assert outcome.violations == ()
    assert outcome.orders >= 3
    assert outcome.fills >= 3
    assert outcome.lives == 1


def test_the_same_seed_is_the_same_world_to_the_byte():
    first, second = run(Plan(seed=11)), run(Plan(seed=11))
    assert first.trace == second.trace
    assert first.digest != run(Plan(seed=12)).digest


def test_a_world_does_not_depend_on_the_hash_seed_of_its_process():
    program = "from gal_friday_live.simulation.world import Plan, run\nprint(run(Plan(seed=7)).digest)"
    digests = [
        subprocess.run(
            [sys.executable, "-c", program], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True,
            text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert digests[0] == digests[1] == run(Plan(seed=7)).digest + "\n"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_world_in_which_things_go_wrong_keeps_every_promise(seed):
    outcome = run(Plan(seed=seed))
    assert outcome.violations == (), "\n".join(outcome.trace[-40:])


def steps_about_an_order():
    """Which steps of the engine fall between decision and fill: every fourth of them."""
    steps = [
        int(line.split()[1].partition(":")[2])
        for line in world(CRASHED).trace
        if SENT_AT[0] < float(line.split()[0]) < SENT_AT[1]
    ]
    return range(steps[0] - 4, steps[-1] + 4, 4)


def test_an_engine_killed_between_any_two_steps_of_an_order_leaves_nothing_lost_and_nothing_doubled():
    killed = [run(Plan(seed=1, faults=(), seconds=50, crash_at=step)) for step in steps_about_an_order()]
    assert len(killed) >= 8
    assert [outcome.violations for outcome in killed if not outcome.ok] == []
    assert {outcome.lives for outcome in killed} == {2}


def test_the_real_world_is_out_of_reach_while_simulated():
    loop = SimLoop(1)

    async def reach_out():
        await asyncio.open_connection("127.0.0.1", 9)

    with no_real_world(), pytest.raises((ForbiddenError, NotImplementedError)):
        loop.run_until_complete(reach_out())
    with no_real_world(), pytest.raises(ForbiddenError):
        subprocess.run(["true"], check=False)
    loop.close()


def test_a_campaign_counts_its_worlds():
    told = []
    campaign = simulate([1, 2], told=told.append)
    figures = campaign.figures()
    assert figures["worlds"] == len(told) == 2
    assert figures["violations"] == 0
    assert figures["virtual_hours"] > 0.1
    assert figures["worlds_per_second"] > 0


def test_the_command_prints_figures_and_a_trace():
    shown = CliRunner().invoke(app, ["simulate", "--seed", "1", "--trace", "--json"])
    assert shown.exit_code == 0
    assert json.loads(shown.stdout)["worlds"] == 1
    assert "all is well" in shown.stderr


def test_a_short_world_is_crashed_at_many_steps_and_says_how_to_see_one_of_them_again(capsys):
    asked = ["simulate", "--crash-every-step", "1", "--lasts", "1", "--every", "150", "--jobs", "1", "--json"]
    shown = CliRunner().invoke(app, asked)
    told = json.loads(shown.stdout)
    assert (shown.exit_code, told["violations"]) == (0, 0)
    assert told["engines_started"] >= 2 * told["worlds"] > 2
    simulate_worlds._tell(replace(run(Plan(seed=1, seconds=1, crash_at=7)), violations=("P0: planted",)))
    assert "simulate --seed 1 --crash-at 7 --lasts 1 --trace" in " ".join(capsys.readouterr().err.split())
    assert inspect.signature(simulate_command).parameters["lasts"].default == SAFETY_S
