"""Orders whose fate nobody knows: asked about until the exchange tells, never sent again.

While one is UNKNOWN its pair takes no entries. Found, it is taken over as it is, with the fills that were
missed. Absent, it counts as never arrived only after its deadline and a margin are over and it was absent
time after time: a venue's read side may lag behind its matching.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gal_friday_core.blotter import Blotter, OrderRecord
from gal_friday_core.errors import ExchangeError, OutcomeUnknownError
from gal_friday_core.order_reports import own_report, report_of_facts, report_of_fill
from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.ports import Clock, Exchange
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.checks import LONGEST_DEADLINE_NS
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trading_gate import TradingGate

CODE = "ORDER_UNKNOWN"
NEVER_ARRIVED = "NEVER_ARRIVED"
MARGIN_S = 5.0
"""Beyond the deadline: how far a venue's answers may lag behind its matching."""
STOP_MARGIN_S = 1.0
"""For a stop: what it should sell is bare meanwhile, and a venue that holds the base takes no second one."""
FAR_NS = 2 * LONGEST_DEADLINE_NS
"""A deadline so far ahead is none: it was set by a clock that was wrong, or is read by one, and the venue refuses it."""
READS = 3
EVERY_S = 1.0
LOOK_BACK_NS = 60 * SECOND_NS
"""A venue's clock may be behind ours: fills are asked for from so long before the order."""

log = logging.getLogger(__name__)

Absorb = Callable[[ExecutionReport], Awaitable[None]]
Cancel = Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class _Question:
    """Since when an order is asked about, and how often in a row it was absent."""

    since_ns: int
    cancelling: bool
    absent: int = 0


