"""The pre-trade check: one pure function from a signal and the portfolio's state to a quantity or a refusal.

Buys must leave every limit unbroken in the worst case of their side: what is held, plus every open,
in-flight and unknown buy, plus this one. Sells only reduce, so neither drawdown nor a halt stops them.
Sizing is fixed-fractional: hitting the stop loses `risk_per_trade` of equity, fees and slippage included.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from gal_friday_core.config import CostsConfig, RiskConfig
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import EXACT, ZERO, product, ratio, value_of
from gal_friday_core.payloads import TradeSignalProposed
from gal_friday_core.portfolio import PortfolioState
from gal_friday_core.reservations import Reservation, Reservations

Code = Literal[
    "HALTED", "STALE_SIGNAL", "DUPLICATE_SIGNAL", "MISSING_STOP", "INVALID_PROTECTION",
    "NO_SHORTS", "NOTHING_TO_SELL", "DAILY_DRAWDOWN_LIMIT_HIT", "WEEKLY_DRAWDOWN_LIMIT_HIT",
    "TOTAL_DRAWDOWN_LIMIT_HIT", "EXCEEDS_MAX_EXPOSURE", "INSUFFICIENT_FUNDS", "BELOW_MINIMUM",
    "MARKET_DATA_UNVERIFIED",
]  # fmt: skip
"""Why a signal is refused: the `reason` of TRADE_SIGNAL_REJECTED."""


@dataclass(frozen=True, slots=True)
class Approved:
    """`quantity` in base units, on the lot; `checks` the numbers behind it; `reservation` to be held."""

    quantity: Decimal
    reservation: Reservation
    checks: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rejected:
    """`details` says what was compared, as text: `limit`, `value`, and whatever explains them."""

    code: Code
    details: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What every check reads: who trades what, within which limits, at which costs, at what time.

    `market_fault` says why the pair's market is not known at present; empty where it is.
    """

    state: PortfolioState
    instrument: Instrument
    limits: RiskConfig
    costs: CostsConfig
    reservations: Reservations
    now_ns: int
    halted: bool = False
    market_fault: str = ""


def check(signal: TradeSignalProposed, desk: Desk) -> Approved | Rejected:
    """Approve with a quantity, or refuse with a code; changes nothing.

    Whoever approves must hold `Approved.reservation` before the next check (`Reservations.reserve`).
    """
    refusal = _admission(signal, desk)
    if refusal is not None:
        return refusal
    return _buy(signal, desk) if signal.side == "BUY" else _sell(signal, desk)


def drawdown_breach(state: PortfolioState, limits: RiskConfig) -> Rejected | None:
    """The first drawdown that is beyond its limit, the day's before the week's before the total."""
    measured: tuple[tuple[Code, Decimal, Decimal], ...] = (
        ("DAILY_DRAWDOWN_LIMIT_HIT", state.daily_drawdown, limits.max_daily_drawdown),
        ("WEEKLY_DRAWDOWN_LIMIT_HIT", state.weekly_drawdown, limits.max_weekly_drawdown),
        ("TOTAL_DRAWDOWN_LIMIT_HIT", state.total_drawdown, limits.max_total_drawdown),
    )
    return next((_refuse(code, limit, value) for code, value, limit in measured if value > limit), None)


def loss_per_unit(entry: Decimal, stop: Decimal, costs: CostsConfig) -> Decimal:
    """Quote lost per base unit bought at `entry` and stopped out at `stop`: slippage and both fees included.

    >>> loss_per_unit(Decimal(100), Decimal(90), CostsConfig(taker_fee="0.01", slippage="0"))
    Decimal('11.90')
    """
    exit_price = product(stop, 1 - costs.slippage)
    return EXACT.add(entry - exit_price, product(costs.taker_fee, entry + exit_price))


def _admission(signal: TradeSignalProposed, desk: Desk) -> Rejected | None:
    """What no signal passes, whatever its size."""
    if signal.side == "BUY" and desk.halted:
        return Rejected("HALTED", {"value": "trading is halted; only sells that reduce are taken"})
    if signal.side == "BUY" and desk.market_fault:
        return Rejected("MARKET_DATA_UNVERIFIED", {"value": desk.market_fault})
    if desk.now_ns > signal.expires_at:
        return Rejected("STALE_SIGNAL", {"limit": str(signal.expires_at), "value": str(desk.now_ns)})
    if signal.signal_id in desk.reservations:
        return Rejected("DUPLICATE_SIGNAL", {"value": signal.signal_id})
    return None


