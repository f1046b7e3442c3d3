"""A backfill of 368 partitions on one Celery worker and on two: Redis, PostgreSQL, Dagster's daemon, workers, all real.

Sixteen pairs over 23 months, candles and features: what somebody asks for in the UI, which Dagster makes 16 runs of. Wall
time from the first run's begin to the last one's end, and the CPU of each kind of process, since two workers on two cores
share them with everything else: `others` is what would be on other machines. Asks for `redis-server`.

    PYTHONPATH=. python benchmarks/bench_backfill.py [--pairs 16] [--months 23]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import psycopg

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import DATA_DIR_VARIABLE
from gal_friday_adapters.postgres.connect import with_database
from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_assets.instance import DATABASE, configured, prepare_home
from gal_friday_core.candles import Series
from gal_friday_core.market_simulator import VENUE, simulate
from gal_friday_core.times import from_iso

ROOT = Path(__file__).parents[1]
PASSWORD = "bench"
FIRST = (2016, 1)
PATIENCE_S = 1_800
IDLE_S = 30
QUESTIONS = "select sessions, xact_commit from pg_stat_database where datname = current_database()"


def month(number):
    year, rest = divmod(FIRST[0] * 12 + FIRST[1] - 1 + number, 12)
    return f"{year}-{rest + 1:02d}"


def filled(lake, pairs, months):
    """The same simulated bars of five minutes for every pair."""
    start, end = from_iso(f"{month(0)}-01"), from_iso(f"{month(months)}-01")
    series = [Series(VENUE, f"P{number:02d}/USD", "5m") for number in range(pairs)]
    bars = (end - start) // series[0].interval_ns
    candles = simulate(series[0], start, bars, seed=1)
    for one in series:
        lake.write(replace(candles, series=one))
    return series


def started(stack, arguments, env, log):
    # A session of its own, as a service has: Linux gives each session, not each process, its share of a busy machine.
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], cwd=ROOT, env=env, stdout=log.open("wb"), stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    stack.callback(ended, process)
    return process


def ended(process):
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    for one in (process, *children):
        one.terminate()
    process.wait(60)


def until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end, what
        time.sleep(1)
    return found


def cpu_s(process):
    """User and system seconds of a process and its children, those that have ended included."""
    spent = 0.0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # ended since: its parent has its seconds, by the next look
            spent += sum(one.cpu_times()[:4])
    return spent


def backfilled(instance, keys):
    """One backfill as the UI asks for it; its runs, once all are over."""
    import dagster as dg
    from dagster._core.execution.backfill import PartitionBackfill

    from gal_friday_assets.definitions import defs

    name = uuid.uuid4().hex[:8]
    instance.add_backfill(
        PartitionBackfill.from_asset_partitions(
            backfill_id=name,
            asset_graph=defs.resolve_asset_graph(),
            partition_names=keys,
            asset_selection=[dg.AssetKey("candles"), dg.AssetKey("feature_table")],
            backfill_timestamp=time.time(),
            tags={},
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
    )
    until(lambda: instance.get_backfill(name).status.name != "REQUESTED", f"backfill {name}")
    return instance.get_run_records(dg.RunsFilter(tags={"dagster/backfill": name}))


class Meter:
    """What processes and the database have used since it was made."""

    def __init__(self, watched, url):
        self._watched, self._url = watched, url
        self._began, self._before, self._asked = time.monotonic(), self._cpu(), self._questions()

    def _cpu(self):
        return {name: cpu_s(process) for name, process in self._watched.items()}

    def _questions(self):
        with psycopg.connect(with_database(self._url, DATABASE)) as connection:
            return np.array(connection.execute(QUESTIONS).fetchone())

    def read(self):
        """Seconds, CPU seconds of each process, and sessions and transactions of Dagster's database."""
        cpu = {name: seconds - self._before[name] for name, seconds in self._cpu().items()}
        return time.monotonic() - self._began, cpu, self._questions() - self._asked


def measured(instance, keys, meter, idle):
    """Runs, wall time, runs under way, and what one run costs each process beyond what it uses idle."""
    runs = backfilled(instance, keys)
    assert {run.dagster_run.status.name for run in runs} == {"SUCCESS"}
    elapsed, cpu, questions = meter.read()
    wall = max(run.end_time for run in runs) - min(run.start_time for run in runs)
    busy = sum(run.end_time - run.start_time for run in runs)
    each = {name: (seconds - elapsed * idle.get(name, 0.0)) / len(runs) for name, seconds in cpu.items()}
    return len(runs), wall, busy / wall, each, questions / len(runs)


