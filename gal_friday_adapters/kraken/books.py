"""The order books of one feed: each message applied and verified, or the pair is off until it heals.

The one hot path of the feed: bytes of a book message go to the compiled book of their pair, and the sink is
told. Everything rare (a wrong checksum, a late message, a missing snapshot) ends in `on_invalid`, and where
the book was lost in a new subscription.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gal_friday_adapters.kraken.counts import Counts
from gal_friday_core.book import BookResult, OrderBook
from gal_friday_core.kraken.wire import Pair
from gal_friday_core.ports import Clock, MarketSink
from gal_friday_core.times import SECOND_NS

_APPLIED, _SNAPSHOT = int(BookResult.APPLIED), int(BookResult.SNAPSHOT)
_CHECKSUM, _NO_SNAPSHOT = int(BookResult.CHECKSUM), int(BookResult.NO_SNAPSHOT)
_OTHER_PAIR = int(BookResult.OTHER_PAIR)
_BOOK = b'{"channel":"book"'
_UPDATE = b'{"channel":"book","type":"update","data":[{"symbol":"'
"""How Kraken writes the beginning of nearly every message that it sends."""
_KEY = slice(len(_UPDATE), len(_UPDATE) + 7)
"""Where the symbol begins; so many bytes tell the pairs apart, and the book itself looks at the rest."""
_SYMBOL = re.compile(rb'"symbol"\s*:\s*"([^"\\]{3,33})"')
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0
_TIMELY_NS = SECOND_NS // 10
_FORGIVEN_S = 1.0
"""A book that stood for so long has its failures forgotten: what fails next is something new."""


@dataclass(slots=True)
class _Entry:
    """One pair: its book, when to ask for it again (None: it stands), and how often in a row it failed.

    `usable`: the sink may use it. Between `timely_from` and `timely_until` its time need not be compared
    with the clock again; both are times of receipt, so that a replay decides as the live feed did.
    """

    pair: str
    book: OrderBook
    apply: Callable[[bytes], int]
    due: float | None
    failures: int = 0
    stood_since: float = 0.0
    usable: bool = False
    timely_from: int = 0
    timely_until: int = 0


def load() -> None:
    """Have the compiled book ready before a line is open: the first message must not wait for a compiler."""
    OrderBook("A/B", 10, 1, 1).apply_raw(b"{}")


class Books:
    """`hear` takes every message of a line. `other` is called with those that are not for a book of ours.

    `resubscribe` is called with a pair whose book must be sent anew; `timer` is monotonic seconds.
    """

    def __init__(
        self,
        sink: MarketSink,
        counts: Counts,
        *,
        depth: int,
        lag_s: float,
        clock: Clock,
        answer_s: float,
        timer: Callable[[], float],
        resubscribe: Callable[[str], None],
        other: Callable[[bytes, int], None],
    ) -> None:
        self._now_ns = clock.now_ns
        self._on_book = sink.on_book
        self._other = other
        self._sink = sink
        self._counts = counts
        self._depth = depth
        self.allow_lag(lag_s)
        self._answer_s = answer_s
        self._timer = timer
        self._resubscribe = resubscribe
        self._by_symbol: dict[bytes, _Entry] = {}
        self._by_key: dict[bytes, _Entry] = {}

    def allow_lag(self, lag_s: float) -> None:
        """How far a book's own time may be from our clock, from the next look at it on."""
        self._lag_ns = int(min(lag_s, 1e9) * SECOND_NS)

    def expect(self, pairs: Iterable[Pair]) -> None:
        """Snapshots of these pairs are on their way: an empty book for each."""
        due = self._timer() + self._answer_s
        for pair in pairs:
            book = OrderBook(pair.symbol, self._depth, pair.price_precision, pair.qty_precision)
            symbol = pair.symbol.encode()
            entry = self._by_symbol[symbol] = _Entry(pair.symbol, book, book.apply_raw, due)
            self._by_key[(symbol + b'","bids"')[: _KEY.stop - _KEY.start]] = entry

    def outdated(self, pair: Pair) -> bool:
        """Whether the exchange changed the decimals of a pair whose book is kept."""
        entry = self._by_symbol.get(pair.symbol.encode())
        if entry is None:
            return False
        book = entry.book
        return (book.price_decimals, book.qty_decimals) != (pair.price_precision, pair.qty_precision)

    @property
    def books(self) -> dict[str, OrderBook]:
        return {entry.pair: entry.book for entry in self._by_symbol.values()}

    @property
    def all_verified(self) -> bool:
        return all(entry.book.verified for entry in self._by_symbol.values())

    @property
    def failures(self) -> int:
        """The most times in a row that one pair's book did not come to stand."""
        return max((entry.failures for entry in self._by_symbol.values()), default=0)

    def hear(self, raw: bytes) -> None:
        """One message of the line (`ports.Listener.on_message`); the hot path, so flat and without a detour."""
        received_ns = self._now_ns()
        if raw.startswith(_UPDATE):
            entry = self._by_key.get(raw[_KEY])
            if entry is not None:
                result = entry.apply(raw)
                if result == _APPLIED:
                    self._counts.book_updates += 1
                    if entry.timely_from <= received_ns < entry.timely_until or self._in_time(
                        entry, received_ns
                    ):
                        self._on_book(entry.pair, entry.book, received_ns, raw)
                    return
                if result != _OTHER_PAIR:
                    self._counts.others += 1
                    self._rare(entry, result, received_ns, raw)
                    return
        self._counts.others += 1
        if not (raw.startswith(_BOOK) and self._take(raw, received_ns)):
            self._other(raw, received_ns)

    def fail(self, pair: str, reason: str) -> None:
        """The pair's book cannot be trusted: forget it and ask for it anew."""
        entry = self._by_symbol.get(pair.encode())
        if entry is not None:
            self._fail(entry, reason)

    def check(self) -> None:
        """Ask for what is due: snapshots that did not come in time, and books whose pause is over."""
        now = self._timer()
        for entry in self._by_symbol.values():
            if entry.due is not None and now >= entry.due:
                entry.failures += 1
                self._ask(entry)

    def lose(self, reason: str) -> None:
        """Nothing more will come to any book: all are empty, and the sink knows."""
        for entry in self._by_symbol.values():
            entry.book.invalidate()
            self._tell(entry, reason)

    def _take(self, raw: bytes, received_ns: int) -> bool:
        """A book message that does not begin as usual: a snapshot, mostly. Whether it is for a book of ours."""
        found = _SYMBOL.search(raw)
        entry = self._by_symbol.get(found[1]) if found else None
        if entry is None:
            return False
        result = entry.apply(raw)
        if result == _APPLIED:
            self._counts.book_updates += 1
            self._counts.others -= 1
            if self._in_time(entry, received_ns):
                self._on_book(entry.pair, entry.book, received_ns, raw)
        else:
            self._rare(entry, result, received_ns, raw)
        return True

    def _rare(self, entry: _Entry, result: int, received_ns: int, raw: bytes) -> None:
        if result == _SNAPSHOT:
            self._counts.snapshots += 1
            entry.due = None
            entry.stood_since = self._timer()
            entry.usable = True
            self._on_book(entry.pair, entry.book, received_ns, raw)
        elif result == _NO_SNAPSHOT:
            self._counts.unasked += 1
        elif result == _CHECKSUM:
            self._counts.checksum_failures += 1
            self._fail(entry, "CHECKSUM")
        else:
            self._counts.malformed += 1
            self._fail(entry, "MALFORMED")

    def _in_time(self, entry: _Entry, received_ns: int) -> bool:
        """Whether the book is of our clock's time; where it is not, nobody may use it until it catches up.

        Looked at again after `_TIMELY_NS`, at once where it was not or where the clock went back.
        """
        stamped = entry.book.timestamp_ns
        if stamped is None or -self._lag_ns <= received_ns - stamped <= self._lag_ns:
            entry.usable = True
            entry.timely_from, entry.timely_until = received_ns, received_ns + _TIMELY_NS
            return True
        entry.timely_until = 0
        self._counts.stale += 1
        self._tell(entry, "STALE")
        return False

    def _fail(self, entry: _Entry, reason: str) -> None:
        """The first time ask at once; a book that fails again and again is asked for ever more slowly."""
        entry.book.invalidate()
        entry.timely_until = 0
        if entry.due is None and self._timer() - entry.stood_since >= _FORGIVEN_S:
            entry.failures = 0
        entry.failures += 1
        self._tell(entry, reason)
        if entry.failures == 1:
            self._ask(entry)
        elif entry.due is None:
            pause = min(_FIRST_PAUSE_S * 2.0 ** min(entry.failures - 2, 30), _LONGEST_PAUSE_S)
            entry.due = self._timer() + pause

    def _ask(self, entry: _Entry) -> None:
        entry.due = self._timer() + self._answer_s
        self._counts.resyncs += 1
        self._resubscribe(entry.pair)

    def _tell(self, entry: _Entry, reason: str) -> None:
        """Once for each time that the book was lost."""
        if entry.usable:
            entry.usable = False
            self._sink.on_invalid(entry.pair, reason)
