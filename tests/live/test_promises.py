"""Every promise has tests that exist, and the table is made of worlds that were simulated for it."""

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gal_friday_live.cli import app
from gal_friday_live.simulation.desk import invariants as desk_invariants
from gal_friday_live.simulation.planted import BUGS
from gal_friday_live.simulation.promises import PROMISES, Promise, Row, Table, table

ROOT = Path(__file__).parents[2]
NAMED = [(promise.code, test) for promise in PROMISES for test in promise.tests]


@cache
def named_in(path):
    """Test functions, and the test cases of state machines."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {name for name in found if name.lower().startswith("test")}


@pytest.mark.parametrize(("code", "test"), NAMED, ids=lambda part: part.rpartition("::")[2])
def test_a_test_that_holds_a_promise_exists(code, test):
    path, named, name = test.partition("::")
    assert named_in(path)
    if named:
        assert name in named_in(path), f"{code} is said to be held by {test}"


def test_there_are_seventeen_promises_and_none_without_a_test():
    assert [promise.code for promise in PROMISES] == [f"P{number}" for number in range(1, 18)]
    assert all(promise.tests for promise in PROMISES)


def test_each_planted_bug_breaks_a_promise_that_the_simulation_looks_at():
    looked_at = {promise.code for promise in PROMISES if promise.invariants} | {"LIVENESS"}
    of_a_desk = set(re.findall(r"\bS\d\b", desk_invariants.__doc__))
    assert {bug.promise for bug in BUGS} <= looked_at | of_a_desk


def test_the_table_counts_what_was_broken():
    told = table(range(2))
    assert (told.worlds, told.broken) == (2, 0)
    assert [row.promise for row in told.rows] == list(PROMISES)
    alone = Promise(code="P14", text="flat", tests=("tests/a.py",))
    seen = Promise(code="P1", text="one", invariants=("counted",), tests=("tests/b.py",))
    rows = (Row(seen, 3, 2), Row(seen, 3, 0), Row(alone, 3, 0))
    assert [row.result for row in rows] == ["BROKEN 2 times", "held", "by its tests alone"]
    assert Table(rows, 3, elsewhere=1).broken == 3


def test_the_command_prints_the_table():
    shown = CliRunner().invoke(app, ["simulate", "--promises", "--seeds", "1", "--jobs", "1", "--json"])
    assert shown.exit_code == 0
    told = json.loads(shown.stdout)
    assert (told["worlds"], told["violations"]) == (1, 0)
    assert [row["promise"] for row in told["promises"]][:2] == ["P1", "P2"]
    assert CliRunner().invoke(app, ["simulate", "--promises", "--seeds", "1", "--jobs", "1"]).exit_code == 0
