"""The same data and settings give the same bytes on every Python that the product runs on, and on every processor."""

import re
from pathlib import Path

import pytest
from mypy import api

from tests.truths import STAGES, digests

ROOT = Path(__file__).resolve().parents[1]
TRUTH = {
    "candles": "97361e74a9e41159",
    "features": "ef5c537f28d081b8",
    "labels": "5838199a95eb3264",
    "uniqueness": "30e3682278a7292b",
    "model": "10f15b649f49222c",
    "calibration": "bafab84a89796004",
    "feature schema": "c043078c6e431f75",
    "metadata": "0d4bc6e1bfab7be9",
    "report": "b7f394a65f01f21d",
    "evidence": "9473ba2b9e10f9ba",
    "orders and fills": "6123a6f028d49eec",
    "equity": "c20b2f689687a2f2",
    "drift": "4d9db498a28003c3",
    "experiment": "e903ffb61b6f3cac",
    "tear sheet": "782ed7a83b287b95",
}
"""By `python -m tests.truths`. Where a change is meant to alter one, or a library that computes is a newer one, the new digest
stands here in the same commit, the same on each Python."""
SUMS = """
from decimal import Decimal
from typing import Any
def good(whole: list[int], money: list[Decimal], flags: dict[str, bool]) -> dict[str, Any]:
    return {"a": sum(whole), "b": sum(money, Decimal(0)), "c": sum(flags.values()), "d": sum(map(len, [whole]))}
def bad(parts: list[float], unknown: list[Any], pairs: list[tuple[str, float]]) -> dict[str, Any]:
    sum(parts)
    sum(unknown)
    sum([1], 0.0)
    return {"share": sum(value for _, value in pairs)}
"""


@pytest.fixture(scope="module")
def said():
    return digests()


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_says_what_every_python_says(said, stage):
    assert said[stage] == TRUTH[stage]


def test_backtest_of_the_pinned_market_trades():
    """Digests of no orders would prove nothing."""
    from tests.truths import backtest

    assert len(backtest().account.orders) > 20


@pytest.mark.parametrize("lock", ["engine", "pipeline", "distributed", "dev"])
def test_lock_names_one_version_of_a_package_for_every_python(lock):
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    named = re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)
    assert sorted({name for name in named if named.count(name) > 1}) == []


def test_types_are_refused_where_the_builtin_sum_may_add_floats(tmp_path):
    program = tmp_path / "sums.py"
    program.write_text(SUMS, encoding="utf-8")
    settings = tmp_path / "mypy.ini"
    settings.write_text(f"[mypy]\nplugins = {ROOT / 'tests' / 'mypy_sums.py'}\n", encoding="utf-8")
    told, _, _ = api.run(
        ["--config-file", str(settings), "--cache-dir", str(ROOT / ".mypy_cache" / "sums"), str(program)]
    )
    lines = [int(line) for line in re.findall(r"sums\.py:(\d+): error: sum\(\) adds", told)]
    assert lines == [7, 8, 9, 10], told
