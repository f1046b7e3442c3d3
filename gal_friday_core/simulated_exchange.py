"""A spot exchange in memory: takes orders, matches them against closed bars, keeps the balances.

Fills follow `gal_friday_core.fill_rules`: a market order fills at the next bar's open; attached stop and
target live from that bar on, one cancelling the other. The taker fee is paid in quote on every fill but
those of a limit order that rested, which pay the maker's. Protection pays the taker fee, as the label
does. All ids derive from the client order id, so the same orders and bars give the same reports.

Entry points: `SimulatedExchange.submit`, `cancel`, `on_candle`. Balances never go below zero.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import inf

import msgspec

from gal_friday_core.config import CostsConfig
from gal_friday_core.errors import ContractError, ExchangeError
from gal_friday_core.fill_rules import limit_fill, limit_fill_at_open, market_fill, stop_fill, target_fill
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import ZERO, fee_of, product, ratio, value_of
from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport, MarketDataOHLCV, OrderStatus
from gal_friday_core.protection import attached, malformed, stop_id, target_id
from gal_friday_core.times import interval_ns

REMEMBERED = 10_000
"""Ids of orders that are over. An engine's ids derive from its signals and are journalled before they are sent: none is
made twice, and what is sent twice for any other reason is so at once.
"""


@dataclass(slots=True)
class _Working:
    """An order on the book. `hold` is the quote it reserves, `sibling` the order that its fill cancels.

    `waived` is what protection no longer has to sell, because the position was reduced otherwise.
    """

    order: Order
    hold: Decimal = ZERO
    sibling: str | None = None
    rested: bool = False
    waived: Decimal = ZERO
    filled: Decimal = ZERO
    spent: Decimal = ZERO
    fills: int = 0

    @property
    def left(self) -> Decimal:
        return self.order.quantity - self.filled - self.waived


class _Fill(msgspec.Struct, frozen=True, gc=False):
    quantity: Decimal
    price: Decimal
    fee: Decimal


class Watch(msgspec.Struct, frozen=True, gc=False):
    """A bar that stays above `low` and below `high` fills nothing; with `next_bar` whatever comes next may."""

    low: float
    high: float
    next_bar: bool = False


class SimulatedExchange:
    """One account on one venue; see the module's text for how it fills."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        balances: Mapping[str, Decimal],
        costs: CostsConfig,
        *,
        name: str = "simulated",
    ) -> None:
        self.name = name
        self._instruments = {instrument.pair: instrument for instrument in instruments}
        self._balances = {asset: Decimal(amount) for asset, amount in balances.items()}
        self._costs = costs
        self._working: dict[str, _Working] = {}
        self._known: dict[str, None] = {}
        self._last: dict[str, MarketDataOHLCV] = {}

    def submit(self, order: Order) -> list[ExecutionReport]:
        """NEW, or REJECTED with the reason. Raises ExchangeError where the client order id was used before."""
        if order.client_order_id in self._known:
            raise ExchangeError(f"{self.name}: client order id {order.client_order_id} was used before")
        self._know(order.client_order_id)
        working = _Working(order)
        refusal = self._refusal(working)
        if refusal is not None:
            return [self._report(working, "REJECTED", order.created_at, message=refusal)]
        self._working[order.client_order_id] = working
        return [self._report(working, "NEW", order.created_at)]

    def cancel(self, client_order_id: str, now_ns: int) -> list[ExecutionReport]:
        """CANCELED, or nothing where the order has ended already. Raises ExchangeError for an unknown one."""
        if client_order_id not in self._known:
            raise ExchangeError(f"{self.name}: no order {client_order_id} to cancel")
        working = self._working.get(client_order_id)
        return [self._end(working, now_ns, "canceled on request")] if working else []

    def on_candle(self, candle: MarketDataOHLCV) -> list[ExecutionReport]:
        """Match all orders of the pair against the next closed bar.

        Raises ContractError where the bar is still running, or not later than the one before.
        """
        pair = candle.trading_pair
        self._admit(candle)
        reports: list[ExecutionReport] = []
        if self._working:
            self._at_open(candle, reports)
            self._protection(candle, reports)
            self._inside(candle, reports)
        self._last[pair] = candle
        return reports

    def balances(self) -> dict[str, Decimal]:
        """Total of each asset, reserved amounts included."""
        return dict(self._balances)

    def available(self) -> dict[str, Decimal]:
        """What of each asset no open order has a claim on."""
        return {asset: self._free(asset) for asset in self._balances}

    def open_orders(self) -> tuple[Order, ...]:
        """Orders on the book, protection included, in the order they arrived."""
        return tuple(working.order for working in self._working.values())

    def watch(self, pair: str) -> "Watch":
        """Which bars of the pair can change an order: all others may be passed by."""
        low, high = -inf, inf
        for working in self._working.values():
            order = working.order
            if order.trading_pair != pair:
                continue
            price = order.limit_price or order.trigger_price
            if price is None or (order.order_type == "LIMIT" and not working.rested):
                return Watch(low, high, next_bar=True)
            if order.side == "BUY" or order.order_type == "STOP_LOSS":
                low = max(low, float(price))
            else:
                high = min(high, float(price))
        return Watch(low, high)

    def resume(self, balances: Mapping[str, Decimal]) -> None:
        """Go on with what the account held when an earlier run ended."""
        self._balances = {asset: Decimal(amount) for asset, amount in balances.items()}

    def adopt(self, order: Order) -> None:
        """Take over a resting order of an earlier run; stop and target of one entry find each other by name."""
        key = order.client_order_id
        self._know(key)
        working = self._working[key] = _Working(order, rested=True)
        if order.side == "BUY" and order.limit_price is not None:
            value = value_of(order.quantity, order.limit_price)
            working.hold = value + fee_of(value, self._costs.taker_fee)
        entry = key.removesuffix("-SL").removesuffix("-TP")
        other = target_id(entry) if key == stop_id(entry) else stop_id(entry)
        sibling = self._working.get(other) if entry != key else None
        if sibling is not None:
            working.sibling, sibling.sibling = other, key

    def _know(self, client_order_id: str) -> None:
        """An id that must not come again; of so many the oldest whose order is over is forgotten."""
        self._known[client_order_id] = None
        while len(self._known) > REMEMBERED + len(self._working):
            oldest = next(iter(self._known))
            del self._known[oldest]
            if oldest in self._working:
                self._known[oldest] = None

    # Admission

    def _admit(self, candle: MarketDataOHLCV) -> None:
        last = self._last.get(candle.trading_pair)
        if not candle.closed:
            raise ContractError(f"{candle.trading_pair}: a running bar is never matched; send it once closed")
        if last is not None and candle.timestamp_bar_start <= last.timestamp_bar_start:
            raise ContractError(
                f"{candle.trading_pair}: bar {candle.timestamp_bar_start} does not follow "
                f"{last.timestamp_bar_start}; send bars once, in time order"
            )

    def _refusal(self, working: _Working) -> str | None:
        """Why the order is not taken, or None; a buy's claim on the account is set on the way."""
        order = working.order
        instrument = self._instruments.get(order.trading_pair)
        if instrument is None:
            return f"unknown pair {order.trading_pair}"
        reason = malformed(order, instrument)
        if reason is not None:
            return reason
        price = self._reference(order)
        if price is None:
            return f"no market price of {order.trading_pair} yet"
        value = value_of(order.quantity, price)
        if value < instrument.min_cost:
            return f"order value {value} {instrument.quote} is below the minimum {instrument.min_cost}"
        return self._unfunded(working, instrument, value)

    def _reference(self, order: Order) -> Decimal | None:
        """The price an order is measured by: its own, or the last close with slippage."""
        own = order.limit_price or order.trigger_price
        last = self._last.get(order.trading_pair)
        if own is not None or last is None:
            return own
        sign = 1 if order.side == "BUY" else -1
        return product(last.close, 1 + sign * self._costs.slippage)

    def _unfunded(self, working: _Working, instrument: Instrument, value: Decimal) -> str | None:
        order = working.order
        if order.side == "BUY":
            need = value + fee_of(value, self._costs.taker_fee)
            free = self._free(instrument.quote)
            working.hold = need
            asset = instrument.quote
        else:
            need, asset = order.quantity, instrument.base
            held = self._balances.get(asset, ZERO)
            free = held if _takes_from_protection(order) else self._free(asset)
        return None if need <= free else f"insufficient funds: {need} {asset} needed, {free} free"

    def _free(self, asset: str) -> Decimal:
        return max(self._balances.get(asset, ZERO) - self._claimed(asset), ZERO)

    def _claimed(self, asset: str) -> Decimal:
        """Claims of the book on an asset; a stop and its target claim the same base once."""
        claimed = ZERO
        for working in self._working.values():
            order = working.order
            base, _, quote = order.trading_pair.partition("/")
            if order.side == "BUY":
                if quote == asset:
                    claimed += working.hold
            elif base == asset and not (self._follows(working) or _takes_from_protection(order)):
                claimed += working.left
        return claimed

    # Matching

    def _at_open(self, candle: MarketDataOHLCV, reports: list[ExecutionReport]) -> None:
        """Market orders, and limit orders that are marketable when they arrive."""
        for working in self._of(candle, "MARKET", "LIMIT"):
            order = working.order
            if order.order_type == "MARKET":
                price: Decimal | None = market_fill(order.side, candle, self._costs.slippage)
            elif order.limit_price is not None and not working.rested:
                price = limit_fill_at_open(order.side, order.limit_price, candle, self._costs.slippage)
                working.rested = price is None
            else:
                continue
            if price is not None:
                moment = max(candle.timestamp_bar_start, order.created_at)
                self._execute(working, price, moment, self._costs.taker_fee, reports)

    def _protection(self, candle: MarketDataOHLCV, reports: list[ExecutionReport]) -> None:
        """Every stop before any target: inside one bar the worse comes first."""
        for working in self._of(candle, "STOP_LOSS"):
            self._stop(working, candle, reports, from_open=True)
        for working in self._of(candle, "TAKE_PROFIT"):
            limit = working.order.limit_price
            price = target_fill(limit, candle) if limit is not None else None
            if price is not None:
                self._execute(working, price, _close_time(candle), self._costs.taker_fee, reports)

    def _inside(self, candle: MarketDataOHLCV, reports: list[ExecutionReport]) -> None:
        """Resting limit orders; what they buy may be stopped out in the same bar, but wins nothing in it."""
        for working in self._of(candle, "LIMIT"):
            order = working.order
            price = limit_fill(order.side, order.limit_price, candle) if order.limit_price else None
            if price is None:
                continue
            self._execute(working, price, _close_time(candle), self._costs.maker_fee, reports)
            child = self._working.get(stop_id(order.client_order_id))
            if child is not None:
                self._stop(child, candle, reports, from_open=False)

    def _of(self, candle: MarketDataOHLCV, *types: str) -> Iterable[_Working]:
        """Orders of the pair and type, in order of arrival, that are still on the book when their turn comes."""
        pair, book = candle.trading_pair, self._working
        found = [
            working
            for working in book.values()
            if working.order.order_type in types and working.order.trading_pair == pair
        ]
        if len(found) < 2:
            return found
        return (working for working in found if working.order.client_order_id in book)

    def _stop(
        self,
        working: _Working,
        candle: MarketDataOHLCV,
        reports: list[ExecutionReport],
        *,
        from_open: bool,
    ) -> None:
        trigger = working.order.trigger_price
        if trigger is None:
            return
        price = stop_fill(trigger, candle, self._costs.slippage, from_open=from_open)
        if price is not None:
            gapped = from_open and candle.open <= trigger
            moment = candle.timestamp_bar_start if gapped else _close_time(candle)
            moment = max(moment, working.order.created_at)
            self._execute(working, price, moment, self._costs.taker_fee, reports)

    def _execute(
        self,
        working: _Working,
        price: Decimal,
        ts_ns: int,
        fee_rate: Decimal,
        reports: list[ExecutionReport],
    ) -> None:
        """Fill what the account can honour, cancel the rest, and do all that follows from it."""
        order = working.order
        quantity, shortage = self._fillable(working, price, fee_rate)
        if quantity > 0:
            reports.append(self._book(working, quantity, price, ts_ns, fee_rate))
        if order.client_order_id in self._working:
            reports.append(self._end(working, ts_ns, shortage))
        if order.side == "BUY":
            self._attach(working, ts_ns, reports)
            return
        sibling = self._working.get(working.sibling or "")
        if sibling is not None:
            reports.append(self._end(sibling, ts_ns, "one cancels the other"))
        if _takes_from_protection(order):
            self._waive(order.trading_pair, quantity, ts_ns, reports)

    def _fillable(self, working: _Working, price: Decimal, fee_rate: Decimal) -> tuple[Decimal, str]:
        """How much the account can honour now, and what to say where that is not all of it."""
        order, left = working.order, working.left
        base, _, quote = order.trading_pair.partition("/")
        if order.side == "SELL":
            quantity = min(left, self._balances.get(base, ZERO))
            return quantity, f"no more than {quantity} {base} is held to sell"
        value = value_of(left, price)
        need = value + fee_of(value, fee_rate)
        free = self._balances.get(quote, ZERO) - self._claimed(quote) + working.hold
        if need <= free:
            return left, ""
        return ZERO, f"insufficient funds at the fill: {need} {quote} needed, {free} free"

    def _book(
        self, working: _Working, quantity: Decimal, price: Decimal, ts_ns: int, fee_rate: Decimal
    ) -> ExecutionReport:
        order = working.order
        base, _, quote = order.trading_pair.partition("/")
        sign = 1 if order.side == "BUY" else -1
        value = value_of(quantity, price)
        fee = fee_of(value, fee_rate)
        self._balances[base] = self._balances.get(base, ZERO) + sign * quantity
        self._balances[quote] = self._balances.get(quote, ZERO) - sign * value - fee
        working.filled += quantity
        working.spent += product(quantity, price)
        working.fills += 1
        status: OrderStatus = "PARTIALLY_FILLED"
        if working.filled == order.quantity:
            del self._working[order.client_order_id]
            status = "FILLED"
        return self._report(working, status, ts_ns, fill=_Fill(quantity, price, fee))

    def _attach(self, entry: _Working, ts_ns: int, reports: list[ExecutionReport]) -> None:
        """Place stop and target for what the entry bought, each the other's sibling."""
        legs = attached(entry.order, entry.filled, ts_ns) if entry.filled else ()
        ids = [leg.client_order_id for leg in legs]
        for leg in legs:
            sibling = next((other for other in ids if other != leg.client_order_id), None)
            self._know(leg.client_order_id)
            working = self._working[leg.client_order_id] = _Working(leg, sibling=sibling)
            reports.append(self._report(working, "NEW", ts_ns))

    def _waive(self, pair: str, sold: Decimal, ts_ns: int, reports: list[ExecutionReport]) -> None:
        """Protection gives way to what was sold at market, the oldest first; what is still held keeps its own."""
        for working in tuple(self._working.values()):
            order = working.order
            protects = order.order_type in ("STOP_LOSS", "TAKE_PROFIT") and order.trading_pair == pair
            if not protects or self._follows(working):
                continue
            given = min(sold, working.left)
            sold -= given
            for leg in (working, self._working.get(working.sibling or "")):
                if leg is not None and given:
                    leg.waived += given
                    if leg.left == 0:
                        reports.append(self._end(leg, ts_ns, "position closed"))

    def _follows(self, working: _Working) -> bool:
        """A target beside a live stop claims the same base: it is counted with the stop."""
        return working.order.order_type == "TAKE_PROFIT" and working.sibling in self._working

    def _end(self, working: _Working, ts_ns: int, message: str) -> ExecutionReport:
        del self._working[working.order.client_order_id]
        return self._report(working, "CANCELED", ts_ns, message=message)

    def _report(
        self,
        working: _Working,
        status: OrderStatus,
        ts_ns: int,
        *,
        fill: _Fill | None = None,
        message: str | None = None,
    ) -> ExecutionReport:
        order = working.order
        key = order.client_order_id
        return ExecutionReport(
            signal_id=order.signal_id,
            client_order_id=key,
            exchange_order_id=None if status == "REJECTED" else f"SIM-{key}",
            trading_pair=order.trading_pair,
            exchange=self.name,
            order_status=status,
            order_type=order.order_type,
            side=order.side,
            quantity_ordered=order.quantity,
            quantity_filled=working.filled,
            average_fill_price=ratio(working.spent, working.filled) if working.filled else None,
            limit_price=order.limit_price,
            stop_price=order.trigger_price,
            commission=fill.fee if fill else None,
            commission_asset=order.trading_pair.partition("/")[2] if fill else None,
            timestamp_exchange=ts_ns,
            error_message=message,
            execution_id=f"{key}#{working.fills}" if fill else None,
            last_quantity=fill.quantity if fill else None,
            last_price=fill.price if fill else None,
        )


def _close_time(candle: MarketDataOHLCV) -> int:
    """When the bar is over: what happened inside it is known then, and no sooner."""
    return candle.timestamp_bar_start + interval_ns(candle.interval)


def _takes_from_protection(order: Order) -> bool:
    """A reduce-only market sell shares the base that protection holds, and ends it when it fills."""
    return order.reduce_only and order.order_type == "MARKET"
