"""When stop-loss, take-profit and trailing-stop orders fire (KRAKEN_PROTOCOL §3.1).

A stop fires on the unfavourable side of the market, a take-profit on the favourable one; a trailing stop keeps
its distance from the best price seen since it was placed, and its trigger only ever moves with the market.
The venue has no index feed, so both references are the last trade, as Kraken does when its index is down.
"""

from decimal import Decimal

from gal_friday_core.errors import ContractError
from gal_friday_core.venue.listings import Listing
from gal_friday_core.venue.orders import VenueOrder
from gal_friday_core.venue.prices import lies_above, on_grid, resolve
from gal_friday_core.venue.requests import PriceType, Side


def is_trailing(order_type: str) -> bool:
    """Whether the trigger follows the market."""
    return order_type.startswith("trailing-stop")


def set_trigger(order: VenueOrder, listing: Listing, last: Decimal) -> None:
    """Bring `stop`, `peak` and a known `limit` into force, from the price at which the order arrives."""
    asked = order.asked
    if asked.trigger_price is None:
        raise ContractError(f"order {order.order_id}: {asked.order_type} needs a trigger price")
    if is_trailing(asked.order_type):
        order.peak = last
        order.stop = trailed(order, listing, last)
        return
    price = resolve(asked.trigger_price, asked.trigger_price_type, last)
    order.stop = on_grid(price, listing.tick_size, asked.side)
    if asked.limit_price is not None:
        order.limit = limit_from(asked.limit_price, asked.limit_price_type, order.stop, listing, asked.side)


def limit_from(value: Decimal, kind: PriceType, trigger: Decimal, listing: Listing, side: Side) -> Decimal:
    """A limit, where relative then from its trigger."""
    return on_grid(resolve(value, kind, trigger), listing.tick_size, side)


def trailed(order: VenueOrder, listing: Listing, peak: Decimal) -> Decimal:
    """The trigger at a peak: below it for a sell, above for a buy."""
    asked = order.asked
    offset = asked.trigger_price or Decimal(0)
    signed = offset if asked.side == "buy" else -offset
    price = resolve(signed, asked.trigger_price_type, peak)
    return on_grid(price, listing.tick_size, "sell" if asked.side == "buy" else "buy")


def see(order: VenueOrder, listing: Listing, price: Decimal) -> bool:
    """Show a waiting order a trade price; True where it fires."""
    stop = order.stop
    if stop is None:
        raise ContractError(f"order {order.order_id} waits without a trigger")
    rises = lies_above(order.asked.order_type, order.asked.side)
    if price >= stop if rises else price <= stop:
        return True
    if is_trailing(order.asked.order_type) and order.peak is not None:
        better = price < order.peak if order.asked.side == "buy" else price > order.peak
        if better:
            order.peak = price
            order.stop = trailed(order, listing, price)
    return False


def fire(order: VenueOrder, listing: Listing, now_ns: int) -> None:
    """Turn a waiting order into the market or limit order that it stands for."""
    asked = order.asked
    order.triggered_ns = now_ns
    if is_trailing(asked.order_type) and asked.limit_price is not None and order.stop is not None:
        order.limit = limit_from(asked.limit_price, asked.limit_price_type, order.stop, listing, asked.side)


def worst_price(order: VenueOrder, listing: Listing) -> Decimal | None:
    """What a waiting order may have to pay or accept at most, as far as is known: its limit, else its trigger."""
    asked = order.asked
    if order.limit is not None or order.stop is None:
        return order.limit
    if asked.limit_price is None:
        return order.stop
    return limit_from(asked.limit_price, asked.limit_price_type, order.stop, listing, asked.side)
