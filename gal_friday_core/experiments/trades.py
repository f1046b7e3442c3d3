"""What the trades of each unit earned, told from fills: outcomes of an experiment that splits traffic."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """From flat to flat. `decided_ns`: when the order that opened it was meant; `net_return` of the money spent, after
    all fees, None while something is held.
    """

    pair: str
    model_id: str
    decided_ns: int
    net_return: float | None


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A unit as it was served: from `at_ns` on the pair's decisions were this model's."""

    unit: str
    pair: str
    model_id: str
    at_ns: int


class _Fill(msgspec.Struct):
    client_order_id: str
    pair: str
    price: Decimal
    realized: Decimal
    fee: Decimal | None
    fee_asset: str | None
    position_quantity: Decimal
    position_cost: Decimal
    position_realized: Decimal
    position_fees: Decimal

    @property
    def profit(self) -> Decimal:
        """Of the pair so far, after fees."""
        return self.position_realized - self.position_fees

    @property
    def profit_before(self) -> Decimal:
        """The same before this fill."""
        base, _, quote = self.pair.partition("/")
        worth = {quote: Decimal(1), base: self.price}.get(self.fee_asset or "", Decimal(0))
        return self.profit - self.realized + (self.fee or 0) * worth


class _Intent(msgspec.Struct):
    client_order_id: str
    purpose: str
    model_id: str | None = None

    @property
    def opens(self) -> str | None:
        """Whose trade begins with it; a sale of what was held before opens none."""
        return self.model_id if self.purpose == "ENTRY" else None


class _Open(msgspec.Struct):
    """A trade under way, and what pair's profit after fees was before it."""

    model_id: str
    decided_ns: int
    before: Decimal
    spent: Decimal


def trades_of(lines: Iterable[tuple[str, int, Mapping[str, Any]]]) -> list[Trade]:
    """Of one account's journal lines (kind, time, record) in the order written: ORDER_INTENT and FILL.

    A trade whose opening order is not among them belongs to nobody and is left out.
    """
    intents: dict[str, tuple[str | None, int]] = {}
    under_way: dict[str, _Open | None] = {}
    ended = []
    for kind, ts_ns, record in lines:
        if kind == "ORDER_INTENT":
            intent = msgspec.convert(record, _Intent)
            intents[intent.client_order_id] = intent.opens, ts_ns
        elif kind == "FILL":
            fill = msgspec.convert(record, _Fill, strict=False)
            if fill.pair not in under_way:
                under_way[fill.pair] = _opened(fill, intents)
            trade = under_way[fill.pair]
            if trade is not None:
                trade.spent = max(trade.spent, fill.position_cost)
            if not fill.position_quantity:
                del under_way[fill.pair]
                if trade is not None and trade.spent:
                    ended.append(_told(fill.pair, trade, fill.profit))
    ended += [_told(pair, trade, None) for pair, trade in under_way.items() if trade is not None]
    return sorted(ended, key=lambda trade: (trade.decided_ns, trade.pair))


def _opened(fill: _Fill, intents: Mapping[str, tuple[str | None, int]]) -> _Open | None:
    model_id, decided_ns = intents.get(fill.client_order_id, (None, 0))
    return None if model_id is None else _Open(model_id, decided_ns, fill.profit_before, fill.position_cost)


def _told(pair: str, trade: _Open, profit: Decimal | None) -> Trade:
    earned = None if profit is None else float((profit - trade.before) / trade.spent)
    return Trade(pair=pair, model_id=trade.model_id, decided_ns=trade.decided_ns, net_return=earned)


def earned(
    turns: Sequence[Turn], trades: Sequence[Trade], *, unit_ns: int, until_ns: int
) -> dict[str, float]:
    """By unit, in the order of `turns` (ascending): what its trades returned, zero where it opened none.

    Only units that are over, and only up to the first whose trade is not: later ones wait for it, since which
    trades end soon depends on how they go.
    """
    found = {turn.unit: 0.0 for turn in turns}
    cutoff = until_ns - unit_ns
    for trade in trades:
        turn = _turn_of(trade, turns)
        if turn is None:
            continue
        if trade.net_return is None:
            cutoff = min(cutoff, turn.at_ns - 1)
        else:
            found[turn.unit] += trade.net_return
    return {turn.unit: found[turn.unit] for turn in turns if turn.at_ns <= cutoff}


def _turn_of(trade: Trade, turns: Sequence[Turn]) -> Turn | None:
    """The model's last turn with the pair before its order was meant."""
    for place in range(bisect_right(turns, trade.decided_ns, key=lambda turn: turn.at_ns) - 1, -1, -1):
        turn = turns[place]
        if (turn.pair, turn.model_id) == (trade.pair, trade.model_id):
            return turn
    return None
