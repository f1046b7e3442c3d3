"""An account's statement of a day: what it held before and after, and every movement between, exact to the last digit.

`statement` is pure: bookings as the journal holds them, in the order written, to a `Statement`. What was moved is
computed from what the exchange told of each fill, what is held from the books after it, so that the two prove each
other: `problems` is empty where closing is opening plus movements, asset by asset, and where the change of equity is
profit, fees and money that came or went.

A booking belongs to the day of its own time, or of a later one that was booked before it: so days follow each other as
the books were written, and the opening of a day is the closing of the day before. Profit is before fees.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from gal_friday_core.errors import DataError
from gal_friday_core.money import ZERO, round_cash, value_of
from gal_friday_core.payloads import Nanoseconds
from gal_friday_core.portfolio import Mark
from gal_friday_core.positions import Position
from gal_friday_core.statement_books import Books, Movements
from gal_friday_core.statement_lines import AssetLine, Booking, FlowLine, PairLine, TradeLine, Worth
from gal_friday_core.times import DAY_NS, from_iso, to_iso


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One account over [start, end). `complete` says that the time was over when it was made."""

    session: str
    day: str
    quote: str
    start: Nanoseconds
    end: Nanoseconds
    complete: bool
    opening: Worth
    closing: Worth
    assets: tuple[AssetLine, ...]
    pairs: tuple[PairLine, ...]
    trades: tuple[TradeLine, ...]
    flows: tuple[FlowLine, ...]
    problems: tuple[str, ...] = ()

    @property
    def profit(self) -> Decimal:
        """Change of equity that is neither money that came nor money that went: fees are paid."""
        return self.closing.equity - self.opening.equity - self.moved

    @property
    def moved(self) -> Decimal:
        """Value of what came less what went without a trade."""
        return self.closing.deposits - self.opening.deposits

    @property
    def realized(self) -> Decimal:
        return self.closing.realized - self.opening.realized

    @property
    def unrealized(self) -> Decimal:
        """Change of what is held and not sold yet."""
        return self.closing.unrealized - self.opening.unrealized

    @property
    def fees(self) -> Decimal:
        return self.closing.fees - self.opening.fees

    def as_dict(self) -> dict[str, Any]:
        """JSON form: ISO times, decimals as strings, the sums included."""
        sums = {name: getattr(self, name) for name in ("profit", "realized", "unrealized", "fees", "moved")}
        told = _spoken(msgspec.structs.asdict(self) | sums)
        assert isinstance(told, dict)
        for line, asset in zip(told["assets"], self.assets, strict=True):
            line["unexplained"] = _text(asset.unexplained)
        return told


def day_bounds(day: str) -> tuple[int, int]:
    """First nanosecond of a UTC day, and of the next. Raises DataError.

    >>> day_bounds("2024-02-29")[1] == from_iso("2024-03-01")
    True
    """
    if len(day) != len("2024-02-29"):
        raise DataError(f"not a day: {day!r} (for example 2024-02-29)")
    start = from_iso(day)
    return start, start + DAY_NS


def statement(
    bookings: Iterable[Booking], *, session: str, quote: str, day: str, now_ns: int,
    opening_marks: Mapping[str, Mark] | None = None, closing_marks: Mapping[str, Mark] | None = None,
) -> Statement:  # fmt: skip
    """The statement of a day. Marks are prices known at midnight beyond those that the bookings tell.

    Raises DataError for a day that is none, or has ended before the account was opened.
    """
    start, end = day_bounds(day)
    books, movements = Books(quote), Movements(quote)
    opening: Books | None = None
    booked_ns = entries = 0
    for booking in bookings:
        booked_ns = max(booked_ns, booking.ts_ns)
        if booked_ns >= end:
            break
        entries += 1
        if booked_ns < start:
            books.take(booking.record)
            continue
        opening = opening or books.copy()
        movements.take(booking, books.take(booking.record), late=booking.ts_ns < start)
    if not entries:
        raise DataError(f"the account of session {session} was not open on {day}")
    opening = opening or books.copy()
    opening.know(opening_marks or {})
    books.know(closing_marks or {})
    return _stated((session, day), now_ns, opening, books, movements)


