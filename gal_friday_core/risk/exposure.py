"""What may still be bought before a limit is reached, in the worst case of the buying side."""

from decimal import Decimal

import msgspec

from gal_friday_core.money import ZERO, product
from gal_friday_core.risk.desk import Desk

_ONE = Decimal(1)


class Room(msgspec.Struct, frozen=True):
    """`value` in quote currency may still be bought below `limit`, else the refusal is `code`."""

    code: str
    limit: Decimal
    value: Decimal
    scope: str = ""


def rooms(pair: str, desk: Desk) -> list[Room]:
    """Every limit on what is held and pending, each with what is left of it, never below zero."""
    state, limits, held = desk.state, desk.limits, desk.reservations
    equity = max(state.total_equity, ZERO)
    worth, others = ZERO, ZERO
    for name, position in state.positions.items():
        value = max(position.market_value, ZERO)
        others += value
        if name == pair:
            worth = value
    found = [
        _room("EXCEEDS_MAX_EXPOSURE", product(equity, limits.max_pair_exposure), worth + held.buying(pair), "pair"),
        _room("EXCEEDS_MAX_EXPOSURE", product(equity, limits.max_total_exposure), others + held.buying(), "total"),
    ]  # fmt: skip
    if limits.max_correlated_exposure < _ONE:
        limit = product(equity, limits.max_correlated_exposure)
        found.append(_room("EXCEEDS_CORRELATED_EXPOSURE", limit, correlated(pair, desk), "correlated"))
    if limits.max_order_value is not None:
        found.append(Room("EXCEEDS_MAX_ORDER_VALUE", limits.max_order_value, limits.max_order_value))
    return found


def correlated(pair: str, desk: Desk) -> Decimal:
    """Positions and pending buys of all pairs, each as far as it moves along with this one."""
    worth = {name: max(position.market_value, ZERO) for name, position in desk.state.positions.items()}
    for name in desk.reservations.pairs():
        worth[name] = worth.get(name, ZERO) + desk.reservations.buying(name)
    if desk.correlations is None:
        return sum(worth.values(), ZERO)
    return desk.correlations.alongside(pair, worth)


def free_cash(desk: Desk) -> Decimal:
    """Cash that no pending buy will take."""
    return max(desk.state.cash - desk.reservations.cash(), ZERO)


def _room(code: str, limit: Decimal, used: Decimal, scope: str) -> Room:
    return Room(code, limit, max(limit - used, ZERO), scope)
