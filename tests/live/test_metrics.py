"""The numbers of a real engine: each is defined, tells the truth, and is handed on."""

import asyncio
import gc
import time
from contextlib import asynccontextmanager

import pytest

from gal_friday_core.metrics import BY_NAME, METRICS
from gal_friday_live.caches import CACHES
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.order_times import MOST_OUT, OrderTimes
from gal_friday_live.process_watch import GcWatch, LoopWatch, ProcessWatch
from tests.adapters.influx_server import TOKEN, InfluxServer
from tests.live.running import running, serving
from tests.live.seeded import seed_model
from tests.live.world import manager


def flat(metrics):
    """By metric's name: the number, or the numbers by label."""
    return {f"{group}_{field}": value for group, fields in metrics.items() for field, value in fields.items()}


@asynccontextmanager
async def trading(tmp_path, database_url, **timeseries):
    """A live engine on a simulated exchange that has traded."""
    chosen = manager(storage={"data_dir": tmp_path / "data"}, timeseries=timeseries)
    await seed_model(database_url, chosen.config.storage.data_dir)
    async with (
        serving(tmp_path) as server,
        running(chosen, LiveRequest(venue=server.url), database_url) as live,
    ):
        yield live, await live.until(lambda status: status["orders"] and status["fills"])


async def test_a_trading_engine_tells_numbers_that_agree_with_what_its_operator_sees(tmp_path, database_url):
    with InfluxServer() as server:
        sent = {"url": server.url, "token": TOKEN, "every_s": 0.5}
        async with trading(tmp_path, database_url, **sent) as (engine, status):
            assert await asyncio.to_thread(server.wait_for_lines, 50)
            told = await engine.ask("metrics")
            await engine.ask("halt", reason="to see it", who="ada")
            await asyncio.sleep(0.15)  # numbers are asked for anew after a tenth of a second
            after = flat((await engine.ask("metrics"))["readings"])
    found = flat(told["readings"])
    assert told["labels"] == {"mode": "paper", "session": status["session"]}
    every_number_is_there_and_defined(found)
    the_numbers_are_plausible(found, status)
    assert after["gal_friday_engine_halted"] == 1
    assert after["gal_friday_engine_halt_reasons_total"] == found["gal_friday_engine_halt_reasons_total"] + 1
    assert after["gal_friday_engine_uptime_seconds"] > found["gal_friday_engine_uptime_seconds"]
    the_time_series_has_them_too(server.lines, found.keys(), status["session"])


def the_time_series_has_them_too(lines, names, session):
    """Line protocol: measurement, tags, fields, time."""
    sent = set()
    for line in lines:
        series, fields, _ = line.split(" ")
        measurement, *tags = series.split(",")
        assert {"mode=paper", f"session={session}"} <= set(tags)
        sent |= {f"{measurement}_{field.split('=')[0]}" for field in fields.split(",")}
    assert sent <= BY_NAME.keys()
    assert {name for name in names if not BY_NAME[name].label} <= sent


def every_number_is_there_and_defined(found):
    assert found.keys() <= BY_NAME.keys()
    sometimes = {"gal_friday_feed_heard_age_seconds", "gal_friday_health_clock_offset_seconds"}
    sometimes |= {metric.name for metric in METRICS if metric.measurement == "gal_friday_strands"}  # a role's
    assert {metric.name for metric in METRICS if not metric.label} - sometimes <= found.keys()


def the_numbers_are_plausible(found, status):
    assert found["gal_friday_engine_orders_sent_total"] >= status["orders"]
    assert found["gal_friday_engine_fills_total"] >= status["fills"]
    assert (
        0 < found["gal_friday_order_path_send_p50_seconds"] <= found["gal_friday_order_path_send_p99_seconds"]
    )
    assert found["gal_friday_order_path_answer_p50_seconds"] > 0
    assert found["gal_friday_feed_connected"] == 1
    assert found["gal_friday_database_statements_total"] > found["gal_friday_engine_orders_sent_total"]
    assert found["gal_friday_database_statement_seconds_total"] > 0
    assert found["gal_friday_process_resident_bytes"] > 50_000_000
    assert found["gal_friday_gc_frozen_objects"] > 10_000
    assert found["gal_friday_loop_lag_max_seconds"] >= found["gal_friday_loop_lag_p50_seconds"] >= 0
    assert found["portfolio_metrics_equity"] == pytest.approx(10_000, rel=0.05)


def test_a_collection_is_counted_and_timed_by_generation_only_while_it_is_watched():
    with GcWatch() as watch:
        gc.collect(1)
        gc.collect()
    gc.collect()
    assert watch.collections[1:] == [1, 1]
    assert watch.longest_ns[2] == watch.paused_ns[2] > 0


def test_a_reading_never_goes_through_all_that_is_frozen(monkeypatch):
    """That takes an engine with half a million objects fifteen milliseconds, in which it does nothing else."""
    with GcWatch() as watch:
        monkeypatch.setattr(gc, "get_freeze_count", lambda: pytest.fail("they were counted"))
        assert ProcessWatch(watch).gc_readings()["frozen_objects"] == watch.frozen


async def test_the_loop_is_late_by_what_holds_it_up():
    watch = LoopWatch(every_s=0.001)
    assert watch.readings() == {}
    running_watch = asyncio.create_task(watch.run())
    await asyncio.sleep(0.01)
    time.sleep(0.05)  # noqa: ASYNC251 - what is to be noticed
    await asyncio.sleep(0.01)
    running_watch.cancel()
    told = watch.readings()
    assert told["lag_max_seconds"] >= 0.04
    assert told["lag_p50_seconds"] <= told["lag_p99_seconds"] <= told["lag_max_seconds"]


def test_orders_are_timed_to_their_bytes_and_to_the_first_word_alone():
    moments = iter((100, 1_000, 5_000, 9_000))
    times = OrderTimes(timer=lambda: next(moments))
    began = times.now()
    times.left("a", began)
    times.answered("a")
    times.answered("a")
    times.answered("never sent")
    assert times.readings() == {
        "send_p50_seconds": 9e-7, "send_p99_seconds": 9e-7, "answer_p50_seconds": 4e-6, "answer_p99_seconds": 4e-6,
    }  # fmt: skip


def test_orders_that_nobody_answers_are_forgotten_oldest_first():
    times = OrderTimes()
    for number in range(MOST_OUT + 1):
        times.left(str(number), 0)
    times.answered("0")
    assert "answer_p50_seconds" not in times.readings()
    times.answered("1")
    assert times.readings()["answer_p50_seconds"] >= 0


@pytest.mark.parametrize("name", sorted(CACHES))
def test_a_cache_counts_its_hits_and_can_be_given_another_size(name):
    cache = CACHES[name]
    before = cache.size
    find = getattr(cache.module, cache.function)
    try:
        cache.resize(4)
        find = getattr(cache.module, cache.function)
        asked = "pair" if name == "secret_names" else 7
        assert find(asked) == find(asked)
        assert (cache.size, cache.held, cache.hits, cache.misses) == (4, 1, 1, 1)
    finally:
        cache.resize(before)
    assert cache.size == before
