"""The quick way through the bus, and plain handlers: the same promises as the long way."""

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.errors import ContractError
from gal_friday_core.events import PRIORITY, Event
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.schema import FeatureVector
from gal_friday_core.payloads import FeaturesCalculated, LogEntry, MarketDataL2
from gal_friday_live.bus import DOOR_ROUNDS, DOOR_TURNS, PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.ids import SequentialIds
from gal_friday_live.tasks import TaskSupervisor

NOW = 1_700_000_000_000_000_000
HALT = {"new_state": "HALTED", "reason": "test"}


def make_bus(**ports):
    return PubSubManager(SimulatedClock(NOW), SequentialIds(), **ports)


def book(number, priority=5):
    payload = MarketDataL2(
        trading_pair="BTC/USD", exchange="kraken", bids=(), asks=(), is_snapshot=False, sequence=number
    )
    return Event(
        event_id=f"b{number}", event_type="MARKET_DATA_L2", timestamp=NOW, source_module="test", payload=payload,
        priority=priority, correlation_id=f"root{number}",
    )  # fmt: skip


def row(pair, value, schema=CANDLES_V1):
    return FeaturesCalculated(
        trading_pair=pair, exchange="kraken", timestamp_features_for=NOW, reference_price=1,
        features=FeatureVector(schema, np.full(len(schema), float(value))),
    )  # fmt: skip


def heard_by(bus, *event_types):
    heard = []
    for event_type in event_types:
        bus.subscribe(event_type, heard.append)
    return heard


@pytest.mark.parametrize("handlers", range(8))
def test_a_publisher_delivers_to_every_handler_in_the_order_of_subscription(handlers):
    bus, heard = make_bus(), []
    for number in range(handlers):
        bus.subscribe("MARKET_DATA_L2", lambda event, number=number: heard.append((number, event.event_id)))
    publish = bus.publisher("MARKET_DATA_L2")
    for number in range(3):
        publish(book(number))
    assert heard == [(handler, f"b{number}") for number in range(3) for handler in range(handlers)]
    assert bus.delivered == 3


@pytest.mark.parametrize("handlers", range(1, 7))
async def test_whichever_handler_fails_is_named_and_the_others_still_hear(handlers):
    for broken in range(handlers):
        bus, heard, failures = make_bus(), [], []
        bus.on_failure(
            lambda event, which, error, to=failures: to.append((event.event_id, which, str(error)))
        )
        ids = []
        for number in range(handlers):

            def handle(event, number=number, heard=heard, broken=broken):
                heard.append(number)
                if number == broken:
                    raise ValueError("planted")

            ids.append(bus.subscribe("MARKET_DATA_L2", handle))
        bus.publisher("MARKET_DATA_L2")(book(0))  # by the long way, which is measured
        bus.publisher("MARKET_DATA_L2")(book(1))
        assert failures == [("b0", ids[broken], "planted"), ("b1", ids[broken], "planted")]
        assert heard == [*range(handlers), *range(handlers)]
        assert (await bus.get_queue_metrics())["failed"] == 2


def test_two_failures_of_one_event_are_two_reports():
    bus, failures = make_bus(), []
    bus.on_failure(lambda event, which, error: failures.append(which))

    def broken(_):
        raise ValueError("planted")

    ids = [bus.subscribe("MARKET_DATA_L2", broken) for _ in range(3)]
    for number in range(2):
        bus.publisher("MARKET_DATA_L2")(book(number))
    assert failures == ids * 2


def test_what_a_plain_handler_emits_waits_its_turn_and_the_urgent_goes_first():
    bus = make_bus()
    heard = heard_by(bus, "LOG_ENTRY", "SYSTEM_STATE_CHANGE")

    def react(event):
        bus.emit("LOG_ENTRY", LogEntry(level="INFO", message="late"))
        bus.emit("SYSTEM_STATE_CHANGE", HALT)
        assert heard == []

    bus.subscribe("MARKET_DATA_L2", react)
    publish = bus.publisher("MARKET_DATA_L2")
    for number in range(2):
        heard.clear()
        publish(book(number))
        assert [event.event_type for event in heard] == ["SYSTEM_STATE_CHANGE", "LOG_ENTRY"]
        assert {event.correlation_id for event in heard} == {f"root{number}"}
    bus.emit("LOG_ENTRY", LogEntry(level="INFO", message="fresh"))
    assert heard[-1].correlation_id == heard[-1].event_id


