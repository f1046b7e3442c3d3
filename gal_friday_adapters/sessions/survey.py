"""What a session holds: which pairs and channels, how deep, from when to when. One quick pass over it."""

from dataclasses import dataclass, field

import msgspec

from gal_friday_adapters.sessions.reader import Session
from gal_friday_adapters.sessions.records import CONNECT, GAP, SERVER, Record
from gal_friday_core.book import DEPTHS

CHANNELS = ("book", "trade", "ohlc")


@dataclass(slots=True)
class Survey:
    """`pairs` by channel; `depth` of the books; `intervals` in minutes of the bars; `listed` pairs of the exchange."""

    records: int = 0
    messages: int = 0
    connections: int = 0
    dropped: int = 0
    first_ns: int = 0
    last_ns: int = 0
    depth: int = 0
    pairs: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in CHANNELS})
    intervals: set[int] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)

    @property
    def usable(self) -> list[str]:
        """Pairs with a book or trades whose instrument is told, sorted."""
        return sorted(self.listed & (self.pairs["book"] | self.pairs["trade"]))

    @property
    def unlisted(self) -> list[str]:
        """Pairs that cannot be read, for want of their instrument."""
        return sorted((self.pairs["book"] | self.pairs["trade"]) - self.listed)


class _Item(msgspec.Struct):
    symbol: str = ""
    interval: int = 0
    bids: list[msgspec.Raw] = []
    asks: list[msgspec.Raw] = []


class _Result(msgspec.Struct):
    channel: str = ""
    depth: int = 0


class _Message(msgspec.Struct):
    channel: str = ""
    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")
    result: _Result | None = None


class _Listing(msgspec.Struct):
    pairs: list[_Item] = []


_MESSAGE = msgspec.json.Decoder(_Message)
_ITEMS = msgspec.json.Decoder(list[_Item])
_LISTING = msgspec.json.Decoder(_Listing)


def survey(session: Session) -> Survey:
    """Read the session once. What cannot be read is left to those who will replay it."""
    found = Survey()
    for record in session:
        found.records += 1
        found.first_ns = found.first_ns or record.ts_ns
        found.last_ns = max(found.last_ns, record.ts_ns)
        found.connections += record.kind == CONNECT
        found.dropped += record.dropped if record.kind == GAP else 0
        if record.kind == SERVER:
            found.messages += 1
            _look_at(record, found)
    found.depth = next((depth for depth in DEPTHS if depth >= found.depth), DEPTHS[-1])
    return found


def _look_at(record: Record, found: Survey) -> None:
    try:
        message = _MESSAGE.decode(record.message)
        if message.result is not None and message.result.channel == "book":
            found.depth = max(found.depth, message.result.depth)
        elif message.channel == "instrument":
            found.listed |= {pair.symbol for pair in _LISTING.decode(message.data).pairs}
        elif message.channel in CHANNELS:
            _note_items(message, found)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return


def _note_items(message: _Message, found: Survey) -> None:
    for item in _ITEMS.decode(message.data):
        found.pairs[message.channel].add(item.symbol)
        if message.channel == "ohlc":
            found.intervals.add(item.interval)
        elif message.channel == "book" and message.type == "snapshot":
            found.depth = max(found.depth, len(item.bids), len(item.asks))
