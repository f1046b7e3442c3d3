"""Trades by their ids: each once, in order, and a count of those that never came.

Kraken numbers the trades of a pair one by one; the channel itself has no sequence. After a reconnect the
snapshot (the latest fifty or so) closes the hole, or shows how wide it is.
"""

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Numbered(Protocol):
    @property
    def trade_id(self) -> int: ...


TradeT = TypeVar("TradeT", bound=Numbered)


class TradeSequence:
    """The ids of one pair. `repeated` counts what had been seen before."""

    def __init__(self) -> None:
        self._last: int | None = None
        self.repeated = 0

    def snapshot(self, trades: Iterable[TradeT]) -> tuple[list[TradeT], int]:
        """What is new in the latest trades, and how many are missing before it.

        The first snapshot is history, from before we listened: nothing of it is new. One that ends before
        what was already seen means that the exchange counts anew: nothing is known to be missing, which is
        told as a gap of -1.
        """
        ordered = sorted(trades, key=_number)
        if self._last is not None and ordered and ordered[-1].trade_id < self._last:
            self._last = ordered[-1].trade_id
            return [], -1
        if self._last is None:
            self._last = ordered[-1].trade_id if ordered else None
            return [], 0
        return self.update(ordered)

    def update(self, trades: Iterable[TradeT]) -> tuple[list[TradeT], int]:
        """The trades not seen before, by ascending id, and how many ids are missing before or between them."""
        new: list[TradeT] = []
        missing = 0
        for trade in sorted(trades, key=_number):
            number = trade.trade_id
            if self._last is not None:
                if number <= self._last:
                    self.repeated += 1
                    continue
                missing += number - self._last - 1
            self._last = number
            new.append(trade)
        return new, missing


def _number(trade: Numbered) -> int:
    return trade.trade_id
