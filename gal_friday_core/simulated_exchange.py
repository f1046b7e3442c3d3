"""A spot exchange in memory: takes orders, matches them against closed bars, keeps the balances.

Fills follow `gal_friday_core.fill_rules`: a market order fills at the next bar's open; attached stop and
target live from that bar on, one cancelling the other. The taker fee is paid in quote on every fill but
those of a limit order that rested, which pay the maker's. Protection pays the taker fee, as the label
does. All ids derive from the client order id, so the same orders and bars give the same reports.

What a `fidelity` section asks for beyond that is told by `gal_friday_core.frictions`. Where a bar cannot bear an order,
one that opens gives up the rest; one that closes goes on in the next bar, a stop at market from its open. Of a pair
whose trades were recorded, orders meet those one by one, each a bar of one price; a bar without any is met whole.

Entry points: `SimulatedExchange.submit`, `cancel`, `on_candle`. Balances never go below zero.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from gal_friday_core.config import CostsConfig
from gal_friday_core.errors import ContractError, ExchangeError
from gal_friday_core.fidelity_settings import FidelityConfig
from gal_friday_core.fill_rules import limit_fill, limit_fill_on_arrival, slipped, stop_meets, target_fill
from gal_friday_core.frictions import FillNote, Frictions, Notes, reached
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import ZERO, fee_of, product, value_of
from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport, MarketDataOHLCV, OrderType
from gal_friday_core.prints import Prints
from gal_friday_core.protection import attached, malformed, stop_id, target_id
from gal_friday_core.times import interval_ns
from gal_friday_core.working_order import (
    Deal,
    Fill,
    KnownIds,
    Watch,
    Working,
    assets_of,
    claimed,
    follows,
    report_of,
    report_of_fill,
    scarce,
    takes_from_protection,
    watch_of,
)

_TAKES = ("MARKET", "LIMIT")
_TURN: dict[OrderType, int] = {"STOP_LOSS": 1, "TAKE_PROFIT": 2, "LIMIT": 3}
"""In which turn of a bar an order that rests is met; those that arrive have the first."""


class SimulatedExchange:
    """One account on one venue; see the module's text for how it fills.

    Who wants `notes` gives it some to write to; they are written where there is more than constant costs.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        balances: Mapping[str, Decimal],
        costs: CostsConfig,
        *,
        name: str = "simulated",
        fidelity: FidelityConfig | None = None,
        prints: Mapping[str, Prints] | None = None,
    ) -> None:
        self.name = name
        self.notes: Notes | None = None
        self._frictions = Frictions(costs, fidelity or FidelityConfig())
        self._taken: dict[str, Decimal] = {}
        self._prints = dict(prints or {})
        self._plain = self._frictions.plain and not self._prints
        self._whole: MarketDataOHLCV
        self._known_at = 0
        self._recorded = False
        self._instruments = {instrument.pair: instrument for instrument in instruments}
        self._assets = {pair: assets_of(pair) for pair in self._instruments}
        self._balances = {asset: Decimal(amount) for asset, amount in balances.items()}
        self._costs = costs
        self._working: dict[str, Working] = {}
        self._known = KnownIds()
        self._last: dict[str, tuple[int, Decimal]] = {}

    def submit(self, order: Order) -> list[ExecutionReport]:
        """NEW, or REJECTED with the reason. Raises ExchangeError where the client order id was used before."""
        if order.client_order_id in self._known:
            raise ExchangeError(f"{self.name}: client order id {order.client_order_id} was used before")
        self._known.add(order.client_order_id, self._working)
        working = Working(order, rested=order.order_type not in _TAKES)
        refusal = self._refusal(working)
        if refusal is not None:
            return [report_of(working, self.name, "REJECTED", order.created_at, refusal)]
        self._working[order.client_order_id] = working
        return [report_of(working, self.name, "NEW", order.created_at)]

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
        pair, start = candle.trading_pair, candle.timestamp_bar_start
        last = self._last.get(pair)
        if not candle.closed or (last is not None and start <= last[0]):
            raise _disorder(candle)
        reports: list[ExecutionReport] = []
        if self._working:
            self._whole, self._known_at = candle, start + interval_ns(candle.interval)
            if not (self._prints and self._traded(candle, reports)):
                self._match(candle, reports)
        self._last[pair] = start, candle.close
        return reports

    def pass_by(self, pair: str, bar_start_ns: int, close: Decimal) -> None:
        """The next closed bar of a pair of which no order stands on the book: all of it that orders will be measured by."""
        self._last[pair] = bar_start_ns, close

    def balances(self) -> dict[str, Decimal]:
        """Total of each asset, reserved amounts included."""
        return dict(self._balances)

    def available(self) -> dict[str, Decimal]:
        """What of each asset no open order has a claim on."""
        return {asset: self._free(asset) for asset in self._balances}

    def open_orders(self) -> tuple[Order, ...]:
        """Orders on the book, protection included, in the order they arrived."""
        return tuple(working.order for working in self._working.values())

    def watch(self, pair: str) -> Watch:
        """Which bars of the pair can change an order: all others may be passed by."""
        return watch_of(self._working, pair)

    def resume(self, balances: Mapping[str, Decimal]) -> None:
        """Go on with what the account held when an earlier run ended."""
        self._balances = {asset: Decimal(amount) for asset, amount in balances.items()}

    def adopt(self, order: Order) -> None:
        """Take over a resting order of an earlier run; stop and target of one entry find each other by name."""
        key = order.client_order_id
        self._known.add(key, self._working)
        self._assets.setdefault(order.trading_pair, assets_of(order.trading_pair))
        working = self._working[key] = Working(order, rested=True)
        if order.side == "BUY" and order.limit_price is not None:
            value = value_of(order.quantity, order.limit_price)
            working.hold = value + fee_of(value, self._taker_fee(order.created_at))
        entry = key.removesuffix("-SL").removesuffix("-TP")
        other = target_id(entry) if key == stop_id(entry) else stop_id(entry)
        sibling = self._working.get(other) if entry != key else None
        if sibling is not None:
            working.sibling, sibling.sibling = other, key

    # Admission

    def _refusal(self, working: Working) -> str | None:
        """Why the order is not taken, or None; a buy's claim on the account is set on the way."""
        order = working.order
        instrument = self._instruments.get(order.trading_pair)
        if instrument is None:
            return f"unknown pair {order.trading_pair}"
        reason = malformed(order, instrument) or self._frictions.too_late(order)
        if reason:
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
        return slipped(order.side, last[1], self._costs.slippage)

    def _unfunded(self, working: Working, instrument: Instrument, value: Decimal) -> str | None:
        order = working.order
        if order.side == "BUY":
            need = value + fee_of(value, self._taker_fee(order.created_at))
            free = self._free(instrument.quote)
            working.hold = need
            asset = instrument.quote
        else:
            need, asset = order.quantity, instrument.base
            held = self._balances.get(asset, ZERO)
            free = held if takes_from_protection(order) else self._free(asset)
        return None if need <= free else f"insufficient funds: {need} {asset} needed, {free} free"

    def _free(self, asset: str) -> Decimal:
        return max(self._balances.get(asset, ZERO) - claimed(self._working, asset), ZERO)

    # Matching

    def _traded(self, candle: MarketDataOHLCV, reports: list[ExecutionReport]) -> bool:
        """Match against the bar's recorded trades, one by one; whether there are any."""
        prints, closes_ns = self._prints.get(candle.trading_pair), self._known_at
        met = False
        for trade in prints.inside(candle) if prints is not None else ():
            self._known_at, self._recorded, met = trade.timestamp_bar_start, True, True
            self._match(trade, reports)
        self._known_at, self._recorded = closes_ns, False
        return met

    def _match(self, candle: MarketDataOHLCV, reports: list[ExecutionReport]) -> None:
        """All orders of the pair against a bar, or against a trade as a bar of one price: those that arrive, then every stop
        before any target, since inside one bar the worse comes first, then limits that rest.
        """
        pair = candle.trading_pair
        self._taken.pop(pair, None)
        arriving, stops, targets, limits = self._standing(pair)
        if arriving:
            for working in arriving:
                self._at_open(working, candle, reports)
            _, stops, targets, limits = self._standing(pair)  # with what entries brought
        for working in stops:
            self._stop(working, candle, reports, from_open=working.inside != candle.timestamp_bar_start)
        for working in targets:
            self._target(working, candle, reports)
        for working in limits:
            self._inside(working, candle, reports)

    def _standing(self, pair: str) -> tuple[list[Working], ...]:
        """What arrives, stops, targets and limits that rest, each in order of arrival."""
        found: tuple[list[Working], ...] = ([], [], [], [])
        for working in self._working.values():
            if working.order.trading_pair == pair:
                found[_TURN[working.order.order_type] if working.rested else 0].append(working)
        return found

    def _at_open(self, working: Working, candle: MarketDataOHLCV, reports: list[ExecutionReport]) -> None:
        """A market order, or a limit order that is marketable when it arrives."""
        order, frictions = working.order, self._frictions
        share = frictions.arrived(order, candle, self._known_at)
        if share is None:
            return
        quantity, met = self._offered(working, candle), reached(order.side, candle, share)
        slippage, limit = frictions.slippage(quantity, self._whole), order.limit_price
        if limit is None:
            price: Decimal | None = slipped(order.side, met, slippage)
        else:
            price = limit_fill_on_arrival(order.side, limit, met, slippage)
        if price is None:
            self._rest(working, candle, share)
            return
        moment = max(candle.timestamp_bar_start, order.created_at + frictions.latency_ns)
        self._execute(working, Deal(price, met, moment, quantity), reports)
        if share and order.side == "BUY":
            self._came_inside(order.client_order_id, candle)

    def _target(self, working: Working, candle: MarketDataOHLCV, reports: list[ExecutionReport]) -> None:
        limit = working.order.limit_price
        price = None if limit is None or working.over else target_fill(limit, candle)
        if price is not None and working.inside != candle.timestamp_bar_start:
            deal = Deal(price, price, self._known_at, self._offered(working, candle))
            self._execute(working, deal, reports)

    def _inside(self, working: Working, candle: MarketDataOHLCV, reports: list[ExecutionReport]) -> None:
        """A resting limit order; what it buys may be stopped out in the same bar, but wins nothing in it."""
        price = self._limit_met(working, candle)
        if price is None:
            return
        deal = Deal(price, price, self._known_at, self._offered(working, candle), maker=True)
        self._execute(working, deal, reports)
        child = self._working.get(stop_id(working.order.client_order_id))
        if child is not None:
            self._stop(child, candle, reports, from_open=False)

    def _limit_met(self, working: Working, candle: MarketDataOHLCV) -> Decimal | None:
        """The price of a resting limit where the bar fills it: by going through, or by using up what stood before it."""
        order, limit = working.order, working.order.limit_price
        if limit is None or working.over or working.inside == candle.timestamp_bar_start:
            return None
        if working.ahead is None:
            return limit_fill(order.side, limit, candle)
        instrument = self._instruments[order.trading_pair]
        working.ahead -= self._frictions.passed(order.side, limit, candle, instrument)
        return limit if working.ahead < 0 else limit_fill(order.side, limit, candle)

    def _rest(self, working: Working, candle: MarketDataOHLCV, share: float) -> None:
        """A limit that meets no price to take comes to rest; one that comes inside the bar waits for the next."""
        working.rested = True
        working.ahead = self._frictions.queue_at(candle, self._instruments[candle.trading_pair])
        working.inside = candle.timestamp_bar_start if share else None

    def _came_inside(self, client_order_id: str, candle: MarketDataOHLCV) -> None:
        """Protection of an entry that was made inside the bar: it wins nothing there."""
        for key in (stop_id(client_order_id), target_id(client_order_id)):
            leg = self._working.get(key)
            if leg is not None:
                leg.inside = candle.timestamp_bar_start

    def _stop(
        self,
        working: Working,
        candle: MarketDataOHLCV,
        reports: list[ExecutionReport],
        *,
        from_open: bool,
    ) -> None:
        trigger = working.order.trigger_price
        if trigger is None or working.over:
            return
        met = candle.open if working.triggered else stop_meets(trigger, candle, from_open=from_open)
        if met is None:
            return
        at_open = working.triggered or (from_open and candle.open <= trigger)
        moment = candle.timestamp_bar_start if at_open else self._known_at
        moment = max(moment, working.order.created_at)
        working.triggered = True
        quantity = self._offered(working, candle)
        price = slipped("SELL", met, self._frictions.slippage(quantity, self._whole))
        self._execute(working, Deal(price, met, moment, quantity), reports)

    def _offered(self, working: Working, candle: MarketDataOHLCV) -> Decimal:
        """What the bar can bear of the order."""
        if self._frictions.participation is None:
            return working.left
        pair = candle.trading_pair
        taken, instrument = self._taken.get(pair, ZERO), self._instruments[pair]
        return self._frictions.offered(working.order, working.left, taken, candle, instrument)

    def _execute(self, working: Working, deal: Deal, reports: list[ExecutionReport]) -> None:
        """Fill what account and bar can honour, cancel the rest of what opens, and do all that follows from it."""
        order, buys = working.order, working.order.side == "BUY"
        cut = self._frictions.participation is not None and deal.quantity < working.left
        rate, tier = self._frictions.fee(maker=deal.maker, now_ns=deal.ts_ns)
        fill, shortage = self._fillable(working, deal, rate)
        quantity = fill.quantity
        goes_on = cut and not buys and quantity == deal.quantity
        if quantity:
            reports.append(self._book(working, fill, deal.ts_ns))
            if not self._plain:
                note = FillNote(deal.asked, deal.maker, rate, tier, cut, self._recorded)
                self._remember(working, deal, note, quantity)
        if not (working.over or goes_on):
            reports.append(self._end(working, deal.ts_ns, shortage or scarce(order, quantity)))
        if buys:
            if working.filled:
                self._attach(working, deal.ts_ns, reports)
            return
        sibling = self._working.get(working.sibling) if working.sibling is not None else None
        if sibling is not None and (quantity or not goes_on):
            self._give_way(working, sibling, quantity, deal.ts_ns, reports)
        if takes_from_protection(order):
            self._waive(order.trading_pair, quantity, deal.ts_ns, reports)

    def _give_way(
        self, working: Working, sibling: Working, sold: Decimal, ts_ns: int, reports: list[ExecutionReport]
    ) -> None:
        """One cancels the other; beside a target that has not sold all, the stop stays for the rest."""
        if working.order.order_type == "TAKE_PROFIT" and working.order.client_order_id in self._working:
            sibling.waived += sold
        else:
            reports.append(self._end(sibling, ts_ns, "one cancels the other"))

    def _remember(self, working: Working, deal: Deal, note: FillNote, quantity: Decimal) -> None:
        """For fees of later fills, for what else the bar can bear, and for who asks how it was filled."""
        order = working.order
        self._frictions.traded(quantity, deal.price, deal.ts_ns)
        self._taken[order.trading_pair] = self._taken.get(order.trading_pair, ZERO) + quantity
        if self.notes is not None:
            self.notes.fills[f"{order.client_order_id}#{working.fills}"] = note

    def _fillable(self, working: Working, deal: Deal, fee_rate: Decimal) -> tuple[Fill, str]:
        """What the account can honour now, and why nothing where it is not funded."""
        quantity, price = deal.quantity, deal.price
        base, quote = self._assets[working.order.trading_pair]
        if working.order.side == "SELL":
            quantity = min(quantity, self._balances.get(base, ZERO))
            value = value_of(quantity, price)
            return Fill(quantity, price, value, fee_of(value, fee_rate)), ""
        if not quantity and self.notes is not None:
            self.notes.unborne += 1
        value = value_of(quantity, price)
        fee = fee_of(value, fee_rate)
        free = self._balances.get(quote, ZERO) - claimed(self._working, quote) + working.hold
        if value + fee > free:
            nothing = Fill(ZERO, price, ZERO, ZERO)
            return nothing, f"insufficient funds at the fill: {value + fee} {quote} needed, {free} free"
        return Fill(quantity, price, value, fee), ""

    def _book(self, working: Working, fill: Fill, ts_ns: int) -> ExecutionReport:
        order, quantity, balances = working.order, fill.quantity, self._balances
        base, quote = self._assets[order.trading_pair]
        if order.side == "BUY":
            balances[base] = balances.get(base, ZERO) + quantity
            balances[quote] = balances.get(quote, ZERO) - fill.value - fill.fee
        else:
            balances[base] = balances.get(base, ZERO) - quantity
            balances[quote] = balances.get(quote, ZERO) + fill.value - fill.fee
        working.filled += quantity
        working.spent += product(quantity, fill.price)
        working.fills += 1
        if working.filled != order.quantity:
            return report_of_fill(working, self.name, "PARTIALLY_FILLED", ts_ns, fill)
        self._close(working)
        return report_of_fill(working, self.name, "FILLED", ts_ns, fill)

    def _attach(self, entry: Working, ts_ns: int, reports: list[ExecutionReport]) -> None:
        """Place stop and target for what the entry bought, each the other's sibling."""
        legs = attached(entry.order, entry.filled, ts_ns)
        for place, leg in enumerate(legs):
            key, other = leg.client_order_id, legs[1 - place].client_order_id if len(legs) > 1 else None
            self._known.add(key, self._working)
            working = self._working[key] = Working(leg, sibling=other, rested=True)
            reports.append(report_of(working, self.name, "NEW", ts_ns))

    def _waive(self, pair: str, sold: Decimal, ts_ns: int, reports: list[ExecutionReport]) -> None:
        """Protection gives way to what was sold at market, the oldest first; what is still held keeps its own."""
        for working in tuple(self._working.values()):
            order = working.order
            protects = order.order_type in ("STOP_LOSS", "TAKE_PROFIT") and order.trading_pair == pair
            if not protects or follows(working, self._working):
                continue
            given = min(sold, working.left)
            sold -= given
            for leg in (working, self._working.get(working.sibling or "")):
                if leg is not None and given:
                    leg.waived += given
                    if leg.left == 0:
                        reports.append(self._end(leg, ts_ns, "position closed"))

    def _close(self, working: Working) -> None:
        working.over = True
        del self._working[working.order.client_order_id]

    def _end(self, working: Working, ts_ns: int, message: str) -> ExecutionReport:
        self._close(working)
        return report_of(working, self.name, "CANCELED", ts_ns, message)

    def _taker_fee(self, now_ns: int) -> Decimal:
        return self._frictions.fee(maker=False, now_ns=now_ns)[0]


def _disorder(candle: MarketDataOHLCV) -> ContractError:
    pair, start = candle.trading_pair, candle.timestamp_bar_start
    if not candle.closed:
        return ContractError(f"{pair}: a running bar is never matched; send it once closed")
    return ContractError(f"{pair}: bar {start} does not follow the last; send bars once, in time order")
