"""What may happen to an order in which state: one table that names every pair, and `step` that reads it.

An event that a state does not allow is told, never applied. A fill is a fact whenever it comes: after the
order's end it is booked and the state stays; on an order that was refused or never sent it is booked and
told as a contradiction.

Where the next state depends on whether anything is filled yet, the table says `REST`: PARTIALLY_FILLED
where something is, else NEW.
"""

from enum import StrEnum
from typing import NamedTuple, cast

from gal_friday_core.orders import is_terminal
from gal_friday_core.payloads import OrderStatus


class OrderEvent(StrEnum):
    """What happened. The first eight the venue tells, the last four happen on our side."""

    SENT = "SENT"
    """The venue has it, and has not accepted it yet."""
    ACCEPTED = "ACCEPTED"
    """It rests, or was told again as resting, also with new quantity or price after an amendment."""
    PART_FILLED = "PART_FILLED"
    ALL_FILLED = "ALL_FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    """Its time was over, or it is proven that it never arrived."""
    AMEND_REFUSED = "AMEND_REFUSED"
    CANCEL_ASKED = "CANCEL_ASKED"
    CANCEL_REFUSED = "CANCEL_REFUSED"
    LOST = "LOST"
    """Nobody knows what became of it: the answer to a request is missing."""
    FAILED = "FAILED"
    """It never left: its intent could not be made durable."""


class Verdict(StrEnum):
    """What a step means for who applies it."""

    MOVED = "MOVED"
    SAME = "SAME"
    """Nothing new in the state; quantities may be."""
    LATE = "LATE"
    """A fact about an order that has ended: booked, the state stays."""
    CONTRADICTION = "CONTRADICTION"
    """A fill of an order that cannot have any: booked, the state stays, and told."""
    ILLEGAL = "ILLEGAL"
    """Told, not applied."""


class Step(NamedTuple):
    """The state after an event, and what it means."""

    state: OrderStatus
    verdict: Verdict


# `=` nothing new, `+` late, `#` contradiction, `!` illegal; else the next state.
_TABLE = """
                 SENT  ACCEPTED  PART_FILLED       ALL_FILLED  CANCELED  REJECTED  EXPIRED  AMEND_REFUSED  CANCEL_ASKED    CANCEL_REFUSED  LOST     FAILED
PENDING_NEW      =     NEW       PARTIALLY_FILLED  FILLED      CANCELED  REJECTED  EXPIRED  !              PENDING_CANCEL  !               UNKNOWN  ERROR
NEW              =     =         PARTIALLY_FILLED  FILLED      CANCELED  REJECTED  EXPIRED  =              PENDING_CANCEL  =               UNKNOWN  !
PARTIALLY_FILLED =     =         =                 FILLED      CANCELED  !         EXPIRED  =              PENDING_CANCEL  =               UNKNOWN  !
PENDING_CANCEL   =     =         =                 FILLED      CANCELED  REJECTED  EXPIRED  =              =               REST            UNKNOWN  !
UNKNOWN          =     REST      PARTIALLY_FILLED  FILLED      CANCELED  REJECTED  EXPIRED  =              =               =               =        !
FILLED           =     =         +                 +           !         !         !        =              =               =               =        !
CANCELED         =     =         +                 +           =         !         =        =              =               =               =        !
REJECTED         !     !         #                 #           !         =         !        !              =               =               =        !
EXPIRED          =     !         +                 +           =         !         =        =              =               =               =        !
ERROR            !     !         #                 #           !         !         !        !              =               !               !        =
"""

_SIGNS = {
    "=": Verdict.SAME,
    "+": Verdict.LATE,
    "#": Verdict.CONTRADICTION,
    "!": Verdict.ILLEGAL,
}


def _read(table: str) -> dict[tuple[str, str, bool], Step]:
    """The table as steps by state, event, and whether anything is filled."""
    head, *rows = (line.split() for line in table.strip().splitlines())
    steps = {}
    for state, *cells in rows:
        for event, cell in zip(head, cells, strict=True):
            for filled in (False, True):
                steps[state, event, filled] = _step(state, cell, filled=filled)
    return steps


def _step(state: str, cell: str, *, filled: bool) -> Step:
    if cell in _SIGNS:
        return Step(cast("OrderStatus", state), _SIGNS[cell])
    if cell == "REST":
        return Step("PARTIALLY_FILLED" if filled else "NEW", Verdict.MOVED)
    return Step(cast("OrderStatus", cell), Verdict.MOVED)


STEPS = _read(_TABLE)
"""Every (state, event, anything filled) with what follows."""

EVENT_OF: dict[OrderStatus, OrderEvent] = {
    "PENDING_NEW": OrderEvent.SENT,
    "NEW": OrderEvent.ACCEPTED,
    "PARTIALLY_FILLED": OrderEvent.PART_FILLED,
    "FILLED": OrderEvent.ALL_FILLED,
    "PENDING_CANCEL": OrderEvent.CANCEL_ASKED,
    "CANCELED": OrderEvent.CANCELED,
    "REJECTED": OrderEvent.REJECTED,
    "EXPIRED": OrderEvent.EXPIRED,
    "UNKNOWN": OrderEvent.LOST,
    "ERROR": OrderEvent.FAILED,
}
"""Which event a report of that status tells."""

ENDED: frozenset[OrderStatus] = frozenset(state for state in EVENT_OF if is_terminal(state))


def step(state: OrderStatus, event: OrderEvent, *, filled: bool) -> Step:
    """What follows from an event; `filled` tells whether any of the order is filled.

    >>> step("PENDING_CANCEL", OrderEvent.ALL_FILLED, filled=True)
    Step(state='FILLED', verdict=<Verdict.MOVED: 'MOVED'>)
    >>> step("CANCELED", OrderEvent.PART_FILLED, filled=True).verdict
    <Verdict.LATE: 'LATE'>
    """
    return STEPS[state, event, filled]
