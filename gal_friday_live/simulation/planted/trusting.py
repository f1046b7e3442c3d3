"""Bugs of trust: in books, bars and clocks that are not what they seem."""

import random
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace

from gal_friday_core.book import BookResult, OrderBook
from gal_friday_core.kraken.wire import decode
from gal_friday_live.simulation.faults import Fault
from gal_friday_live.simulation.life import Life
from gal_friday_live.simulation.planted.bug import CLOSES, PlantedBug, at, at_closes


def trades_on_old_bars(life: Life) -> None:
    """A bar that comes late is as good as any, and needs no book."""
    engine: Any = life.engine
    engine.strategy._max_age_ns = 10**15
    engine.risk._market_fault = lambda _pair: ""
    engine.risk._book = lambda _pair: None


def trades_on_a_clock_that_nobody_confirmed(life: Life) -> None:
    """Entries pass before the exchange has told its time."""
    engine: Any = life.engine
    engine.gate.clear("CLOCK_UNKNOWN")


def reads_the_wall_clock(life: Life) -> None:
    """Deadlines and ages are measured on a clock that anybody may set, and nobody compares it with the exchange's."""
    engine: Any = life.engine
    engine.clock.now_ns = life._setting.wall_ns
    engine.execution.unknown._reads = 1
    engine.gate.block = lambda *_given, **_more: None


def numbers_requests_by_the_wall_clock(life: Life) -> None:
    """Each request's number is the time of day in milliseconds."""
    engine: Any = life.engine
    engine.exchange.rest._line._nonce = lambda: life._setting.wall_ns() // 1_000_000


def _copy(book: Any) -> Any:
    """The book as it is at this moment, verified for good."""
    columns = tuple(column.copy() for column in book.columns())
    return SimpleNamespace(
        verified=True, price_decimals=book.price_decimals, qty_decimals=book.qty_decimals,
        bid_prices=columns[0], ask_prices=columns[2], columns=lambda: columns,
    )  # fmt: skip


def keeps_the_book_that_failed(life: Life) -> None:
    """A book whose checksum failed stays as it was last, and heartbeats make it look fresh."""
    engine: Any = life.engine
    ingestor = engine.ingestor
    on_book, on_invalid = ingestor.on_book, ingestor.on_invalid
    last: dict[str, Any] = {}
    failed: set[str] = set()

    def hear(pair: str, book: Any, received_ns: int, raw: bytes) -> None:
        on_book(pair, book, received_ns, raw)
        if pair not in failed:
            last[pair] = _copy(book)
        ingestor.books[pair] = last[pair]

    def forget(pair: str, reason: str) -> None:
        if reason == "CHECKSUM":
            failed.add(pair)
            return
        failed.discard(pair)
        on_invalid(pair, reason)

    ingestor.on_book, ingestor.on_invalid = hear, forget


def looks_at_no_checksum(life: Life) -> None:
    """A book is what its messages add up to; the sum that each carries is left unread."""
    engine: Any = life.engine
    client = engine.ingestor._feed
    connect = client._transport.connect

    class Trusting:
        async def connect(self, url: str, line: Any) -> Any:
            books = line.books
            expect = books.expect

            def expected(pairs: Any) -> None:
                expect(pairs)
                for entry in books._by_symbol.values():
                    entry.apply = _unchecked(entry.book)

            books.expect = expected
            return await connect(url, line)

    client._transport = Trusting()


def _unchecked(book: OrderBook) -> Any:
    """How a message is applied where nobody minds whether its sum is right."""

    def apply(raw: bytes) -> int:
        before = book._state.copy()
        result = book.apply_raw(raw)
        if result != BookResult.CHECKSUM:
            return result
        found, book._state[:] = book.checksum, before
        message: Any = decode(raw)
        return int(book.apply(replace(message, data=(replace(message.data[0], checksum=found),))))

    return apply


def _jumping(chance: random.Random) -> Iterable[Fault]:
    """The line breaks while an order is on its way, and then somebody sets the clock."""
    at_s = chance.choice(CLOSES) + chance.uniform(0.8, 4.0)
    slow = Fault(at_s - 5.0, "wire", "accept_late", 12.0, 1.0)
    return slow, Fault(at_s, "cut", "private"), Fault(at_s + 0.05, "clock", "600")


BUGS = (
    PlantedBug(
        name="stale-bar-traded",
        about="trades on a bar that came late after an outage",
        promise="P7", plant=trades_on_old_bars, weather=at_closes("down", "public", (-3.0, 0.0), 22.0),
    ),
    PlantedBug(
        name="clock-never-confirmed",
        about="trades before the exchange has told its time (ours, until seed 95)",
        promise="P7", plant=trades_on_a_clock_that_nobody_confirmed,
        weather=at(Fault(1.0, "clock", "-3600"), Fault(160.0, "crash", "")),
    ),
    PlantedBug(
        name="wall-clock-for-timers",
        about="measures deadlines on the wall clock: a jump makes an order's time be over (nautilus, freqtrade: NTP steps)",
        promise="P8", plant=reads_the_wall_clock,
        weather=_jumping,
    ),
    PlantedBug(
        name="nonce-from-the-wall-clock",
        about="numbers requests by the time of day: a clock that goes back locks it out (ccxt: EAPI:Invalid nonce)",
        promise="LIVENESS", plant=numbers_requests_by_the_wall_clock,
        weather=at(Fault(30.0, "clock", "600"), Fault(150.0, "restart", "")),
    ),
    PlantedBug(
        name="failed-book-kept",
        about="trades on the book that it had before its checksum failed (ours as first written: age by the line alone)",
        promise="P7", plant=keeps_the_book_that_failed,
        weather=at_closes("wire", "checksum", (-30.0, -20.0), 4.0, 1.0),
    ),
    PlantedBug(
        name="checksum-unread",
        about="keeps a book whose checksum nobody computes (ccxt by default, most hand-written Kraken clients)",
        promise="P7", plant=looks_at_no_checksum,
        weather=at_closes("mangled", "books", (-12.0, -8.0), 14.0, 0.3),
    ),
)  # fmt: skip
