"""Changing an order: amend in place, or edit by cancel and new (KRAKEN_PROTOCOL §2.4, §3)."""

from dataclasses import replace as with_fields
from decimal import Decimal

from msgspec.structs import replace

from gal_friday_core.venue import error_texts as text
from gal_friday_core.venue import triggers
from gal_friday_core.venue.checks import (
    cost_refusal,
    deadline_refusal,
    display_refusal,
    mode_refusal,
    number_refusal,
    price_fields_refusal,
    price_refusal,
    quantity_refusal,
    refusal,
    static_refusal,
)
from gal_friday_core.venue.describe import describe
from gal_friday_core.venue.desk import Desk
from gal_friday_core.venue.floor import REPLACED, USER_REQUESTED, Floor
from gal_friday_core.venue.orders import LIMIT_TYPES, TRIGGERED_TYPES, VenueOrder
from gal_friday_core.venue.requests import AddOrder, Amended, AmendOrder, Edited, EditOrder, Response

INVALID_ORDER = "EOrder:Invalid order"


def amend(desk: Desk, account: str, request: AmendOrder, now_ns: int) -> Response:
    """Change an order in place. A quantity not above what is filled cancels the rest."""
    order = desk.find(account, request.order_id, request.cl_ord_id)
    if order is None:
        return Response(error=text.UNKNOWN_ORDER)
    if not desk.charge(account, order.symbol, "amend", now_ns, order):
        return Response(error=text.ENGINE_RATE_LIMIT)
    floor = desk.floors[order.symbol]
    reason = number_refusal(request) or static_refusal(request, floor.listing)
    asked = replace(order.asked, post_only=order.post_only or request.post_only)
    reason = reason or deadline_refusal(request.deadline, now_ns) or _mode_refusal(desk, floor, asked)
    if reason is not None:
        return Response(error=reason)
    if request.order_qty is not None and order.cum_qty and request.order_qty <= order.cum_qty:
        entry = floor.amend_entry(order, "user", now_ns)
        floor.end(order, now_ns, USER_REQUESTED)
        return _amended(order, entry.amend_id)
    changed = _changed(order, request, floor)
    reason = changed if isinstance(changed, str) else _refused(desk, order, changed, floor)
    if isinstance(changed, str) or reason is not None:
        return Response(error=reason)
    return _amended(order, _apply(order, changed, floor, desk, now_ns))


def edit(desk: Desk, account: str, request: EditOrder, now_ns: int) -> Response:
    """Cancel an order and place it anew under a new id; what was filled stays with the old one."""
    order = desk.find(account, request.order_id, None)
    if order is None or order.symbol != request.symbol:
        return Response(error=text.UNKNOWN_ORDER)
    if not request.validate and not desk.charge(account, order.symbol, "edit", now_ns, order):
        return Response(error=text.ENGINE_RATE_LIMIT)
    floor = desk.floors[order.symbol]
    reason = number_refusal(request) or _edit_refusal(order, request)
    if reason is not None:
        return Response(error=reason)
    asked = _edited(order, request)
    reason = refusal(asked, floor.listing, now_ns) or _mode_refusal(desk, floor, asked)
    fresh = floor.draft(account, asked, now_ns) if reason is None else None
    reason = reason or (_refused(desk, order, fresh, floor) if fresh is not None else None)
    if reason is not None or fresh is None:
        return Response(error=reason)
    if not request.validate:
        purse = floor.purse_for(fresh)
        floor.end(order, now_ns, REPLACED)
        desk.clearing.reserve(fresh, floor.listing, purse)
        floor.enter(fresh, now_ns)
    return Response(
        result=Edited(
            order_id=fresh.order_id,
            original_order_id=order.order_id,
            description=describe(asked, floor.listing),
        )
    )


def _mode_refusal(desk: Desk, floor: Floor, asked: AddOrder) -> str | None:
    """A changed order is let in, or not, like a new one (§5.2): it could match."""
    return mode_refusal(asked, desk.engine, floor.status)


def _amended(order: VenueOrder, amend_id: str) -> Response:
    return Response(
        result=Amended(amend_id=amend_id, order_id=order.order_id, cl_ord_id=order.asked.cl_ord_id)
    )


