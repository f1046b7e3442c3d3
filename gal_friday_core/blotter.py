"""Every order of the account by client order id: its state, its fills each once, and what of it is still open.

`add` takes an order before it is sent, `apply` what the venue (or we) report of it, `note` what happens on
our side alone. Nothing is guessed: a report that the order machine does not allow is told as an `Anomaly` and
not applied, a fill is booked whatever state its order is in.

Ended orders are kept up to a number, the oldest forgotten first, their execution ids with them.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from gal_friday_core.errors import ContractError
from gal_friday_core.money import ZERO, product, ratio
from gal_friday_core.order_machine import ENDED, EVENT_OF, STEPS, OrderEvent, Verdict
from gal_friday_core.orders import Order, Purpose
from gal_friday_core.payloads import ExecutionReport, OrderStatus

KEEP_ENDED = 1_000
"""An exchange's snapshot tells of fifty fills, and the portfolio knows booked fills by their own ids."""
EXTERNAL = "external:"
"""How the client order id of an order begins that somebody else placed."""

_FILLS = (OrderEvent.PART_FILLED, OrderEvent.ALL_FILLED)


@dataclass(slots=True, eq=False)
class OrderRecord:
    """One order as it stands. The blotter alone changes it.

    `quantity` and the prices are those of the last amendment. `filled` counts the fills that were booked,
    `told` the most that the venue said was filled: where it is more, fills are missing. `heard_at` and
    `heard_last` are the venue's times of its first word that it had the order, and of its last.
    """

    order: Order
    quantity: Decimal
    limit_price: Decimal | None
    trigger_price: Decimal | None
    status: OrderStatus = "PENDING_NEW"
    filled: Decimal = ZERO
    spent: Decimal = ZERO
    told: Decimal = ZERO
    exchange_order_id: str | None = None
    updated_at: int = 0
    heard_at: int | None = None
    heard_last: int = 0
    reason: str | None = None
    executions: list[str] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether anything may still become of it, an order with an unknown outcome included."""
        return self.status not in ENDED

    @property
    def left(self) -> Decimal:
        """What may still be filled: zero once it has ended."""
        return self.quantity - self.filled if self.status not in ENDED else ZERO

    @property
    def missing(self) -> Decimal:
        """What the venue says was filled and no fill has told yet."""
        return max(self.told - self.filled, ZERO)

    @property
    def rested_ns(self) -> int:
        """For how long it stood, or stands, at the venue: by the venue's clock, where it told of the beginning."""
        if self.heard_at is None:
            return self.updated_at - self.order.created_at
        return self.heard_last - self.heard_at

    @property
    def average_price(self) -> Decimal | None:
        return ratio(self.spent, self.filled) if self.filled else None


class Anomaly(NamedTuple):
    """Something that should not have been told of an order; `code` says what kind.

    ILLEGAL_TRANSITION, ALIVE_AFTER_END, FILL_OF_REFUSED_ORDER, UNSENT_ORDER, OVERFILLED.
    """

    code: str
    client_order_id: str
    text: str


class Applied(NamedTuple):
    """What a report changed: `news` where anything did, `fill` where it brought a fill not booked before."""

    record: OrderRecord
    news: bool
    fill: bool
    anomaly: Anomaly | None


class Sells(NamedTuple):
    """The open sells of a pair: stops that rest, stops on their way out, and everything else that sells."""

    stops: tuple[OrderRecord, ...]
    leaving: tuple[OrderRecord, ...]
    others: tuple[OrderRecord, ...]


