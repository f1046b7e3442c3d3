"""Bugs of sending: orders doubled, orders without an intent, outcomes that were guessed."""

import asyncio
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from gal_friday_core.errors import GalFridayError, OutcomeUnknownError, StorageError
from gal_friday_live.ids import derived
from gal_friday_live.intents import UnknownProvenance
from gal_friday_live.simulation.faults import Fault
from gal_friday_live.simulation.life import Life
from gal_friday_live.simulation.planted.bug import PlantedBug, Weather, at, at_closes, calm, together

FLAKY: Weather = together(
    at_closes("latency", "", (0.0, 0.1), 10.0, 0.5),
    at_closes("cut", "private", (0.8, 2.5)),
    at_closes("cut", "private", (2.5, 5.0)),
)
"""A slow network whose private line breaks while an order is on its way."""

TAKEN_LATE: Weather = together(
    at_closes("wire", "accept_late", (-1.0, 0.0), 9.0), at_closes("cut", "private", (0.9, 4.0))
)
"""The exchange takes orders seconds after they came, and the line breaks meanwhile."""


def resends_after_a_time_out(life: Life) -> None:
    """An order without an answer is sent once more, by REST."""
    engine: Any = life.engine
    submit = engine.exchange.submit

    async def again(order: Any) -> None:
        try:
            await submit(order)
        except OutcomeUnknownError:
            await engine.exchange.rest.add_order(order)

    engine.exchange.submit = again


def asks_again_under_a_new_id(life: Life) -> None:
    """The same, and under a client order id of its own, as if that made it safe."""
    engine: Any = life.engine
    submit = engine.exchange.submit

    async def again(order: Any) -> None:
        try:
            await submit(order)
        except OutcomeUnknownError:
            now = engine.clock.now_ns()
            fresh = replace(
                order, client_order_id=derived("again", order.client_order_id), created_at=now,
                deadline=now + engine.execution.deadline_ns,
            )  # fmt: skip
            await engine.execution._record_intent(fresh)
            await engine.exchange.rest.add_order(fresh)

    engine.exchange.submit = again


def sends_open_intents_again_after_a_restart(life: Life) -> None:
    """Intents that no report answered are sent once more, as an outbox does that delivers at least once."""
    engine: Any = life.engine
    engine.execution.unknown.add = lambda key, *, cancelling=False: (
        None if cancelling else engine.tasks.start(send(engine.execution.blotter.get(key).order), "outbox")
    )

    async def send(order: Any) -> None:
        now = engine.clock.now_ns()
        with suppress(GalFridayError):
            await engine.exchange.rest.add_order(replace(order, deadline=now + engine.execution.deadline_ns))


def sends_before_the_intent_is_durable(life: Life) -> None:
    """The intent is written after the order has left."""
    engine: Any = life.engine
    record = engine.execution._record_intent

    async def later(order: Any) -> None:
        engine.tasks.start(record(order), "intent")

    engine.execution._record_intent = later


def swallows_what_the_journal_says(life: Life) -> None:
    """A journal that cannot write (its disk is full) is logged, and the order sent."""
    engine: Any = life.engine
    journal = engine.execution._journal

    class Hopeful:
        async def append(self, *given: Any) -> None:
            with suppress(StorageError):
                await journal.append(*given)

    engine.execution._journal = Hopeful()


def calls_absent_what_was_not_found_at_once(life: Life) -> None:
    """One look that does not find the order, and it counts as never arrived."""
    engine: Any = life.engine
    unknown = engine.execution.unknown
    unknown._reads = 1
    unknown._is_over = lambda _record, _question: True


def does_not_say_what_an_order_came_from(life: Life) -> None:
    """Intents carry no model, no data and no code version."""
    engine: Any = life.engine
    engine.execution._provenance = UnknownProvenance()


def asks_without_counting(life: Life) -> None:
    """Balances are polled several times a second, and what the exchange says of limits is not listened to."""
    engine: Any = life.engine
    line = engine.exchange.rest._line
    line._wait_ns = lambda _method, _side: 0

    async def poll() -> None:
        while True:
            with suppress(GalFridayError):
                await line.private("Balance")
            await asyncio.sleep(0.25)

    engine.tasks.background(poll(), "balances")


def writes_without_a_fence(life: Life) -> None:
    """The journal takes what an engine writes whose account another has taken over."""
    engine: Any = life.engine
    engine.journal._fence = None


BUGS = (
    PlantedBug(
        name="retry-on-time-out",
        about="sends an order again when its answer is late (freqtrade and ccxt: a naive retry of NetworkError)",
        promise="P1", plant=resends_after_a_time_out, weather=FLAKY,
    ),
    PlantedBug(
        name="new-id-at-each-retry",
        about="retries under a fresh client order id, so that the exchange cannot tell (hummingbot, early connectors)",
        promise="P1", plant=asks_again_under_a_new_id, weather=FLAKY,
    ),
    PlantedBug(
        name="outbox-sent-twice",
        about="sends intents without an answer again after a crash (every at-least-once outbox)",
        promise="P1", plant=sends_open_intents_again_after_a_restart,
        weather=together(at_closes("latency", "", (0.0, 0.1), 10.0), at_closes("crash", "", (0.8, 4.5))),
    ),
    PlantedBug(
        name="intent-after-send",
        about="journals an order after it has left (our first engine; a crash in between orphans it)",
        promise="P2", plant=sends_before_the_intent_is_durable, weather=at_closes("store", "slow", (0.0, 0.5), 8.0),
    ),
    PlantedBug(
        name="journal-error-swallowed",
        about="goes on when the journal's disk is full (log and continue)",
        promise="P2", plant=swallows_what_the_journal_says, weather=at_closes("store", "full", (0.0, 0.4), 8.0),
    ),
    PlantedBug(
        name="early-void",
        about="calls an order absent that the exchange has not taken yet (Kraken's reads lag)",
        promise="P8", plant=calls_absent_what_was_not_found_at_once, weather=TAKEN_LATE,
    ),
    PlantedBug(
        name="fencing-absent",
        about="lets a paused engine go on beside the one that replaced it (every lease without a token)",
        promise="P1", plant=writes_without_a_fence, weather=at_closes("rival", "", (-6.0, -1.0)),
    ),
    PlantedBug(
        name="order-without-origin",
        about="cannot say which code and which model sent an order (Knight Capital, 2012)",
        promise="P16", plant=does_not_say_what_an_order_came_from, weather=calm,
    ),
    PlantedBug(
        name="rate-limit-ignored",
        about="polls until the exchange locks it out (hummingbot and freqtrade: EAPI:Rate limit exceeded)",
        promise="P11", plant=asks_without_counting, weather=at(Fault(100.0, "restart", "")),
    ),
)  # fmt: skip
