"""Tunings are tried, judged, kept or undone, and always told; the report says what is so."""

import asyncio
import gc
import json
import random
import time

import pytest
from typer.testing import CliRunner

from gal_friday_adapters.postgres.database import Database
from gal_friday_core.errors import ConfigError
from gal_friday_live.cli import app
from gal_friday_live.cli_service import CLIService
from gal_friday_live.control_socket import ControlSocket, control_path
from gal_friday_live.performance_optimizer import PerformanceOptimizer
from gal_friday_live.tunings import SELDOM, Tuning
from tests.live.world import manager

SETTINGS = {"block_s": 0.01, "pairs": 8, "memory_mb": 10_000}


class Machine:
    """A cost a second that a tuning changes; its time passes in pauses."""

    def __init__(self, effect, cost=10.0):
        self.effect, self.cost = effect, cost
        self.applied, self.now, self.spent, self.changes = False, 0.0, 0.0, []
        self.lot = random.Random(4)

    async def apply(self):
        self.applied = True
        self.changes.append("apply")

    async def undo(self):
        self.applied = False
        self.changes.append("undo")

    async def pause(self, seconds):
        self.now += seconds
        scale = self.effect if self.applied else 1.0
        self.spent += seconds * self.cost * scale * self.lot.uniform(0.9, 1.1)
        await asyncio.sleep(0)

    def tuning(self, **changes):
        given = {
            "name": "knob", "kind": "MEMORY", "what": "turn it", "unit": "cost a second",
            "counts": lambda: (self.spent, self.now), "apply": self.apply, "undo": self.undo,
        }  # fmt: skip
        return Tuning(**{**given, **changes})


def optimizer(*machines, tunings=None, **ports):
    """With these tunings in the place of the real ones, and the events that it published."""
    events = []

    async def publish(event):
        events.append(event)

    made = PerformanceOptimizer(
        manager(performance=SETTINGS), publish=publish, lot=random.Random(1), pause=machines[0].pause, **ports
    )
    found = tunings or [machine.tuning(name=f"knob{number}") for number, machine in enumerate(machines)]
    made._tunings = {tuning.name: tuning for tuning in found}
    return made, events


async def test_what_helps_is_kept_told_with_its_numbers_and_can_be_undone():
    machine = Machine(effect=0.5)
    tried, events = optimizer(machine)
    outcome = await tried.optimize_memory_usage()
    assert machine.applied
    assert outcome["kept"] == ["knob0"]
    assert outcome["said"].startswith("kept: knob0 (49.")
    assert [event.action for event in events] == [
        "ANALYSIS_STARTED",
        "OPTIMIZATION_APPLIED",
        "METRICS_COLLECTED",
    ]
    applied = events[1]
    assert applied.optimization_type == "MEMORY"
    assert applied.improvement_percentage == pytest.approx(50, abs=5)
    assert applied.metrics_before["value"] == pytest.approx(10, rel=0.1)
    assert applied.metrics_after["value"] == pytest.approx(5, rel=0.1)
    assert applied.optimization_details["who"] == "the engine"
    assert (await tried.tune(("MEMORY",)))["said"] == "nothing to try: knob0: it is in force"
    assert await tried.undo("knob0") == {"undone": "knob0", "in_force": []}
    assert not machine.applied
    with pytest.raises(ConfigError, match="knob0 is not in force: no tuning is"):
        await tried.undo("knob0")


@pytest.mark.parametrize("effect", [1.0, 1.4, 0.98])
async def test_what_does_not_help_is_undone_and_said_so(effect):
    machine = Machine(effect)
    tried, events = optimizer(machine)
    outcome = await tried.tune()
    assert not machine.applied
    assert outcome["kept"] == []
    assert outcome["said"] == "nothing helped: 1 tried"
    assert events[1].action == "OPTIMIZATION_UNDONE"
    assert machine.changes.count("apply") == 8
    assert machine.changes[-1] == "undo"


async def test_half_of_next_to_nothing_is_not_kept():
    machine = Machine(effect=0.5, cost=0.001)
    tried, _ = optimizer(machine, tunings=[machine.tuning(worth=0.01)])
    outcome = await tried.tune()
    assert not machine.applied
    assert outcome["results"][0]["why"] == "too little to gain: 0.000975 (cost a second)"


async def test_what_there_is_no_point_in_trying_is_not_touched():
    machine = Machine(effect=0.5)
    tried, events = optimizer(machine, tunings=[machine.tuning(why_not=lambda: "all is well")])
    outcome = await tried.tune()
    assert machine.changes == []
    assert outcome["said"] == "nothing to try: knob: all is well"
    assert [event.action for event in events] == ["METRICS_COLLECTED"]


async def test_a_tuning_that_takes_memory_is_given_up_at_once_and_undone():
    class Growing:
        grown = 0.0

        def now_mb(self):
            self.grown += 6_000
            return self.grown

    machine = Machine(effect=0.5)
    tried, _ = optimizer(machine, memory=Growing())
    result = (await tried.tune())["results"][0]
    assert not machine.applied
    assert result["why"] == "given up: the process grew by 12000 MB"
    assert machine.changes.count("apply") == 2


async def test_a_run_that_is_cut_off_leaves_nothing_in_force():
    machine = Machine(effect=0.5)
    tried, _ = optimizer(machine)
    async with tried:
        tried.start()
        with pytest.raises(ConfigError, match="being tried already"):
            await tried.tune()
        while "apply" not in machine.changes:  # noqa: ASYNC110 - the run is under way a few turns later
            await asyncio.sleep(0)
        assert tried.progress()["running"]["tuning"] == "knob0"
    assert not machine.applied
    assert tried.progress() == {"running": None, "outcome": None}


