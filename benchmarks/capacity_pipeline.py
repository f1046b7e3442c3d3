"""What a partition, a retraining and the start of a run cost the pipeline: this process's and the server's CPU."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dagster as dg

from benchmarks import bench_pipeline
from benchmarks.capacity_measured import once
from benchmarks.capacity_store import Server
from benchmarks.market import YEAR, five_minutes
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import DATA_DIR_VARIABLE, lake_dir
from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_assets.instance import prepare_home

BARS = YEAR // 2


def measure():
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("GAL_FRIDAY__", "DAGSTER_"))]:
        del os.environ[name]
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.environ[DATA_DIR_VARIABLE] = folder
            with EmbeddedPostgres(Path(folder) / "postgres") as postgres:
                os.environ["GAL_FRIDAY_DATABASE_URL"] = postgres.url()
                upgrade(postgres.url())
                os.environ.update(prepare_home(Path(folder) / "dagster", postgres.url()))
                return {**jobs(Server(Path(folder) / "postgres")), **start()}
    finally:
        os.environ.clear()
        os.environ.update(before)


def jobs(server):
    from gal_friday_assets.partitions import PAIR, range_tags
    from gal_friday_assets.runs import keep_connections

    lake = CandleLake(lake_dir())
    candles = five_minutes(BARS)
    series = candles.series
    lake.write(candles)
    months = lake.months(series)
    with dg.DagsterInstance.get() as instance:
        keep_connections(instance)
        instance.add_dynamic_partitions(PAIR, [series.key])

        def spent(job, **where):
            began, theirs = time.process_time(), server.cpu_s()
            bench_pipeline.run(instance, job, **where)
            return time.process_time() - began + server.cpu_s() - theirs

        spent(
            "refresh", tags=range_tags(series, months[-1], months[-1])
        )  # compiles, and opens what is opened once
        single = spent("refresh", tags=range_tags(series, months[-1], months[-1]))
        whole = spent("refresh", tags=range_tags(series, months[0], months[-1]))
        trained = spent("retrain", partition_key=series.key)
    more = 2 * (len(months) - 1)
    return {
        "partition_s": once((whole - single) / more, "CPU s", f"a partition (a month of five-minute bars), over {more} more"),
        "refresh_s": once(single, "CPU s", "a refresh of one month of one pair, its checks and bookkeeping included"),
        "retrain_s": once(trained, "CPU s", f"training, certifying and registering on {len(candles):,} bars"),
    }  # fmt: skip


def start():
    """A run's process up to its first step: importing Dagster and the definitions."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", "import gal_friday_assets.definitions"]
    subprocess.run(command, cwd=root, check=True, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"run_start_s": once(spent, "CPU s", "starting a run's process, before its first step")}


if __name__ == "__main__":
    for name, found in measure().items():
        print(f"{name:20} {found.value:12,.3f} {found.unit:10} {found.how}")
