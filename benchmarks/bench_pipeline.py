"""Dagster's share: a year of one pair through both jobs on the PostgreSQL-backed instance, work and bookkeeping apart.

Work is what passes between a step's start and its first result, as Dagster's own event log has it; everything else
(partitions, events, checks' and runs' records, process start not included) is bookkeeping. A nightly run is a refresh of
two months and a retrain. Real candles where GAL_FRIDAY_TEST_DATA names them, else a simulated market.
"""

import os
import tempfile
import time
import uuid
from pathlib import Path

import dagster as dg
import numpy as np
from market import YEAR, five_minutes

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import DATA_DIR_VARIABLE, lake_dir
from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_assets.instance import prepare_home

RESULTS = (dg.DagsterEventType.STEP_OUTPUT, dg.DagsterEventType.ASSET_CHECK_EVALUATION)


def worked(instance, run_id):
    """Seconds between the start and the first result of each step of a run, added up."""
    begun, done = {}, {}
    for record in instance.all_logs(run_id):
        event = record.dagster_event
        if event is None or event.step_key is None:
            continue
        if event.event_type is dg.DagsterEventType.STEP_START:
            begun[event.step_key] = record.timestamp
        elif event.event_type in RESULTS:
            done.setdefault(event.step_key, record.timestamp)
    return sum(done[step] - begun[step] for step in done)


def run(instance, job, **where):
    """Wall seconds of a job, and those of them that were work."""
    from gal_friday_assets.definitions import defs

    run_id = str(uuid.uuid4())
    started = time.perf_counter()
    result = defs.resolve_job_def(job).execute_in_process(instance=instance, run_id=run_id, **where)
    wall = time.perf_counter() - started
    assert result.success
    return np.array([wall, worked(instance, run_id)])


def told(name, wall, work):
    print(f"{name:<34}{wall:>9.2f} s{work:>9.2f} s{wall - work:>9.2f} s{(wall - work) / wall:>8.1%}")


def measure():
    from gal_friday_assets.partitions import PAIR, range_tags
    from gal_friday_assets.runs import keep_connections

    lake = CandleLake(lake_dir())
    candles = five_minutes(YEAR)
    series = candles.series
    lake.write(candles)
    months = lake.months(series)
    with dg.DagsterInstance.get() as instance:
        keep_connections(instance)
        instance.add_dynamic_partitions(PAIR, [series.key])
        run(instance, "refresh", tags=range_tags(series, months[-1], months[-1]))  # compiles
        whole = run(instance, "refresh", tags=range_tags(series, months[0], months[-1]))
        night = run(instance, "refresh", tags=range_tags(series, months[-2], months[-1]))
        train = run(instance, "retrain", partition_key=series.key)
    print(f"{'':<34}{'wall':>11}{'work':>11}{'Dagster':>11}{'share':>8}")
    told(f"refresh of {len(months)} months", *whole)
    told("refresh of 2 months", *night)
    told("retrain", *train)
    told("nightly run: both of these", *(night + train))
    each = (whole[0] - whole[1]) / (2 * len(months))
    print(f"bookkeeping a partition: {1_000 * each:.1f} ms ({2 * len(months)} of candles and features)")


def main():
    for name in [name for name in os.environ if name.startswith(("GAL_FRIDAY__", "DAGSTER_"))]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as folder:
        os.environ[DATA_DIR_VARIABLE] = folder
        with EmbeddedPostgres(Path(folder) / "postgres") as postgres:
            os.environ["GAL_FRIDAY_DATABASE_URL"] = postgres.url()
            upgrade(postgres.url())
            os.environ.update(prepare_home(Path(folder) / "dagster", postgres.url()))
            measure()


if __name__ == "__main__":
    main()