def _sell(signal: TradeSignalProposed, desk: Desk) -> Approved | Rejected:
    held, selling = desk.state.held(signal.trading_pair), desk.reservations.selling(signal.trading_pair)
    quantity = desk.instrument.quantity_down(max(held - selling, ZERO))
    if quantity <= 0:
        code: Code = "NOTHING_TO_SELL" if signal.proposed_sl_price is None else "NO_SHORTS"
        return Rejected(code, {"value": str(held), "selling": str(selling)})
    price = signal.proposed_entry_price or product(signal.reference_price, 1 - desk.costs.slippage)
    small = _below(quantity, price, desk.instrument, desk.instrument.min_cost)
    if small is not None:
        return small
    return _approve(signal, desk, quantity, price, {"position": str(held)})


def _buy(signal: TradeSignalProposed, desk: Desk) -> Approved | Rejected:
    refusal = drawdown_breach(desk.state, desk.limits)
    if refusal is not None:
        return refusal
    stop = signal.proposed_sl_price
    if stop is None:
        return Rejected("MISSING_STOP", {"value": "a buy needs a stop to be sized by"})
    entry = signal.proposed_entry_price or product(signal.reference_price, 1 + desk.costs.slippage)
    if not 0 < stop < min(entry, signal.reference_price) or _misplaced(signal.proposed_tp_price, entry):
        return Rejected(
            "INVALID_PROTECTION",
            {"value": str(entry), "stop": str(stop), "target": str(signal.proposed_tp_price)},
        )
    return _sized(signal, desk, entry, stop)


def _misplaced(target: Decimal | None, entry: Decimal) -> bool:
    return target is not None and target <= entry


def _sized(signal: TradeSignalProposed, desk: Desk, entry: Decimal, stop: Decimal) -> Approved | Rejected:
    """The risk-based quantity, capped by exposure and cash, on the lot."""
    state, limits = desk.state, desk.limits
    risked = product(max(state.total_equity, ZERO), limits.risk_per_trade)
    wanted = ratio(risked, loss_per_unit(entry, stop, desk.costs))
    caps: dict[Code, Decimal] = {
        "EXCEEDS_MAX_EXPOSURE": ratio(_headroom(signal.trading_pair, desk), entry),
        "INSUFFICIENT_FUNDS": ratio(_free_cash(desk), product(entry, 1 + desk.costs.taker_fee)),
    }
    tightest = min(caps, key=lambda code: caps[code])
    quantity = desk.instrument.quantity_down(min(wanted, caps[tightest]))
    small = _below(quantity, entry, desk.instrument, max(desk.instrument.min_cost, limits.min_order_value))
    if small is not None:
        # What made it small is the reason: a cap, or the size the risk allows.
        return Rejected(tightest, small.details) if caps[tightest] < wanted else small
    checks = {
        "risk_per_trade_pct": str(limits.risk_per_trade * 100),
        "risked": str(value_of(quantity, loss_per_unit(entry, stop, desk.costs))),
        "headroom": str(_headroom(signal.trading_pair, desk)),
        "free_cash": str(_free_cash(desk)),
        "capped_by": tightest if caps[tightest] < wanted else "risk_per_trade",
    }
    return _approve(signal, desk, quantity, entry, checks)


def _headroom(pair: str, desk: Desk) -> Decimal:
    """Quote value that may still be bought: the tighter of the pair's limit and the total one."""
    state, limits, equity = desk.state, desk.limits, max(desk.state.total_equity, ZERO)
    worth = {name: max(position.market_value, ZERO) for name, position in state.positions.items()}
    of_pair = worth.get(pair, ZERO) + desk.reservations.buying(pair)
    of_all = sum(worth.values(), ZERO) + desk.reservations.buying()
    room = min(
        product(equity, limits.max_pair_exposure) - of_pair,
        product(equity, limits.max_total_exposure) - of_all,
    )
    return max(room, ZERO)


def _free_cash(desk: Desk) -> Decimal:
    return max(desk.state.cash - desk.reservations.cash(), ZERO)


def _below(quantity: Decimal, price: Decimal, instrument: Instrument, least: Decimal) -> Rejected | None:
    """BELOW_MINIMUM where the venue, or the `least` order value, would not take this quantity."""
    if quantity < instrument.min_quantity or quantity <= 0:
        return _refuse("BELOW_MINIMUM", instrument.min_quantity, quantity)
    value = value_of(quantity, price)
    return _refuse("BELOW_MINIMUM", least, value) if value < least else None


def _approve(
    signal: TradeSignalProposed, desk: Desk, quantity: Decimal, price: Decimal, checks: dict[str, str]
) -> Approved:
    reservation = Reservation(
        signal_id=signal.signal_id,
        trading_pair=signal.trading_pair,
        side=signal.side,
        quantity=quantity,
        price=price,
        fee_rate=desk.costs.taker_fee,
    )
    return Approved(quantity, reservation, checks)


def _refuse(code: Code, limit: Decimal, value: Decimal) -> Rejected:
    return Rejected(code, {"limit": str(limit), "value": str(value)})
