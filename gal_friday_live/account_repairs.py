"""What is done about each difference between our books and the exchange's, where that is provably safe."""

from decimal import Decimal
from typing import NamedTuple

from gal_friday_core.account import FillFacts, OrderFacts
from gal_friday_core.blotter import EXTERNAL, OrderRecord
from gal_friday_core.errors import ContractError
from gal_friday_core.money import ZERO
from gal_friday_core.order_reports import own_report, report_of_facts, report_of_fill
from gal_friday_core.orders import Order, Purpose
from gal_friday_core.ports import Clock, Exchange
from gal_friday_core.reconciliation import Discrepancy
from gal_friday_live.account_reader import OrderDoor
from gal_friday_live.portfolio_manager import PortfolioManager

GONE = "the exchange does not know the order any more"


class AccountRepairs:
    """Corrections go in where reports and flows go in: journalled, idempotent, told to everybody."""

    def __init__(
        self, exchange: Exchange, portfolio: PortfolioManager, orders: OrderDoor, clock: Clock
    ) -> None:
        self._exchange = exchange
        self._portfolio = portfolio
        self._orders = orders
        self._clock = clock

    async def resolve(self, found: Discrepancy) -> bool:
        """Correct it; False where that is not for a machine to do."""
        if found.resolution == "APPLY_FILL" and found.fill is not None:
            await self._apply_fill(found, found.fill)
        elif found.resolution == "ADOPT_ORDER" and found.order is not None:
            await self._adopt(found.order)
        elif found.resolution in ("TAKE_STATE", "END_ORDER"):
            await self._take_state(found)
        elif found.resolution == "BOOK_FLOW" and found.flow is not None:
            self._portfolio.funds.book(found.flow)
        elif found.resolution == "ADJUST":
            self._adjust(found)
        else:
            return False
        return True

    async def _apply_fill(self, found: Discrepancy, fill: FillFacts) -> None:
        record = self._record(fill.client_order_id, fill.exchange_order_id)
        if record is not None:
            order, quantity, filled = record.order, record.quantity, record.filled
        else:
            order = self._order_of_fill(fill, found.order_quantity or fill.quantity)
            quantity, filled = order.quantity, ZERO
        report = report_of_fill(
            order, fill, self._exchange.name, cumulative=filled + fill.quantity, quantity=quantity
        )
        if self._orders.blotter.is_booked(fill.execution_id):
            # The report was journalled and told before, but never reached the books.
            self._portfolio.positions.book(report)
        else:
            await self._orders.absorb(report)

    async def _adopt(self, facts: OrderFacts) -> None:
        """An open order that is not among our open ones: our entry's child, one that rose again, or a stranger's."""
        known = self._orders.blotter.get(facts.client_order_id or "")
        order = known.order if known is not None else self._order_of_facts(facts)
        await self._orders.absorb(report_of_facts(order, facts, self._exchange.name))

    async def _take_state(self, found: Discrepancy) -> None:
        record = self._orders.blotter.get(found.client_order_id or "")
        if record is None or not record.is_open:
            return  # its end was told in the meantime
        facts = found.order
        if facts is not None:
            report = report_of_facts(record.order, facts, self._exchange.name)
        else:
            now_ns = self._clock.now_ns()
            report = own_report(
                record.order, self._exchange.name, "CANCELED", now_ns, GONE, filled=record.filled
            )
        await self._orders.absorb(report)

    def _adjust(self, found: Discrepancy) -> None:
        if found.asset is None or found.ours is None or found.theirs is None or found.value is None:
            raise ContractError(f"an adjustment needs asset, both amounts and a value: {found.text}")
        amount = Decimal(found.theirs) - Decimal(found.ours)
        self._portfolio.funds.adjust(found.asset, amount, found.value, self._clock.now_ns())

    def _record(self, client_order_id: str | None, exchange_order_id: str) -> OrderRecord | None:
        """The order by our name for it, else by the exchange's."""
        blotter = self._orders.blotter
        record = blotter.get(client_order_id or "") or blotter.get(EXTERNAL + exchange_order_id)
        if record is not None or not exchange_order_id:
            return record
        return next((item for item in blotter.records() if item.exchange_order_id == exchange_order_id), None)

    def _order_of_fill(self, fill: FillFacts, quantity: Decimal) -> Order:
        name = self._name(fill.client_order_id, fill.exchange_order_id, None)
        return Order(
            client_order_id=name.client_order_id,
            signal_id=name.signal_id,
            trading_pair=fill.trading_pair,
            side=fill.side,
            order_type=fill.order_type,
            quantity=quantity,
            created_at=fill.timestamp,
            purpose=name.purpose,
        )

    def _order_of_facts(self, facts: OrderFacts) -> Order:
        name = self._name(facts.client_order_id, facts.exchange_order_id, facts.parent_exchange_order_id)
        return Order(
            client_order_id=name.client_order_id,
            signal_id=name.signal_id,
            trading_pair=facts.trading_pair,
            side=facts.side,
            order_type=facts.order_type,
            quantity=facts.quantity,
            created_at=facts.opened_at,
            limit_price=facts.limit_price,
            trigger_price=facts.trigger_price,
            purpose=name.purpose,
        )

    def _name(self, told: str | None, exchange_order_id: str, parent: str | None) -> "_Name":
        """What an order that we did not send is called: after the entry that the exchange made it for, else a
        stranger's, whatever he calls it.
        """
        entry = self._record(None, parent) if parent else None
        if entry is None and told is not None and _CHILD in told:
            entry = self._orders.blotter.get(told.partition(_CHILD)[0])
        if entry is None:
            return _Name(EXTERNAL + exchange_order_id, "", "EXTERNAL")
        child = f"{entry.order.client_order_id}{_CHILD}-{exchange_order_id}"
        return _Name(child, entry.order.signal_id, "STOP")


class _Name(NamedTuple):
    client_order_id: str
    signal_id: str
    purpose: Purpose


_CHILD = "-SL"
