"""An order in words, as REST's `descr` has it: `sell 0.10000000 LTCUSDT @ stop loss 55.00000 -> limit 54.00000`.

The forms are those of real answers (KRAKEN_PROTOCOL §2.4, §3.1); the words of a conditional close are
Kraken's as far as known: `close position @ …`.
"""

from decimal import Decimal

from gal_friday_core.venue.listings import Listing
from gal_friday_core.venue.orders import LIMIT_TYPES, TRIGGERED_TYPES
from gal_friday_core.venue.requests import AddOrder, Conditional, Description, PriceType

PERCENT_DIGITS = 4
"""`+50.0000%`."""


def describe(asked: AddOrder, listing: Listing, quantity: Decimal | None = None) -> Description:
    """What an order asks for; `quantity` where it is no longer the one first asked for."""
    amount = quantity or asked.order_qty or asked.cash_order_qty or Decimal(0)
    price, price2 = _prices(asked, listing)
    what = f"{asked.side} {amount:.{listing.quantity_decimals}f} {listing.altname}"
    return Description(
        pair=listing.altname,
        type=asked.side,
        ordertype=asked.order_type,
        price=price or "0",
        price2=price2 or "0",
        leverage="none",
        order=f"{what} @ {_words(asked, listing)}",
        close=f"close position @ {_words(asked.conditional, listing)}" if asked.conditional else "",
    )


def _words(asked: AddOrder | Conditional, listing: Listing) -> str:
    """`market`, `limit 5.0`, `stop loss 55.0`, `stop loss 55.0 -> limit 54.0`, `trailing stop +5.0000%`."""
    price, price2 = _prices(asked, listing)
    if asked.order_type not in TRIGGERED_TYPES:
        return " ".join(part for part in (asked.order_type, price) if part)
    name = asked.order_type.removesuffix("-limit").replace("-", " ")
    return f"{name} {price} -> limit {price2}" if price2 else f"{name} {price}"


def _prices(asked: AddOrder | Conditional, listing: Listing) -> tuple[str, str]:
    """REST's `price` and `price2`: a trigger and its limit, or a limit alone; empty where there is none."""
    limit = ""
    if asked.limit_price is not None and asked.order_type in LIMIT_TYPES:
        limit = _written(asked.limit_price, asked.limit_price_type, listing)
    if asked.trigger_price is None or asked.order_type not in TRIGGERED_TYPES:
        return limit, ""
    return _written(asked.trigger_price, asked.trigger_price_type, listing), limit


def _written(price: Decimal, kind: PriceType, listing: Listing) -> str:
    if kind == "pct":
        return f"{price:+.{PERCENT_DIGITS}f}%"
    return f"{price:{'+' if kind == 'quote' else ''}.{listing.price_decimals}f}"
