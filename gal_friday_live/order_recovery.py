"""The orders of earlier runs, read back from the journal: the blotter as it was, before anything is sent again.

Intents and reports are read in the order written, by themselves and as bytes: what a session has journalled
besides (predictions, signals, states) is never touched. An intent without a report may or may not have
reached the venue: such orders are UNKNOWN until it is asked.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from gal_friday_core.blotter import Blotter
from gal_friday_core.brackets import Brackets
from gal_friday_core.errors import StorageError
from gal_friday_core.journal import JournalLine
from gal_friday_core.order_machine import OrderEvent
from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.ports import Exchange
from gal_friday_live import intents, report_queue
from gal_friday_live.execution_handler import ExecutionHandler

KINDS = (intents.KIND, report_queue.KIND)

_order = msgspec.json.Decoder(Order)
_report = msgspec.json.Decoder(ExecutionReport)


class Lines(Protocol):
    """A journal that gives back lines of some kinds without reading their records."""

    def lines(self, kinds: Sequence[str]) -> AsyncIterator[JournalLine]: ...


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What was found: orders and reports read, orders that are open, and those among them nobody knows about."""

    orders: int
    reports: int
    open: int
    unknown: tuple[str, ...]


async def recover_orders(
    journal: Lines,
    *,
    blotter: Blotter,
    brackets: Brackets | None = None,
) -> Recovered:
    """Fill an empty blotter, and the brackets, from the journal. Raises StorageError for a line that is no order
    and no report of one.
    """
    orders = reports = 0
    async for line in journal.lines(KINDS):
        try:
            if line.kind == intents.KIND:
                orders += 1
                _sent(blotter, _order.decode(line.record))
            else:
                reports += 1
                _heard(blotter, brackets, _report.decode(line.record))
        except msgspec.DecodeError as error:
            raise StorageError(
                f"journal line {line.seq} ({line.kind} {line.key}) cannot be read: {error}; "
                "trading cannot resume on a journal with a hole"
            ) from error
    unknown = tuple(
        blotter_record.order.client_order_id
        for blotter_record in blotter.unanswered()
        if blotter.note(blotter_record.order.client_order_id, OrderEvent.LOST) == "UNKNOWN"
    )
    return Recovered(orders=orders, reports=reports, open=len(blotter.open()), unknown=unknown)


def take_up(recovered: Recovered, execution: ExecutionHandler, exchange: Exchange) -> None:
    """Hand the orders to the exchange, before it starts, and have the unknown ones asked about once it has."""
    exchange.adopt(execution.blotter.records())
    for client_order_id in recovered.unknown:
        execution.unknown.add(client_order_id)


def _sent(blotter: Blotter, order: Order) -> None:
    if order.client_order_id not in blotter:
        blotter.add(order)


def _heard(blotter: Blotter, brackets: Brackets | None, report: ExecutionReport) -> None:
    applied = blotter.apply(report)
    if applied.fill and brackets is not None:
        brackets.apply(applied.record.order, report)
