"""Trades from flat to flat, and what they come to. Entry point: `trades_of`. Money is exact, in booked units."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from gal_friday_core.money import EXACT, ZERO, fee_of, ratio, round_cash, value_of
from gal_friday_core.payloads import Side

_LONGER_THAN_ANY = 2**63 - 1


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One fill: quantity in base units, price and fee in quote currency."""

    ts_ns: int
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal

    def charged(self, rate: Decimal) -> "Leg":
        """The same fill at another fee."""
        return msgspec.structs.replace(self, fee=fee_of(value_of(self.quantity, self.price), rate))

    def sized(self, factor: Decimal) -> "Leg":
        quantity, fee = EXACT.multiply(self.quantity, factor), round_cash(EXACT.multiply(self.fee, factor))
        return msgspec.structs.replace(self, quantity=quantity, fee=fee)

    def priced(self, factor: Decimal) -> "Leg":
        """At another price; the fee goes with it."""
        fee = round_cash(EXACT.multiply(self.fee, factor))
        return msgspec.structs.replace(self, price=EXACT.multiply(self.price, factor), fee=fee)


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """Everything from flat to flat, or to now. `decided_ns`: the close of the bar that its entry was decided on."""

    decided_ns: int
    legs: tuple[Leg, ...]

    @property
    def bought(self) -> Decimal:
        return sum((leg.quantity for leg in self.legs if leg.side == "BUY"), ZERO)

    @property
    def left(self) -> Decimal:
        """What is still held."""
        return self.bought - sum((leg.quantity for leg in self.legs if leg.side == "SELL"), ZERO)

    @property
    def ended_ns(self) -> int:
        """When it was flat; a time beyond all others where it is not."""
        return _LONGER_THAN_ANY if self.left else self.legs[-1].ts_ns

    def holds(self, moment_ns: int) -> bool:
        """Whether it was meant or held at that moment."""
        return self.decided_ns <= moment_ns < self.ended_ns

    def net(self, mark: Decimal) -> Decimal:
        """Profit after fees, what is still held valued at `mark`."""
        flows = sum(
            (
                (value if leg.side == "SELL" else -value) - leg.fee
                for leg in self.legs
                for value in (value_of(leg.quantity, leg.price),)
            ),
            ZERO,
        )
        return flows + value_of(self.left, mark)

    def charged(self, rate: Decimal) -> "Trade":
        return Trade(decided_ns=self.decided_ns, legs=tuple(leg.charged(rate) for leg in self.legs))

    def sized(self, quantity: Decimal) -> "Trade":
        """As many base units bought, all legs in proportion."""
        if quantity == self.bought:
            return self
        factor = ratio(quantity, self.bought)
        return Trade(decided_ns=self.decided_ns, legs=tuple(leg.sized(factor) for leg in self.legs))

    def entered(self, factor: Decimal) -> "Trade":
        """Bought at prices that are so many times what they were."""
        legs = tuple(leg.priced(factor) if leg.side == "BUY" else leg for leg in self.legs)
        return Trade(decided_ns=self.decided_ns, legs=legs)


def net_of(trades: Iterable[Trade], mark: Decimal) -> Decimal:
    """Profit of all of them."""
    return sum((trade.net(mark) for trade in trades), ZERO)


def trades_of(fills: Sequence[tuple[int, Leg]]) -> list[Trade]:
    """Of one pair's fills in the order booked, each with the moment its order was decided at; the first from flat.

    A sale while nothing is held belongs to no trade.
    """
    found: list[Trade] = []
    legs: list[Leg] = []
    decided, held = 0, ZERO
    for moment, leg in fills:
        if not legs and leg.side == "SELL":
            continue
        if not legs:
            decided = moment
        legs.append(leg)
        held += leg.quantity if leg.side == "BUY" else -leg.quantity
        if held <= 0:
            found.append(Trade(decided_ns=decided, legs=tuple(legs)))
            legs, held = [], ZERO
    if legs:
        found.append(Trade(decided_ns=decided, legs=tuple(legs)))
    return found
