"""The pre-trade check: one pure function from a signal and the desk to a quantity or a refusal.

Buys must leave every limit unbroken in the worst case of their side: what is held, plus every open,
in-flight and unknown buy, plus this one. Sells only reduce, so neither drawdown nor a halt stops them. The
cheap questions come first; money is counted in decimals, the market's quality in floats.
"""

from decimal import Decimal

from gal_friday_core.config import RiskConfig
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import ZERO, from_float, product, ratio, value_of
from gal_friday_core.payloads import TradeSignalProposed
from gal_friday_core.portfolio import PortfolioState
from gal_friday_core.reservations import Reservation
from gal_friday_core.risk.admission import admission, market
from gal_friday_core.risk.codes import Approved, Rejected, refuse, refuse_measured
from gal_friday_core.risk.desk import Desk
from gal_friday_core.risk.exposure import Room, free_cash, least_room
from gal_friday_core.risk.quote import Quote
from gal_friday_core.risk.rules import tightened
from gal_friday_core.risk.sizing import by_risk, by_volatility, loss_per_unit, ramp
from gal_friday_core.times import SECOND_NS

Cap = tuple[Decimal, Room, Decimal]
"""A quantity that may not be exceeded, the room it comes from, and what one base unit takes of that room."""

_ALL = Decimal(1)
_MOST = Decimal(10) ** 18
"""No wish is reckoned beyond this many base units: a stop next to the price would ask for more than there is."""


def check(signal: TradeSignalProposed, desk: Desk) -> Approved | Rejected:
    """Approve with a quantity, or refuse with a code; changes nothing.

    Whoever approves must hold `Approved.reservation` before the next check (`Reservations.reserve`), and tell
    `Conduct.approved`.
    """
    refusal = admission(signal, desk)
    if refusal is not None:
        return refusal
    if signal.side != "BUY":
        return _sell(signal, desk)
    verdict = _buy(signal, desk)
    if desk.rules and isinstance(verdict, Approved):
        return tightened(verdict, signal, desk, desk.rules)
    return verdict


def drawdown_breach(state: PortfolioState, limits: RiskConfig) -> Rejected | None:
    """The first drawdown that is beyond its limit, the day's before the week's before the total."""
    if state.daily_drawdown > limits.max_daily_drawdown:
        return refuse("DAILY_DRAWDOWN_LIMIT_HIT", limits.max_daily_drawdown, state.daily_drawdown)
    if state.weekly_drawdown > limits.max_weekly_drawdown:
        return refuse("WEEKLY_DRAWDOWN_LIMIT_HIT", limits.max_weekly_drawdown, state.weekly_drawdown)
    if state.total_drawdown > limits.max_total_drawdown:
        return refuse("TOTAL_DRAWDOWN_LIMIT_HIT", limits.max_total_drawdown, state.total_drawdown)
    return None


def _sell(signal: TradeSignalProposed, desk: Desk) -> Approved | Rejected:
    held, selling = desk.state.held(signal.trading_pair), desk.reservations.selling(signal.trading_pair)
    quantity = desk.instrument.quantity_down(max(held - selling, ZERO))
    if quantity <= 0:
        code = "NOTHING_TO_SELL" if signal.proposed_sl_price is None else "NO_SHORTS"
        return Rejected(code, {"limit": str(held), "value": str(held), "selling": str(selling)})
    price = signal.proposed_entry_price or product(signal.reference_price, 1 - desk.costs.slippage)
    small = _below(quantity, price, desk.instrument, desk.instrument.min_cost)
    if small is not None:
        return small
    return _approve(signal, desk, quantity, price, {"position": str(held)})


def _buy(signal: TradeSignalProposed, desk: Desk) -> Approved | Rejected:
    refusal = drawdown_breach(desk.state, desk.limits)
    if refusal is not None:
        return refusal
    stop = signal.proposed_sl_price
    if stop is None:
        return Rejected("MISSING_STOP", {"value": "a buy needs a stop to be sized by"})
    target = signal.proposed_tp_price
    entry = signal.proposed_entry_price or product(_worst(signal, desk.quote), 1 + desk.costs.slippage)
    if not ZERO < stop < min(entry, signal.reference_price) or (target is not None and target <= entry):
        return Rejected(
            "INVALID_PROTECTION",
            {"value": str(entry), "stop": str(stop), "target": str(target)},
        )
    if desk.quote is not None:
        refusal = market(signal, desk, desk.quote)
        if refusal is not None:
            return refusal
    return _sized(signal, desk, entry, stop)


def model_of(signal: TradeSignalProposed) -> str:
    """The model behind a signal; empty where none is named."""
    return signal.triggering_prediction.model_id if signal.triggering_prediction is not None else ""


def _worst(signal: TradeSignalProposed, quote: Quote | None) -> Decimal:
    """What a market buy is reckoned at: the price decided on, or the best ask where that is dearer."""
    return signal.reference_price if quote is None else max(quote.best_ask, signal.reference_price)


