"""The bus: urgency, order, delivery by the publisher, and failures that are never silent."""

import asyncio

import pytest

from gal_friday_core import payloads
from gal_friday_core.errors import ContractError
from gal_friday_core.payloads import LogEntry
from gal_friday_live.bus import PubSubManager
from gal_friday_live.bus_lanes import LOG_DEPTH
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.ids import SequentialIds


def make_bus(**ports):
    clock = SimulatedClock(1_700_000_000_000_000_000)
    return PubSubManager(clock, SequentialIds(), **ports)


def entry(message="x"):
    return LogEntry(level="INFO", message=message)


def failure(message="x"):
    return payloads.SystemError(error_type="Test", message=message, component="test")


def halt():
    return {"new_state": "HALTED", "reason": "test"}


def report(order, status="NEW"):
    return {
        "signal_id": "s", "client_order_id": order, "trading_pair": "BTC/USD", "exchange": "x", "order_status": status,
        "order_type": "MARKET", "side": "BUY", "quantity_ordered": "1", "quantity_filled": "0", "timestamp_exchange": 1,
    }  # fmt: skip


class Recorder:
    def __init__(self):
        self.events = []

    async def __call__(self, event):
        self.events.append(event)


async def test_publisher_of_an_idle_bus_delivers_before_it_returns():
    bus, seen = make_bus(), Recorder()
    bus.subscribe("LOG_ENTRY", seen)
    await bus.publish("LOG_ENTRY", entry(), source="Test")
    assert [event.source_module for event in seen.events] == ["Test"]


async def test_urgent_lanes_are_delivered_first_and_each_in_order():
    bus, seen = make_bus(), Recorder()

    async def burst(_):
        await bus.publish("LOG_ENTRY", entry("log"))
        await bus.publish("EXECUTION_REPORT", report("a"))
        await bus.publish("EXECUTION_REPORT", report("b"))
        await bus.publish("SYSTEM_STATE_CHANGE", halt())
        await bus.publish("EXECUTION_REPORT", report("c"))

    bus.subscribe("SYSTEM_ERROR", burst)
    for event_type in ("LOG_ENTRY", "EXECUTION_REPORT", "SYSTEM_STATE_CHANGE"):
        bus.subscribe(event_type, seen)
    await bus.publish("SYSTEM_ERROR", failure())
    names = [getattr(event.payload, "client_order_id", event.event_type) for event in seen.events]
    assert names == ["SYSTEM_STATE_CHANGE", "a", "b", "c", "LOG_ENTRY"]


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_what_waits_is_counted_by_lane_also_where_it_waits_alone(count):
    bus, told = make_bus(), []

    async def burst(_):
        for _ in range(count):
            bus.emit("LOG_ENTRY", entry())
        told.append((bus.backlog, (await bus.get_queue_metrics())["depth"]))

    bus.subscribe("SYSTEM_ERROR", burst)
    await bus.publish("SYSTEM_ERROR", failure())
    assert told == [(count, {0: count})]
    assert bus.backlog == 0


async def test_equal_priorities_never_lose_or_reorder_events():
    bus, seen = make_bus(), Recorder()

    async def burst(_):
        for number in range(500):
            await bus.publish("LOG_ENTRY", entry(str(number)), priority=7)

    bus.subscribe("SYSTEM_ERROR", burst)
    bus.subscribe("LOG_ENTRY", seen)
    await bus.publish("SYSTEM_ERROR", failure())
    assert [event.payload.message for event in seen.events] == [str(number) for number in range(500)]


async def test_concurrent_publishers_lose_nothing_and_keep_their_order():
    bus, seen = make_bus(), Recorder()

    async def slow(event):
        await asyncio.sleep(0)
        await seen(event)

    bus.subscribe("LOG_ENTRY", slow)

    async def publisher(name):
        for number in range(50):
            await bus.publish("LOG_ENTRY", entry(f"{name}{number}"))

    await asyncio.gather(*(publisher(name) for name in "abc"))
    for name in "abc":
        ours = [event.payload.message for event in seen.events if event.payload.message[0] == name]
        assert ours == [f"{name}{number}" for number in range(50)]


async def test_a_failing_handler_is_reported_and_the_others_still_hear():
    failures, seen = [], Recorder()

    async def on_failure(event, subscription_id, error):
        failures.append((event.event_type, subscription_id, str(error)))

    bus = make_bus(on_failure=on_failure)

    async def broken(_):
        raise ValueError("no")

    broken_id = bus.subscribe("LOG_ENTRY", broken)
    bus.subscribe("LOG_ENTRY", seen)
    await bus.publish("LOG_ENTRY", entry())
    await bus.publish("LOG_ENTRY", entry())
    assert failures == [("LOG_ENTRY", broken_id, "no")] * 2
    assert len(seen.events) == 2
    assert (await bus.get_queue_metrics())["failed"] == 2


