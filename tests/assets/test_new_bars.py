"""Looks for drift as the market goes on."""

import uuid

import dagster as dg
import pytest

from gal_friday_adapters.lake import CandleLake
from gal_friday_assets.definitions import defs
from gal_friday_assets.resources import Settings
from gal_friday_core.candles import Candles
from sensors.drift import new_bars


@pytest.fixture
def tick(lake: CandleLake, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch):
    """The keys of the runs that a tick asks for."""
    monkeypatch.setenv("GAL_FRIDAY__DRIFT__LOOK_EVERY_BARS", "100")
    cursor: list[str | None] = [None]

    def run() -> list[str | None]:
        context = dg.build_sensor_context(
            instance=instance, cursor=cursor[0], definitions=defs,
            resources={"settings": Settings(), "lake": lake},
        )  # fmt: skip
        found = new_bars(context)
        assert isinstance(found, dg.SensorResult)
        cursor[0] = found.cursor
        return [request.partition_key for request in found.run_requests or []]

    return run


def test_a_look_is_asked_for_once_so_many_bars_more_are_stored(tick, lake: CandleLake, trending: Candles):
    key = trending.series.key
    assert tick() == [key]
    assert tick() == []
    later = Candles(
        trending.series,
        trending.ts[:150] + len(trending) * trending.series.interval_ns,
        *(column[:150] for column in trending.columns()[1:]),
    )
    lake.write(later[:99])
    assert tick() == []
    lake.write(later[:100])
    assert tick() == [key]
    lake.write(later)
    assert tick() == []


def test_looks_do_not_pile_up_behind_one_that_is_not_over(
    tick, instance: dg.DagsterInstance, trending: Candles
):
    key = trending.series.key
    run = dg.DagsterRun(
        job_name="monitor", run_id=str(uuid.uuid4()), status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": key},
    )  # fmt: skip
    instance.add_run(run)
    assert tick() == []
    instance.delete_run(run.run_id)
    assert tick() == [key]


def test_a_series_without_bars_is_not_looked_at(tick):
    assert tick() == []