def test_a_handler_that_publishes_its_own_type_finds_it_queued():
    bus, heard = make_bus(), []
    publish = bus.publisher("MARKET_DATA_L2")

    def again(event):
        heard.append(event.event_id)
        if event.payload.sequence < 3:
            publish(book(event.payload.sequence + 1))
            heard.append("returned")

    bus.subscribe("MARKET_DATA_L2", again)
    publish(book(2))
    publish(book(2))
    assert heard == ["b2", "returned", "b3"] * 2


def test_handlers_that_come_and_go_while_an_event_is_delivered_take_effect_with_the_next():
    bus, heard = make_bus(), []
    ids = {}

    def first(event):
        heard.append("first")
        bus.unsubscribe(ids["first"])
        bus.subscribe("MARKET_DATA_L2", lambda event: heard.append("late"))

    warm = bus.subscribe("MARKET_DATA_L2", lambda event: None)
    publish = bus.publisher("MARKET_DATA_L2")
    publish(book(0))
    bus.unsubscribe(warm)
    ids["first"] = bus.subscribe("MARKET_DATA_L2", first)
    ids["second"] = bus.subscribe("MARKET_DATA_L2", lambda event: heard.append("second"))
    ids["third"] = bus.subscribe("MARKET_DATA_L2", lambda event: heard.append("third"))
    publish(book(1))
    publish(book(2))
    assert heard == ["first", "second", "third", "second", "third", "late"]


def test_what_is_not_an_error_passes_through_and_leaves_the_bus_usable():
    bus, heard = make_bus(), []

    def handle(event):
        heard.append(event.event_id)
        if event.payload.sequence == 1:
            raise KeyboardInterrupt

    bus.subscribe("MARKET_DATA_L2", handle)
    publish = bus.publisher("MARKET_DATA_L2")
    publish(book(0))
    with pytest.raises(KeyboardInterrupt):
        publish(book(1))
    publish(book(2))
    assert heard == ["b0", "b1", "b2"]
    assert bus.delivered == 3


async def test_an_event_that_is_already_built_is_published_as_it_is():
    bus = make_bus()
    heard, event = heard_by(bus, "MARKET_DATA_L2"), book(1)
    await bus.publish(event)
    bus.emit_event(event)
    assert heard[0] is heard[1] is event
    stranger = Event(
        event_id="x", event_type="NOTHING", timestamp=NOW, source_module="t", payload=event.payload
    )
    with pytest.raises(ContractError, match="unknown event type 'NOTHING'"):
        bus.emit_event(stranger)
    with pytest.raises(ContractError, match="unknown event type 'NOTHING'"):
        bus.publisher("NOTHING")


async def test_where_a_handler_must_be_awaited_a_task_goes_on_in_order():
    tasks = TaskSupervisor()
    bus, heard = make_bus(spawn=tasks.start), []

    async def slow(event):
        await asyncio.sleep(0)
        heard.append(event.event_id)

    bus.subscribe("MARKET_DATA_L2", lambda event: heard.append(f"plain {event.event_id}"))
    bus.subscribe("MARKET_DATA_L2", slow)
    for number in range(3):
        bus.emit_event(book(number))
    assert heard == []
    await tasks.settle()
    assert heard == ["plain b0", "b0", "plain b1", "b1", "plain b2", "b2"]


async def test_plain_and_awaited_handlers_see_one_order_of_events():
    tasks = TaskSupervisor()
    bus, heard = make_bus(spawn=tasks.start), []

    async def slow(event):
        await asyncio.sleep(0)
        heard.append("log")

    def react(event):
        bus.emit("LOG_ENTRY", LogEntry(level="INFO", message="x"))
        bus.emit("SYSTEM_STATE_CHANGE", HALT)

    bus.subscribe("MARKET_DATA_L2", react)
    bus.subscribe("LOG_ENTRY", slow)
    bus.subscribe("SYSTEM_STATE_CHANGE", lambda event: heard.append("halt"))
    bus.publisher("MARKET_DATA_L2")(book(0))
    await tasks.settle()
    await bus.publish(book(1))
    assert heard == ["halt", "log"] * 2


