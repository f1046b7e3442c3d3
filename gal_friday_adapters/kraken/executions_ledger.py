"""Merges what Kraken says of our orders into execution reports: each fill once, each change of state once.

Events of the private line are sparse and may be lost, repeated or late; REST fills the holes. Both come in here,
in any order. An order is ours where its client id is known, or where an order of ours made it (a conditional
close, reported as `<entry>-SL-<exchange id>` under the entry's signal); everything else is external.
"""

from decimal import Decimal

from msgspec.structs import replace

from gal_friday_adapters.kraken.order_record import Identity, OrderRecord
from gal_friday_core.account import FillFacts, OrderFacts
from gal_friday_core.errors import ContractError
from gal_friday_core.kraken import words
from gal_friday_core.kraken.order_requests import OrderName
from gal_friday_core.kraken.private_wire import Execution, Triggers
from gal_friday_core.money import ZERO
from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport, Nanoseconds

EXTERNAL = "external:"
CHILD = "-SL-"
REMEMBERED = 1_000
"""Ended orders that are kept, so that what is said of them again is known to be old."""


class ExecutionsLedger:
    """Pure: no clock, no line. `venue` is the name that reports carry."""

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self._orders: dict[str, Order] = {}
        self._past: dict[str, Order] = {}
        self._records: dict[str, OrderRecord] = {}
        self._by_client: dict[str, str] = {}
        self._children: dict[str, Order] = {}
        self._orphans: dict[str, list[str]] = {}
        self._live: dict[str, OrderRecord] = {}
        self._ended: dict[str, None] = {}

    # What is ours

    def expect(self, order: Order) -> None:
        """An order that is about to be sent, or was by an earlier run."""
        self._orders[order.client_order_id] = order
        self._adopt_child(order)

    def recall(self, order: Order) -> None:
        """An order that ended in an earlier run: nothing more is expected of it, and what is told again is known as
        ours.
        """
        self._past[order.client_order_id] = order
        self._adopt_child(order)

    def _adopt_child(self, order: Order) -> None:
        entry, made, exchange_order_id = order.client_order_id.rpartition(CHILD)
        if made and entry:
            self._children[exchange_order_id] = order

    def forget(self, client_order_id: str) -> None:
        """An order that was refused for certain."""
        if client_order_id not in self._by_client:
            self._orders.pop(client_order_id, None)

    # What the exchange says

    def hear(self, event: Execution) -> list[ExecutionReport]:
        """One event of `executions`. Raises ContractError where it has words that are not Kraken's."""
        record = self._record(event.order_id)
        if event.cl_ord_id is not None:
            record.client_order_id = event.cl_ord_id
        record.parent = record.parent or event.ord_ref_id
        _merge(record, event)
        if event.exec_type == "trade":
            record.count(_fill(record, event))
        elif event.order_status is not None:
            record.reason = event.reason or record.reason
            filled = event.cum_qty
            known = filled if filled is not None else record.told
            record.move(words.order_status(event.order_status, known), filled, int(event.timestamp))
        return self._reports(record)

    def facts(self, facts: OrderFacts) -> list[ExecutionReport]:
        """One order as REST has it."""
        record = self._record(facts.exchange_order_id)
        record.describe(facts)
        return self._reports(record)

    def fill(self, fill: FillFacts) -> list[ExecutionReport]:
        """One fill as REST has it; of an order that nobody knows, it waits for the order's facts."""
        record = self._record(fill.exchange_order_id)
        record.count(fill)
        return self._reports(record)

    # What follows

    def open(self) -> list[OrderRecord]:
        """Orders whose end has not been reported."""
        return list(self._live.values())

    def unresolved(self) -> list[str]:
        """Exchange ids of orders that cannot be reported yet: too little is known of them, fills are missing, or
        nobody knows who made them.
        """
        return [
            record.exchange_order_id
            for record in self._live.values()
            if not record.complete or record.short or record.identity is None
        ]

    def incomplete(self) -> list[str]:
        """Exchange ids of orders of which too little is known, such as since when fills of it may be missing."""
        return [
            record.exchange_order_id
            for record in self._live.values()
            if not record.complete or (record.short and not record.opened_at)
        ]

    def pair(self, exchange_order_id: str) -> str | None:
        """The pair of an order, where it is known."""
        record = self._records.get(exchange_order_id)
        return None if record is None else record.pair

    def counted(self, event: Execution) -> bool:
        """Whether a fill has been reported before."""
        record = self._records.get(event.order_id)
        return record is not None and event.exec_id in record.fills

    def resting_entries(self) -> bool:
        """Whether an order may stand on the book, or be on its way there, that would open a position."""
        waiting = [
            *self.unheard(),
            *(self._orders.get(record.client_order_id or "") for record in self.open()),
        ]
        return any(order is not None and may_rest(order) for order in waiting)

    def knows(self, client_order_id: str) -> bool:
        """Whether an order of that id was sent, or heard of."""
        return any(client_order_id in known for known in (self._orders, self._past, self._by_client))

    def is_ours(self, facts: OrderFacts) -> bool:
        return facts.client_order_id in self._orders

    def parents(self) -> list[str]:
        """Exchange ids of unknown orders that made orders which are known."""
        return [parent for parent in self._orphans if parent not in self._records]

    def unheard(self) -> list[Order]:
        """Orders of ours of which the exchange has said nothing yet."""
        return [
            order
            for order in self._orders.values()
            if order.client_order_id not in self._by_client and not self._is_child(order)
        ]

    def since(self) -> Nanoseconds | None:
        """The time from which fills may be missing: when the oldest order was opened of which some are."""
        opened = [record.opened_at for record in self._live.values() if record.short and record.opened_at]
        return min(opened, default=None)

    # Names

    def name(self, client_order_id: str) -> OrderName:
        """How to name one of the reported orders to the exchange."""
        if client_order_id.startswith(EXTERNAL):
            return OrderName(client_order_id.removeprefix(EXTERNAL))
        if CHILD in client_order_id:
            return OrderName(client_order_id.rpartition(CHILD)[2])
        return OrderName(self._by_client.get(client_order_id), client_order_id)

    def record(self, client_order_id: str) -> OrderRecord | None:
        """What is known of an order by its reported client id."""
        name = self.name(client_order_id)
        return None if name.exchange_order_id is None else self._records.get(name.exchange_order_id)

    def identify(self, facts: OrderFacts) -> OrderFacts:
        """The same facts under the client id that reports carry."""
        record = self._records.get(facts.exchange_order_id)
        if record is None or record.identity is None or record.identity.client_order_id.startswith(EXTERNAL):
            return facts
        return replace(facts, client_order_id=record.identity.client_order_id)

    def identify_fill(self, fill: FillFacts) -> FillFacts:
        record = self._records.get(fill.exchange_order_id)
        if record is None or record.identity is None or record.identity.client_order_id.startswith(EXTERNAL):
            return fill
        return replace(fill, client_order_id=record.identity.client_order_id)

    # Inside

    def _record(self, exchange_order_id: str) -> OrderRecord:
        record = self._records.get(exchange_order_id)
        if record is None:
            record = self._records[exchange_order_id] = OrderRecord(exchange_order_id)
            self._live[exchange_order_id] = record
        return record

    def _reports(self, record: OrderRecord) -> list[ExecutionReport]:
        """What to say of the record; a parent that has become known may let its children speak too."""
        if record.identity is None:
            record.identity = self._identity(record)
            if record.identity is None:
                self._orphan(record)
                return []
            self._by_client[record.identity.client_order_id] = record.exchange_order_id
        found = record.reports(self._venue)
        for child in self._orphans.pop(record.exchange_order_id, ()):
            found += self._reports(self._records[child])
        if record.closed:
            self._end(record)
        return found

    def _orphan(self, record: OrderRecord) -> None:
        """Let an order wait until it is known who made it."""
        if record.parent is not None:
            waiting = self._orphans.setdefault(record.parent, [])
            if record.exchange_order_id not in waiting:
                waiting.append(record.exchange_order_id)

    def _identity(self, record: OrderRecord) -> Identity | None:
        """Who an order is; None where that is not known yet."""
        adopted = self._children.get(record.exchange_order_id)
        key = record.client_order_id or ""
        ours = adopted or self._orders.get(key) or self._past.get(key)
        if ours is not None:
            return Identity(ours.client_order_id, ours.signal_id)
        if not record.complete:
            return None
        if record.parent is None:
            return Identity(EXTERNAL + record.exchange_order_id, "")
        made_by = self._records.get(record.parent)
        if made_by is None or made_by.identity is None:
            return None
        if not made_by.identity.signal_id:
            return Identity(EXTERNAL + record.exchange_order_id, "")
        return Identity(
            f"{made_by.identity.client_order_id}{CHILD}{record.exchange_order_id}", made_by.identity.signal_id
        )

    def _is_child(self, order: Order) -> bool:
        return order.client_order_id.rpartition(CHILD)[2] in self._children

    def _end(self, record: OrderRecord) -> None:
        """Keep ended orders for a while only."""
        self._live.pop(record.exchange_order_id, None)
        self._ended[record.exchange_order_id] = None
        while len(self._ended) > REMEMBERED:
            oldest = next(iter(self._ended))
            del self._ended[oldest]
            gone = self._records.pop(oldest)
            self._children.pop(oldest, None)
            if gone.identity is not None:
                self._by_client.pop(gone.identity.client_order_id, None)
                self._orders.pop(gone.identity.client_order_id, None)