class UnknownOrders:
    """Asks one question after another, every `every_s` seconds, as long as one is open.

    `asked` counts questions, `found` those that an order answered, `absent` orders that never arrived.
    """

    def __init__(
        self,
        *,
        exchange: Exchange,
        blotter: Blotter,
        gate: TradingGate,
        tasks: TaskSupervisor,
        clock: Clock,
        absorb: Absorb,
        cancel: Cancel,
        deadline_s: float,
        margin_s: float = MARGIN_S,
        reads: int = READS,
        every_s: float = EVERY_S,
    ) -> None:
        self._exchange = exchange
        self._blotter = blotter
        self._gate = gate
        self._tasks = tasks
        self._clock = clock
        self._absorb = absorb
        self._cancel = cancel
        self._deadline_ns = int(deadline_s * SECOND_NS)
        self._margin_ns = int(margin_s * SECOND_NS)
        self._reads = reads
        self._every_s = every_s
        self._began_ns = clock.now_ns()
        self._questions: dict[str, _Question] = {}
        self._asking = False
        self.asked = 0
        self.found = 0
        self.absent = 0

    @property
    def open(self) -> tuple[str, ...]:
        """Client order ids that are being asked about."""
        return tuple(self._questions)

    def add(self, client_order_id: str, *, cancelling: bool = False) -> None:
        """Find out about an order; with `cancelling`, ask for its end again should it still stand."""
        record = self._blotter.get(client_order_id)
        if record is None:
            return
        question = self._questions.setdefault(client_order_id, _Question(self._clock.now_ns(), cancelling))
        question.cancelling |= cancelling
        if record.status in ("PENDING_NEW", "UNKNOWN"):
            pair = record.order.trading_pair
            self._gate.block(CODE, f"nobody knows what became of order {client_order_id}", pair=pair)
        if not self._asking:
            self._asking = True
            self._tasks.background(self._run(), "unknown orders")

    def heard(self, record: OrderRecord) -> None:
        """The exchange told of an order by itself: where that settles it, nothing is left to ask."""
        question = self._questions.get(record.order.client_order_id)
        if question is None or record.status == "UNKNOWN" or record.missing:
            return
        if not (question.cancelling and record.is_open):
            self._settle(record)

    async def ask_all(self) -> None:
        """One question about each."""
        for client_order_id in self.open:
            record = self._blotter.get(client_order_id)
            question = self._questions.get(client_order_id)
            if record is None or question is None:
                continue
            try:
                await self._ask(record, question)
            except (ExchangeError, OutcomeUnknownError, TimeoutError, OSError) as error:
                log.warning("the fate of order %s stays unknown: %s", client_order_id, error)

    async def _run(self) -> None:
        try:
            while self._questions:
                await self.ask_all()
                if self._questions:
                    await asyncio.sleep(self._every_s)
        finally:
            self._asking = False

    async def _ask(self, record: OrderRecord, question: _Question) -> None:
        order = record.order
        self.asked += 1
        facts = await self._exchange.find(order.client_order_id)
        if facts is None:
            await self._absent(record, question)
            return
        question.absent = 0
        if facts.filled > record.filled:
            await self._take_fills(record, facts.exchange_order_id)
        await self._absorb(report_of_facts(order, facts, self._exchange.name))
        if record.missing or record.status == "UNKNOWN":
            return  # the venue knows of more than it has told: ask again
        self.found += 1
        if record.is_open and question.cancelling:
            await self._cancel(order.client_order_id)
            return
        self._settle(record)

    async def _absent(self, record: OrderRecord, question: _Question) -> None:
        """Conclude only what is certain."""
        question.absent += 1
        if question.absent < self._reads or not self._is_over(record, question) or record.exchange_order_id:
            return  # an order that the venue acknowledged cannot have failed to arrive
        await self._take_fills(record, None)
        if record.filled:
            return
        order = record.order
        now = self._clock.now_ns()
        why = f"{NEVER_ARRIVED}: absent {question.absent} times, {(now - order.created_at) / SECOND_NS:.0f} s after it was made"
        self.absent += 1
        await self._absorb(own_report(order, self._exchange.name, "EXPIRED", now, why))
        self._settle(record)

    def _is_over(self, record: OrderRecord, question: _Question) -> bool:
        """Whether the venue would refuse the order if it arrived now. Its deadline is in the venue's time, which ours
        may differ from by the margin at most: a larger offset keeps entries back anyway.
        """
        margin_ns = self._margin_ns
        if record.order.purpose == "STOP":
            margin_ns = min(margin_ns, int(STOP_MARGIN_S * SECOND_NS))
        return self._clock.now_ns() > self._until_ns(record.order, question) + margin_ns

    def _until_ns(self, order: Order, question: _Question) -> int:
        """When the venue takes the order no more. What an earlier run stamped it may have stamped by another clock:
        that counts from the first question too, when the order was sent already.
        """
        if order.deadline is None:
            return question.since_ns + self._deadline_ns
        asked = question.since_ns + order.deadline - order.created_at
        if order.deadline > self._clock.now_ns() + FAR_NS:
            return asked
        return max(order.deadline, asked) if order.created_at < self._began_ns else order.deadline

    async def _take_fills(self, record: OrderRecord, exchange_order_id: str | None) -> None:
        """Fills of the order that no report has told."""
        order = record.order
        for fill in await self._exchange.fills(order.created_at - LOOK_BACK_NS):
            ours = fill.client_order_id == order.client_order_id or (
                exchange_order_id is not None and fill.exchange_order_id == exchange_order_id
            )
            if ours and not self._blotter.is_booked(fill.execution_id):
                cumulative = record.filled + fill.quantity
                name = self._exchange.name
                await self._absorb(
                    report_of_fill(order, fill, name, cumulative=cumulative, quantity=record.quantity)
                )

    def _settle(self, record: OrderRecord) -> None:
        """Nothing is left to ask about the order; its pair may trade again unless another one is unknown."""
        pair = record.order.trading_pair
        self._questions.pop(record.order.client_order_id, None)
        if not any(self._is_of(key, pair) for key in self._questions) and not self._blotter.unknown(pair):
            self._gate.clear(CODE, pair=pair)

    def _is_of(self, client_order_id: str, pair: str) -> bool:
        record = self._blotter.get(client_order_id)
        return record is not None and record.order.trading_pair == pair
