"""Risk rules of installed packages: asked last, about buys that every limit of this house has let pass.

A rule can only tighten. It is asked how much of a quantity may be bought; more than that is never bought, whatever it
answers, and sells, which only reduce, are not its concern. Several are asked in the order of `risk.rules`, each about
what those before it left.
"""

from collections.abc import Iterable
from decimal import Decimal
from math import nan
from typing import TYPE_CHECKING, Protocol

import msgspec

from gal_friday_core.errors import ContractError
from gal_friday_core.money import value_of
from gal_friday_core.payloads import TradeSignalProposed
from gal_friday_core.risk.codes import RULE, Approved, Rejected

if TYPE_CHECKING:
    from gal_friday_core.risk.desk import Desk


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A buy that passed so far: `quantity` in base units, reckoned at `price`, with its protection.

    `probability` is NaN, and `model_id` empty, where no model stands behind it.
    """

    trading_pair: str
    strategy_id: str
    quantity: Decimal
    price: Decimal
    stop: Decimal | None
    target: Decimal | None
    model_id: str = ""
    probability: float = nan


class Forbidden(msgspec.Struct, frozen=True):
    """Nothing may be bought: why in words, and what was compared, as text."""

    reason: str
    limit: str = ""
    value: str = ""


class RiskRule(Protocol):
    """Decides from the wish and the desk alone, and remembers nothing."""

    def allows(self, wish: Wish, desk: "Desk") -> Decimal | Forbidden:
        """How much of `wish.quantity` may be bought: all, less, or nothing and why."""
        ...


class NamedRule(msgspec.Struct, frozen=True):
    """A rule by the name under which `risk.rules` has it."""

    name: str
    rule: RiskRule

    @property
    def code(self) -> str:
        """Of its refusals: `RULE_` and its name.

        >>> NamedRule("night-watch", None).code
        'RULE_NIGHT_WATCH'
        """
        return f"{RULE}{self.name.upper().replace('-', '_')}"


def tightened(
    approved: Approved, signal: TradeSignalProposed, desk: "Desk", rules: Iterable[NamedRule]
) -> Approved | Rejected:
    """What is left of an approved buy. Raises ContractError for a rule that answers with something else."""
    quantity, price, checks = approved.quantity, approved.reservation.price, dict(approved.checks)
    for named in rules:
        answer = named.rule.allows(_wish(signal, quantity, price), desk)
        if isinstance(answer, Forbidden):
            return _refused(named, answer)
        if not isinstance(answer, Decimal) or not answer.is_finite():
            raise ContractError(
                f"risk rule {named.name} answered {answer!r}: a Decimal, or Forbidden, is asked for"
            )
        if answer < quantity:
            quantity = desk.instrument.quantity_down(max(answer, Decimal(0)))
            checks[named.code.lower()] = str(quantity)
            small = _too_small(quantity, price, desk)
            if small is not None:
                return _refused(named, small)
    if quantity == approved.quantity:
        return approved
    return Approved(quantity, msgspec.structs.replace(approved.reservation, quantity=quantity), checks)


def _wish(signal: TradeSignalProposed, quantity: Decimal, price: Decimal) -> Wish:
    cause = signal.triggering_prediction
    return Wish(
        trading_pair=signal.trading_pair,
        strategy_id=signal.strategy_id,
        quantity=quantity,
        price=price,
        stop=signal.proposed_sl_price,
        target=signal.proposed_tp_price,
        model_id=cause.model_id if cause is not None else "",
        probability=cause.prediction_value if cause is not None else nan,
    )


def _too_small(quantity: Decimal, price: Decimal, desk: "Desk") -> Forbidden | None:
    """Where what is left is no order that the venue, or `risk.min_order_value`, takes."""
    instrument, least = desk.instrument, max(desk.instrument.min_cost, desk.limits.min_order_value)
    if quantity <= 0 or quantity < instrument.min_quantity:
        return Forbidden("what it leaves is too small", str(instrument.min_quantity), str(quantity))
    value = value_of(quantity, price)
    return Forbidden("what it leaves is worth too little", str(least), str(value)) if value < least else None


def _refused(named: NamedRule, why: Forbidden) -> Rejected:
    told = {"rule": named.name, "reason": why.reason, "limit": why.limit, "value": why.value}
    return Rejected(named.code, {key: text for key, text in told.items() if text})