def _changed(order: VenueOrder, request: AmendOrder, floor: Floor) -> VenueOrder | str:
    """The order as it would be, or why it cannot be."""
    asked = order.asked
    if request.limit_price is not None and asked.order_type not in LIMIT_TYPES:
        return text.invalid("limit_price")
    if request.trigger_price is not None and not order.is_waiting:
        return text.invalid("trigger_price")
    if request.display_qty is not None and asked.order_type != "iceberg":
        return text.invalid("display_qty")
    if request.post_only and asked.order_type not in {"limit", "iceberg"}:
        return text.invalid("post_only")
    asked = _merged(asked, request)
    reason = price_fields_refusal(asked)
    if reason is not None:
        return reason
    draft = with_fields(
        order,
        asked=asked,
        quantity=asked.order_qty or order.quantity,
        display=asked.display_qty,
        post_only=order.post_only or request.post_only,
    )
    _price(draft, order, request, floor)
    return draft


def _merged(asked: AddOrder, request: AmendOrder) -> AddOrder:
    if request.limit_price is not None:
        asked = replace(asked, limit_price=request.limit_price, limit_price_type=request.limit_price_type)
    if request.trigger_price is not None:
        asked = replace(
            asked, trigger_price=request.trigger_price, trigger_price_type=request.trigger_price_type
        )
    return replace(
        asked,
        order_qty=request.order_qty or asked.order_qty,
        display_qty=request.display_qty or asked.display_qty,
    )


def _price(draft: VenueOrder, order: VenueOrder, request: AmendOrder, floor: Floor) -> None:
    """Bring changed prices into force on the draft; a trailing stop keeps the peak it has seen."""
    asked = draft.asked
    if order.is_waiting and request.trigger_price is not None:
        triggers.set_trigger(draft, floor.listing, order.peak or floor.reference)
    elif order.is_waiting and triggers.is_trailing(asked.order_type):
        return
    elif request.limit_price is not None:
        base = draft.stop if order.is_waiting and draft.stop is not None else floor.reference
        draft.limit = triggers.limit_from(
            request.limit_price, request.limit_price_type, base, floor.listing, asked.side
        )


def _refused(desk: Desk, order: VenueOrder, changed: VenueOrder, floor: Floor) -> str | None:
    """What forbids the changed order; the purse of the one it replaces counts as free."""
    listing, quantity = floor.listing, changed.quantity
    reasons = [price_refusal(price, listing) for price in (changed.limit, changed.stop) if price is not None]
    reasons.append(quantity_refusal(quantity, listing) if quantity != order.quantity else None)
    reasons.append(cost_refusal(quantity, changed.limit or changed.stop or floor.reference, listing))
    if changed.display is not None:
        reasons.append(display_refusal(changed.display, quantity))
    if changed.post_only and floor.book.crosses(changed.asked.side, changed.limit):
        reasons.append(text.POST_ONLY)
    found = next((reason for reason in reasons if reason is not None), None)
    if found is None:
        free = desk.clearing.accounts[order.account].available(floor.pays_with(order)) + order.purse
        found = text.INSUFFICIENT_FUNDS if floor.purse_for(changed) > free else None
    return found


def _apply(order: VenueOrder, changed: VenueOrder, floor: Floor, desk: Desk, now_ns: int) -> str:
    keeps = (
        changed.limit == order.limit
        and changed.quantity <= order.quantity
        and changed.display == order.display
    )
    desk.clearing.reserve(order, floor.listing, floor.purse_for(changed))
    order.asked, order.quantity, order.display = changed.asked, changed.quantity, changed.display
    order.limit, order.stop, order.post_only = changed.limit, changed.stop, changed.post_only
    return floor.amended(order, now_ns, keeps_place=keeps)


def _edit_refusal(order: VenueOrder, request: EditOrder) -> str | None:
    """Edits know nothing of fired triggers, conditional closes and client order ids (§2.4)."""
    asked = order.asked
    fired = asked.order_type in TRIGGERED_TYPES and not order.is_waiting
    if fired or asked.conditional is not None or asked.cl_ord_id is not None:
        return INVALID_ORDER
    if request.order_qty is not None and request.order_qty <= order.cum_qty:
        return text.invalid("volume")
    return None


def _edited(order: VenueOrder, request: EditOrder) -> AddOrder:
    """The new order; its quantity is the new total less what the old one filled."""
    total: Decimal = request.order_qty or order.quantity
    asked = replace(
        order.asked,
        order_qty=total - order.cum_qty,
        display_qty=request.display_qty or order.asked.display_qty,
        post_only=order.post_only if request.post_only is None else request.post_only,
        order_userref=request.order_userref,
        deadline=request.deadline,
        effective_time=None,
    )
    if request.limit_price is not None:
        asked = replace(asked, limit_price=request.limit_price, limit_price_type=request.limit_price_type)
    if request.trigger_price is not None:
        asked = replace(
            asked, trigger_price=request.trigger_price, trigger_price_type=request.trigger_price_type
        )
    return asked
