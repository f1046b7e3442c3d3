"""What may still be bought before a limit is reached, in the worst case of the buying side."""

from decimal import Decimal

import msgspec

from gal_friday_core.money import ZERO, product
from gal_friday_core.risk.desk import Desk

_ONE = Decimal(1)


class Room(msgspec.Struct, frozen=True, gc=False):
    """`value` in quote currency may still be bought below `limit`, else the refusal is `code`."""

    code: str
    limit: Decimal
    value: Decimal
    scope: str = ""


def least_room(pair: str, desk: Desk) -> Room:
    """Of every limit on what is held and pending, the one with the least left; never below zero."""
    state, limits, held = desk.state, desk.limits, desk.reservations
    equity = max(state.total_equity, ZERO)
    worth, others = ZERO, ZERO
    for name, position in state.positions.items():
        value = max(position.market_value, ZERO)
        others += value
        if name == pair:
            worth = value
    code, scope = "EXCEEDS_MAX_EXPOSURE", "pair"
    limit = product(equity, limits.max_pair_exposure)
    left = max(limit - (worth + held.buying(pair)), ZERO)
    most = product(equity, limits.max_total_exposure)
    more = max(most - (others + held.buying()), ZERO)
    if more < left:
        limit, left, scope = most, more, "total"
    if limits.max_correlated_exposure < _ONE:
        most = product(equity, limits.max_correlated_exposure)
        more = max(most - correlated(pair, desk), ZERO)
        if more < left:
            code, limit, left, scope = "EXCEEDS_CORRELATED_EXPOSURE", most, more, "correlated"
    single = limits.max_order_value
    if single is not None and single < left:
        code, limit, left, scope = "EXCEEDS_MAX_ORDER_VALUE", single, single, ""
    return Room(code, limit, left, scope)


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
