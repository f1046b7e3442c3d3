"""What the private line did not tell, read by REST: after every (re)connect and every gap.

First what stands and what has ended, then the fills; each goes into the ledger, which reports what is new. REST
may lag behind the line, so the answer says whether everything adds up now; if not, ask again a little later.
"""

from collections.abc import Callable, Sequence

from gal_friday_adapters.kraken.executions_ledger import ExecutionsLedger
from gal_friday_adapters.kraken.rest import KrakenRest
from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport, Nanoseconds
from gal_friday_core.times import SECOND_NS

FEW = 3
"""Unheard-of orders that are asked for one by one; more are looked up in the list of ended ones."""
ROUNDS = 3
"""How often orders are looked up that other orders led to."""
MARGIN_NS = 2 * SECOND_NS
"""How much earlier than the line's loss fills are read: clocks differ, and the last message may have been lost."""
LATE_NS = 30 * SECOND_NS
"""An order that the venue does not know so long after its deadline never arrived."""

Deliver = Callable[[list[ExecutionReport]], None]


class Backfill:
    """`deliver` takes the reports in order."""

    def __init__(self, rest: KrakenRest, ledger: ExecutionsLedger, deliver: Deliver) -> None:
        self._rest = rest
        self._ledger = ledger
        self._deliver = deliver

    async def run(self, heard_ns: Nanoseconds | None, now_ns: Nanoseconds) -> bool:
        """Whether everything is known now. `heard_ns`: until when the line told everything, None at the start.

        Raises ExchangeError where REST does not answer.
        """
        await self._standing()
        await self._unheard(now_ns)
        starts = [start for start in (self._ledger.since(), heard_ns) if start is not None]
        if starts:
            for fill in await self._rest.fills(min(starts) - MARGIN_NS):
                self._deliver(self._ledger.fill(fill))
        for _ in range(ROUNDS):
            unknown = [*self._ledger.incomplete(), *self._ledger.parents()]
            if not unknown:
                break
            await self._query(unknown)
        return not self._ledger.unresolved()

    async def _standing(self) -> None:
        """Open orders; and what was open and is not among them any more."""
        found = await self._rest.open_orders()
        for facts in found:
            self._deliver(self._ledger.facts(facts))
        listed = {facts.exchange_order_id for facts in found}
        gone = [
            record.exchange_order_id
            for record in self._ledger.open()
            if not record.ended and record.exchange_order_id not in listed
        ]
        await self._query(gone)

    async def _query(self, order_ids: Sequence[str]) -> None:
        if order_ids:
            for facts in await self._rest.query_orders(order_ids):
                self._deliver(self._ledger.facts(facts))

    async def _unheard(self, now_ns: Nanoseconds) -> None:
        """Orders that were sent and of which nobody has heard: ended already, never arrived, or still to come."""
        unheard = self._ledger.unheard()
        if len(unheard) <= FEW:
            for order in unheard:
                await self._find(order, now_ns)
            return
        oldest = min(order.created_at for order in unheard)
        for facts in await self._rest.closed_orders(oldest - MARGIN_NS):
            if self._ledger.is_ours(facts):
                self._deliver(self._ledger.facts(facts))
        for order in self._ledger.unheard():
            self._give_up(order, now_ns)

    async def _find(self, order: Order, now_ns: Nanoseconds) -> None:
        facts = await self._rest.find(order.client_order_id)
        if facts is not None:
            self._deliver(self._ledger.facts(facts))
        else:
            self._give_up(order, now_ns)

    def _give_up(self, order: Order, now_ns: Nanoseconds) -> None:
        if (order.deadline or order.created_at) + LATE_NS < now_ns:
            self._ledger.forget(order.client_order_id)
