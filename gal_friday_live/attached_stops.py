"""Stops that a venue made for an entry, and that no report has told yet."""

from gal_friday_core.account import OrderFacts
from gal_friday_core.blotter import Blotter
from gal_friday_core.order_reports import report_of_facts
from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.ports import Exchange


async def attached_stops(exchange: Exchange, blotter: Blotter, pair: str) -> list[ExecutionReport]:
    """Every open order of the venue that belongs to an entry of the pair, as the report that would have told it."""
    entries = {
        record.exchange_order_id: record.order
        for record in blotter.records()
        if record.order.purpose == "ENTRY" and record.order.trading_pair == pair and record.exchange_order_id
    }
    reports = []
    for facts in await exchange.open_orders():
        entry = entries.get(facts.parent_exchange_order_id or "")
        if entry is not None:
            reports.append(report_of_facts(_stop_of(entry, facts), facts, exchange.name))
    return reports


def _stop_of(entry: Order, facts: OrderFacts) -> Order:
    """The stop under the name by which the venue's reports on it come."""
    return Order(
        client_order_id=f"{entry.client_order_id}-SL-{facts.exchange_order_id}",
        signal_id=entry.signal_id,
        trading_pair=facts.trading_pair,
        side=facts.side,
        order_type=facts.order_type,
        quantity=facts.quantity,
        created_at=facts.opened_at,
        reduce_only=True,
        purpose="STOP",
        parent=entry.client_order_id,
    )
