"""A statement's two sides: what is held, as the books say it, and what was moved, as it was told."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from gal_friday_core.blotter import EXTERNAL
from gal_friday_core.money import ZERO, round_cash, value_of
from gal_friday_core.portfolio import Mark
from gal_friday_core.portfolio_records import FILL, position_of
from gal_friday_core.positions import Position
from gal_friday_core.statement_lines import Booking, FlowLine, TradeLine, Worth

OPENING = "opening:"
"""How the id of a flow begins that took over what the account held when it was opened."""


class Books:
    """Cash, positions and marks as the last record of each tells them."""

    def __init__(self, quote: str) -> None:
        self.quote = quote
        self.cash = self.deposits = ZERO
        self.positions: dict[str, Position] = {}
        self.marks: dict[str, Mark] = {}

    def copy(self) -> "Books":
        other = Books(self.quote)
        other.cash, other.deposits = self.cash, self.deposits
        other.positions, other.marks = dict(self.positions), dict(self.marks)
        return other

    def take(self, record: Mapping[str, Any]) -> Position:
        """Take in a FILL's or a CASH_FLOW's record; the position of its pair before it."""
        self.cash, self.deposits = Decimal(record["cash"]), Decimal(record["deposits"])
        pair = record["pair"]
        if pair is None:
            return Position()
        before = self.positions.get(pair, Position())
        self.positions[pair] = position_of(record)
        self.know({pair: Mark(Decimal(record["mark_price"]), record["mark_ns"])})
        return before

    def know(self, marks: Mapping[str, Mark]) -> None:
        """Of two prices of a pair the newer one counts."""
        for pair, mark in marks.items():
            known = self.marks.get(pair)
            if known is None or mark.ts_ns >= known.ts_ns:
                self.marks[pair] = mark

    def amount(self, asset: str) -> Decimal:
        if asset == self.quote:
            return self.cash
        return self.positions.get(f"{asset}/{self.quote}", Position()).quantity

    def value(self, pair: str) -> Decimal:
        held = self.positions.get(pair, Position()).quantity
        return value_of(held, self.marks[pair].price) if held else ZERO

    def unrealized(self, pair: str) -> Decimal:
        return self.value(pair) - self.positions.get(pair, Position()).cost

    def worth(self) -> Worth:
        held = sum((self.value(pair) for pair in self.positions), ZERO)
        return Worth(
            cash=self.cash,
            held=held,
            equity=self.cash + held,
            deposits=self.deposits,
            realized=sum((position.realized for position in self.positions.values()), ZERO),
            unrealized=held - sum((position.cost for position in self.positions.values()), ZERO),
            fees=sum((position.fees for position in self.positions.values()), ZERO),
        )


class Movements:
    """What the fills and flows of the day moved, by asset: computed from what was told, not from the books."""

    def __init__(self, quote: str) -> None:
        self.quote = quote
        self.received: dict[str, Decimal] = {}
        self.spent: dict[str, Decimal] = {}
        self.fees: dict[str, Decimal] = {}
        self.flowed: dict[str, Decimal] = {}
        self.trades: list[TradeLine] = []
        self.flows: list[FlowLine] = []

    def take(self, booking: Booking, before: Position, *, late: bool) -> None:
        if booking.kind == FILL:
            self._fill(booking, before, late=late)
        else:
            self._flow(booking, late=late)

    def _fill(self, booking: Booking, before: Position, *, late: bool) -> None:
        record, told = booking.record, booking.report or {}
        quantity, price = Decimal(record["quantity"]), Decimal(record["price"])
        fee = Decimal(record["fee"] or 0)
        cost = told.get("last_cost")
        value = value_of(quantity, price) if cost is None else round_cash(Decimal(cost))
        base = record["pair"].partition("/")[0]
        bought = record["side"] == "BUY"
        _add(self.received, base if bought else self.quote, quantity if bought else value)
        _add(self.spent, self.quote if bought else base, value if bought else quantity)
        if record["fee_asset"] in (base, self.quote):
            _add(
                self.fees, record["fee_asset"], round_cash(fee) if record["fee_asset"] == self.quote else fee
            )
        name = record["client_order_id"]
        self.trades.append(
            TradeLine(
                execution_id=booking.key, time=booking.ts_ns, pair=record["pair"], side=record["side"],
                order_type=record["order_type"], quantity=quantity, price=price, value=value, fee=fee,
                fee_asset=record["fee_asset"], client_order_id=name, ours=not name.startswith(EXTERNAL),
                realized=Decimal(record["position_realized"]) - before.realized, late=late,
            )
        )  # fmt: skip

    def _flow(self, booking: Booking, *, late: bool) -> None:
        record, opening = booking.record, booking.key.startswith(OPENING)
        amount = Decimal(record["amount"])
        if record["asset"] == self.quote:
            amount = round_cash(amount)
        _add(self.flowed, record["asset"], amount)
        self.flows.append(
            FlowLine(
                flow_id=booking.key, time=booking.ts_ns, kind="OPENING" if opening else record["kind"],
                asset=record["asset"], amount=amount, value=Decimal(record["value"]), late=late,
            )
        )  # fmt: skip


def _add(amounts: dict[str, Decimal], asset: str, amount: Decimal) -> None:
    amounts[asset] = amounts.get(asset, ZERO) + amount
