"""`backtest --self-check` plays worlds both ways, tells what differs by seed, and its exit code says whether anything does."""

import json

import pytest
from typer.testing import CliRunner

from gal_friday_live import backtest_self_check
from gal_friday_live.cli import app


def check(*options):
    return CliRunner().invoke(app, ["backtest", *options])


@pytest.fixture(autouse=True)
def one_job(monkeypatch):
    """Other processes would not know of faults that are planted here, and take longer to start than five worlds."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)


def test_equal_ways_end_with_exit_code_0():
    ended = check("--self-check", "5", "--json")
    assert ended.exit_code == 0
    told = json.loads(ended.stdout)
    assert (told["worlds"], told["differences"]) == (5, [])


def test_a_difference_is_told_with_its_seed_and_ends_with_exit_code_1(monkeypatch):
    monkeypatch.setattr(
        backtest_self_check, "differences", lambda drawn: [f"{drawn}: unequal"][drawn.seed != 3 :]
    )
    ended = check("--self-check", "5")
    assert ended.exit_code == 1
    assert "5 worlds, seeds 0 to 4: 1 differences" in ended.stdout
    assert "world 3:" in ended.stderr


def test_seeds_begin_where_they_are_asked_to(monkeypatch):
    played = []
    monkeypatch.setattr(backtest_self_check, "differences", lambda drawn: played.append(drawn.seed) or [])
    assert list(backtest_self_check.checked(60, first=100)) == [(25, []), (25, []), (10, [])]
    assert played == list(range(100, 160))


def test_several_processes_play_the_same_worlds():
    assert sum(count for count, found in backtest_self_check.checked(3, 40, jobs=2) if not found) == 3
