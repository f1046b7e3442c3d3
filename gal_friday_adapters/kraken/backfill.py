"""What the private line did not tell, read by REST: after every (re)connect and every gap.

A new line begins with a snapshot of the open orders and the last fifty fills. Where those reach back to something
that is known, they close the gap by themselves, and REST is asked only what became of orders that are gone; else
it is asked for everything. All goes into the ledger, which reports what is new. REST may lag behind the line, so
the answer says whether everything adds up now; if not, ask again a little later.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gal_friday_adapters.kraken.executions_ledger import ExecutionsLedger
from gal_friday_adapters.kraken.rest import KrakenRest
from gal_friday_core.payloads import ExecutionReport, Nanoseconds
from gal_friday_core.times import SECOND_NS

ROUNDS = 3
"""How often orders are looked up that other orders led to."""
MARGIN_NS = 2 * SECOND_NS
"""How much earlier than the line's loss fills are read: clocks differ, and the last message may have been lost."""
LATE_NS = 30 * SECOND_NS
"""An order that the venue does not know so long after it would have taken it never arrived. That is counted from the
first time it was not known: what an earlier run stamped it may have stamped by another clock.
"""

Deliver = Callable[[list[ExecutionReport]], None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`orders`: exchange ids of all that were open. `reaches`: whether its fills include one that was known."""

    orders: frozenset[str]
    reaches: bool


class Backfill:
    """`deliver` takes the reports in order."""

    def __init__(self, rest: KrakenRest, ledger: ExecutionsLedger, deliver: Deliver) -> None:
        self._rest = rest
        self._ledger = ledger
        self._deliver = deliver
        self._unheard_since: dict[str, Nanoseconds] = {}

    async def run(self, snapshot: Snapshot | None, heard_ns: Nanoseconds | None, now_ns: Nanoseconds) -> bool:
        """Whether everything is known now. `heard_ns`: until when the line told everything, None at the start.

        Raises ExchangeError where REST does not answer.
        """
        listed = await self._listed() if snapshot is None else snapshot.orders
        await self._query(
            [
                record.exchange_order_id
                for record in self._ledger.open()
                if not record.ended and record.exchange_order_id not in listed
            ]
        )
        await self._unheard(now_ns)
        await self._query(self._ledger.incomplete())
        if snapshot is None or not snapshot.reaches or self._ledger.since() is not None:
            await self._fills(heard_ns)
        for _ in range(ROUNDS):
            unknown = [*self._ledger.incomplete(), *self._ledger.parents()]
            if not unknown:
                break
            await self._query(unknown)
        return not self._ledger.unresolved()

    async def look_up(self, order_ids: Sequence[str]) -> None:
        """What became of orders that are not as they seemed. Raises ExchangeError."""
        await self._query(order_ids)

    async def _listed(self) -> frozenset[str]:
        """Open orders, asked of REST."""
        found = await self._rest.open_orders()
        for facts in found:
            self._deliver(self._ledger.facts(facts))
        return frozenset(facts.exchange_order_id for facts in found)

    async def _fills(self, heard_ns: Nanoseconds | None) -> None:
        starts = [start for start in (self._ledger.since(), heard_ns) if start is not None]
        if starts:
            for fill in await self._rest.fills(min(starts) - MARGIN_NS):
                self._deliver(self._ledger.fill(fill))

    async def _query(self, order_ids: Sequence[str]) -> None:
        if order_ids:
            for facts in await self._rest.query_orders(order_ids):
                self._deliver(self._ledger.facts(facts))

    async def _unheard(self, now_ns: Nanoseconds) -> None:
        """Orders that were sent and are not open: ended already, still to come, or never to arrive."""
        unheard = self._ledger.unheard()
        if not unheard:
            return
        oldest = min(order.created_at for order in unheard)
        for facts in await self._rest.closed_orders(oldest - MARGIN_NS):
            if self._ledger.is_ours(facts):
                self._deliver(self._ledger.facts(facts))
        waiting = self._unheard_since
        self._unheard_since = {}
        for order in self._ledger.unheard():
            since_ns = waiting.get(order.client_order_id, now_ns)
            allowed_ns = 0 if order.deadline is None else order.deadline - order.created_at
            if now_ns - since_ns > allowed_ns + LATE_NS:
                self._ledger.forget(order.client_order_id)
            else:
                self._unheard_since[order.client_order_id] = since_ns
