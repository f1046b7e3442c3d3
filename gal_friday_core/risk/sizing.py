"""How much to buy: by what the stop loses, and, where asked for, by what the position may move in a day."""

import math
from decimal import Decimal

from gal_friday_core.config import CostsConfig, RiskConfig
from gal_friday_core.money import EXACT, ZERO, from_float, product, ratio
from gal_friday_core.risk.conduct import Conduct
from gal_friday_core.risk.desk import Desk

_ALL = Decimal(1)


def loss_per_unit(entry: Decimal, stop: Decimal, costs: CostsConfig) -> Decimal:
    """Quote lost per base unit bought at `entry` and stopped out at `stop`: slippage and both fees included.

    >>> loss_per_unit(Decimal(100), Decimal(90), CostsConfig(taker_fee="0.01", slippage="0"))
    Decimal('11.90')
    """
    exit_price = product(stop, 1 - costs.slippage)
    return EXACT.add(entry - exit_price, product(costs.taker_fee, entry + exit_price))


def by_risk(desk: Desk, loss: Decimal) -> Decimal:
    """Fixed-fractional: hitting the stop loses `risk_per_trade` of equity. `loss` is of one base unit."""
    equity = desk.state.total_equity
    return ratio(product(equity, desk.limits.risk_per_trade), loss) if equity > 0 else ZERO


def ramp(model_id: str, limits: RiskConfig, conduct: Conduct) -> Decimal:
    """The share of its size that a model's next buy may have: a fraction for the first ones, then all of it.

    >>> ramp("m@v1", RiskConfig(ramp_orders=1, ramp_fraction="0.2"), Conduct())
    Decimal('0.2')
    """
    if not limits.ramp_orders:
        return _ALL
    is_new = conduct.bought_by(model_id) < limits.ramp_orders
    return limits.ramp_fraction if is_new else _ALL


def by_volatility(desk: Desk, entry: Decimal) -> Decimal | None:
    """Base units whose value moves `max_position_volatility` of equity a day; None where volatility is unknown.

    A day's volatility is that of a bar times the square root of the bars in a day.
    """
    daily = desk.volatility * math.sqrt(desk.bars_a_day)
    if not daily > 0:
        return None
    moved = product(max(desk.state.total_equity, ZERO), desk.limits.max_position_volatility)
    return ratio(ratio(moved, from_float(daily)), entry)
