"""The event bus: lanes of urgency, order kept within a lane, one event at a time.

Whoever publishes to an idle bus delivers: a tick runs from feed to order in one task, without a queue hop.
Events that a handler publishes wait behind those already queued in their lane. Handlers never await the
outside world; they start a task that their service owns (`tasks`). A handler that fails is reported and
stays subscribed; on the trading path the report halts trading.
"""

import logging
import time
from array import array
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol

from gal_friday_core.errors import ContractError
from gal_friday_core.events import LOG, PRIORITY, Event, decode, from_dict
from gal_friday_core.payloads import PAYLOADS, Payload
from gal_friday_core.ports import Clock, Ids
from gal_friday_core.times import SECOND_NS

Handler = Callable[[Event], Awaitable[None]]
FailureHandler = Callable[[Event, str, Exception], Awaitable[None]]
RecordSource = Callable[[int, int], AsyncIterator[Mapping[str, Any]]]
"""Journalled events between two times, in order, each in the form of `Event.as_dict`."""

LANES = 11
LOG_DEPTH = 10_000
"""Log entries that may wait; beyond it they are dropped and counted, so that logging never starves trading."""
SAMPLES = 1024
"""Handler durations kept for the percentiles."""

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
    """The bus of one engine. `on_failure` is told of each handler that raised; `timer` measures handlers."""

    def __init__(
        self,
        clock: Clock,
        ids: Ids,
        *,
        on_failure: FailureHandler | None = None,
        records: RecordSource | None = None,
        timer: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._on_failure = on_failure
        self._records = records
        self._timer = timer
        self._lanes: tuple[deque[Event], ...] = tuple(deque() for _ in range(LANES))
        self._waiting = 0  # bit n is set while lane n holds events
        self._handlers: dict[str, tuple[tuple[str, Handler], ...]] = {}
        self._subscriptions = 0
        self._delivering: Event | None = None
        self._busy = False
        self.delivered = 0
        self.dropped = 0
        self.failed = 0
        self._durations = array("q", [0]) * SAMPLES
        self._measured = (clock.now_ns(), 0)

    def on_failure(self, handler: FailureHandler) -> None:
        self._on_failure = handler

    async def publish(
        self,
        event_type: str,
        payload: Payload | Mapping[str, Any],
        priority: int | None = None,
        *,
        source: str = "",
        correlation_id: str | None = None,
    ) -> None:
        """Queue the event; deliver all that is queued unless someone already does.

        `priority` is the event type's lane by default. The correlation id is by default that of the event
        being handled. Raises ContractError where `payload` does not fit `event_type`.
        """
        lane = PRIORITY.get(event_type, 0) if priority is None else priority
        if not 0 <= lane < LANES:
            raise ContractError(f"{event_type}: priority {lane} is not in 0..10")
        cause = self._delivering
        event_id = self._ids.next_id()
        if correlation_id is None:
            correlation_id = event_id if cause is None else cause.correlation_id
        event = Event(
            event_id=event_id,
            event_type=event_type,
            timestamp=self._clock.now_ns(),
            source_module=source,
            payload=decode(event_type, payload),
            priority=lane,
            correlation_id=correlation_id,
        )
        queue = self._lanes[lane]
        if lane == LOG and len(queue) >= LOG_DEPTH:
            self.dropped += 1
            return
        queue.append(event)
        self._waiting |= 1 << lane
        if not self._busy:
            await self._deliver()

    def subscribe(self, event_type: str, handler: Handler) -> str:
        """Deliver events of a type to `handler`, after its earlier subscribers. Raises ContractError on unknown types."""
        if event_type not in PAYLOADS:
            raise ContractError(f"cannot subscribe to unknown event type {event_type!r}")
        self._subscriptions += 1
        subscription_id = f"{event_type}:{self._subscriptions}"
        self._handlers[event_type] = (*self._handlers.get(event_type, ()), (subscription_id, handler))
        return subscription_id

    def unsubscribe(self, subscription_id: str) -> None:
        event_type = subscription_id.partition(":")[0]
        left = (entry for entry in self._handlers.get(event_type, ()) if entry[0] != subscription_id)
        self._handlers[event_type] = tuple(left)

    def has_subscribers(self, event_type: str) -> bool:
        """Whether anybody would hear such an event: what is costly to make is not made for nobody."""
        return bool(self._handlers.get(event_type))

    async def get_queue_metrics(self) -> dict[str, Any]:
        """Depth by lane, events per second since the last call, handler times in ns, and what was lost."""
        now, (since, before) = self._clock.now_ns(), self._measured
        self._measured = (now, self.delivered)
        elapsed = (now - since) / SECOND_NS
        durations = sorted(self._durations[: min(self.delivered, SAMPLES)])
        count = len(durations)
        return {
            "depth": {lane: len(queue) for lane, queue in enumerate(self._lanes) if queue},
            "delivered": self.delivered,
            "rate_per_s": (self.delivered - before) / elapsed if elapsed > 0 else 0.0,
            "handler_p50_ns": durations[count // 2] if count else 0,
            "handler_p99_ns": durations[min(count - 1, count * 99 // 100)] if count else 0,
            "dropped": self.dropped,
            "failed": self.failed,
        }

    async def replay_events(self, from_timestamp: int, to_timestamp: int) -> AsyncIterator[Event]:
        """Journalled events in [from, to), marked as replayed; they are not delivered to subscribers."""
        if self._records is not None:
            async for record in self._records(from_timestamp, to_timestamp):
                yield from_dict(record, replayed=True)

    async def _deliver(self) -> None:
        self._busy = True
        timer = self._timer
        try:
            while self._waiting:
                lane = self._waiting.bit_length() - 1
                queue = self._lanes[lane]
                event = self._delivering = queue.popleft()
                if not queue:
                    self._waiting &= ~(1 << lane)
                started = timer()
                for subscription_id, handler in self._handlers.get(event.event_type, ()):
                    try:
                        await handler(event)
                    except Exception as error:  # noqa: BLE001 - a failing handler is reported, never skipped in silence
                        await self._failure(event, subscription_id, error)
                self._durations[self.delivered % SAMPLES] = timer() - started
                self.delivered += 1
        finally:
            self._busy = False
            self._delivering = None

    async def _failure(self, event: Event, subscription_id: str, error: Exception) -> None:
        self.failed += 1
        log.error("handler of %s failed on event %s", event.event_type, event.event_id, exc_info=error)
        if self._on_failure is not None:
            await self._on_failure(event, subscription_id, error)
