"""One pair's trading: orders enter, match, wait for triggers and end; the outside market acts beside them.

Every public method finishes all that follows from it (fills, fired triggers, conditional closes) before it
returns, so between two calls no order is crossed, no trigger is overdue and every purse is right.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from gal_friday_core.money import ZERO, floor_to, product, ratio
from gal_friday_core.venue import reports, triggers
from gal_friday_core.venue.accounts import needed, purse_asset
from gal_friday_core.venue.checks import child_of
from gal_friday_core.venue.clearing import Clearing
from gal_friday_core.venue.listings import Listing
from gal_friday_core.venue.matching import Affordable, Match, MatchingBook, Met, Resting, Taking
from gal_friday_core.venue.orders import TRIGGERED_TYPES, AmendEntry, VenueOrder
from gal_friday_core.venue.requests import AddOrder, PairStatus, Side
from gal_friday_core.venue.updates import BookUpdate, ExecType, TradeUpdate

USER_REQUESTED = "User requested"
POST_ONLY = "Post only order"
SELF_TRADE = "Self trade prevention"
NO_LIQUIDITY = "Insufficient liquidity"
NO_FUNDS = "Insufficient funds"
IMMEDIATE = "Immediate or cancel"
FILL_OR_KILL = "Fill or kill"
EXPIRED = "Order expired"
REPLACED = "Order replaced"
SWITCH = "Cancel all orders after timeout"
"""Reasons of a cancel; the first two are Kraken's (kraken_rest fixtures, §5), the others are ours."""

ENDLESS = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class _Fill:
    taker: VenueOrder | None
    side: Side
    ord_type: Literal["limit", "market"]


