"""The venue's own matching over a recorded book, behind the door of the simulated exchange.

Orders reach `venue.exchange.Venue` at their time; its outside market is the book and the trades that were recorded
(`venue.recorded_market`): they take the levels that are there and no more, and rest behind what stood before them. All
of it happens while the bars pass: a bar brings what became of its pair's orders in it.

The venue holds stops. A target is watched here, as the engine does where a venue takes one order for what is held: once the
best bid is as high, the stop is taken off and as much is sold as stands at the target or above it. What closes and finds
no level left goes on with the next event; an entry gives up the rest.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from msgspec.structs import replace

from gal_friday_core.book_tape import listing_of, recorded_events
from gal_friday_core.config import CostsConfig
from gal_friday_core.errors import ContractError, ExchangeError
from gal_friday_core.fidelity_settings import FidelityConfig
from gal_friday_core.frictions import FillNote, Frictions, Notes
from gal_friday_core.instruments import Instrument
from gal_friday_core.market_events import MarketEvents
from gal_friday_core.money import ZERO, product, ratio
from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport, MarketDataOHLCV, OrderStatus
from gal_friday_core.protection import attached, malformed
from gal_friday_core.times import interval_ns
from gal_friday_core.venue.exchange import Venue
from gal_friday_core.venue.recorded_market import RecordedMarket
from gal_friday_core.venue.requests import Added, AddOrder, CancelOrder, OrderType
from gal_friday_core.venue.updates import ExecutionUpdate, Update
from gal_friday_core.working_order import (
    ANY_BAR,
    IDLE,
    Fill,
    Watch,
    Working,
    report_of,
    report_of_fill,
    takes_from_protection,
)

ACCOUNT = "run"
_KINDS: dict[str, OrderType] = {"MARKET": "market", "LIMIT": "limit", "STOP_LOSS": "stop-loss"}


class RecordedExchange:
    """One account among what was recorded, `events` of every pair of the instruments."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        balances: Mapping[str, Decimal],
        costs: CostsConfig,
        events: Mapping[str, MarketEvents],
        *,
        name: str = "simulated",
        fidelity: FidelityConfig | None = None,
    ) -> None:
        self.name = name
        self.notes: Notes | None = None
        self._fidelity = fidelity or FidelityConfig()
        self._frictions = Frictions(costs, self._fidelity)
        self._instruments = {instrument.pair: instrument for instrument in instruments}
        unrecorded = sorted(set(self._instruments) - set(events))
        if unrecorded:
            raise ContractError(f"no recorded book of {', '.join(unrecorded)}")
        start = min(int(events[pair].ts[0]) for pair in self._instruments)
        self._venue = Venue(
            seed=0,
            start_ns=start,
            listings=[listing_of(one, events[one.pair], costs, self._fidelity) for one in instruments],
            markets={
                pair: RecordedMarket(recorded_events(events[pair], start)) for pair in self._instruments
            },
        )
        self._venue.open_account(ACCOUNT, {asset: Decimal(amount) for asset, amount in balances.items()})
        self._working: dict[str, Working] = {}
        self._known: set[str] = set()
        self._coming: deque[tuple[int, Working]] = deque()
        self._unsold: list[Working] = []
        self._keys: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._entries: dict[str, Order] = {}
        self._batches: dict[str, int] = {}
        self._told: dict[str, list[ExecutionReport]] = {pair: [] for pair in self._instruments}
        self._last: dict[str, int] = {}

    def submit(self, order: Order) -> list[ExecutionReport]:
        """NEW, or REJECTED with the reason. Raises ExchangeError where the client order id was used before."""
        if order.client_order_id in self._known:
            raise ExchangeError(f"{self.name}: client order id {order.client_order_id} was used before")
        self._known.add(order.client_order_id)
        working, instrument = Working(order), self._instruments.get(order.trading_pair)
        if instrument is None:
            refusal: str | None = f"unknown pair {order.trading_pair}"
        else:
            refusal = malformed(order, instrument) or self._frictions.too_late(order)
        if refusal:
            return [report_of(working, self.name, "REJECTED", order.created_at, refusal)]
        self._working[order.client_order_id] = working
        if order.side == "BUY":
            self._entries[order.client_order_id] = order
        self._coming.append((order.created_at + self._frictions.latency_ns, working))
        return [report_of(working, self.name, "NEW", order.created_at)]

    def cancel(self, client_order_id: str, now_ns: int) -> list[ExecutionReport]:
        """CANCELED, or nothing where the order has ended already. Raises ExchangeError for an unknown one."""
        if client_order_id not in self._known:
            raise ExchangeError(f"{self.name}: no order {client_order_id} to cancel")
        working = self._working.get(client_order_id)
        if working is None:
            return []
        self._pass(now_ns)
        self._withdraw(working, now_ns)
        if client_order_id in self._working:
            self._end(working, now_ns, "canceled on request")
        return self._tell(working.order.trading_pair)

    def on_candle(self, candle: MarketDataOHLCV) -> list[ExecutionReport]:
        """What became of the pair's orders until the bar closed. Raises ContractError for a bar that is still running, or
        not later than the one before.
        """
        pair, start = candle.trading_pair, candle.timestamp_bar_start
        if not candle.closed or start <= self._last.get(pair, -1):
            raise ContractError(f"{pair}: send closed bars once, in time order; {start} is not one")
        self._last[pair] = start
        self._pass(start + interval_ns(candle.interval))
        return self._tell(pair)

    def pass_by(self, pair: str, bar_start_ns: int, close: Decimal) -> None:
        """The next closed bar of a pair of which no order stands: what was recorded in it is gone through when it must be."""
        del close
        self._last[pair] = bar_start_ns

    def balances(self) -> dict[str, Decimal]:
        return dict(self._venue.account(ACCOUNT).balances)

    def available(self) -> dict[str, Decimal]:
        """What of each asset no order in the book has a claim on."""
        account = self._venue.account(ACCOUNT)
        return {asset: account.available(asset) for asset in account.balances}

    def open_orders(self) -> tuple[Order, ...]:
        return tuple(working.order for working in self._working.values())

    def watch(self, pair: str) -> Watch:
        """While an order stands any bar may fill it."""
        standing = any(working.order.trading_pair == pair for working in self._working.values())
        return ANY_BAR if standing or self._told[pair] else IDLE

    def resume(self, balances: Mapping[str, Decimal]) -> None:
        raise ContractError(
            f"{self.name}: what was recorded is played once; it resumes no account ({len(balances)} assets)"
        )

    def adopt(self, order: Order) -> None:
        raise ContractError(
            f"{self.name}: what was recorded is played once; it takes over no {order.client_order_id}"
        )

    # Time

    def _pass(self, until: int) -> None:
        """Event by event where something waits for one, else from order to order."""
        while True:
            at = self._next(until)
            self._take(self._venue.advance(at), at)
            while self._coming and self._coming[0][0] <= at:
                self._arrive(self._coming.popleft()[1], at)
            self._sell_on(at)
            self._targets(at)
            if at >= until:
                return

    def _next(self, until: int) -> int:
        """When there is something to do, `until` at the latest."""
        times = [until]
        if self._coming:
            times.append(self._coming[0][0])
        waits = self._unsold or any(_asks_of_events(one.order) for one in self._working.values())
        due = self._venue.due_ns() if waits else None
        if due is not None:
            times.append(due)
        return max(min(times), self._venue.now_ns)

    # Orders

    def _arrive(self, working: Working, now_ns: int) -> None:
        order = working.order
        if order.client_order_id not in self._working:
            return
        if takes_from_protection(order):
            self._unprotect(order.trading_pair, now_ns)
        small = self._too_small(order)
        if small:
            self._end(working, now_ns, small)
            return
        self._send(working, now_ns)
        if takes_from_protection(order) and order.client_order_id not in self._working:
            self._protect_again(order.trading_pair, now_ns)

    def _too_small(self, order: Order) -> str:
        """Why an order that opens is worth too little; empty where it is not."""
        price = order.limit_price or self._best(order)
        least = self._instruments[order.trading_pair].min_cost
        if order.side == "SELL" or price is None or product(order.quantity, price) >= least:
            return ""
        return f"order value is below the minimum {least}"

    def _send(self, working: Working, now_ns: int) -> None:
        """Hand what is left of it to the venue; what that refuses ends."""
        order = working.order
        self._ask(
            working, _KINDS[order.order_type], now_ns, limit=order.limit_price, trigger=order.trigger_price
        )

    def _ask(
        self,
        working: Working,
        kind: OrderType,
        now_ns: int,
        *,
        limit: Decimal | None = None,
        trigger: Decimal | None = None,
        ioc: bool = False,
    ) -> None:
        order = working.order
        request = AddOrder(
            symbol=order.trading_pair, side="buy" if order.side == "BUY" else "sell", order_type=kind,
            order_qty=working.left, limit_price=limit, trigger_price=trigger,
            time_in_force="ioc" if ioc else "gtc",
        )  # fmt: skip
        before = self._best(order)
        response = self._venue.call(ACCOUNT, request, now_ns)
        if isinstance(response.result, Added):
            self._keys[response.result.order_id] = order.client_order_id
            self._ids[order.client_order_id] = response.result.order_id
            self._take(self._venue.advance(now_ns), now_ns, before)
        elif order.client_order_id in self._working:
            self._end(working, now_ns, response.error or "refused")

    def _withdraw(self, working: Working, now_ns: int) -> None:
        """Take it off the venue's book without a word; what it filled before is booked."""
        order_id = self._ids.pop(working.order.client_order_id, None)
        if order_id is not None:
            self._keys.pop(order_id)
            self._venue.call(ACCOUNT, CancelOrder(order_id=(order_id,)), now_ns)
            self._take(self._venue.advance(now_ns), now_ns)

    def _take(self, updates: Iterable[Update], now_ns: int, before: Decimal | None = None) -> None:
        """Book what the venue says of our orders."""
        bought: dict[str, Decimal] = {}
        for update in updates:
            key = self._keys.get(update.order_id) if isinstance(update, ExecutionUpdate) else None
            working = self._working.get(key or "")
            if working is None or not isinstance(update, ExecutionUpdate) or key is None:
                continue
            if update.exec_type == "trade":
                self._book(working, update, before)
                if working.order.side == "BUY":
                    bought[key] = bought.get(key, ZERO) + (update.last_qty or ZERO)
            elif update.exec_type in {"canceled", "expired"}:
                self._gone(working, update)
        for key, quantity in bought.items():
            self._protect(key, quantity, now_ns)

    def _book(self, working: Working, update: ExecutionUpdate, before: Decimal | None) -> None:
        order = working.order
        quantity, price = update.last_qty or ZERO, update.last_price or ZERO
        working.filled += quantity
        working.spent += product(quantity, price)
        working.fills += 1
        whole = working.filled == order.quantity
        status: OrderStatus = "FILLED" if whole else "PARTIALLY_FILLED"
        value, fee = update.cost or ZERO, update.fee or ZERO
        report = report_of_fill(
            working, self.name, status, update.timestamp, Fill(quantity, price, value, fee)
        )
        report = replace(report, last_cost=value)
        self._told[order.trading_pair].append(report)
        if self.notes is not None:
            self.notes.fills[f"{order.client_order_id}#{working.fills}"] = self._note(working, update, before)
        if whole:
            self._forget(working)
        elif working.left == 0:
            self._end(working, update.timestamp, "position closed")
        if order.side == "SELL":
            self._sold(working, quantity, update.timestamp)

    def _note(self, working: Working, update: ExecutionUpdate, before: Decimal | None) -> FillNote:
        order, price = working.order, update.last_price or ZERO
        maker = update.liquidity == "m"
        called = order.trigger_price if order.order_type == "STOP_LOSS" else before
        asked = price if called is None or maker or order.order_type in {"LIMIT", "TAKE_PROFIT"} else called
        asked = min(asked, price) if order.side == "BUY" else max(asked, price)
        rate = ratio(update.fee or ZERO, update.cost) if update.cost else ZERO
        return FillNote(asked, maker, rate, self._tier(rate, maker=maker), cut=False, recorded=True)

    def _tier(self, rate: Decimal, *, maker: bool) -> Decimal:
        """The volume that earned a fee, which the venue rounds."""
        tiers = self._fidelity.tiers
        nearest = min(tiers, key=lambda tier: abs(tier[1 if maker else 2] - rate), default=None)
        return ZERO if nearest is None else nearest[0]

    def _gone(self, working: Working, update: ExecutionUpdate) -> None:
        """The venue found no more to fill it with: what closes goes on, what opens gives up the rest."""
        self._ids.pop(working.order.client_order_id, None)
        if working.order.order_type == "TAKE_PROFIT":
            return
        if working.order.side == "SELL" and working.order.order_type != "LIMIT":
            self._unsold.append(working)
            return
        key = f"{working.order.client_order_id}#{working.fills}"
        if self.notes is not None and working.filled:
            self.notes.fills[key] = replace(self.notes.fills[key], cut=True)
        elif self.notes is not None:
            self.notes.unborne += 1
        self._end(working, update.timestamp, update.reason or "the book holds no more")

    def _sell_on(self, now_ns: int) -> None:
        waiting, self._unsold = self._unsold, []
        for working in waiting:
            if working.order.client_order_id in self._working:
                self._ask(working, "market", now_ns)
                if (
                    takes_from_protection(working.order)
                    and working.order.client_order_id not in self._working
                ):
                    self._protect_again(working.order.trading_pair, now_ns)

    # Protection

    def _protect(self, key: str, quantity: Decimal, now_ns: int) -> None:
        """Stop and target for what an entry has just bought: one pair of them for each time it did."""
        number = self._batches[key] = self._batches.get(key, 0) + 1
        legs = attached(self._entries[key], quantity, now_ns)
        if number > 1:
            legs = tuple(replace(leg, client_order_id=f"{leg.client_order_id}.{number}") for leg in legs)
        ids = [leg.client_order_id for leg in legs]
        for leg in legs:
            sibling = next((other for other in ids if other != leg.client_order_id), None)
            self._known.add(leg.client_order_id)
            working = self._working[leg.client_order_id] = Working(leg, sibling=sibling)
            self._told[leg.trading_pair].append(report_of(working, self.name, "NEW", now_ns))
        for leg in legs:
            if leg.order_type == "STOP_LOSS":
                self._send(self._working[leg.client_order_id], now_ns)

    def _targets(self, now_ns: int) -> None:
        """Sell at targets that the best bid has reached, as far as there are bids."""
        for working in tuple(self._working.values()):
            order = working.order
            if order.order_type != "TAKE_PROFIT" or order.client_order_id not in self._working:
                continue
            bid = self._best(order)
            if bid is None or order.limit_price is None or bid < order.limit_price:
                continue
            stop = self._working.get(working.sibling or "")
            if stop is not None:
                self._withdraw(stop, now_ns)
            self._ask(working, "limit", now_ns, limit=order.limit_price, ioc=True)
            self._protect_again(order.trading_pair, now_ns)

    def _sold(self, working: Working, quantity: Decimal, ts_ns: int) -> None:
        """What a sale means for the protection beside it."""
        sibling = self._working.get(working.sibling or "")
        if sibling is not None:
            self._reduce(sibling, quantity, ts_ns, "one cancels the other")
        elif takes_from_protection(working.order):
            self._waive(working.order.trading_pair, quantity, ts_ns)

    def _waive(self, pair: str, sold: Decimal, ts_ns: int) -> None:
        """The oldest protection gives way first."""
        for working in tuple(self._working.values()):
            order = working.order
            leads = order.order_type == "STOP_LOSS" or (
                order.order_type == "TAKE_PROFIT" and working.sibling not in self._working
            )
            if order.trading_pair != pair or not leads or not sold:
                continue
            given = min(sold, working.left)
            sold -= given
            sibling = self._working.get(working.sibling or "")
            for leg in (working, sibling):
                if leg is not None:
                    self._reduce(leg, given, ts_ns, "position closed")

    def _reduce(self, leg: Working, quantity: Decimal, ts_ns: int, reason: str) -> None:
        leg.waived += min(quantity, leg.left)
        if leg.left == 0:
            self._withdraw(leg, ts_ns)
            if leg.order.client_order_id in self._working:
                self._end(leg, ts_ns, reason)

    def _unprotect(self, pair: str, now_ns: int) -> None:
        """Take the stops of a pair off the book, so that what they hold can be sold."""
        for working in tuple(self._working.values()):
            if working.order.trading_pair == pair and working.order.order_type == "STOP_LOSS":
                self._withdraw(working, now_ns)

    def _protect_again(self, pair: str, now_ns: int) -> None:
        """Put back the stops of what is still held."""
        for working in tuple(self._working.values()):
            order = working.order
            off = order.client_order_id not in self._ids and working not in self._unsold
            if order.trading_pair == pair and order.order_type == "STOP_LOSS" and off and working.left > 0:
                self._send(working, now_ns)

    # Words

    def _best(self, order: Order) -> Decimal | None:
        """The price that the order would meet first."""
        bids, asks = self._venue.book(order.trading_pair, 1)
        side = asks if order.side == "BUY" else bids
        return side[0][0] if side else None

    def _forget(self, working: Working) -> None:
        key = working.order.client_order_id
        del self._working[key]
        self._ids.pop(key, None)

    def _end(self, working: Working, ts_ns: int, message: str) -> None:
        self._forget(working)
        self._told[working.order.trading_pair].append(
            report_of(working, self.name, "CANCELED", ts_ns, message)
        )

    def _tell(self, pair: str) -> list[ExecutionReport]:
        told, self._told[pair] = self._told[pair], []
        return told


def _asks_of_events(order: Order) -> bool:
    """A target is watched, and what an entry buys is protected at once."""
    return order.side == "BUY" or order.order_type == "TAKE_PROFIT"
