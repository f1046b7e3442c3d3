"""An account's recorded lines as trades and decisions: what live did, and in the same words what a backtest did."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np

from gal_friday_core.candles import Candles
from gal_friday_core.divergence.split import APPROVED, Decision, Lived
from gal_friday_core.divergence.trades import Leg, Trade, trades_of
from gal_friday_core.live_orders import FILL, INTENT, QUOTE, SIGNAL, Fill, Intent, Quote, read
from gal_friday_core.live_records import Line
from gal_friday_core.money import ZERO, from_float, ratio, round_cash, value_of
from gal_friday_core.payloads import Side


def legs_of(lines: Sequence[Line]) -> list[tuple[int, Leg]]:
    """Fills in the order booked, each with the moment its order was decided at: the bar's close where its signal says so.

    A fee in base currency counts at the fill's price.
    """
    moments: dict[str, int] = {line.key: line.ts_ns for line in lines if line.kind == SIGNAL}
    decided: dict[str, int] = {}
    found = []
    for line in lines:
        if line.kind == INTENT:
            intent: Intent = read(line)
            decided[intent.client_order_id] = moments.get(intent.signal_id, intent.created_at)
        elif line.kind == FILL:
            fill: Fill = read(line)
            found.append((decided.get(fill.client_order_id, line.ts_ns), _leg(line.ts_ns, fill)))
    return found


def flat_since(lines: Sequence[Line], start_ns: int) -> int | None:
    """The first moment from `start_ns` on at which nothing was held; None where that never was.

    `lines` may begin earlier: what was bought before them, and never touched since, cannot be seen.
    """
    held = ZERO
    for line in lines:
        if line.kind != FILL:
            continue
        if line.ts_ns >= start_ns and not held:
            return start_ns
        held = Decimal(read(line).position_quantity)
        if line.ts_ns >= start_ns and not held:
            return line.ts_ns
    return None if held else start_ns


def decisions_of(lines: Sequence[Line], bars: Candles) -> dict[int, Decision]:
    """Decisions to enter by the bar's close; of one whose signal was lost, what its order says.

    `moved` is what the pair stood at when the order left, over the open that it was to fill at. Where nobody noted that, the
    opens of `bars` tell of orders that left a whole bar late or more.
    """
    found = {}
    quotes: dict[str, Quote] = {line.key: read(line) for line in lines if line.kind == QUOTE}
    sent: dict[str, Intent] = {}
    for line in lines:
        if line.kind == INTENT and (intent := read(line)).purpose == "ENTRY":
            sent[intent.signal_id] = intent
    for line in lines:
        if line.kind == SIGNAL and (signal := read(line)).side == "BUY":
            intent = sent.pop(line.key, None)
            moved = Decimal(1) if intent is None else _moved(line.ts_ns, intent, quotes, bars)
            quantity = None if signal.quantity is None else Decimal(signal.quantity)
            found[line.ts_ns] = Decision(verdict=signal.verdict, quantity=quantity, moved=moved)
    for intent in sent.values():
        moment = intent.created_at // bars.series.interval_ns * bars.series.interval_ns
        moved = _moved(moment, intent, quotes, bars)
        found.setdefault(moment, Decision(verdict=APPROVED, quantity=Decimal(intent.quantity), moved=moved))
    return found


def lived_of(lines: Sequence[Line], bars: Candles, start_ns: int, end_ns: int) -> Lived:
    """Live's side of the trades decided in [start_ns, end_ns), as far as they had come by then."""
    trades = [cut(trade, end_ns) for trade in trades_of(legs_of(lines)) if trade.decided_ns >= start_ns]
    decisions = decisions_of(lines, bars)
    return Lived(
        trades=tuple(trade for trade in trades if trade is not None and trade.decided_ns < end_ns),
        decisions={moment: one for moment, one in decisions.items() if start_ns <= moment < end_ns},
    )


def cut(trade: Trade, end_ns: int) -> Trade | None:
    """What of a trade had happened before `end_ns`; None where nothing had."""
    legs = tuple(leg for leg in trade.legs if leg.ts_ns < end_ns)
    return Trade(decided_ns=trade.decided_ns, legs=legs) if legs else None


def money_before(lines: Sequence[Line]) -> Decimal | None:
    """Cash before the first purchase that began from flat; None where there is none."""
    for line in lines:
        if line.kind == FILL and (fill := read(line)).side == "BUY":
            leg = _leg(line.ts_ns, fill)
            if Decimal(fill.position_quantity) <= leg.quantity:
                return Decimal(fill.cash) + value_of(leg.quantity, leg.price) + leg.fee
    return None


def _leg(ts_ns: int, fill: Fill) -> Leg:
    quantity, price, fee = Decimal(fill.quantity), Decimal(fill.price), Decimal(fill.fee or 0)
    if fill.fee_asset == fill.pair.partition("/")[0]:
        fee = round_cash(fee * price)
    side: Side = "BUY" if fill.side == "BUY" else "SELL"
    return Leg(ts_ns=ts_ns, side=side, quantity=quantity, price=price, fee=fee)


def _moved(moment: int, intent: Intent, quotes: Mapping[str, Quote], bars: Candles) -> Decimal:
    """How many times the open of the bar in which an order was to fill the price was when it left."""
    due, late = (int(at) for at in np.searchsorted(bars.ts, (moment, intent.created_at), side="right") - 1)
    if due < 0 or bars.ts[due] != moment:
        return Decimal(1)
    opened = from_float(bars.open[due])
    quote = quotes.get(intent.client_order_id)
    if quote is not None and intent.order_type == "MARKET" and _tells(quote, moment):
        return ratio(Decimal(quote.price), opened)
    return ratio(from_float(bars.open[late]), opened) if late > due else Decimal(1)


def _tells(quote: Quote, moment: int) -> bool:
    """A trade from before the decision says nothing of what happened since."""
    return quote.source == "BOOK" or quote.known_ns >= moment