class Blotter:
    """The account's orders; see the module's text."""

    def __init__(self, keep_ended: int = KEEP_ENDED) -> None:
        self._records: dict[str, OrderRecord] = {}
        self._open: dict[str, dict[str, OrderRecord]] = {}
        self._executions: set[str] = set()
        self._ended: deque[str] = deque()
        self._keep_ended = keep_ended

    def __contains__(self, client_order_id: str) -> bool:
        return client_order_id in self._records

    def __len__(self) -> int:
        return len(self._records)

    def add(self, order: Order) -> OrderRecord:
        """An order that is about to be sent. Raises ContractError where its id was used before."""
        if order.client_order_id in self._records:
            raise ContractError(f"order {order.client_order_id} exists already: an id is used once")
        record = OrderRecord(
            order, order.quantity, order.limit_price, order.trigger_price, updated_at=order.created_at
        )
        self._records[order.client_order_id] = record
        self._open.setdefault(order.trading_pair, {})[order.client_order_id] = record
        return record

    def get(self, client_order_id: str) -> OrderRecord | None:
        return self._records.get(client_order_id)

    def records(self) -> Iterator[OrderRecord]:
        """All that are remembered, oldest first."""
        yield from tuple(self._records.values())

    def open(self, pair: str | None = None) -> list[OrderRecord]:
        """Orders that have not ended, of one pair or of all."""
        if pair is not None:
            return list(self._open.get(pair, {}).values())
        return [record for records in self._open.values() for record in records.values()]

    def entries(self, pair: str | None = None) -> list[OrderRecord]:
        """Open orders of ours that would add to a position."""
        return [record for record in self.open(pair) if record.order.purpose == "ENTRY"]

    def unknown(self, pair: str | None = None) -> list[OrderRecord]:
        """Orders of which nobody knows whether the venue has them."""
        return [record for record in self.open(pair) if record.status == "UNKNOWN"]

    def unanswered(self) -> list[OrderRecord]:
        """Orders whose state the venue must tell: sent without an answer, lost, or asked to end."""
        return [
            record for record in self.open() if record.status in ("PENDING_NEW", "UNKNOWN", "PENDING_CANCEL")
        ]

    def sells(self, pair: str) -> Sells:
        """What sells the pair's base at this moment, each by what it means for the position's protection."""
        sells = [record for record in self.open(pair) if record.order.side == "SELL"]
        stops = [record for record in sells if record.order.purpose == "STOP"]
        return Sells(
            tuple(record for record in stops if record.status != "PENDING_CANCEL"),
            tuple(record for record in stops if record.status == "PENDING_CANCEL"),
            tuple(record for record in sells if record.order.purpose != "STOP"),
        )

    def covered(self, pair: str) -> Decimal:
        """How much of the pair's position has a stop that rests, or may be on its way to rest."""
        return sum((record.left for record in self.sells(pair).stops), ZERO)

    def is_booked(self, execution_id: str) -> bool:
        return execution_id in self._executions

    def note(self, client_order_id: str, event: OrderEvent, reason: str | None = None) -> OrderStatus:
        """What happened on our side: a cancel asked for, refused, an answer that is missing. The state after it.

        Raises ContractError for an unknown order.
        """
        record = self._records.get(client_order_id)
        if record is None:
            raise ContractError(f"no order {client_order_id}: nothing can have happened to it")
        state, verdict = STEPS[record.status, event, record.filled > 0]
        if verdict is Verdict.MOVED:
            self._move(record, state)
            record.reason = reason or record.reason
        return record.status

    def apply(self, report: ExecutionReport) -> Applied:
        """Take in a report: its fill once, whatever the order's state; its status where the machine allows it."""
        record = self._records.get(report.client_order_id)
        anomaly = None
        adopted = record is None
        if record is None:
            record, anomaly = self._adopt(report)
        if report.exchange_order_id is not None:
            record.exchange_order_id = report.exchange_order_id
            if record.heard_at is None and report.order_status not in ENDED:
                record.heard_at = report.timestamp_exchange
            record.heard_last = max(record.heard_last, report.timestamp_exchange)
        record.told = max(record.told, report.quantity_filled)
        fill = report.execution_id is not None and report.execution_id not in self._executions
        moved = False
        if fill:
            anomaly = self._book(record, report) or anomaly
        elif report.execution_id is None:
            moved = self._amended(record, report)
        status, wrong = self._tell(record, report.order_status)
        news = adopted or fill or moved or status
        if news and report.timestamp_exchange > record.updated_at:
            record.updated_at = report.timestamp_exchange
        if status:
            record.reason = report.error_message
        return Applied(record, news, fill, wrong or anomaly)

    def _adopt(self, report: ExecutionReport) -> tuple[OrderRecord, Anomaly | None]:
        """An order that we did not send: somebody else's, or one that the venue made for an entry of ours."""
        entry, purpose = _origin(report.client_order_id)
        record = self.add(
            Order(
                client_order_id=report.client_order_id,
                signal_id=report.signal_id,
                trading_pair=report.trading_pair,
                side=report.side,
                order_type=report.order_type,
                quantity=report.quantity_ordered,
                created_at=report.timestamp_exchange,
                limit_price=report.limit_price,
                trigger_price=report.stop_price,
                reduce_only=entry is not None and report.side == "SELL",
                purpose=purpose,
                parent=entry,
            )
        )
        if entry in self._records or report.client_order_id.startswith(EXTERNAL):
            return record, None
        text = f"{report.exchange} reports order {report.client_order_id}, which was never sent"
        return record, Anomaly("UNSENT_ORDER", report.client_order_id, text)

    def _book(self, record: OrderRecord, report: ExecutionReport) -> Anomaly | None:
        """Count a new fill and step by it."""
        quantity, price = report.last_quantity, report.last_price
        if quantity is None or price is None or quantity <= 0:
            raise ContractError(
                f"report {report.execution_id} of order {report.client_order_id} carries half a fill: "
                f"quantity {quantity}, price {price}"
            )
        execution_id = report.execution_id or ""
        self._executions.add(execution_id)
        record.executions.append(execution_id)
        record.filled += quantity
        record.spent += product(quantity, price)
        event = OrderEvent.ALL_FILLED if record.filled >= record.quantity else OrderEvent.PART_FILLED
        state, verdict = STEPS[record.status, event, True]
        if verdict is Verdict.MOVED:
            self._move(record, state)
        key = report.client_order_id
        if verdict is Verdict.CONTRADICTION:
            return Anomaly(
                "FILL_OF_REFUSED_ORDER", key, f"order {key} is {record.status}, and filled {quantity}"
            )
        if record.filled > record.quantity:
            return Anomaly("OVERFILLED", key, f"order {key} of {record.quantity} filled {record.filled}")
        return None

    def _amended(self, record: OrderRecord, report: ExecutionReport) -> bool:
        """Take over quantity and prices as the venue says they are now."""
        if record.status in ENDED:
            return False
        before = record.quantity, record.limit_price, record.trigger_price
        record.quantity = report.quantity_ordered or record.quantity
        record.limit_price = report.limit_price or record.limit_price
        record.trigger_price = report.stop_price or record.trigger_price
        return before != (record.quantity, record.limit_price, record.trigger_price)

    def _tell(self, record: OrderRecord, status: OrderStatus) -> tuple[bool, Anomaly | None]:
        """Step by a status: whether the state moved, and what was wrong with it."""
        event = EVENT_OF[status]
        before = record.status
        if status == before or (event in _FILLS and before in ENDED):
            return False, None  # no new fill: nothing that was not known
        state, verdict = STEPS[before, event, record.filled > 0]
        if verdict is Verdict.MOVED:
            self._move(record, state)
            return True, None
        if verdict is not Verdict.ILLEGAL:
            return False, None
        key = record.order.client_order_id
        alive = before in ENDED and event in (OrderEvent.SENT, OrderEvent.ACCEPTED)
        code = "ALIVE_AFTER_END" if alive else "ILLEGAL_TRANSITION"
        return False, Anomaly(code, key, f"order {key} is {before}, and was told {status}")

    def _move(self, record: OrderRecord, state: OrderStatus) -> None:
        record.status = state
        if state in ENDED:
            order = record.order
            self._open.get(order.trading_pair, {}).pop(order.client_order_id, None)
            self._ended.append(order.client_order_id)
            if len(self._ended) > self._keep_ended:
                forgotten = self._records.pop(self._ended.popleft())
                self._executions.difference_update(forgotten.executions)


def _origin(client_order_id: str) -> tuple[str | None, Purpose]:
    """The entry that an order we did not send belongs to, by its name, and what it is for."""
    if not client_order_id.startswith(EXTERNAL):
        for mark, purpose in _CHILDREN:
            entry, found, _ = client_order_id.partition(mark)
            if found:
                return entry, purpose
    return None, "EXTERNAL"


_CHILDREN: tuple[tuple[str, Purpose], ...] = (("-SL", "STOP"), ("-TP", "TARGET"))
