"""The quick way through the bus: per event type one function that calls its handlers, each on a line of its own.

CPython specialises a call that always has the same target and gives up on one in a loop over handlers, which
then costs twice as much. So up to five calls are written out below; each door gets a copy of the code, because
what the interpreter learns about a call is kept with the code. Nothing that the bus promises is left out: one
event at a time, what waits goes first, a failing handler does not keep the others from hearing.
"""

import builtins
from collections.abc import Callable, Mapping
from types import CellType, CodeType, FunctionType
from typing import Any

from gal_friday_core.events import Event
from gal_friday_core.payloads import PAYLOADS

Door = Callable[[Event], None]
Entry = tuple[str, Callable[[Event], Any]]
"""Subscription id and handler."""


def _unset(*_: Any) -> None:
    """Stands for the names that `Doors` gives every door of its own."""


# What the templates below call: the long way, the end of a delivery that left work behind, what went wrong.
deliver = settle = recover = abandon = _unset
first = second = third = fourth = fifth = _unset
NAMES = ("first", "second", "third", "fourth", "fifth")

# `current` says what the bus does: None while it is idle with nothing waiting, else the event it delivers or a
# mark that says to go the long way. `left` counts deliveries down to the next one that needs the bus's
# attention; a handler that leaves work behind puts it to 0. In each `try` the n-th line calls the n-th handler:
# `failed_at` counts on it.


def _shut(current: Event | None, left: int) -> Door:
    def door(event: Event) -> None:
        nonlocal current, left
        current, left = current, left  # noqa: PLW0127 - binds the cells that every door has
        deliver(event)

    return door


def _one(current: Event | None, left: int) -> Door:
    def door(event: Event) -> None:
        nonlocal current, left
        if current is not None:
            deliver(event)
            return
        current = event
        try:
            first(event)
        except Exception as error:  # noqa: BLE001 - reported by the bus, never skipped in silence
            recover(event, error)
        except BaseException:
            abandon()
            raise
        if left:
            left -= 1
            current = None
        else:
            settle()

    return door


def _two(current: Event | None, left: int) -> Door:
    def door(event: Event) -> None:
        nonlocal current, left
        if current is not None:
            deliver(event)
            return
        current = event
        try:
            first(event)
            second(event)
        except Exception as error:  # noqa: BLE001 - reported by the bus, never skipped in silence
            recover(event, error)
        except BaseException:
            abandon()
            raise
        if left:
            left -= 1
            current = None
        else:
            settle()

    return door


def _three(current: Event | None, left: int) -> Door:
    def door(event: Event) -> None:
        nonlocal current, left
        if current is not None:
            deliver(event)
            return
        current = event
        try:
            first(event)
            second(event)
            third(event)
        except Exception as error:  # noqa: BLE001 - reported by the bus, never skipped in silence
            recover(event, error)
        except BaseException:
            abandon()
            raise
        if left:
            left -= 1
            current = None
        else:
            settle()

    return door


def _four(current: Event | None, left: int) -> Door:
    def door(event: Event) -> None:
        nonlocal current, left
        if current is not None:
            deliver(event)
            return
        current = event
        try:
            first(event)
            second(event)
            third(event)
            fourth(event)
        except Exception as error:  # noqa: BLE001 - reported by the bus, never skipped in silence
            recover(event, error)
        except BaseException:
            abandon()
            raise
        if left:
            left -= 1
            current = None
        else:
            settle()

    return door


def _five(current: Event | None, left: int) -> Door:
    def door(event: Event) -> None:
        nonlocal current, left
        if current is not None:
            deliver(event)
            return
        current = event
        try:
            first(event)
            second(event)
            third(event)
            fourth(event)
            fifth(event)
        except Exception as error:  # noqa: BLE001 - reported by the bus, never skipped in silence
            recover(event, error)
        except BaseException:
            abandon()
            raise
        if left:
            left -= 1
            current = None
        else:
            settle()

    return door


_SHUT = _shut(None, 0).__code__
_WRITTEN: tuple[CodeType, ...] = tuple(
    template(None, 0).__code__ for template in (_one, _two, _three, _four, _five)
)


class Doors:
    """The doors of one bus by event type, to be refitted whenever handlers come or go: a door once handed out
    stays valid.

    `steps` are what every door may call: `deliver(event)`, `settle()`, `recover(event, error)`, `abandon()`.
    """

    def __init__(self, current: CellType, left: CellType, **steps: Callable[..., None]) -> None:
        names = {**steps, "__builtins__": builtins}
        self._made = {
            event_type: FunctionType(_SHUT, dict(names), event_type, None, (current, left))
            for event_type in PAYLOADS
        }
        self._entries: dict[str, tuple[Entry, ...]] = {}
        self.doors: Mapping[str, Door] = self._made

    def entries(self, event_type: str) -> tuple[Entry, ...]:
        """What the door was last fitted with."""
        return self._entries[event_type]

    def fit(self, event_type: str, entries: tuple[Entry, ...], *, waits: bool) -> None:
        """From now on the door calls these handlers; where one of them `waits`, it leads the long way."""
        door = self._made[event_type]
        self._entries[event_type] = entries
        if waits or not 0 < len(entries) <= len(NAMES):
            door.__code__ = _SHUT
            return
        for name, (_, handler) in zip(NAMES, entries, strict=False):
            door.__globals__[name] = handler
        door.__code__ = _WRITTEN[len(entries) - 1].replace()


def failed_at(error: Exception) -> int:
    """Which handler of a door raised, counted from 0: the line says it.

    Only for errors caught in a door, whose frame is the first of the traceback.
    """
    trace = error.__traceback__
    assert trace is not None
    code = trace.tb_frame.f_code
    return trace.tb_lineno - code.co_firstlineno - _LINES_BEFORE_FIRST


_LINES_BEFORE_FIRST = 7
"""From `def door` to the line that calls `first`."""