async def test_more_tunings_at_once_must_each_show_more():
    machines = [Machine(effect=1.0) for _ in range(20)]
    tried, _ = optimizer(*machines)
    with pytest.raises(
        ConfigError, match=r"8 pairs of blocks can show nothing at the level 0\.0025: it takes 9"
    ):
        tried.start()
    assert tried.progress()["running"] is None
    assert (await tried.tune(pairs=9))["said"] == "nothing helped: 20 tried"


async def test_the_process_itself_is_tuned_and_left_as_it_was():
    """With real garbage and the real collector; whether it helps is the machine's business."""
    before = gc.get_threshold()

    async def pause(seconds):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for _ in range(200):
                ring = []
                ring.append(ring)

    async with PerformanceOptimizer(manager(performance=SETTINGS), pause=pause) as tried:
        outcome = await tried.optimize_memory_usage()
        assert gc.get_threshold() == (SELDOM if "gc_seldom" in outcome["kept"] else before)
        told = await tried.get_performance_report()
        assert [one["tuning"] for one in outcome["results"]] == ["gc_freeze", "gc_seldom"]
        assert told["history"] == outcome["results"]
    assert gc.get_threshold() == before
    assert told["database"] is None
    assert told["garbage_collector"]["generations"][0]["collections"] > 0
    assert told["memory"]["resident_mb"] > 50
    json.dumps(told, allow_nan=False)


async def test_statements_are_told_with_their_plans_and_without_their_values(database_url):
    async with (
        Database(database_url) as database,
        PerformanceOptimizer(manager(), database=database) as tried,
    ):
        for number in range(3):
            async with database.connection() as connection:
                await connection.execute(
                    "select * from journal where key = %(key)s", {"key": f"secret-{number}"}
                )
        told = await tried.monitor_query_performance()
        report = await tried.get_performance_report()
    assert told["source"] == "own timings"
    found = {one["text"]: one for one in told["slowest"]}["select * from journal where key = %(key)s"]
    assert found["calls"] == 3
    assert found["total_ms"] >= found["max_ms"] >= found["mean_ms"] > 0
    assert found["plan"].startswith(("Seq Scan on journal", "Index Scan", "Bitmap"))
    assert "secret" not in json.dumps(told)
    assert report["database"]["buffers"]["hit_rate"] > 0
    assert report["advice"]


async def test_a_pool_is_resized_and_statements_prepared_sooner_on_a_real_database_and_back(database_url):
    async with Database(database_url, size=4) as database:
        async with PerformanceOptimizer(
            manager(performance=SETTINGS), database=database, lot=random.Random(2)
        ) as tried:
            outcome = await tried.optimize_connection_pools()
            by_name = {one["tuning"]: one for one in outcome["results"]}
            assert by_name["pool_size"]["why"] == "nobody ever waited for a connection"
            assert by_name["prepare_sooner"]["tried"]
            assert len(by_name["prepare_sooner"]["pairs"]) == 8
            assert all(0 < cost < 10_000 for pair in by_name["prepare_sooner"]["pairs"] for cost in pair)
        assert database.prepare_after == 5
        for most in (8, 4, 8, 4):
            await database.allow(most)
        assert database.pool_sizes == (1, 4)
        assert database.pool_counts()["pool_size"] <= 4, "changing the size back and forth opens nothing"
        async with database.connection() as connection:
            assert (await (await connection.execute("select 1 as one")).fetchone()) == {"one": 1}


async def test_a_database_that_is_gone_is_a_problem_told_and_not_raised(database_url):
    async with Database(database_url, timeout_s=0.2) as database:
        pass
    told = await PerformanceOptimizer(manager(), database=database).get_performance_report()
    assert told["statements"]["source"] is None
    assert "database" in told["statements"]["problem"] or "pool" in told["statements"]["problem"]


class Application:
    """As much of an engine as the control socket needs here."""

    def __init__(self, made):
        self.optimizer = made


async def test_the_command_line_reports_tunes_and_undoes(tmp_path, monkeypatch):
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path))
    machine = Machine(effect=0.5)
    tried, events = optimizer(machine)
    service = CLIService(manager(), Application(tried), Application(tried), arguments=())

    def run(*arguments):
        return CliRunner().invoke(app, ["performance", *arguments])

    async with ControlSocket(control_path(tmp_path), service.answer):
        tuned = await asyncio.to_thread(
            run, "tune", "--kind", "MEMORY", "--pairs", "6", "--who", "ada", "--json"
        )
        shown = await asyncio.to_thread(run)
        told = await asyncio.to_thread(run, "--json")
        refused = await asyncio.to_thread(run, "tune", "--kind", "LUCK")
        undone = await asyncio.to_thread(run, "undo", "knob0", "--who", "bob", "--json")
    assert tuned.exit_code == 0, tuned.output
    assert json.loads(tuned.stdout)["kept"] == ["knob0"]
    assert len(json.loads(tuned.stdout)["results"][0]["pairs"]) == 6
    assert [event.optimization_details["who"] for event in events] == ["ada", "ada", "ada", "bob"]
    assert [run["who"] for run in json.loads(told.stdout)["history"]] == ["ada"]
    assert "it is in force" in shown.stdout
    assert json.loads(told.stdout)["tunings"][0]["in_force"]
    assert "unknown kinds of tunings" in str(refused.exception)
    assert json.loads(undone.stdout) == {"undone": "knob0", "in_force": []}
    assert not machine.applied
