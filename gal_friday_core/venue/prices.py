"""Relative prices: distances in quote currency or per cent, from the last trade, a trigger or a peak (§3.1)."""

from decimal import Decimal, InvalidOperation

from gal_friday_core.errors import ContractError
from gal_friday_core.money import EXACT, ceil_to, floor_to, product
from gal_friday_core.venue.requests import PriceType, Side

_PERCENT = Decimal("0.01")


def parse_price(text: str, side: Side, *, above: bool | None = None) -> tuple[Decimal, PriceType]:
    """A REST price: `37500`, or with a prefix + - # and an optional % a distance.

    `#` takes the sign that suits the order: `above` says whether its price lies above the market; unknown,
    a buy lies below and a sell above. Raises ContractError for anything else.

    >>> parse_price("+5%", "sell"), parse_price("#10", "buy")
    ((Decimal('5'), 'pct'), (Decimal('-10'), 'quote'))
    """
    body = text.removesuffix("%")
    sign, digits = (body[:1], body[1:]) if body[:1] in {"+", "-", "#"} else ("", body)
    if not digits or not digits.replace(".", "", 1).isdigit() or not digits.isascii():
        raise ContractError(f"not a price: {text!r}")
    try:
        value = Decimal(digits)
    except InvalidOperation as error:
        raise ContractError(f"not a price: {text!r}") from error
    if not sign:
        if text.endswith("%"):
            raise ContractError(f"not a price: {text!r} (a percentage needs +, - or #)")
        return value, "static"
    upwards = (side == "sell" if above is None else above) if sign == "#" else sign == "+"
    return (value if upwards else -value), ("pct" if text.endswith("%") else "quote")


def lies_above(order_type: str, side: Side) -> bool:
    """Where the trigger of an order lies: a buy stop above the market, a sell stop below, take-profits opposite.

    >>> lies_above("stop-loss", "sell"), lies_above("take-profit-limit", "sell")
    (False, True)
    """
    return (side == "buy") == order_type.startswith(("stop-loss", "trailing-stop"))


def resolve(value: Decimal, kind: PriceType, reference: Decimal) -> Decimal:
    """A price from a distance; exact, not yet on the grid.

    >>> resolve(Decimal(-5), "pct", Decimal(200))
    Decimal('190.00')
    """
    if kind == "static":
        return value
    if kind == "quote":
        return EXACT.add(reference, value)
    return EXACT.add(reference, product(reference, product(value, _PERCENT)))


def on_grid(price: Decimal, tick: Decimal, side: Side) -> Decimal:
    """To the tick that is not worse for the client: a buy's price rounds down, a sell's up.

    >>> on_grid(Decimal("190.04"), Decimal("0.1"), "sell")
    Decimal('190.1')
    """
    return floor_to(price, tick) if side == "buy" else ceil_to(price, tick)
