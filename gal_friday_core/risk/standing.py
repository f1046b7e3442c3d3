"""How close an account stands to each of its limits, and what becomes of it if one side's orders all fill.

Entry point: `standing`. It counts as the checks count: what is held and every pending buy for the buying side, and
nothing that a pending sell would give back.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from gal_friday_core.config import CostsConfig, RiskConfig
from gal_friday_core.money import ZERO, product, ratio, value_of
from gal_friday_core.portfolio import PortfolioState
from gal_friday_core.reservations import Reservations
from gal_friday_core.risk.conduct import Conduct
from gal_friday_core.risk.correlation import Correlations

Unit = Literal["fraction", "count"]

_ONE = Decimal(1)


class Stop(msgspec.Struct, frozen=True):
    """A stop that rests: so many base units are sold from this price on."""

    quantity: Decimal
    price: Decimal


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is the configuration's key in section `risk`, `scope` the pair where it holds by pair. Fractions are of
    equity, drawdowns of the peak. `limit` None: nothing limits it.
    """

    name: str
    value: Decimal
    limit: Decimal | None
    unit: Unit = "fraction"
    scope: str = ""

    @property
    def used(self) -> float | None:
        """Share of the limit: from 1 on nothing more is let through, or trading halts. None without a limit."""
        if self.limit is None:
            return None
        if self.limit > 0:
            return float(self.value / self.limit)
        return 0.0 if self.value <= 0 else 1.0


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One pair in the worst case of either side. Values in quote currency, quantities in base units.

    `if_bought`: worth once every pending buy has filled; `if_sold`: what is left to sell once every pending sell has.
    `stop_loss` is what is lost, fees and slippage included, when every stop is hit from where the pair stands now;
    `unprotected` has no stop, and what it may lose nobody knows.
    """

    pair: str
    held: Decimal
    worth: Decimal
    buying: Decimal
    if_bought: Decimal
    selling: Decimal
    if_sold: Decimal
    stop_loss: Decimal
    unprotected: Decimal


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """`limits` in the order of the configuration, `sides` by pair; `cash_free` is what no pending buy will take."""

    equity: Decimal
    cash_free: Decimal
    limits: tuple[Limit, ...]
    sides: tuple[Side, ...]

    @property
    def stop_loss(self) -> Decimal:
        """When every stop of every pair is hit."""
        return sum((side.stop_loss for side in self.sides), ZERO)

    @property
    def stop_loss_share(self) -> Decimal:
        """Of equity."""
        return _of(self.stop_loss, max(self.equity, ZERO))


def standing(
    state: PortfolioState,
    reservations: Reservations,
    limits: RiskConfig,
    costs: CostsConfig,
    *,
    pairs: Sequence[str],
    stops: Mapping[str, Sequence[Stop]],
    conduct: Conduct | None = None,
    correlations: Correlations | None = None,
    asked: int | None = None,
) -> Standing:
    """As of `state`. Without `conduct`, what only a running engine counts is left out; `asked`: orders of the last minute,
    exits too.
    """
    known = list(dict.fromkeys([*pairs, *state.positions, *reservations.pairs()]))
    sides = tuple(_side(pair, state, reservations, stops.get(pair, ()), costs) for pair in known)
    equity = max(state.total_equity, ZERO)
    found = [
        *_exposures(sides, equity, limits, correlations),
        *_drawdowns(state, limits),
        Limit(
            name="max_open_orders", value=Decimal(len(reservations)), limit=Decimal(limits.max_open_orders),
            unit="count",
        ),
    ]  # fmt: skip
    if conduct is not None:
        found += _conduct(state, conduct, limits, equity)
    if asked is not None:
        found.append(_count("halt_orders_per_minute", asked, limits.halt_orders_per_minute))
    return Standing(
        equity=state.total_equity,
        cash_free=max(state.cash - reservations.cash(), ZERO),
        limits=tuple(found),
        sides=sides,
    )


def _side(
    pair: str, state: PortfolioState, reservations: Reservations, stops: Sequence[Stop], costs: CostsConfig
) -> Side:
    position = state.positions.get(pair)
    held = ZERO if position is None else position.quantity
    worth = ZERO if position is None else max(position.market_value, ZERO)
    buying, selling = reservations.buying(pair), reservations.selling(pair)
    covered = min(sum((stop.quantity for stop in stops), ZERO), max(held, ZERO))
    mark = ZERO if position is None else position.mark_price
    return Side(
        pair=pair, held=held, worth=worth, buying=buying, if_bought=worth + buying, selling=selling,
        if_sold=max(held - selling, ZERO), stop_loss=_stopped(stops, covered, mark, costs),
        unprotected=max(held - covered, ZERO),
    )  # fmt: skip


def _stopped(stops: Sequence[Stop], covered: Decimal, mark: Decimal, costs: CostsConfig) -> Decimal:
    """The lowest stops count where there are more than is held: that is the worse case."""
    left, lost = covered, ZERO
    for stop in sorted(stops, key=lambda one: one.price):
        quantity = min(stop.quantity, left)
        left -= quantity
        price = product(stop.price, _ONE - costs.slippage)
        kept = product(value_of(quantity, price), _ONE - costs.taker_fee)
        lost += value_of(quantity, mark) - kept
    return max(lost, ZERO)


def _exposures(
    sides: Sequence[Side], equity: Decimal, limits: RiskConfig, correlations: Correlations | None
) -> list[Limit]:
    worth = {side.pair: side.if_bought for side in sides}
    found = [
        Limit(name="max_pair_exposure", scope=pair, value=_of(value, equity), limit=limits.max_pair_exposure)
        for pair, value in worth.items()
    ]
    total = sum(worth.values(), ZERO)
    found.append(Limit(name="max_total_exposure", value=_of(total, equity), limit=limits.max_total_exposure))
    if limits.max_correlated_exposure < _ONE:
        for pair in worth:
            value = total if correlations is None else correlations.alongside(pair, worth)
            found.append(
                Limit(
                    name="max_correlated_exposure", scope=pair, value=_of(value, equity),
                    limit=limits.max_correlated_exposure,
                )
            )  # fmt: skip
    return found


def _drawdowns(state: PortfolioState, limits: RiskConfig) -> list[Limit]:
    return [
        Limit(name="max_daily_drawdown", value=state.daily_drawdown, limit=limits.max_daily_drawdown),
        Limit(name="max_weekly_drawdown", value=state.weekly_drawdown, limit=limits.max_weekly_drawdown),
        Limit(name="max_total_drawdown", value=state.total_drawdown, limit=limits.max_total_drawdown),
    ]


def _conduct(state: PortfolioState, conduct: Conduct, limits: RiskConfig, equity: Decimal) -> list[Limit]:
    now_ns = state.timestamp_ns
    found = [
        _count("max_orders_per_minute", conduct.within_a_minute(now_ns), limits.max_orders_per_minute),
        _count("max_losses_in_a_row", conduct.losses, limits.max_losses_in_a_row),
    ]
    if limits.max_daily_fees < _ONE:
        fees = _of(conduct.fees_today(now_ns), equity)
        found.append(Limit(name="max_daily_fees", value=fees, limit=limits.max_daily_fees))
    return found


def _count(name: str, value: int, limit: int | None) -> Limit:
    return Limit(
        name=name, value=Decimal(value), limit=None if limit is None else Decimal(limit), unit="count"
    )


def _of(value: Decimal, equity: Decimal) -> Decimal:
    """As a fraction of equity; all of it where there is none left."""
    if equity > 0:
        return ratio(value, equity)
    return _ONE if value > 0 else ZERO
