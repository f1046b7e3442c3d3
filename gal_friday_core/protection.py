"""Whether an order is well formed, and the stop and target that an entry brings with it."""

from decimal import Decimal

from gal_friday_core.instruments import Instrument
from gal_friday_core.orders import Order

_NEEDED = {"LIMIT": "limit_price", "TAKE_PROFIT": "limit_price", "STOP_LOSS": "trigger_price"}


def stop_id(client_order_id: str) -> str:
    """The client order id of the stop attached to an entry.

    >>> stop_id("a1")
    'a1-SL'
    """
    return f"{client_order_id}-SL"


def target_id(client_order_id: str) -> str:
    """The client order id of the target attached to an entry.

    >>> target_id("a1")
    'a1-TP'
    """
    return f"{client_order_id}-TP"


def attached(entry: Order, quantity: Decimal, ts_ns: int) -> tuple[Order, ...]:
    """Stop, then target, for what the entry bought: sells that only reduce, under ids derived from its own."""
    legs = []
    if entry.stop_price is not None:
        legs.append(
            Order(
                client_order_id=stop_id(entry.client_order_id),
                signal_id=entry.signal_id,
                trading_pair=entry.trading_pair,
                side="SELL",
                order_type="STOP_LOSS",
                quantity=quantity,
                created_at=ts_ns,
                trigger_price=entry.stop_price,
                reduce_only=True,
            )
        )
    if entry.target_price is not None:
        legs.append(
            Order(
                client_order_id=target_id(entry.client_order_id),
                signal_id=entry.signal_id,
                trading_pair=entry.trading_pair,
                side="SELL",
                order_type="TAKE_PROFIT",
                quantity=quantity,
                created_at=ts_ns,
                limit_price=entry.target_price,
                reduce_only=True,
            )
        )
    return tuple(legs)


def malformed(order: Order, instrument: Instrument) -> str | None:
    """What a venue would refuse about the order's form, or None."""
    if not instrument.fits_quantity(order.quantity):
        return f"quantity {order.quantity} is not a positive multiple of the lot {instrument.lot}"
    if order.quantity < instrument.min_quantity:
        return f"quantity {order.quantity} is below the minimum {instrument.min_quantity}"
    for place, price in enumerate(
        (order.limit_price, order.trigger_price, order.stop_price, order.target_price)
    ):
        if price is not None and not instrument.fits_price(price):
            name = ("limit_price", "trigger_price", "stop_price", "target_price")[place]
            return f"{name} {price} is not a positive multiple of the tick {instrument.price_tick}"
    return _contradiction(order)


def _contradiction(order: Order) -> str | None:
    name = _NEEDED.get(order.order_type)
    if name is not None and getattr(order, name) is None:
        return f"an order of type {order.order_type} needs {name}"
    if order.side == "BUY":
        if order.reduce_only or order.order_type in ("STOP_LOSS", "TAKE_PROFIT"):
            return "a buy never reduces: short positions do not exist on this venue"
        return _upside_down(order)
    if order.stop_price is not None or order.target_price is not None:
        return "stop_price and target_price protect a buy; a sell takes neither"
    return None


def _upside_down(order: Order) -> str | None:
    stop, target = order.stop_price, order.target_price
    if stop is not None and target is not None and stop >= target:
        return f"stop_price {stop} is not below target_price {target}"
    return None
