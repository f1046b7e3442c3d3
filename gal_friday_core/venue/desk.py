"""Where clients' requests are judged: limits, form, mode, funds; then the floor carries them out.

The order of the checks of a new order is: rate counter (charged whatever follows, KRAKEN_PROTOCOL §4), form and
pair rules, engine mode, prices, open-order cap, funds. Each refusal is the exchange's own text.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from msgspec.structs import replace

from gal_friday_core.venue import error_texts as text
from gal_friday_core.venue.checks import cost_refusal, mode_refusal, price_refusal, refusal
from gal_friday_core.venue.clearing import Clearing
from gal_friday_core.venue.describe import describe
from gal_friday_core.venue.floor import USER_REQUESTED, Floor
from gal_friday_core.venue.limits import FIXED, Action, EngineLimiter, age_points
from gal_friday_core.venue.orders import VenueOrder
from gal_friday_core.venue.requests import (
    Added,
    AddOrder,
    BatchAdd,
    BatchAdded,
    BatchCancel,
    Cancelled,
    CancelOrder,
    EngineStatus,
    Front,
    Response,
)
from gal_friday_core.venue.updates import RateUpdate

LEAST_BATCH, MOST_BATCH_ADD, MOST_BATCH_CANCEL = 2, 15, 50
"""§2.4, §7."""


class Desk:
    """Takes requests of known accounts."""

    def __init__(self, floors: Mapping[str, Floor], clearing: Clearing) -> None:
        self.engine: EngineStatus = "online"
        self._limiters: dict[str, EngineLimiter] = {}
        self.floors = floors
        self.clearing = clearing

    # Orders

    def open_orders(self, account: str) -> list[VenueOrder]:
        """In the order of arrival."""
        mine = (
            order
            for floor in self.floors.values()
            for order in floor.orders.values()
            if order.account == account
        )
        return sorted(mine, key=lambda order: order.number)

    def find(self, account: str, order_id: str | None, cl_ord_id: str | None) -> VenueOrder | None:
        """An open order of the account, by its id or the client's."""
        if order_id is not None:
            order = self.clearing.accounts[account].orders.get(order_id)
            return order if order is not None and order.is_open else None
        mine = self.open_orders(account) if cl_ord_id else []
        return next((order for order in mine if order.asked.cl_ord_id == cl_ord_id), None)

    def limiter(self, account: str) -> EngineLimiter:
        """The account's matching-engine counters."""
        if account not in self._limiters:
            self._limiters[account] = EngineLimiter(self.clearing.accounts[account].tier)
        return self._limiters[account]

    # New orders

    def add(self, account: str, asked: AddOrder, now_ns: int, front: Front) -> Response:
        """Judge one new order and let it in."""
        floor = self.floors.get(asked.symbol)
        if floor is None:
            return Response(error=text.UNKNOWN_PAIR)
        if not asked.validate and not self.charge(account, asked.symbol, "add", now_ns):
            return Response(error=text.ENGINE_RATE_LIMIT)
        reason = self.form_refusal(account, asked, floor, now_ns)
        if reason is not None:
            return Response(error=reason)
        return self.admit(account, asked, now_ns, front)

    def form_refusal(self, account: str, asked: AddOrder, floor: Floor, now_ns: int) -> str | None:
        """What is wrong with an order whatever the account holds."""
        reason = refusal(asked, floor.listing, now_ns) or mode_refusal(asked, self.engine, floor.status)
        if reason is not None:
            return reason
        if asked.cl_ord_id is not None and self.find(account, None, asked.cl_ord_id) is not None:
            return text.invalid("cl_ord_id")
        return None

    def admit(self, account: str, asked: AddOrder, now_ns: int, front: Front) -> Response:
        """Let a well-formed order in where cap and funds allow."""
        floor = self.floors[asked.symbol]
        order = floor.draft(account, asked, now_ns)
        reason = self._price_refusal(order, floor) or self._cap_refusal(account, floor)
        if reason is None and front == "websocket" and order.post_only:
            crosses = floor.book.crosses(asked.side, order.limit)
            reason = text.POST_ONLY if crosses else None
        purse = floor.purse_for(order) if reason is None else Decimal(0)
        if reason is None and purse > self.clearing.accounts[account].available(floor.pays_with(order)):
            reason = text.INSUFFICIENT_FUNDS
        if reason is not None:
            return Response(error=reason)
        if not asked.validate:
            self.clearing.reserve(order, floor.listing, purse)
            floor.enter(order, now_ns)
        return Response(
            result=Added(
                order_id=order.order_id,
                description=describe(asked, floor.listing),
                cl_ord_id=asked.cl_ord_id,
                order_userref=asked.order_userref,
            )
        )

    def _price_refusal(self, order: VenueOrder, floor: Floor) -> str | None:
        """Prices that were relative are judged once they are known."""
        for price in (order.limit, order.stop):
            if price is not None and price_refusal(price, floor.listing) is not None:
                return text.INVALID_PRICE
        if order.asked.order_qty is None:
            return None
        return cost_refusal(
            order.asked.order_qty, order.limit or order.stop or floor.reference, floor.listing
        )

    def _cap_refusal(self, account: str, floor: Floor) -> str | None:
        mine = sum(order.account == account for order in floor.orders.values())
        return text.ORDERS_LIMIT if mine >= self.limiter(account).limit.open_orders else None

    def batch_add(self, account: str, batch: BatchAdd, now_ns: int, front: Front) -> Response:
        """All orders are well formed, or none is taken; funds and the cap refuse each for itself (§2.4)."""
        floor = self.floors.get(batch.symbol)
        if floor is None:
            return Response(error=text.UNKNOWN_PAIR)
        if not LEAST_BATCH <= len(batch.orders) <= MOST_BATCH_ADD:
            return Response(error=text.invalid("orders"))
        points = Decimal(len(batch.orders)) / 2
        if not batch.validate and not self._charge(account, batch.symbol, points, now_ns):
            return Response(error=text.ENGINE_RATE_LIMIT)
        orders = [_of_batch(order, batch) for order in batch.orders]
        reason = self._batch_refusal(account, orders, floor, now_ns)
        if reason is not None:
            return Response(error=reason)
        answers = tuple(self.admit(account, order, now_ns, front) for order in orders)
        return Response(result=BatchAdded(responses=answers))

    def _batch_refusal(
        self, account: str, orders: Iterable[AddOrder], floor: Floor, now_ns: int
    ) -> str | None:
        seen: set[str] = set()
        for order in orders:
            reason = self.form_refusal(account, order, floor, now_ns)
            if reason is not None:
                return reason
            if order.cl_ord_id is not None and order.cl_ord_id in seen:
                return text.invalid("cl_ord_id")
            seen.add(order.cl_ord_id or "")
        return None

    # Cancels

    def cancel(self, account: str, request: CancelOrder, now_ns: int) -> Response:
        """Cancel what is found; an error only where nothing is (§3.3)."""
        if self.engine == "maintenance":
            return Response(error=text.UNAVAILABLE)
        ended: list[str] = []
        unknown: list[str] = []
        for name, orders in self._named(account, request):
            unknown += [] if orders else [name]
            for order in orders:
                if order.is_open:
                    self.charge(account, order.symbol, "cancel", now_ns, order)
                    self.floors[order.symbol].end(order, now_ns, USER_REQUESTED)
                    ended.append(order.order_id)
        if not ended:
            return Response(error=text.UNKNOWN_ORDER)
        return Response(result=Cancelled(order_ids=tuple(ended), unknown=tuple(unknown)))

    def batch_cancel(self, account: str, request: BatchCancel, now_ns: int) -> Response:
        """2 to 50 orders at once."""
        if not LEAST_BATCH <= len(request.order_id) + len(request.cl_ord_id) <= MOST_BATCH_CANCEL:
            return Response(error=text.invalid("orders"))
        named = CancelOrder(order_id=request.order_id, cl_ord_id=request.cl_ord_id)
        return self.cancel(account, named, now_ns)

    def cancel_all(self, account: str, now_ns: int, reason: str = USER_REQUESTED) -> Response:
        """Every open order of the account; no counter is charged, and none open is no error."""
        if self.engine == "maintenance":
            return Response(error=text.UNAVAILABLE)
        ended = self.open_orders(account)
        for order in ended:
            if order.is_open:
                self.floors[order.symbol].end(order, now_ns, reason)
        return Response(result=Cancelled(order_ids=tuple(order.order_id for order in ended)))

    def _named(self, account: str, request: CancelOrder) -> Iterable[tuple[str, list[VenueOrder]]]:
        for order_id in request.order_id:
            found = self.find(account, order_id, None)
            yield order_id, [found] if found else []
        for cl_ord_id in request.cl_ord_id:
            found = self.find(account, None, cl_ord_id)
            yield cl_ord_id, [found] if found else []
        for userref in request.order_userref:
            tagged = [o for o in self.open_orders(account) if o.asked.order_userref == userref]
            yield str(userref), tagged

    # Counters

    def charge(
        self, account: str, symbol: str, action: Action, now_ns: int, order: VenueOrder | None = None
    ) -> bool:
        """Charge an action, dearer the younger the order it touches; False where the counter refuses it."""
        age = now_ns - order.touched_ns if order is not None else 0
        points = FIXED[action] + (age_points(action, age) if order is not None else 0)
        return self._charge(account, symbol, Decimal(points), now_ns)

    def _charge(self, account: str, symbol: str, points: Decimal, now_ns: int) -> bool:
        limiter = self.limiter(account)
        free = limiter.charge(symbol, points, now_ns)
        counter = limiter.read(symbol, now_ns)
        self.clearing.updates.append(
            RateUpdate(account=account, symbol=symbol, counter=counter, timestamp=now_ns)
        )
        return free


def _of_batch(order: AddOrder, batch: BatchAdd) -> AddOrder:
    """What a batch says once holds for each of its orders."""
    return replace(
        order,
        symbol=batch.symbol,
        validate=batch.validate or order.validate,
        deadline=batch.deadline if batch.deadline is not None else order.deadline,
    )
