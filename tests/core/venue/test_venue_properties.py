"""Whatever clients and the outside do: money is conserved, holds are honest, orders go only where they may."""

from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gal_friday_core.venue.listings import DEMO_LISTINGS, Listing
from gal_friday_core.venue.orders import TRANSITIONS
from gal_friday_core.venue.requests import (
    AddOrder,
    AmendOrder,
    BatchAdd,
    CancelAllOrdersAfter,
    CancelOrder,
    Conditional,
    EditOrder,
    Request,
)
from gal_friday_core.venue.updates import BalanceUpdate, BookUpdate, ExecutionUpdate, TradeUpdate
from tests.core.venue.trading import BTC, SECOND, Desk

COARSE = msgspec.structs.replace(DEMO_LISTINGS[0], cost_decimals=2, start_price=Decimal(100))
"""A coarse cost unit: rounding shows at once where it is wrong."""
PRICES = st.integers(950, 1050).map(lambda tenths: Decimal(tenths) / 10)
QUANTITIES = st.integers(1, 400_000).map(lambda units: Decimal(units * 10_007) / 10**8)
NAMES = st.sampled_from(["ann", "bob"])
SIDES: Any = st.sampled_from(["buy", "sell"])
TYPES = ["market", "limit", "iceberg", "stop-loss", "stop-loss-limit", "take-profit", "trailing-stop"]
CLOSES = st.one_of(
    st.none(),
    st.builds(Conditional, order_type=st.just("limit"), limit_price=PRICES),
    st.builds(Conditional, order_type=st.just("stop-loss"), trigger_price=PRICES),
)


@st.composite
def orders(draw: Any) -> AddOrder:
    kind = draw(st.sampled_from(TYPES))
    quantity = draw(QUANTITIES)
    more: dict[str, Any] = {"order_qty": quantity}
    if kind in {"limit", "iceberg", "stop-loss-limit"}:
        more["limit_price"] = draw(PRICES)
    if kind == "limit":
        more["post_only"] = draw(st.booleans())
        more["time_in_force"] = draw(st.sampled_from(["gtc", "gtc", "ioc", "fok"]))
    if kind == "iceberg":
        more["display_qty"] = (quantity / 4).quantize(COARSE.lot)
    if kind.startswith(("stop", "take")):
        more["trigger_price"] = draw(PRICES)
    if kind == "trailing-stop":
        more |= {"trigger_price": draw(st.integers(1, 4).map(Decimal)), "trigger_price_type": "pct"}
    if kind == "market" and draw(st.booleans()):
        more = {"cash_order_qty": draw(PRICES)}
    return AddOrder(
        symbol=BTC,
        side="buy" if "cash_order_qty" in more else draw(SIDES),
        order_type=kind,
        fee_preference=draw(st.sampled_from(["quote", "base"])),
        stp_type=draw(st.sampled_from(["cancel_newest", "cancel_oldest", "cancel_both"])),
        conditional=draw(CLOSES),
        **more,
    )


