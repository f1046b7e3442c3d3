"""One pair's position: quantity, cost, profit and fees, at average cost, exact to the last booked digit."""

from decimal import Decimal

import msgspec

from gal_friday_core.money import ZERO, ratio, share_of


class Position(msgspec.Struct, frozen=True, gc=False):
    """What is held of one pair: signed quantity in base units, `cost` what its entry was worth in quote.

    `realized` is profit before fees on what was closed, `fees` all that was paid on the pair.
    """

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    opened_at: int | None = None

    @property
    def average_entry_price(self) -> Decimal:
        """Zero where nothing is held."""
        return ratio(self.cost, self.quantity) if self.quantity else ZERO

    def after(self, quantity: Decimal, value: Decimal, fee: Decimal, ts_ns: int) -> "Position":
        """The position once a signed `quantity` that is worth the signed `value` was taken in, at average cost.

        What goes against the position closes it first and opens the other way with the rest: a fill is a
        fact, and an oversold position must be seen, not refused.
        """
        before, cost, opened_at = self.quantity, self.cost, self.opened_at
        held = before + quantity
        if not before:
            closed_value, closed_cost, opened_at = ZERO, ZERO, ts_ns if held else None
        elif not held:
            closed_value, closed_cost, opened_at = value, cost, None
        else:
            closing = _closing(before, quantity)
            closed_value = share_of(value, closing, quantity) if closing else ZERO
            closed_cost = share_of(cost, -closing, before) if closing else ZERO
            if before * held < ZERO:
                opened_at = ts_ns
        return Position(
            held,
            cost - closed_cost + value - closed_value,
            self.realized - closed_value - closed_cost,
            self.fees + fee,
            opened_at,
        )


def _closing(held: Decimal, traded: Decimal) -> Decimal:
    """The signed part of `traded` that closes what is held."""
    if held * traded >= 0:
        return ZERO
    return traded if abs(traded) <= abs(held) else -held
