"""Both sides of the account at one time: what the exchange says when asked, and what we believe of the same."""

from collections.abc import Awaitable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from gal_friday_core.account import OrderFacts
from gal_friday_core.blotter import EXTERNAL, Blotter, OrderRecord
from gal_friday_core.money import ZERO, is_booked_alike
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.ports import Clock, Exchange
from gal_friday_core.reconciliation import ExchangeView, InternalView, OurOrder
from gal_friday_live.portfolio_manager import PortfolioManager

_UNANSWERED = ("PENDING_NEW", "UNKNOWN")


class OrderDoor(Protocol):
    """Who keeps the orders, and takes in what was found out about them (`ExecutionHandler`)."""

    blotter: Blotter

    def absorb(self, report: ExecutionReport) -> Awaitable[None]:
        """Journalled, booked and told when it returns; what is known already changes nothing."""
        ...


class Reading(NamedTuple):
    """`steady` where nothing was booked while the exchange was asked: only then may balances be compared."""

    ours: InternalView
    theirs: ExchangeView
    steady: bool


class AccountReader:
    """Asks the exchange, and looks at our side only afterwards: what arrived meanwhile is then known."""

    def __init__(
        self, exchange: Exchange, portfolio: PortfolioManager, orders: OrderDoor, clock: Clock
    ) -> None:
        self._exchange = exchange
        self._portfolio = portfolio
        self._orders = orders
        self._clock = clock

    async def read(self, since_ns: int) -> Reading:
        """Fills and flows since then, orders and balances as of now. Raises ExchangeError.

        Flows are asked for only where a balance differs: what an exchange's counters allow is little.
        """
        self._portfolio.valuation.price_waiting()
        revision, read_ns = self._portfolio.revision, self._clock.now_ns()
        open_orders = await self._exchange.open_orders()
        found = await self._ask_for_missing(open_orders)
        fills = tuple(await self._exchange.fills(since_ns))
        balances = dict(await self._exchange.balances())
        theirs = ExchangeView(
            read_ns=read_ns,
            open_orders=tuple(open_orders),
            found=found,
            fills=fills,
            flows=() if self._agree(balances) else tuple(await self._exchange.flows(since_ns)),
            balances=balances,
        )
        return Reading(self._ours(theirs), theirs, self._portfolio.revision == revision)

    def _agree(self, balances: Mapping[str, Decimal]) -> bool:
        ours = self._portfolio.funds.balances()
        return all(is_booked_alike(balances.get(asset, ZERO), amount) for asset, amount in ours.items())

    async def _ask_for_missing(self, listed: Sequence[OrderFacts]) -> dict[str, OrderFacts | None]:
        """What became of our open orders that the exchange did not list.

        Orders without an answer are asked about by who sent them; the exchange does not know the names that
        we gave to other people's.
        """
        named = {facts.client_order_id for facts in listed} | {facts.exchange_order_id for facts in listed}
        found: dict[str, OrderFacts | None] = {}
        for record in self._orders.blotter.open():
            key = record.order.client_order_id
            absent = key not in named and record.exchange_order_id not in named
            if absent and record.status not in _UNANSWERED and not key.startswith(EXTERNAL):
                found[key] = await self._exchange.find(key)
        return found

    def _ours(self, theirs: ExchangeView) -> InternalView:
        funds, positions = self._portfolio.funds, self._portfolio.positions
        balances = funds.balances()
        prices = {asset: self._portfolio.valuation.price(asset) for asset in balances}
        return InternalView(
            orders=tuple(our_order(record) for record in self._orders.blotter.open()),
            executions=frozenset(
                fill.execution_id
                for fill in theirs.fills
                if positions.booked(fill.execution_id, fill.timestamp)
            ),
            flows=frozenset(flow.flow_id for flow in theirs.flows if funds.credited(flow.flow_id)),
            balances=balances,
            prices={asset: price for asset, price in prices.items() if price is not None},
            unpriced=tuple(dict.fromkeys(flow.asset for flow in funds.waiting.values())),
        )


def our_order(record: OrderRecord) -> OurOrder:
    """One of our orders as comparisons take it."""
    return OurOrder(
        client_order_id=record.order.client_order_id,
        trading_pair=record.order.trading_pair,
        status=record.status,
        quantity=record.quantity,
        filled=record.filled,
        updated_at=record.updated_at,
        exchange_order_id=record.exchange_order_id,
        limit_price=record.limit_price,
        trigger_price=record.trigger_price,
    )
