"""What the venue's tests share: a venue with two clients, orders in one line, its books balanced at every look."""

from decimal import Decimal
from typing import Any

from gal_friday_core.venue.exchange import Venue
from gal_friday_core.venue.floor import Floor
from gal_friday_core.venue.orders import VenueOrder
from gal_friday_core.venue.requests import Added, AddOrder, Front, Request, Response
from gal_friday_core.venue.updates import ExecutionUpdate, TradeUpdate, Update

BTC = "BTC/USD"
START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
FUNDS = {"USD": Decimal(100_000), "BTC": Decimal(10)}


def money(text: str | int) -> Decimal:
    return Decimal(text)


class Desk:
    """A venue without an outside market of its own; time moves only where a test says so."""

    def __init__(self, *, tier: str = "pro", **venue: Any) -> None:
        self.venue = Venue(seed=7, start_ns=START, **venue)
        for name in ("ann", "bob"):
            self.venue.open_account(name, FUNDS, tier=tier)  # type: ignore[arg-type]
        self.now = START
        self.venue.advance(START)
        self.deposits = self.venue.totals()
        self._outside = 0

    @property
    def floor(self) -> Floor:
        return self.venue._floors[BTC]

    def outside(self, side: str, quantity: str, price: str) -> str:
        self._outside += 1
        key = f"outside-{self._outside}"
        self.floor.outside_limit(key, side, money(price), money(quantity), self.now)  # type: ignore[arg-type]
        return key

    def tick(self, price: str, side: str = "buy") -> None:
        """The outside market trades at a price among itself."""
        self.floor.outside_print(side, money(price), money("0.01"), self.now)  # type: ignore[arg-type]

    def ask(self, request: Request, account: str = "ann", front: Front = "rest") -> Response:
        response = self.venue.call(account, request, self.now, front=front)
        self.balanced()
        return response

    def place(self, side: str, quantity: str | None, price: str | None = None, **more: Any) -> Response:
        account = more.pop("account", "ann")
        front = more.pop("front", "rest")
        kind = more.pop("order_type", "market" if price is None else "limit")
        asked = AddOrder(
            symbol=more.pop("symbol", BTC),
            side=side,  # type: ignore[arg-type]
            order_type=kind,
            order_qty=None if quantity is None else money(quantity),
            limit_price=None if price is None else money(price),
            **more,
        )
        return self.ask(asked, account, front)

    def order(self, *args: Any, **more: Any) -> VenueOrder:
        """Place an order that must be taken."""
        response = self.place(*args, **more)
        assert isinstance(response.result, Added), response.error
        order = self.venue.order(more.get("account", "ann"), response.result.order_id)
        assert order is not None
        return order

    def wait(self, seconds: float) -> list[Update]:
        self.now += int(seconds * SECOND)
        return self.updates()

    def updates(self) -> list[Update]:
        updates = self.venue.advance(self.now)
        self.balanced()
        return updates

    def trades(self) -> list[TradeUpdate]:
        return [update for update in self.updates() if isinstance(update, TradeUpdate)]

    def executions(self) -> list[ExecutionUpdate]:
        return [update for update in self.updates() if isinstance(update, ExecutionUpdate)]

    def book(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        bids, asks = self.venue.book(BTC)
        return ([(str(p), str(q)) for p, q in bids], [(str(p), str(q)) for p, q in asks])

    def balanced(self) -> None:
        """Nothing is lost, nothing is owed, and every hold belongs to an open order."""
        totals = self.venue.totals()
        assert {asset: amount for asset, amount in totals.items() if amount} == self.deposits
        for name in ("ann", "bob"):
            account = self.venue.account(name)
            assert all(balance >= 0 for balance in account.balances.values())
            purses: dict[str, Decimal] = {}
            for order in self.venue.open_orders(name):
                base, _, quote = order.symbol.partition("/")
                asset = quote if order.asked.side == "buy" else base
                purses[asset] = purses.get(asset, Decimal(0)) + order.purse
            for asset in account.balances:
                assert account.held.get(asset, Decimal(0)) == purses.get(asset, Decimal(0))
                assert account.held.get(asset, Decimal(0)) <= account.balances[asset]