class Trading(RuleBasedStateMachine):
    """Two clients with little money, and an outside market, at random."""

    @initialize()
    def open(self) -> None:
        self.desk = Desk(listings=(COARSE, *DEMO_LISTINGS[1:2]))
        for name in ("ann", "bob"):
            account = self.desk.venue.account(name)
            self.desk.venue._clearing.outside = {
                asset: self.desk.venue._clearing.outside.get(asset, Decimal(0)) + amount
                for asset, amount in account.balances.items()
            }
            account.balances = {"USD": Decimal(0), "BTC": Decimal(0)}
            for asset, amount in (("USD", Decimal(500)), ("BTC", Decimal(5))):
                account.balances[asset] = amount
                self.desk.venue._clearing.outside[asset] -= amount
        assert self.desk.venue.totals() == self.desk.deposits
        self.book: dict[str, dict[Decimal, Decimal]] = {"buy": {}, "sell": {}}
        self.balances = {name: dict(self.desk.venue.account(name).balances) for name in ("ann", "bob")}
        self.status: dict[str, str] = {}
        self.filled: dict[str, Decimal] = {}
        self.last_trade = 0
        self.taken: list[str] = []

    def ask(self, name: str, request: Request) -> None:
        self.desk.ask(request, name)
        self.listen()

    @rule(name=NAMES, order=orders())
    def add(self, name: str, order: AddOrder) -> None:
        self.ask(name, order)

    @rule(name=NAMES, batch=st.lists(orders(), min_size=2, max_size=4))
    def add_batch(self, name: str, batch: list[AddOrder]) -> None:
        self.ask(name, BatchAdd(symbol=BTC, orders=tuple(batch)))

    @rule(side=SIDES, price=PRICES, quantity=QUANTITIES)
    def outside_limit(self, side: str, price: Decimal, quantity: Decimal) -> None:
        self.desk.outside(side, str(quantity), str(price))
        self.listen()

    @rule(side=SIDES, quantity=QUANTITIES)
    def outside_market(self, side: Any, quantity: Decimal) -> None:
        self.desk.floor.outside_market(side, quantity, self.desk.now)
        self.listen()

    @rule(name=NAMES, pick=st.integers(0, 99), quantity=QUANTITIES, price=st.one_of(st.none(), PRICES))
    def amend(self, name: str, pick: int, quantity: Decimal, price: Decimal | None) -> None:
        mine = self.desk.venue.open_orders(name)
        if mine:
            order = mine[pick % len(mine)]
            self.ask(name, AmendOrder(order_id=order.order_id, order_qty=quantity, limit_price=price))

    @rule(name=NAMES, pick=st.integers(0, 99), quantity=QUANTITIES)
    def edit(self, name: str, pick: int, quantity: Decimal) -> None:
        mine = self.desk.venue.open_orders(name)
        if mine:
            order = mine[pick % len(mine)]
            self.ask(name, EditOrder(order_id=order.order_id, symbol=BTC, order_qty=quantity))

    @rule(name=NAMES, pick=st.integers(0, 99))
    def cancel(self, name: str, pick: int) -> None:
        mine = self.desk.venue.open_orders(name)
        if mine:
            self.ask(name, CancelOrder(order_id=(mine[pick % len(mine)].order_id,)))

    @rule(name=NAMES, timeout=st.integers(0, 20))
    def switch(self, name: str, timeout: int) -> None:
        self.ask(name, CancelAllOrdersAfter(timeout=timeout))

    @rule(seconds=st.integers(1, 30))
    def wait(self, seconds: int) -> None:
        self.desk.now += seconds * SECOND
        self.listen()

    def listen(self) -> None:
        """Follow the updates as a client would; they alone must tell the whole state."""
        for update in self.desk.updates():
            if isinstance(update, BookUpdate):
                self.book["buy"].update(update.bids)
                self.book["sell"].update(update.asks)
            elif isinstance(update, TradeUpdate):
                assert update.trade_id == self.last_trade + 1
                self.last_trade = update.trade_id
            elif isinstance(update, BalanceUpdate):
                balances = self.balances[update.account]
                balances[update.asset] += update.amount - update.fee
                assert balances[update.asset] == update.balance
            elif isinstance(update, ExecutionUpdate):
                self.hear(update)

    def hear(self, update: ExecutionUpdate) -> None:
        before = self.status.get(update.order_id)
        if before is None:
            assert update.exec_type == "pending_new"
        elif update.order_status != before:
            assert update.order_status in TRANSITIONS[before]  # type: ignore[index]
        self.status[update.order_id] = update.order_status
        if update.last_qty is not None:
            total = self.filled.get(update.order_id, Decimal(0)) + update.last_qty
            self.filled[update.order_id] = total
            assert update.cum_qty == total

    @invariant()
    def updates_tell_the_whole_state(self) -> None:
        venue = self.desk.venue
        bids, asks = venue.book(BTC)
        assert dict(bids) == {p: q for p, q in self.book["buy"].items() if q}
        assert dict(asks) == {p: q for p, q in self.book["sell"].items() if q}
        assert not (bids and asks) or bids[0][0] < asks[0][0]
        for name, balances in self.balances.items():
            account = venue.account(name)
            assert account.balances == balances
            for order in account.orders.values():
                assert order.cum_qty == self.filled.get(order.order_id, 0) <= order.quantity
                assert order.status == self.status[order.order_id]
                assert order.is_open or order.purse == 0

    @invariant()
    def resting_orders_are_what_the_book_holds(self) -> None:
        floor = self.desk.floor
        for order in floor.orders.values():
            resting = floor.book.get(order.order_id)
            assert (resting is None) == (order.is_waiting or order.status == "pending_new")
            if resting is not None:
                assert (resting.left, resting.price) == (order.left, order.limit)


Trading.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestTrading = Trading.TestCase


def test_listing_of_the_machine_is_coarse() -> None:
    assert isinstance(COARSE, Listing)
    assert COARSE.cost_unit == Decimal("0.01")