async def test_a_cancelled_delivery_leaves_the_bus_usable():
    bus, seen = make_bus(), Recorder()
    waiting = asyncio.Event()

    async def stuck(_):
        waiting.set()
        await asyncio.Event().wait()

    stuck_id = bus.subscribe("LOG_ENTRY", stuck)
    task = asyncio.create_task(bus.publish("LOG_ENTRY", entry("first")))
    await waiting.wait()
    await bus.publish("LOG_ENTRY", entry("second"))  # queued behind the stuck delivery
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    bus.unsubscribe(stuck_id)
    bus.subscribe("LOG_ENTRY", seen)
    await bus.publish("LOG_ENTRY", entry("third"))
    assert [event.payload.message for event in seen.events] == ["second", "third"]


async def test_unsubscribed_handlers_hear_nothing_more():
    bus, seen = make_bus(), Recorder()
    subscription = bus.subscribe("LOG_ENTRY", seen)
    bus.unsubscribe(subscription)
    bus.unsubscribe(subscription)
    await bus.publish("LOG_ENTRY", entry())
    assert seen.events == []


async def test_effects_carry_the_correlation_id_of_their_cause():
    bus, seen = make_bus(), Recorder()

    async def react(_):
        await bus.publish("SYSTEM_STATE_CHANGE", halt())

    bus.subscribe("SYSTEM_ERROR", react)
    bus.subscribe("SYSTEM_ERROR", seen)
    bus.subscribe("SYSTEM_STATE_CHANGE", seen)
    await bus.publish("SYSTEM_ERROR", failure())
    cause, effect = seen.events
    assert cause.correlation_id == cause.event_id == effect.correlation_id
    assert effect.event_id != cause.event_id


async def test_a_flood_of_log_entries_is_dropped_and_counted():
    bus = make_bus()

    async def flood(_):
        for _ in range(LOG_DEPTH + 25):
            await bus.publish("LOG_ENTRY", entry())

    bus.subscribe("SYSTEM_ERROR", flood)
    await bus.publish("SYSTEM_ERROR", failure())
    metrics = await bus.get_queue_metrics()
    assert metrics["dropped"] == 25
    assert metrics["delivered"] == LOG_DEPTH + 1


async def test_metrics_measure_rate_and_handlers_with_the_clocks_given():
    ticks = iter(range(0, 10_000, 100))
    clock = SimulatedClock(0)
    bus = PubSubManager(clock, SequentialIds(), timer=lambda: next(ticks))
    for _ in range(10):
        await bus.publish("LOG_ENTRY", entry())
    clock.advance_to(2_000_000_000)
    metrics = await bus.get_queue_metrics()
    assert metrics["rate_per_s"] == 5.0
    assert metrics["handler_p50_ns"] == metrics["handler_p99_ns"] == 100
    assert metrics["depth"] == {}


async def test_a_dictionary_is_decoded_and_checked_at_the_door():
    bus, seen = make_bus(), Recorder()
    bus.subscribe("SYSTEM_STATE_CHANGE", seen)
    await bus.publish("SYSTEM_STATE_CHANGE", halt())
    assert seen.events[0].payload.new_state == "HALTED"
    with pytest.raises(ContractError, match=r"SYSTEM_STATE_CHANGE: .*new_state"):
        await bus.publish("SYSTEM_STATE_CHANGE", {"new_state": "ASLEEP", "reason": "x"})


async def test_unknown_types_and_priorities_are_refused():
    bus = make_bus()
    with pytest.raises(ContractError, match="unknown event type"):
        bus.subscribe("NOTHING", Recorder())
    with pytest.raises(ContractError, match="unknown event type"):
        await bus.publish("NOTHING", {})
    with pytest.raises(ContractError, match="priority 11"):
        await bus.publish("LOG_ENTRY", entry(), priority=11)


async def test_replay_yields_journalled_events_marked_and_delivers_none():
    seen = Recorder()
    source, store = make_bus(), []

    async def keep(event):
        store.append(event.as_dict())

    source.subscribe("LOG_ENTRY", keep)
    await source.publish("LOG_ENTRY", entry("kept"))

    async def records(start, end):
        for record in store:
            yield record

    bus = make_bus(records=records)
    bus.subscribe("LOG_ENTRY", seen)
    replayed = [event async for event in bus.replay_events(0, 2**62)]
    assert [(event.payload.message, event.replayed) for event in replayed] == [("kept", True)]
    assert seen.events == []
