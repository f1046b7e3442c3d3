"""The event bus: lanes of urgency, order kept within a lane, one event at a time.

Whoever publishes to an idle bus delivers: a tick runs from feed to order in one task, without a queue hop.
Events that a handler publishes wait behind those already queued in their lane. Handlers never await the
outside world; they start a task that their service owns (`tasks`). A handler that fails is reported and
stays subscribed; on the trading path the report halts trading.

Handlers are plain functions or coroutine functions. Three ways in: `publish` awaits, `emit` is for callers
that cannot await, and `publisher` hands out the quickest, for one event type (`bus_doors`).
What pressure does to events that wait is in `bus_lanes`.
"""

import inspect
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
from types import CellType
from typing import Any, Protocol

from gal_friday_core.errors import ContractError
from gal_friday_core.events import PRIORITY, Event, decode, from_dict
from gal_friday_core.payloads import PAYLOADS, Payload
from gal_friday_core.ports import Clock, Ids
from gal_friday_live.bus_doors import Door, Doors, Entry, failed_at
from gal_friday_live.bus_lanes import Lanes
from gal_friday_live.bus_metrics import LANES, BusMeter
from gal_friday_live.tasks import TaskSupervisor

Handler = Callable[[Event], Awaitable[None] | None]
FailureHandler = Callable[[Event, str, Exception], Awaitable[None] | None]
RecordSource = Callable[[int, int], AsyncGenerator[Mapping[str, Any], None]]
"""Journalled events between two times, in order, each in the form of `Event.as_dict`."""
Spawn = Callable[[Coroutine[Any, Any, None], str], None]

MEASURE_EVERY = 16
"""One delivery in so many is measured: reading the timer costs as much as a delivery."""
DOOR_TURNS, DOOR_ROUNDS = 256, 8
"""Deliveries that doors make before they come back, and how often they do before one is measured. Counting
beyond 256 costs twice as much: CPython keeps the smaller ints ready."""

BUSY, DUE = "busy", "due"
"""In place of the event being delivered: a task delivers, or will; idle, but the next event goes the long way."""

log = logging.getLogger(__name__)


class EnhancedEventBus(Protocol):
    """What services see of the bus (001 §2.20)."""

    async def publish(
        self, event_type: str, payload: Payload | Mapping[str, Any], priority: int | None = None
    ) -> None: ...

    def subscribe(self, event_type: str, handler: Handler) -> str: ...

    def unsubscribe(self, subscription_id: str) -> None: ...

    async def get_queue_metrics(self) -> dict[str, Any]: ...

    def replay_events(self, from_timestamp: int, to_timestamp: int) -> AsyncIterator[Event]: ...