def _stated(named: tuple[str, str], now_ns: int, before: Books, after: Books, moved: Movements) -> Statement:
    """`named`: session and day."""
    session, day = named
    start, end = day_bounds(day)
    opening, closing = before.worth(), after.worth()
    bases = sorted(pair.partition("/")[0] for pair in after.positions)
    assets = tuple(_asset(asset, before, after, moved) for asset in dict.fromkeys((after.quote, *bases)))
    pairs = tuple(_pair(pair, before, after, moved.trades) for pair in sorted(after.positions))
    return Statement(
        session=session, day=day, quote=after.quote, start=start, end=end, complete=now_ns >= end,
        opening=opening, closing=closing, assets=assets, pairs=pairs, trades=tuple(moved.trades),
        flows=tuple(moved.flows), problems=tuple(_problems(opening, closing, assets, pairs, moved)),
    )  # fmt: skip


def _asset(asset: str, before: Books, after: Books, moved: Movements) -> AssetLine:
    return AssetLine(
        asset=asset,
        opening=before.amount(asset),
        received=moved.received.get(asset, ZERO),
        spent=moved.spent.get(asset, ZERO),
        fees=moved.fees.get(asset, ZERO),
        flows=moved.flowed.get(asset, ZERO),
        closing=after.amount(asset),
    )


def _pair(pair: str, before: Books, after: Books, trades: Sequence[TradeLine]) -> PairLine:
    own = [trade for trade in trades if trade.pair == pair]
    was, now = before.positions.get(pair, Position()), after.positions[pair]
    first, last = before.marks.get(pair), after.marks.get(pair)
    return PairLine(
        pair=pair, fills=len(own), fees=now.fees - was.fees, realized=now.realized - was.realized,
        bought=sum((trade.quantity for trade in own if trade.side == "BUY"), ZERO),
        sold=sum((trade.quantity for trade in own if trade.side == "SELL"), ZERO),
        turnover=sum((trade.value for trade in own), ZERO),
        opening=was.quantity, closing=now.quantity,
        opening_unrealized=before.unrealized(pair), closing_unrealized=after.unrealized(pair),
        opening_mark=first.price if first else None, opening_mark_ns=first.ts_ns if first else None,
        closing_mark=last.price if last else None, closing_mark_ns=last.ts_ns if last else None,
    )  # fmt: skip


def _problems(
    opening: Worth, closing: Worth, assets: Sequence[AssetLine], pairs: Sequence[PairLine], moved: Movements
) -> Iterable[str]:
    """What does not add up, in words: nothing in sound books."""
    for line in assets:
        if line.unexplained:
            yield f"{line.asset}: closing {line.closing} is {line.unexplained} more than opening and movements"
    flows = sum((flow.value for flow in moved.flows), ZERO)
    deposited = closing.deposits - opening.deposits
    if flows != deposited:
        yield f"flows are worth {flows}, and deposits grew by {deposited}"
    fees = sum((_in_quote(trade, moved.quote) for trade in moved.trades), ZERO)
    if fees != closing.fees - opening.fees:
        yield f"fills paid {fees} in fees, and the books say {closing.fees - opening.fees}"
    gained = closing.realized - opening.realized - (closing.fees - opening.fees)
    explained = deposited + gained + closing.unrealized - opening.unrealized
    if closing.equity - opening.equity != explained:
        yield f"equity changed by {closing.equity - opening.equity}, of which {explained} is explained"
    by_pair = sum((line.realized for line in pairs), ZERO)
    if by_pair != closing.realized - opening.realized:
        yield f"pairs realised {by_pair}, the account {closing.realized - opening.realized}"


def _in_quote(trade: TradeLine, quote: str) -> Decimal:
    if trade.fee_asset == quote:
        return round_cash(trade.fee)
    return value_of(trade.fee, trade.price) if trade.fee_asset == trade.pair.partition("/")[0] else ZERO


_TIMES = frozenset({"time", "start", "end", "opening_mark_ns", "closing_mark_ns"})


def _spoken(value: Any, name: str = "") -> Any:
    """As JSON: times by their field's name, `_ns` dropped from it."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, dict):
        return {_told(key): _spoken(inner, key) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_spoken(inner) for inner in value]
    if isinstance(value, Decimal):
        return _text(value)
    return to_iso(value) if name in _TIMES and value is not None else value


def _told(name: str) -> str:
    return name.removesuffix("_ns") + "_time" if name.endswith("_ns") else name


def _text(amount: Decimal) -> str:
    """Plain notation: zero is 0, not 0E-8."""
    return f"{amount:f}" if amount else "0"
