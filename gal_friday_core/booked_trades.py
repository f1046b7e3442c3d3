"""Trades as they were booked, each with the orders that opened and ended it. Entry point: `booked_trades`.

Fills are those of one account in the order booked, perhaps not from its beginning: a trade whose first fill is not among
them cannot be told whole, and is left out.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from gal_friday_core.money import ZERO, product, ratio, value_of

EXCHANGE_MADE = {"-SL": "STOP", "-TP": "TARGET"}
"""How the id of an order ends that the exchange made for an entry of ours, and what it is for."""


class BookedFill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution. `fee` in quote currency; `held` the position after it. What the order was meant for is known where we meant it."""

    ts_ns: int
    pair: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    realized: Decimal
    held: Decimal
    order: str
    purpose: str = ""
    stop: Decimal | None = None
    target: Decimal | None = None
    model_id: str = ""


class BookedTrade(msgspec.Struct, frozen=True, kw_only=True):
    """From flat to flat, or to now where `closed_ns` is None. Prices are averages over the fills; `net` is what was realised
    less all fees so far. `stop` and `target` are those that its entry asked for.
    """

    pair: str
    opened_ns: int
    closed_ns: int | None
    quantity: Decimal
    entry: Decimal
    exit: Decimal | None
    fees: Decimal
    net: Decimal
    entry_order: str
    exit_order: str | None
    ended_by: str
    stop: Decimal | None
    target: Decimal | None
    model_id: str

    @property
    def net_return(self) -> Decimal | None:
        """Of what was spent, before fees; None for what came without being bought."""
        spent = value_of(self.quantity, self.entry)
        return ratio(self.net, spent) if spent else None


def purpose_of(order: str, told: str) -> str:
    """What an order was for: as it was meant, or as its name says where the exchange made it.

    >>> purpose_of("7f1c-SL", ""), purpose_of("7f1c", "ENTRY")
    ('STOP', 'ENTRY')
    """
    return told or next((purpose for end, purpose in EXCHANGE_MADE.items() if end in order), "")


def booked_trades(fills: Iterable[BookedFill], *, whole: bool = True) -> list[BookedTrade]:
    """Ended trades in the order of their end, behind them what is still held. `whole`: the fills begin with the account's first."""
    trips: dict[str, list[BookedFill]] = {}
    seen: set[str] = set()
    found = []
    for fill in fills:
        begun = whole or fill.pair in seen or _opens(fill)
        if begun:
            trips.setdefault(fill.pair, []).append(fill)
        if not fill.held:
            seen.add(fill.pair)
            if begun:
                found.append(_trade(trips.pop(fill.pair), ended=True))
        elif begun:
            seen.add(fill.pair)
    return found + [_trade(trip, ended=False) for trip in trips.values()]


def _opens(fill: BookedFill) -> bool:
    """Whether nothing was held before it; a fee in base currency is taken from what was bought."""
    return fill.side == "BUY" and fill.held <= fill.quantity


def _trade(trip: list[BookedFill], *, ended: bool) -> BookedTrade:
    first, last = trip[0], trip[-1]
    bought = [fill for fill in trip if fill.side == "BUY"]
    sold = [fill for fill in trip if fill.side == "SELL"]
    fees = sum((fill.fee for fill in trip), ZERO)
    return BookedTrade(
        pair=first.pair,
        opened_ns=first.ts_ns,
        closed_ns=last.ts_ns if ended else None,
        quantity=sum((fill.quantity for fill in bought or sold), ZERO),
        entry=_average(bought) or first.price,
        exit=_average(sold),
        fees=fees,
        net=sum((fill.realized for fill in trip), ZERO) - fees,
        entry_order=first.order,
        exit_order=last.order if ended else None,
        ended_by=purpose_of(last.order, last.purpose) if ended else "",
        stop=first.stop,
        target=first.target,
        model_id=first.model_id,
    )


def _average(fills: list[BookedFill]) -> Decimal | None:
    quantity = sum((fill.quantity for fill in fills), ZERO)
    if not quantity:
        return None
    return ratio(sum((product(fill.quantity, fill.price) for fill in fills), ZERO), quantity)
