"""The `book` channel: what one depth of one pair shows, as snapshot and as changes, with its checksum.

A view is always the best `depth` levels of each side. Changes list removals first, so that a client may cut
its book to the depth after each level as well as after each message. A level that is pushed out of the depth
gets no removal (the client cuts it off); one that returns is sent again.
"""

from binascii import crc32
from collections.abc import Sequence
from decimal import Decimal

CHECKSUM_LEVELS = 10
DEPTHS = (10, 25, 100, 500, 1000)

Level = tuple[Decimal, Decimal]
Side = dict[str, str]
"""Price text to quantity text, best first: the digits as sent."""


def checksum(bids: Side, asks: Side) -> int:
    """CRC32 over the best ten asks, then the best ten bids, of the digits without points and leading zeros.

    >>> checksum({"0.5666": "4831.75496356"}, {"0.5668": "4410.79769741"})
    2652227746
    """
    digits = "".join(_digits(side) for side in (asks, bids))
    return crc32(digits.encode())


def _digits(side: Side) -> str:
    best = list(side.items())[:CHECKSUM_LEVELS]
    return "".join(text.replace(".", "").lstrip("0") for level in best for text in level)


class BookView:
    """One pair at one depth, as every subscriber of that depth has it."""

    def __init__(self, symbol: str, depth: int, price_decimals: int, quantity_decimals: int) -> None:
        self.symbol = symbol
        self.depth = depth
        self._decimals = (price_decimals, quantity_decimals)
        self._bids: Side = {}
        self._asks: Side = {}
        self._shown: tuple[Sequence[Level], Sequence[Level]] = ((), ())

    def show(self, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """Start from these levels, best first."""
        old_bids, old_asks = self._shown
        if bids != old_bids:
            self._bids = self._texts(bids)
        if asks != old_asks:
            self._asks = self._texts(asks)
        self._shown = (bids, asks)

    def snapshot(self, time_text: str) -> bytes:
        return self._message("snapshot", list(self._bids.items()), list(self._asks.items()), time_text)

    def update(self, bids: Sequence[Level], asks: Sequence[Level], time_text: str) -> bytes | None:
        """Move to these levels; the message that takes a subscriber there, or None where nothing changed."""
        old_bids, old_asks = self._bids, self._asks
        self.show(bids, asks)
        bid_changes = self._changes(old_bids, self._bids)
        ask_changes = self._changes(old_asks, self._asks)
        if not (bid_changes or ask_changes):
            return None
        return self._message("update", bid_changes, ask_changes, time_text)

    def _changes(self, old: Side, new: Side) -> list[tuple[str, str]]:
        return [] if old is new else _changes(old, new, self.depth, self._zero)

    @property
    def _zero(self) -> str:
        return f"{Decimal(0):.{self._decimals[1]}f}"

    def _texts(self, levels: Sequence[Level]) -> Side:
        price_digits, quantity_digits = self._decimals
        return {
            f"{price:.{price_digits}f}": f"{quantity:.{quantity_digits}f}"
            for price, quantity in levels[: self.depth]
        }

    def _message(
        self, kind: str, bids: list[tuple[str, str]], asks: list[tuple[str, str]], time_text: str
    ) -> bytes:
        crc = checksum(self._bids, self._asks)
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{self.symbol}",'
            f'"bids":[{_levels(bids)}],"asks":[{_levels(asks)}],'
            f'"checksum":{crc},"timestamp":"{time_text}"}}]}}'
        ).encode()


def _levels(levels: list[tuple[str, str]]) -> str:
    return ",".join(f'{{"price":{price},"qty":{quantity}}}' for price, quantity in levels)


def _changes(old: Side, new: Side, depth: int, zero: str) -> list[tuple[str, str]]:
    """Removals, then levels that are new or have another quantity."""
    worst = next(reversed(new), None) if len(new) == depth else None
    removed = [(price, zero) for price in old if price not in new and _inside(price, worst, new)]
    return removed + [(price, quantity) for price, quantity in new.items() if old.get(price) != quantity]


def _inside(price: str, worst: str | None, new: Side) -> bool:
    """Whether a price that is gone lay inside the depth, so that its removal must be told."""
    if worst is None:
        return True
    best = next(iter(new))
    ascending = Decimal(best) <= Decimal(worst)
    return Decimal(price) < Decimal(worst) if ascending else Decimal(price) > Decimal(worst)
