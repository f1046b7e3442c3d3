"""The test of the tests: each planted bug is seen within its budget of seeds, in a world that is clean without it."""

import json
from collections import Counter

import pytest
from typer.testing import CliRunner

from gal_friday_live.cli import app
from gal_friday_live.simulation.planted import BUGS, PlantedBug, hunt, hunt_all
from gal_friday_live.simulation.planted.bug import calm

LEAST = 25


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_seen_and_the_same_world_is_clean_without_it(bug):
    found = hunt(bug)
    assert found.caught, f"{bug.name} was not seen in {bug.budget} worlds"
    assert found.clean, f"the world of seed {found.seed} breaks a promise without {bug.name} too"
    assert found.violation.startswith(bug.promise)


def test_there_are_enough_bugs_each_with_a_name_and_words_of_its_own():
    assert len(BUGS) >= LEAST
    assert set(Counter(bug.name for bug in BUGS).values()) == {1}
    assert set(Counter(bug.about for bug in BUGS).values()) == {1}
    assert all(bug.plant.__doc__ for bug in BUGS)


def test_a_bug_that_changes_nothing_is_not_caught():
    harmless = PlantedBug(
        name="none", about="nothing", promise="P1", plant=lambda _: None, weather=calm, budget=2
    )
    (found,) = hunt_all([harmless])
    assert (found.caught, found.seeds, found.seed) == (False, 2, None)


def test_bugs_are_hunted_on_several_processors():
    asked = [bug for bug in BUGS if bug.name in ("fill-applied-twice", "no-limit-for-a-pair")]
    assert [(one.name, one.caught) for one in hunt_all(asked, jobs=2)] == [(bug.name, True) for bug in asked]


def test_the_command_says_of_each_bug_whether_it_was_caught():
    shown = CliRunner().invoke(app, ["simulate", "--planted", "--bug", "fill-applied-twice", "--json"])
    assert shown.exit_code == 0
    (bug,) = json.loads(shown.stdout)["bugs"]
    assert (bug["name"], bug["promise"], bug["caught"]) == ("fill-applied-twice", "P3", True)
    assert bug["seeds"] >= 1


def test_the_command_knows_the_bugs_by_name():
    shown = CliRunner().invoke(app, ["simulate", "--planted", "--bug", "fill-applied-thrice"])
    assert shown.exit_code == 2
    assert "fill-applied-twice" in shown.stderr
