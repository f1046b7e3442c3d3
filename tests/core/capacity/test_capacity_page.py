"""docs/capacity.md says what was measured last, by today's formulas."""

import json
from pathlib import Path

import pytest

from benchmarks import capacity_page

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def found():
    return json.loads((ROOT / "benchmarks" / "capacity.json").read_text(encoding="utf-8"))


def test_the_page_is_that_of_the_stored_measurements(found):
    written = (ROOT / "docs" / "capacity.md").read_text(encoding="utf-8")
    assert capacity_page.page(found) == written, "run benchmarks/bench_capacity.py --page"


def test_every_measurement_says_how_it_was_made_and_is_shown(found):
    shown = {name for names in capacity_page.GROUPS.values() for name in names}
    assert set(found["measured"]) == shown
    assert all(one["how"] and one["unit"] and one["value"] >= 0 for one in found["measured"].values())


def test_formula_and_simulation_agree_on_the_mean_wait(found):
    for one in found["queues"]["checked"]:
        assert one["simulated_ms"] == pytest.approx(one["formula_ms"], rel=0.15)