def _sized(signal: TradeSignalProposed, desk: Desk, entry: Decimal, stop: Decimal) -> Approved | Rejected:
    """The risk-based quantity, capped by exposure, cash and depth, on the lot."""
    loss = loss_per_unit(entry, stop, desk.costs)
    wanted, rule = by_risk(desk, loss), "risk_per_trade"
    if desk.limits.sizing == "volatility_scaled":
        scaled = by_volatility(desk, entry)
        if scaled is None:
            return Rejected("VOLATILITY_UNKNOWN", {"value": str(desk.volatility)})
        if scaled < wanted:
            wanted, rule = scaled, "max_position_volatility"
    cap, room, taken = _tightest(signal, desk, entry)
    capped = cap < wanted
    new, kept = _shares(signal, desk)
    share, instrument = _ALL if new is _ALL and kept is _ALL else product(new, kept), desk.instrument
    size = cap if capped else wanted
    quantity = instrument.quantity_down(product(size, share) if share < _ALL else size)
    small = _below(quantity, entry, instrument, max(instrument.min_cost, desk.limits.min_order_value))
    if small is not None:
        # What made it small is the reason: a cap, or the size the risk, the ramp and drift allow.
        return _no_room(room, min(wanted, _MOST), taken, small) if capped and share == _ALL else small
    refusal = _last_doubts(signal, desk, quantity, entry)
    if refusal is not None:
        return refusal
    checks = {
        "risk_per_trade_pct": str(desk.limits.risk_per_trade * 100),
        "risked": str(value_of(quantity, loss)),
        "capped_by": room.code if capped else rule,
    }
    if share < _ALL:
        parts = (("ramp_fraction", new), ("drift_fraction", kept))
        checks |= {name: str(part) for name, part in parts if part < _ALL}
    return _approve(signal, desk, quantity, entry, checks)


def _shares(signal: TradeSignalProposed, desk: Desk) -> tuple[Decimal, Decimal]:
    """What a new model, and one that drifts, may have of the size that all else allows."""
    kept = _ALL if desk.restriction is None else desk.restriction.size_factor
    return ramp(model_of(signal), desk.limits, desk.conduct), kept


def _tightest(signal: TradeSignalProposed, desk: Desk, entry: Decimal) -> Cap:
    """The lowest of all caps on the quantity."""
    room, taken = least_room(signal.trading_pair, desk), entry
    cap = ratio(room.value, entry)
    cash, price = free_cash(desk), product(entry, 1 + desk.costs.taker_fee)
    affordable = ratio(cash, price)
    if affordable < cap:
        cap, room, taken = affordable, Room("INSUFFICIENT_FUNDS", cash, cash), price
    quote = desk.quote
    if quote is not None and signal.entry_type == "MARKET":
        depth = quote.depth(desk.limits.max_slippage) * desk.limits.max_depth_share
        if depth < float(cap):  # the exact number costs more than all the rest, and is rarely asked for
            offered = from_float(depth)
            return offered, Room("INSUFFICIENT_DEPTH", offered, offered), _ALL
    return cap, room, taken


def _no_room(room: Room, wanted: Decimal, taken: Decimal, small: Rejected) -> Rejected:
    """A cap that leaves less than the smallest order: its limit, and what the whole wish would have come to."""
    more = {"scope": room.scope} if room.scope else {}
    value = room.limit - room.value + product(wanted, taken)
    return refuse(room.code, room.limit, value, smallest=small.details["limit"], **more)


def _last_doubts(
    signal: TradeSignalProposed, desk: Desk, quantity: Decimal, entry: Decimal
) -> Rejected | None:
    """What can only be asked once the quantity is known: what the book takes for it, fees, and repetition."""
    limits, conduct = desk.limits, desk.conduct
    if desk.quote is not None and signal.entry_type == "MARKET":
        slippage = desk.quote.average(float(quantity)) / float(signal.reference_price) - 1
        if slippage > limits.max_slippage:
            return refuse_measured("EXCEEDS_MAX_SLIPPAGE", limits.max_slippage, slippage)
    if limits.max_daily_fees < _ALL:
        fees = conduct.fees_today(desk.now_ns) + product(2 * desk.costs.taker_fee, value_of(quantity, entry))
        budget = product(desk.state.total_equity, limits.max_daily_fees)
        if fees > budget:
            return refuse("FEE_BUDGET_SPENT", budget, fees)
    since = conduct.since_same_buy((signal.trading_pair, quantity, entry), desk.now_ns)
    if since is not None and since < limits.duplicate_window_s * SECOND_NS:
        return refuse_measured("DUPLICATE_ORDER", limits.duplicate_window_s, since / SECOND_NS)
    return None


def _below(quantity: Decimal, price: Decimal, instrument: Instrument, least: Decimal) -> Rejected | None:
    """BELOW_MINIMUM where the venue, or the `least` order value, would not take this quantity."""
    if quantity < instrument.min_quantity or quantity <= ZERO:
        return refuse("BELOW_MINIMUM", instrument.min_quantity, quantity)
    value = value_of(quantity, price)
    return refuse("BELOW_MINIMUM", least, value) if value < least else None


def _approve(
    signal: TradeSignalProposed, desk: Desk, quantity: Decimal, price: Decimal, checks: dict[str, str]
) -> Approved:
    reservation = Reservation(
        signal_id=signal.signal_id,
        trading_pair=signal.trading_pair,
        side=signal.side,
        quantity=quantity,
        price=price,
        fee_rate=desk.costs.taker_fee,
    )
    return Approved(quantity, reservation, checks)