def told(workers, found):
    runs, wall, under_way, each, questions = found
    work = sum(seconds for name, seconds in each.items() if name.startswith("worker"))
    others = sum(each.values()) - work
    parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in each.items())
    print(
        f"{workers} worker(s): {runs} runs, {wall:.1f} s wall, {under_way:.2f} under way on average; CPU seconds a run: "
        f"{work:.2f} in workers, {others:.2f} in others ({parts}); {questions[0]:.0f} connections to the database and "
        f"{questions[1]:.0f} transactions a run",
        flush=True,
    )
    return wall, work, others


def idling(watched, url):
    """CPU seconds a second of each process while nothing is asked of it."""
    meter = Meter(watched, url)
    time.sleep(IDLE_S)
    elapsed, cpu, questions = meter.read()
    rates = {name: seconds / elapsed for name, seconds in cpu.items()}
    parts = ", ".join(f"{name} {rate:.3f}" for name, rate in rates.items())
    print(f"idle, in cores: {parts}; {questions[0] / elapsed:.1f} connections a second", flush=True)
    return rates


def environment(stack, folder):
    from tests.assets.celery_parts import Redis

    postgres = stack.enter_context(EmbeddedPostgres(folder / "postgres", durable=False))
    upgrade(postgres.url())
    for name in [name for name in os.environ if name.startswith(("GAL_FRIDAY_", "DAGSTER_"))]:
        del os.environ[name]
    os.environ |= {
        "GAL_FRIDAY_DATABASE_URL": postgres.url(),
        "GAL_FRIDAY__DAGSTER__LAUNCHER": "celery",
        "GAL_FRIDAY__DAGSTER__BROKER_URL": stack.enter_context(Redis(folder, PASSWORD)).address,
        "GAL_FRIDAY__DAGSTER__RUNS_AT_ONCE": "4",
        "GAL_FRIDAY__STORAGE__LAKE": str(folder / "lake"),
        "OMP_NUM_THREADS": "1",
    }
    return dict(os.environ)


def servers():
    """PostgreSQL and Redis among our children."""
    found = {}
    for child in psutil.Process().children(recursive=True):
        if child.name() in ("postgres", "redis-server") and child.parent().name() != child.name():
            found[child.name()] = child
    return found


def measure(stack, folder, arguments):
    import dagster as dg

    from gal_friday_assets.partitions import PAIR, month_key

    env = environment(stack, folder)
    series = filled(CandleLake(folder / "lake"), arguments.pairs, arguments.months)
    os.environ[DATA_DIR_VARIABLE] = str(folder / "daemon")
    config = configured()
    home = prepare_home(folder / "daemon" / "dagster", env["GAL_FRIDAY_DATABASE_URL"], config.dagster)
    os.environ |= home
    instance = stack.enter_context(dg.DagsterInstance.get())
    instance.add_dynamic_partitions(PAIR, [one.key for one in series])
    daemon = started(
        stack, ["gal_friday_assets.instance", "dagster-daemon", "run"],
        {**env, DATA_DIR_VARIABLE: str(folder / "daemon")}, folder / "daemon.log",
    )  # fmt: skip
    watched = {"daemon": psutil.Process(daemon.pid), **servers()}
    keys = [month_key(one, month(number)) for number in range(arguments.months) for one in series]
    print(f"{len(keys)} partitions of candles and of features", flush=True)
    idle, results, url = {}, [], env["GAL_FRIDAY_DATABASE_URL"]
    for count in (1, 2):
        name = f"worker{count}"
        log = folder / f"{name}.log"
        worker = started(
            stack, ["gal_friday_assets.worker", "--name", name],
            {**env, DATA_DIR_VARIABLE: str(folder / name)}, log,
        )  # fmt: skip
        until(lambda log=log: " ready." in log.read_text(), name)
        watched[name] = psutil.Process(worker.pid)
        backfilled(
            instance, [month_key(one, month(number)) for number in (0, 1) for one in series[:2]]
        )  # imports, compiles
        idle = idle or idling(watched, url)
        results.append(told(count, measured(instance, keys, Meter(watched, url), idle)))
    (one, work, others), (two, *_) = results
    print(
        f"two workers are {one / two:.2f} times as fast as one; load of this machine {os.getloadavg()[0]:.1f}"
    )
    print(f"a run costs {work:.2f} s in its worker and {others:.2f} s elsewhere")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--months", type=int, default=23)
    parser.add_argument("--pairs", type=int, default=16)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        measure(stack, Path(folder), parser.parse_args())


if __name__ == "__main__":
    main()
