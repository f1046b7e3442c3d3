"""How close an account stands to its limits, as an operator reads it: JSON-able, amounts as text."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gal_friday_core.blotter import Blotter
from gal_friday_core.config import Config
from gal_friday_core.money import ZERO
from gal_friday_core.portfolio import PortfolioState
from gal_friday_core.reservations import Reservations
from gal_friday_core.risk.standing import Limit, Side, Standing, Stop, standing
from gal_friday_live.risk_manager import RiskManager

Stops = Mapping[str, tuple[Stop, ...]]
STOPPED: Final = frozenset({"stop_loss", "unprotected"})
"""Of a side, what its stops decide."""


def risk_of(risk: RiskManager, blotter: Blotter | None) -> dict[str, Any]:
    """Of a running engine, within the limits in force. Who knows no orders does not know what their stops would lose."""
    return told(risk.standing({} if blotter is None else stops_of(blotter)), stops=blotter is not None)


def stops_told(state: PortfolioState, blotter: Blotter, config: Config) -> dict[str, Any]:
    """What the stops would lose, of who knows the orders and decides nothing: the part that `risk_of` leaves out there."""
    nothing = Reservations(fee_rate=config.costs.taker_fee)
    found = standing(state, nothing, config.risk, config.costs, pairs=(), stops=stops_of(blotter))
    return {
        **_lost(found),
        "sides": {one.pair: {name: str(getattr(one, name)) for name in STOPPED} for one in found.sides},
    }


def recorded_risk(
    state: PortfolioState, blotter: Blotter, config: Config, pairs: Sequence[str]
) -> dict[str, Any]:
    """Of an account whose engine does not run, within the limits that the configuration names; `pairs` those it traded.

    What only a running engine counts, such as orders of the last minute, is left out.
    """
    reservations = Reservations(fee_rate=config.costs.taker_fee)
    for record in blotter.open():
        order = record.order
        held = state.positions.get(order.trading_pair)
        paid = ZERO if held is None else held.average_entry_price
        reservations.adopt(order, record.left, order.target_price or order.stop_price or paid)
    found = standing(state, reservations, config.risk, config.costs, pairs=pairs, stops=stops_of(blotter))
    return told(found)


def stops_of(blotter: Blotter) -> Stops:
    """Stops that rest, by pair. One without a level of its own, since it follows the price, protects nothing that
    could be reckoned with.
    """
    resting: dict[str, list[Stop]] = {}
    for record in blotter.open():
        level = record.trigger_price or record.limit_price
        if record.order.purpose == "STOP" and record.status != "PENDING_CANCEL" and level is not None:
            resting.setdefault(record.order.trading_pair, []).append(Stop(record.left, level))
    return {pair: tuple(found) for pair, found in resting.items()}


def told(found: Standing, *, stops: bool = True) -> dict[str, Any]:
    """`limits` by key, and by pair behind it where they hold by pair; `used` is the share of a limit, as a number, None
    where nothing limits it. `stops`: whether those that rest are known.
    """
    return {
        "equity": str(found.equity),
        "cash_free": str(found.cash_free),
        **(_lost(found) if stops else {}),
        "limits": {f"{one.name} {one.scope}".strip(): _limit(one) for one in found.limits},
        "sides": {one.pair: _side(one, frozenset() if stops else STOPPED) for one in found.sides},
    }


def _lost(found: Standing) -> dict[str, Any]:
    return {"stop_loss": str(found.stop_loss), "stop_loss_share": str(found.stop_loss_share)}


def _limit(one: Limit) -> dict[str, Any]:
    return {
        "name": one.name,
        "scope": one.scope,
        "unit": one.unit,
        "value": str(one.value),
        "limit": None if one.limit is None else str(one.limit),
        "used": one.used,
    }


def _side(one: Side, unknown: frozenset[str]) -> dict[str, Any]:
    names = (name for name in one.__struct_fields__ if name != "pair" and name not in unknown)
    return {name: str(getattr(one, name)) for name in names}