def may_rest(order: Order) -> bool:
    """Whether it opens a position, and may do so long after it was sent."""
    immediate = order.order_type == "MARKET" or order.time_in_force in {"IOC", "FOK"}
    return order.purpose == "ENTRY" and not immediate


def _merge(record: OrderRecord, event: Execution) -> None:
    """What the event says, and nothing of what it leaves out. A fill's price and side are the order's too."""
    record.pair = event.symbol or record.pair
    if event.side is not None:
        record.side = words.side(event.side)
    if event.order_type is not None:
        record.order_type = words.order_type(event.order_type)
    if event.order_qty is not None:
        record.quantity = event.order_qty
    if event.limit_price is not None and event.limit_price_type in {None, "static"}:
        record.limit_price = event.limit_price
    if event.triggers is not None:
        record.trigger_price = _trigger(event.triggers)
    if event.exec_type in {"pending_new", "amended"}:
        record.touched_at = int(event.timestamp)
        record.opened_at = record.opened_at or int(event.timestamp)
    if event.cum_qty is not None:
        record.told = max(record.told, event.cum_qty)


def _trigger(triggers: Triggers) -> Decimal | None:
    """The price in force: of a trailing stop it moves."""
    if triggers.actual_price is not None:
        return triggers.actual_price
    return triggers.price if triggers.price_type in {None, "static"} else None


def _fill(record: OrderRecord, event: Execution) -> FillFacts:
    """Raises ContractError where a fill does not say of what order it is."""
    if event.exec_id is None or event.last_qty is None or event.last_price is None:
        raise ContractError(f"fill of order {event.order_id} without id, quantity or price")
    if record.pair is None or record.side is None or record.order_type is None:
        raise ContractError(f"fill {event.exec_id} of order {event.order_id}, of which nothing is known")
    assets = {fee.asset for fee in event.fees}
    if len(assets) > 1:
        raise ContractError(f"fill {event.exec_id} pays fees in {', '.join(sorted(assets))}")
    return FillFacts(
        execution_id=event.exec_id,
        exchange_order_id=event.order_id,
        trading_pair=record.pair,
        side=record.side,
        order_type=record.order_type,
        quantity=event.last_qty,
        price=event.last_price,
        fee=sum((fee.qty for fee in event.fees), ZERO),
        fee_asset=assets.pop() if assets else record.pair.partition("/")[2],
        timestamp=int(event.timestamp),
        client_order_id=record.client_order_id,
        maker=None if event.liquidity_ind is None else event.liquidity_ind == "m",
        cost=event.cost,
    )