class Floor:
    """The trading of one pair; see the module's text. `orders` are the open ones by id."""

    def __init__(self, listing: Listing, clearing: Clearing, alarm: Callable[[int, str, str], None]) -> None:
        self.listing = listing
        self.status: PairStatus = listing.status
        self.book = MatchingBook()
        self.orders: dict[str, VenueOrder] = {}
        self.last: Decimal | None = None
        self.trades = 0
        self._clearing = clearing
        self._alarm = alarm
        self._waiting: dict[str, VenueOrder] = {}
        self._prices: deque[Decimal] = deque()
        self._closes: deque[tuple[VenueOrder, Decimal]] = deque()

    # Clients

    def draft(self, account: str, asked: AddOrder, now_ns: int) -> VenueOrder:
        """An order with its prices in force and its fee rates, not yet funded."""
        taker, maker = self._clearing.accounts[account].fee_rates(self.listing, now_ns)
        order = VenueOrder(
            order_id="",
            account=account,
            asked=asked,
            quantity=asked.order_qty or ZERO,
            opened_ns=now_ns,
            taker_rate=taker,
            maker_rate=maker,
            display=asked.display_qty,
            post_only=asked.post_only,
        )
        reference = self.reference
        if asked.order_type in TRIGGERED_TYPES:
            triggers.set_trigger(order, self.listing, reference)
        elif asked.limit_price is not None:
            order.limit = triggers.limit_from(
                asked.limit_price, asked.limit_price_type, reference, self.listing, asked.side
            )
        return order

    @property
    def reference(self) -> Decimal:
        """What relative prices and triggers are measured from: the last trade, before any the start price."""
        return self.last if self.last is not None else self.listing.start_price

    def purse_for(self, order: VenueOrder) -> Decimal:
        """What an order has to hold to be taken (§3.4): of a market buy, what the book asks for now."""
        cash = order.asked.cash_order_qty
        if order.asked.side == "sell":
            return needed(self.listing, order, order.left, None)
        if cash is not None:
            return needed(self.listing, order, cash, Decimal(1))
        price = triggers.worst_price(order, self.listing)
        if price is not None:
            return needed(self.listing, order, order.left, price)
        return self._market_cost(order)

    def pays_with(self, order: VenueOrder) -> str:
        """The asset that an order's purse holds."""
        return purse_asset(self.listing, order.asked.side)

    def _market_cost(self, order: VenueOrder) -> Decimal:
        left, value = order.left, ZERO
        for price, offered in self.book.available("buy", None, order.account):
            quantity = min(left, offered)
            value += product(quantity, price)
            left -= quantity
            if not left:
                break
        return needed(self.listing, order, value, Decimal(1))

    def enter(self, order: VenueOrder, now_ns: int) -> None:
        """Take a funded order in: pending until its time, then live."""
        self._enter(order, now_ns)
        self._settle(now_ns)

    def start(self, order: VenueOrder, now_ns: int) -> None:
        """Make a pending order live."""
        self._start(order, now_ns)
        self._settle(now_ns)

    def _enter(self, order: VenueOrder, now_ns: int) -> None:
        self._clearing.register(order)
        self.orders[order.order_id] = order
        order.amends.append(self.amend_entry(order, "original", now_ns))
        self._tell(order, "pending_new", now_ns, whole=True)
        asked = order.asked
        if asked.expire_time is not None:
            self._alarm(asked.expire_time, "expire", order.order_id)
        if asked.effective_time is not None and asked.effective_time > now_ns:
            self._alarm(asked.effective_time, "start", order.order_id)
            return
        self._start(order, now_ns)

    def _start(self, order: VenueOrder, now_ns: int) -> None:
        """A live order matches, rests, or waits for its trigger."""
        order.become("new", now_ns)
        self._tell(order, "new", now_ns)
        if not order.is_waiting:
            self._work(order, now_ns)
        else:
            self._waiting[order.order_id] = order
            if triggers.see(order, self.listing, self.reference):
                self._fire(order, now_ns)

    def end(self, order: VenueOrder, now_ns: int, reason: str, *, expired: bool = False) -> None:
        """Take an order off the floor and give its purse back."""
        self._end(order, now_ns, reason, expired=expired)
        self._settle(now_ns)

    def amend_entry(self, order: VenueOrder, kind: Literal["original", "user"], now_ns: int) -> AmendEntry:
        """The order as it is now, for its amend history."""
        return AmendEntry(
            amend_id=self._clearing.ids.issue("T"),
            kind=kind,
            order_qty=order.quantity,
            display_qty=order.display,
            limit_price=reports.shown_limit(order),
            trigger_price=order.stop,
            post_only=order.post_only,
            time_ns=now_ns,
        )

    def amended(self, order: VenueOrder, now_ns: int, *, keeps_place: bool) -> str:
        """Bring an order's changed fields into force on the floor; returns the amend id."""
        entry = self.amend_entry(order, "user", now_ns)
        order.amends.append(entry)
        self._tell(order, "amended", now_ns, whole=True)
        if order.order_id in self.book:
            if keeps_place:
                self.book.resize(order.order_id, order.left)
            else:
                self.book.remove(order.order_id)
                self._work(order, now_ns)
        elif order.order_id in self._waiting and triggers.see(order, self.listing, self.reference):
            self._fire(order, now_ns)
        self._settle(now_ns)
        return entry.amend_id

    # The outside market

    def outside_limit(self, key: str, side: Side, price: Decimal, quantity: Decimal, now_ns: int) -> None:
        """An outside limit order: takes what it crosses, rests with the remainder."""
        left = quantity - self._outside_match(Taking(side, quantity, price), "limit", now_ns)
        if left > 0:
            self.book.rest(Resting(key, None, side, price, left))
        self._settle(now_ns)

    def outside_market(
        self, side: Side, quantity: Decimal, now_ns: int, *, limit: Decimal | None = None
    ) -> Decimal:
        """An outside order that takes what there is up to its limit and leaves nothing; returns what it took."""
        taken = self._outside_match(Taking(side, quantity, limit), "market", now_ns)
        self._settle(now_ns)
        return taken

    def outside_print(self, side: Side, price: Decimal, quantity: Decimal, now_ns: int) -> None:
        """A recorded trade between outsiders: on the tape, and seen by triggers."""
        self._print(_Fill(None, side, "limit"), price, quantity, now_ns)
        self._settle(now_ns)

    def outside_remove(self, key: str, now_ns: int) -> None:
        """Cancel an outside order that rests; one that has gone already is no fault."""
        if key in self.book:
            self.book.remove(key)
            self._settle(now_ns)

    def outside_shrink(self, key: str, left: Decimal, now_ns: int) -> None:
        """Let an outside order offer less, in its place."""
        self.book.resize(key, left)
        self._settle(now_ns)

    def _outside_match(self, taking: Taking, kind: Literal["limit", "market"], now_ns: int) -> Decimal:
        met = self.book.match(taking)
        for match in met.fills:
            self._trade(_Fill(None, taking.side, kind), match, now_ns)
        return sum((match.quantity for match in met.fills), ZERO)

    # Matching

    def _work(self, order: VenueOrder, now_ns: int) -> None:
        """Match a live order, then let it rest, or end."""
        asked, limit = order.asked, order.limit
        if order.post_only and self.book.crosses(asked.side, limit):
            self._end(order, now_ns, POST_ONLY)
            return
        if asked.time_in_force == "fok" and not self._can_fill(order):
            self._end(order, now_ns, FILL_OR_KILL)
            return
        affordable = self._affordable(order) if asked.side == "buy" and limit is None else None
        wanted = order.left if asked.cash_order_qty is None else ENDLESS
        met = self.book.match(Taking(asked.side, wanted, limit, order.account, asked.stp_type), affordable)
        for match in met.fills:
            kind: Literal["limit", "market"] = "market" if limit is None else "limit"
            self._trade(_Fill(order, asked.side, kind), match, now_ns)
        for removed in met.removed:
            self._end(self.orders[removed.key], now_ns, SELF_TRADE)
        self._finish(order, met, now_ns)

    def _finish(self, order: VenueOrder, met: Met, now_ns: int) -> None:
        asked = order.asked
        if not order.left and order.cum_qty:
            self._filled(order, now_ns)
        elif met.stopped:
            self._end(order, now_ns, SELF_TRADE)
        elif order.limit is None:
            self._end(order, now_ns, NO_FUNDS if self.book.best(_other(asked.side)) else NO_LIQUIDITY)
        elif asked.time_in_force in {"ioc", "fok"}:
            self._end(order, now_ns, IMMEDIATE)
        else:
            self.book.rest(
                Resting(order.order_id, order.account, asked.side, order.limit, order.left, order.display)
            )

    def _can_fill(self, order: VenueOrder) -> bool:
        offered = self.book.available(order.asked.side, order.limit, order.account)
        return sum((quantity for _, quantity in offered), ZERO) >= order.left

    def _affordable(self, order: VenueOrder) -> Affordable:
        """A buy without a limit takes no more than its account, or its cash quantity, pays for."""
        self._clearing.reserve_all(order, self.listing)
        cash = order.asked.cash_order_qty
        fee = order.taker_rate if cash is None and order.asked.fee_preference == "quote" else ZERO
        budget = order.purse if cash is None else cash

        def affordable(price: Decimal, offered: Decimal) -> Decimal:
            nonlocal budget
            each = product(price, 1 + fee)
            quantity = min(offered, floor_to(ratio(budget, each), self.listing.lot))
            budget -= product(quantity, each)
            return quantity

        return affordable

    def _trade(self, taking: _Fill, match: Match, now_ns: int) -> None:
        """One match: the public print, then both sides' books, the maker's first."""
        maker, quantity = match.maker, match.quantity
        self._print(taking, maker.price, quantity, now_ns)
        traded = (quantity, maker.price)
        if maker.owner is not None:
            self._booked(self.orders[maker.key], traded, now_ns, maker=True)
        elif taking.taker is not None:
            self._clearing.outside_fill(maker.side, self.listing, quantity, maker.price)
        if taking.taker is not None:
            self._booked(taking.taker, traded, now_ns, maker=False)
        elif maker.owner is not None:
            self._clearing.outside_fill(taking.side, self.listing, quantity, maker.price)
        if maker.owner is not None:
            self._after_maker(self.orders[maker.key], match, now_ns)

    def _after_maker(self, order: VenueOrder, match: Match, now_ns: int) -> None:
        if not order.left:
            self._filled(order, now_ns)
        elif match.refill:
            self._clearing.updates.append(
                reports.sparse(order, "iceberg_refill", now_ns, display_qty_remain=match.refill)
            )

    def _booked(
        self, order: VenueOrder, traded: tuple[Decimal, Decimal], now_ns: int, *, maker: bool
    ) -> None:
        self._clearing.fill(order, self.listing, traded, self.trades, maker=maker, now_ns=now_ns)
        if order.asked.conditional is not None:
            self._closes.append((order, traded[0]))

    def _print(self, taking: _Fill, price: Decimal, quantity: Decimal, now_ns: int) -> None:
        self.trades += 1
        self.last = price
        self._prices.append(price)
        if self.listing.quote.name == "USD":
            self._clearing.prices_in_usd[self.listing.base.name] = price
        self._clearing.updates.append(
            TradeUpdate(
                symbol=self.listing.symbol,
                side=taking.side,
                price=price,
                qty=quantity,
                ord_type=taking.ord_type,
                trade_id=self.trades,
                timestamp=now_ns,
            )
        )

    # Consequences

    def _settle(self, now_ns: int) -> None:
        """Everything that follows: conditional closes of new fills, triggers of new prices, the book's changes."""
        while self._closes or self._prices:
            if self._closes:
                self._close(*self._closes.popleft(), now_ns)
            else:
                self._show(self._prices.popleft(), now_ns)
        self._tell_book(now_ns)

    def _close(self, primary: VenueOrder, quantity: Decimal, now_ns: int) -> None:
        """The order on the other side that one fill creates; a sell is cut to what is there to sell."""
        if primary.asked.conditional is None:
            return
        order = self._child(primary, quantity, now_ns)
        short = self.purse_for(order) - self._clearing.accounts[order.account].available(
            self.pays_with(order)
        )
        if short > 0 and order.asked.side == "sell" and quantity > short:
            order = self._child(primary, quantity - short, now_ns)
        if self._clearing.reserve(order, self.listing, self.purse_for(order)):
            self._enter(order, now_ns)
        else:
            self._turn_away(order, now_ns)

    def _child(self, primary: VenueOrder, quantity: Decimal, now_ns: int) -> VenueOrder:
        assert primary.asked.conditional is not None
        order = self.draft(
            primary.account, child_of(primary.asked, primary.asked.conditional, quantity), now_ns
        )
        order.ord_ref_id = primary.order_id
        return order

    def _turn_away(self, order: VenueOrder, now_ns: int) -> None:
        """An order that nobody asked for now cannot be refused: it is seen to come and go."""
        self._clearing.register(order)
        self.orders[order.order_id] = order
        self._tell(order, "pending_new", now_ns, whole=True)
        self._end(order, now_ns, NO_FUNDS)

    def _show(self, price: Decimal, now_ns: int) -> None:
        for order in tuple(self._waiting.values()):
            if order.order_id in self._waiting and triggers.see(order, self.listing, price):
                self._fire(order, now_ns)

    def _fire(self, order: VenueOrder, now_ns: int) -> None:
        del self._waiting[order.order_id]
        triggers.fire(order, self.listing, now_ns)
        order.become("triggered", now_ns)
        self._tell(order, "status", now_ns, whole=True)
        if order.limit is not None:
            self._clearing.reserve(order, self.listing, self.purse_for(order))
        self._work(order, now_ns)

    def _filled(self, order: VenueOrder, now_ns: int) -> None:
        order.become("filled", now_ns)
        self._leave(order)
        self._tell(order, "filled", now_ns)

    def _end(self, order: VenueOrder, now_ns: int, reason: str, *, expired: bool = False) -> None:
        order.become("expired" if expired else "canceled", now_ns)
        order.reason = reason
        if order.order_id in self.book:
            self.book.remove(order.order_id)
        self._leave(order)
        self._tell(order, "expired" if expired else "canceled", now_ns)

    def _leave(self, order: VenueOrder) -> None:
        self._waiting.pop(order.order_id, None)
        del self.orders[order.order_id]
        self._clearing.release(order, self.listing)

    def _tell(self, order: VenueOrder, what: ExecType, now_ns: int, *, whole: bool = False) -> None:
        if whole:
            update = reports.full(order, what, now_ns, last=self.last)
        else:
            update = reports.sparse(
                order, what, now_ns, cum_qty=order.cum_qty, cum_cost=order.cum_cost, reason=order.reason
            )
        self._clearing.updates.append(update)

    def _tell_book(self, now_ns: int) -> None:
        changed = self.book.touched()
        if not changed:
            return
        sides = {
            side: tuple((price, total) for (where, price), total in changed.items() if where == side)
            for side in ("buy", "sell")
        }
        self._clearing.updates.append(
            BookUpdate(symbol=self.listing.symbol, timestamp=now_ns, bids=sides["buy"], asks=sides["sell"])
        )


def _other(side: Side) -> Side:
    return "sell" if side == "buy" else "buy"
