"""What waits on the bus: a queue for each urgency, and what pressure does to those that would wait behind others.

Deltas, reports, signals and control are never left out. Of features that wait only the newest of a pair is
kept, in the place of the older; log entries beyond `LOG_DEPTH` are dropped. Both are counted.
"""

from collections import deque
from collections.abc import Callable, Hashable, Mapping

from gal_friday_core.errors import ContractError
from gal_friday_core.events import LOG, Event
from gal_friday_core.payloads import FeaturesCalculated, Payload
from gal_friday_live.bus_metrics import LANES, BusMeter

LOG_DEPTH = 10_000
"""Log entries that may wait, so that logging never starves trading."""


def _features_of(payload: Payload) -> Hashable:
    assert isinstance(payload, FeaturesCalculated)
    return payload.exchange, payload.trading_pair, payload.features.schema.name


SUPERSEDES: Mapping[str, Callable[[Payload], Hashable]] = {"FEATURES_CALCULATED": _features_of}
"""Event types of which only the newest is of use, with what makes two of them the same thing."""


class Lanes:
    """Urgent lanes first, each in order. `waiting` is truthy while anything waits."""

    def __init__(self, meter: BusMeter) -> None:
        self._meter = meter
        self._queues: tuple[deque[Event], ...] = tuple(deque() for _ in range(LANES))
        self._newest: dict[
            Hashable, tuple[Event, Event]
        ] = {}  # by SUPERSEDES: what is queued, what is newest
        self.waiting = 0  # bit n is set while lane n holds events

    def depths(self) -> list[int]:
        return [len(queue) for queue in self._queues]

    def put(self, event: Event) -> None:
        """Raises ContractError for a priority that is none."""
        lane = event.priority
        if not 0 <= lane < LANES:
            check_priority(event)
        queue = self._queues[lane]
        if queue and self._left_out(event, queue):
            return
        queue.append(event)
        self.waiting |= 1 << lane

    def first(self) -> Event:
        """What `pop` would take, or the older event whose place that took."""
        return self._queues[self.waiting.bit_length() - 1][0]

    def pop(self) -> Event:
        lane = self.waiting.bit_length() - 1
        queue = self._queues[lane]
        event = queue.popleft()
        if not queue:
            self.waiting &= ~(1 << lane)
        return self._newest_of(event) if self._newest else event

    def _left_out(self, event: Event, queue: deque[Event]) -> bool:
        lane, event_type, depth = event.priority, event.event_type, len(queue)
        identity = SUPERSEDES.get(event_type)
        if identity is not None:
            key = (event_type, identity(event.payload))
            older = self._newest.get(key)
            self._newest[key] = (event if older is None else older[0], event)
            if older is not None:
                self._meter.superseded[lane] += 1
                return True
        elif event_type == "LOG_ENTRY" and lane == LOG and depth >= LOG_DEPTH:
            self._meter.dropped[lane] += 1
            return True
        self._meter.deepest[lane] = max(self._meter.deepest[lane], depth + 1)
        return False

    def _newest_of(self, event: Event) -> Event:
        """The event that took this one's place, or itself."""
        identity = SUPERSEDES.get(event.event_type)
        if identity is None:
            return event
        key = (event.event_type, identity(event.payload))
        if key not in self._newest or self._newest[key][0] is not event:
            return event
        return self._newest.pop(key)[1]


def check_priority(event: Event) -> None:
    """Raises ContractError for a priority that is none."""
    if not 0 <= event.priority < LANES:
        raise ContractError(f"{event.event_type}: priority {event.priority} is not in 0..10")