async def test_deltas_are_never_dropped_and_only_the_newest_features_are_kept():
    bus = make_bus()
    heard = heard_by(bus, "MARKET_DATA_L2", "FEATURES_CALCULATED")

    def flood(event):
        for number in range(20_000):
            bus.emit_event(book(number))
            if number % 100 == 0:
                bus.emit("FEATURES_CALCULATED", row("BTC/USD", number))
                bus.emit("FEATURES_CALCULATED", row("ETH/USD", -number))
        assert bus.backlog == 20_002

    bus.subscribe("SYSTEM_STATE_CHANGE", flood)
    bus.emit("SYSTEM_STATE_CHANGE", HALT)
    books = [event.payload.sequence for event in heard if event.event_type == "MARKET_DATA_L2"]
    rows = [event.payload for event in heard if event.event_type == "FEATURES_CALCULATED"]
    assert books == list(range(20_000))
    assert [(item.trading_pair, item.features.values[0]) for item in rows] == [
        ("BTC/USD", 19_900.0),
        ("ETH/USD", -19_900.0),
    ]
    assert bus.backlog == 0
    metrics = await bus.get_queue_metrics()
    assert metrics["superseded_by_lane"] == {5: 398}
    assert metrics["deepest"] == {5: 20_002}
    assert metrics["dropped"] == 0


async def test_features_that_do_not_wait_behind_others_are_all_delivered():
    bus = make_bus()
    heard = heard_by(bus, "FEATURES_CALCULATED")
    for number in range(5):
        bus.emit("FEATURES_CALCULATED", row("BTC/USD", number))
    assert [event.payload.features.values[0] for event in heard] == [0, 1, 2, 3, 4]


async def test_deliveries_are_counted_and_sampled_by_type():
    ticks, turns = iter(range(0, 10**9, 50)), DOOR_ROUNDS * DOOR_TURNS + 1
    bus = make_bus(timer=lambda: next(ticks))
    heard_by(bus, "MARKET_DATA_L2")
    publish = bus.publisher("MARKET_DATA_L2")
    for number in range(turns * 3 + 7):
        publish(book(number))
    metrics = await bus.get_queue_metrics()
    assert metrics["delivered"] == bus.delivered == turns * 3 + 7
    assert metrics["handlers"] == {"MARKET_DATA_L2": {"p50_ns": 50, "p99_ns": 50}}
    assert (
        next(ticks) == 4 * 100
    )  # the first, and one after each turn of the door, were measured, two readings each


_ACTIONS = st.lists(
    st.tuples(st.sampled_from(["MARKET_DATA_L2", "LOG_ENTRY", "SYSTEM_STATE_CHANGE"]), st.integers(0, 3)),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(_ACTIONS, st.integers(1, 4))
def test_quick_and_long_way_deliver_the_same_in_the_same_order(actions, warm):
    """Each outer event makes its handler emit a burst; the reference is urgency, then order of arrival."""
    bus = make_bus()
    heard, burst = [], []

    def react(event):
        for number, (event_type, _) in enumerate(burst):
            bus.emit_event(_numbered(event_type, number))

    bus.subscribe("MARKET_DATA_TRADE", react)
    for event_type in ("MARKET_DATA_L2", "LOG_ENTRY", "SYSTEM_STATE_CHANGE"):
        bus.subscribe(event_type, lambda event: heard.append((event.event_type, event.event_id)))
    outer = bus.publisher("MARKET_DATA_TRADE")
    for _ in range(warm):
        outer(_numbered("MARKET_DATA_TRADE", 0))
    burst.extend(actions)
    heard.clear()
    outer(_numbered("MARKET_DATA_TRADE", 0))
    expected = sorted(
        ((-PRIORITY[event_type], number, event_type) for number, (event_type, _) in enumerate(actions)),
    )
    assert heard == [(event_type, str(number)) for _, number, event_type in expected]


def _numbered(event_type, number):
    return Event(
        event_id=str(number), event_type=event_type, timestamp=NOW, source_module="t", payload=None,
        priority=PRIORITY[event_type],
    )  # fmt: skip
