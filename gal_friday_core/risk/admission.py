"""What no signal passes, whatever its size: states, blocks, repetition, pace, and a market unfit to buy in."""

from decimal import Decimal

from gal_friday_core.payloads import TradeSignalProposed
from gal_friday_core.risk.codes import Rejected, refuse, refuse_measured
from gal_friday_core.risk.conduct import Conduct
from gal_friday_core.risk.desk import Desk
from gal_friday_core.risk.quote import Quote, deviation
from gal_friday_core.times import SECOND_NS, to_iso

_STATUS_REFUSES = {
    "cancel_only": ("MARKET", "LIMIT"),
    "reduce_only": ("MARKET", "LIMIT"),
    "post_only": ("MARKET",),
    "limit_only": ("MARKET",),
}
"""Entry types that the venue does not take while the pair has this status; any other status takes none."""


def admission(signal: TradeSignalProposed, desk: Desk) -> Rejected | None:
    """The first reason to refuse without any sizing, or None."""
    if signal.side == "BUY":
        refusal = _closed(signal, desk)
        if refusal is not None:
            return refusal
    elif signal.proposed_entry_price is not None and desk.quote is not None:
        refusal = _collar(signal.proposed_entry_price, desk, desk.quote)
        if refusal is not None:
            return refusal
    if desk.now_ns > signal.expires_at:
        return refuse("STALE_SIGNAL", Decimal(signal.expires_at), Decimal(desk.now_ns))
    if signal.signal_id in desk.reservations:
        return Rejected("DUPLICATE_SIGNAL", {"value": signal.signal_id})
    return _pace(signal, desk, desk.conduct)


def market(signal: TradeSignalProposed, desk: Desk, quote: Quote) -> Rejected | None:
    """Spread and price collar of a buy."""
    spread = quote.spread
    if spread > desk.limits.max_spread:
        return refuse_measured("SPREAD_TOO_WIDE", desk.limits.max_spread, spread)
    return _collar(signal.proposed_entry_price or signal.reference_price, desk, quote)


def _closed(signal: TradeSignalProposed, desk: Desk) -> Rejected | None:
    """Whether anything may be bought now."""
    if desk.block is not None and desk.trading != "HALTED":
        return Rejected(desk.block[0], {"value": desk.block[1]})  # it is why the engine only reduces
    if desk.trading != "ACTIVE":
        return Rejected(desk.trading, {"limit": "ACTIVE", "value": f"{desk.trading}: only sells that reduce"})
    if desk.market_fault:
        return Rejected("MARKET_DATA_UNVERIFIED", {"value": desk.market_fault})
    if refusal := _model(desk):
        return refusal
    status = desk.instrument.status
    if status != "online" and signal.entry_type in _STATUS_REFUSES.get(status, ("MARKET", "LIMIT")):
        return Rejected("PAIR_NOT_ONLINE", {"limit": "online", "value": status})
    return None


def _model(desk: Desk) -> Rejected | None:
    """Whether the model behind the signal may buy."""
    if desk.model_fault:
        return Rejected("MODEL_NOT_PROMOTED", {"value": desk.model_fault})
    held = desk.restriction
    if held is None or held.trades:
        return None
    return Rejected("MODEL_RESTRICTED", {"value": f"{held.step}: {held.reason}"})


def _collar(price: Decimal, desk: Desk, quote: Quote) -> Rejected | None:
    away = deviation(price, quote)
    limit = desk.limits.max_price_deviation
    if abs(away) <= limit:
        return None
    return refuse_measured("PRICE_COLLAR", limit, abs(away), price=str(price), middle=f"{quote.middle:.9g}")


def _pace(signal: TradeSignalProposed, desk: Desk, conduct: Conduct) -> Rejected | None:
    """Repetition, and for buys how many orders there are and how it went lately."""
    if conduct.was_approved(signal.signal_id):
        return Rejected("DUPLICATE_SIGNAL", {"value": signal.signal_id})
    if signal.side == "SELL":
        return None
    limits, open_orders = desk.limits, len(desk.reservations)
    if open_orders >= limits.max_open_orders:
        return refuse("TOO_MANY_OPEN_ORDERS", Decimal(limits.max_open_orders), Decimal(open_orders + 1))
    rate = conduct.within_a_minute(desk.now_ns)
    if rate >= limits.max_orders_per_minute:
        return refuse("ORDER_RATE_EXCEEDED", Decimal(limits.max_orders_per_minute), Decimal(rate + 1))
    return _streak(desk, conduct)


def _streak(desk: Desk, conduct: Conduct) -> Rejected | None:
    allowed = desk.limits.max_losses_in_a_row
    if allowed is None or conduct.losses < allowed:
        return None
    until = conduct.last_loss_ns + int(desk.limits.loss_pause_s * SECOND_NS)
    if desk.now_ns >= until:
        return None
    return refuse("LOSS_STREAK_PAUSE", Decimal(allowed), Decimal(conduct.losses), until=to_iso(until))