class PubSubManager:
    """The bus of one engine. `on_failure` is told of each handler that raised; `timer` measures handlers.

    `spawn` starts the task that goes on where a caller that cannot await met a handler that must be awaited;
    `TaskSupervisor.start` by default, so `settle` of the supervisor that is passed waits for it.
    """

    def __init__(
        self,
        clock: Clock,
        ids: Ids,
        *,
        on_failure: FailureHandler | None = None,
        records: RecordSource | None = None,
        spawn: Spawn | None = None,
        timer: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._now_ns, self._next_id = clock.now_ns, ids.next_id
        self._on_failure = on_failure
        self._records = records
        self._spawn = spawn or TaskSupervisor().start
        self._timer = timer
        self._entries: dict[str, tuple[Entry, ...]] = {}
        self._awaited: set[str] = set()  # event types with a handler that must be awaited
        self._unfitted: set[str] = set()  # event types whose door waits for the delivery in hand to end
        self._subscriptions = 0
        # Shared with the doors: see `bus_doors` for what they say.
        self._current, self._left = CellType(DUE), CellType(0)
        self._granted = 0  # deliveries that doors may make before they come back here
        self._until_measured = 1  # deliveries by the long way
        self._rounds = DOOR_ROUNDS
        self._counted = 0
        self._first: Event | None = (
            None  # waits alone: it found the lanes empty, and is spared the way through them
        )
        self.meter = BusMeter(clock)
        self._lanes = Lanes(self.meter)
        self._doors = Doors(
            self._current, self._left,
            deliver=self._deliver_long, settle=self._settle, recover=self._recover, abandon=self._abandon,
        )  # fmt: skip

    @property
    def delivered(self) -> int:
        """Events delivered; what a door delivers at this moment counts a little later."""
        left: int = self._left.cell_contents
        return self._counted + self._granted - left

    @property
    def dropped(self) -> int:
        return sum(self.meter.dropped)

    @property
    def failed(self) -> int:
        return self.meter.failed

    @property
    def backlog(self) -> int:
        """Events that wait. Who computes what can wait (features) looks here first, and computes less often."""
        return sum(self._depths()) if self._lanes.waiting or self._first is not None else 0

    def on_failure(self, handler: FailureHandler) -> None:
        self._on_failure = handler

    async def publish(
        self,
        event_type: str | Event,
        payload: Payload | Mapping[str, Any] | None = None,
        priority: int | None = None,
        *,
        source: str = "",
        correlation_id: str | None = None,
    ) -> None:
        """Queue the event; deliver all that is queued unless someone already does.

        An `Event` is taken as it is. Otherwise `priority` is the event type's lane by default, and the
        correlation id that of the event being handled. Raises ContractError where `payload` does not fit.
        """
        if not isinstance(event_type, Event):
            event_type = self._event(event_type, payload, priority, source, correlation_id)
        if self._awaited:
            if self._accept(event_type):
                await self._deliver()
        elif self.is_idle():
            self._door_of(event_type)(event_type)
        else:
            self._enqueue(event_type)

    def emit(
        self,
        event_type: str,
        payload: Payload | Mapping[str, Any],
        priority: int | None = None,
        *,
        source: str = "",
        correlation_id: str | None = None,
    ) -> None:
        """The same for callers that cannot await: plain handlers, callbacks of a feed.

        Where an idle bus meets a handler that must be awaited, a task delivers from there on.
        """
        event = self._event(event_type, payload, priority, source, correlation_id)
        state = self._current.cell_contents
        if state is None or state is DUE:
            self._doors.doors[event_type](event)
        else:
            self._enqueue(event)

    def emit_event(self, event: Event) -> None:
        """`emit` for an event that is already built."""
        self._door_of(event)(event)

    def publisher(self, event_type: str) -> Door:
        """The quickest way in for built events of one type. For feeds: it may not be called by a handler of that
        very type while it handles one. Raises ContractError on unknown types.
        """
        _check_type(event_type)
        return self._doors.doors[event_type]

    def subscribe(self, event_type: str, handler: Handler) -> str:
        """Deliver events of a type to `handler`, after its earlier subscribers. Raises ContractError on unknown types."""
        _check_type(event_type)
        self._subscriptions += 1
        subscription_id = f"{event_type}:{self._subscriptions}"
        self._fit(event_type, (*self._entries.get(event_type, ()), (subscription_id, handler)))
        return subscription_id

    def unsubscribe(self, subscription_id: str) -> None:
        event_type = subscription_id.partition(":")[0]
        left = (entry for entry in self._entries.get(event_type, ()) if entry[0] != subscription_id)
        self._fit(event_type, tuple(left))

    def has_subscribers(self, event_type: str) -> bool:
        """Whether anybody would hear such an event: what is costly to make is not made for nobody."""
        return bool(self._entries.get(event_type))

    async def get_queue_metrics(self) -> dict[str, Any]:
        """Depth, drops and superseded events by lane, events per second since the last call, handler times in ns.

        Times are of one event through all of its handlers, sampled.
        """
        return self.meter.report(self.delivered, self._depths())

    async def replay_events(self, from_timestamp: int, to_timestamp: int) -> AsyncGenerator[Event, None]:
        """Journalled events in [from, to), marked as replayed; they are not delivered to subscribers."""
        if self._records is None:
            return
        async with aclosing(self._records(from_timestamp, to_timestamp)) as records:
            async for record in records:
                yield from_dict(record, replayed=True)

    def _event(
        self, event_type: str, payload: Any, priority: int | None, source: str, correlation_id: str | None
    ) -> Event:
        event_id = self._next_id()
        if correlation_id is None:
            cause = self._current.cell_contents
            correlation_id = cause.correlation_id if cause.__class__ is Event else event_id
        return Event(
            event_id=event_id,
            event_type=event_type,
            timestamp=self._now_ns(),
            source_module=source,
            payload=payload if payload.__class__ is PAYLOADS.get(event_type) else decode(event_type, payload),
            priority=PRIORITY[event_type] if priority is None else priority,
            correlation_id=correlation_id,
        )

    def is_idle(self) -> bool:
        """Whether no event is being delivered."""
        state = self._current.cell_contents
        return state is None or state is DUE

    def _door_of(self, event: Event) -> Door:
        try:
            return self._doors.doors[event.event_type]
        except KeyError:
            raise ContractError(f"unknown event type {event.event_type!r}") from None

    def _accept(self, event: Event) -> bool:
        """Take the event in. True where the bus was idle: now it is not, and the caller delivers."""
        if not self.is_idle():
            self._enqueue(event)
            return False
        self._enqueue(event)  # behind what a cancelled delivery left behind
        self._take_stock()
        self._current.cell_contents = BUSY
        return True

    def _enqueue(self, event: Event) -> None:
        """Let the event wait. Raises ContractError for a priority that is none."""
        first, lanes = self._first, self._lanes
        if first is None and not lanes.waiting and 0 <= event.priority < LANES:
            self._first = event
        else:
            if first is not None:  # no longer alone
                self._first = None
                lanes.put(first)
            lanes.put(event)
        if self._granted:
            self._take_stock()

    def _depths(self) -> list[int]:
        """How many events wait, by lane."""
        depths = self._lanes.depths()
        if self._first is not None:
            depths[self._first.priority] += 1
        return depths

    def _next(self) -> Event | None:
        """What is delivered now: the first of the most urgent lane; None where nothing is left."""
        event = self._first
        if event is not None:
            self._first = None
        elif self._lanes.waiting:
            event = self._lanes.pop()
        else:
            return None
        self._current.cell_contents = event
        self._counted += 1
        return event

    def _is_measured(self) -> bool:
        self._until_measured -= 1
        if self._until_measured:
            return False
        self._until_measured = MEASURE_EVERY
        return True

    async def _deliver(self) -> None:
        try:
            while (event := self._next()) is not None:
                started = self._timer() if self._is_measured() else None
                for subscription_id, handler in self._entries.get(event.event_type, ()):
                    try:
                        result = handler(event)
                        if result is not None:
                            await result
                    except Exception as error:  # noqa: BLE001 - a failing handler is reported, never skipped in silence
                        reported = self._failure(event, subscription_id, error)
                        if reported is not None:
                            await reported
                if started is not None:
                    self.meter.took(event.event_type, self._timer() - started)
        finally:
            self._rest()

    def _deliver_long(self, event: Event) -> None:
        if self._accept(event):
            self._deliver_now()

    def _deliver_now(self) -> None:
        """`_deliver` without awaiting; an event that needs it goes to a task, and all behind it."""
        lanes, current, entries_of, handed_over = self._lanes, self._current, self._entries, False
        try:
            while True:
                if self._awaited and self._must_await():
                    current.cell_contents = BUSY
                    self._spawn(self._deliver(), "bus")
                    handed_over = True
                    return
                event = self._first or (lanes.pop() if lanes.waiting else None)
                if event is None:
                    return
                self._first = None
                current.cell_contents = event
                self._counted += 1
                entries = entries_of.get(event.event_type, ())
                if self._until_measured == 1:
                    self._hear_and_measure(event, entries)
                    continue
                self._until_measured -= 1
                for subscription_id, handler in entries:
                    try:
                        handler(event)
                    except Exception as error:  # noqa: BLE001 - a failing handler is reported, never skipped in silence
                        self._failure_now(event, subscription_id, error)
        finally:
            if not handed_over:
                self._rest()

    def _hear_and_measure(self, event: Event, entries: tuple[Entry, ...]) -> None:
        self._until_measured = MEASURE_EVERY
        started = self._timer()
        self._hear(event, entries)
        self.meter.took(event.event_type, self._timer() - started)

    def _must_await(self) -> bool:
        """Whether a handler of the event that comes next must be awaited."""
        event = self._first
        if event is None:
            if not self._lanes.waiting:
                return False
            event = self._lanes.first()
        return event.event_type in self._awaited

    def _hear(self, event: Event, entries: tuple[Entry, ...]) -> None:
        for subscription_id, handler in entries:
            try:
                handler(event)
            except Exception as error:  # noqa: BLE001 - a failing handler is reported, never skipped in silence
                self._failure_now(event, subscription_id, error)

    def _rest(self) -> None:
        """Idle again. Doors may deliver until the next event is to be measured, unless something waits."""
        if self._unfitted:
            for event_type in self._unfitted:
                self._fit_door(event_type)
            self._unfitted.clear()
        due = self._until_measured == 1 or self._lanes.waiting or self._first is not None
        self._granted = self._left.cell_contents = 0 if due else DOOR_TURNS - 1
        self._current.cell_contents = DUE if due else None

    def _settle(self) -> None:
        """A door has delivered, and now the bus has something to do."""
        self._counted += 1
        if self._granted:  # nobody asked for attention: the turns are over
            self._rounds -= 1
            if not self._rounds:
                self._rounds = DOOR_ROUNDS
                self._until_measured = 1
            self._counted += self._granted
            self._rest()
        else:
            self._deliver_now()

    def _abandon(self) -> None:
        """A door's handler raised what is not an error: the caller's business, but the bus goes on."""
        self._take_stock()
        self._counted += 1
        self._rest()

    def _take_stock(self) -> None:
        """Count what doors delivered; from here on they come back after each delivery."""
        left = self._left.cell_contents
        self._counted += self._granted - left
        self._granted = 0
        if left:
            self._left.cell_contents = 0

    def _recover(self, event: Event, error: Exception) -> None:
        """A door's handler raised: report it, and go on behind it."""
        entries = self._doors.entries(event.event_type)
        at = failed_at(error)
        self._failure_now(event, entries[at][0], error)
        self._hear(event, entries[at + 1 :])

    def _fit(self, event_type: str, entries: tuple[Entry, ...]) -> None:
        self._entries[event_type] = entries
        if any(_is_awaited(handler) for _, handler in entries):
            self._awaited.add(event_type)
        else:
            self._awaited.discard(event_type)
        if self.is_idle():
            self._fit_door(event_type)
        else:
            self._unfitted.add(event_type)
            self._take_stock()

    def _fit_door(self, event_type: str) -> None:
        self._doors.fit(event_type, self._entries[event_type], waits=event_type in self._awaited)

    def _failure(self, event: Event, subscription_id: str, error: Exception) -> Awaitable[None] | None:
        self.meter.failed += 1
        log.error("handler of %s failed on event %s", event.event_type, event.event_id, exc_info=error)
        return None if self._on_failure is None else self._on_failure(event, subscription_id, error)

    def _failure_now(self, event: Event, subscription_id: str, error: Exception) -> None:
        reported = self._failure(event, subscription_id, error)
        if reported is not None:
            self._spawn(_wait_for(reported), "report of a failing handler")


async def _wait_for(work: Awaitable[None]) -> None:
    await work


def _check_type(event_type: str) -> None:
    if event_type not in PAYLOADS:
        raise ContractError(f"unknown event type {event_type!r}: use one of those in the contract")


def _is_awaited(handler: Handler) -> bool:
    """Whether calling it gives a coroutine: a coroutine function, or an object that is called like one."""
    call = getattr(handler, "__call__", None)  # noqa: B004 - what is asked is what the call is
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)
