"""What Kraken's public websocket v2 says, as typed messages. Entry point: `decode`.

Numbers are Decimals with the digits of the wire; times are int nanoseconds UTC. A message that is not JSON,
lacks a field, or says a number that is not finite, negative where that means nothing, or beyond 10**18 is a
ContractError: nothing of it gets in. Unknown fields are ignored, and a channel that this engine has no use
for is an `OtherMessage`.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from gal_friday_core.errors import ContractError, DataError
from gal_friday_core.times import from_iso

MOST_DIGITS = 18
"""No number here has its first digit further than this from the point."""
_SHOWN = 80

Type = Literal["snapshot", "update"]
Side = Literal["buy", "sell"]
Symbol = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z.]{1,16}/[0-9A-Za-z.]{1,16}$")]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Places = Annotated[int, msgspec.Meta(ge=0, le=MOST_DIGITS)]


class Timestamp(int):
    """A time of the wire: nanoseconds UTC."""


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """One object of the wire. `positive` and `unsigned` name the numbers that must be so."""

    def positive(self) -> tuple[Decimal | None, ...]:
        return ()

    def unsigned(self) -> tuple[Decimal | None, ...]:
        return ()

    def __post_init__(self) -> None:
        for number in self.unsigned():
            if number is not None and not (is_sane(number) and number >= 0):
                raise ValueError(f"{number:.20} is no number from 0 to 10**{MOST_DIGITS}")
        for number in self.positive():
            if number is not None and not (is_sane(number) and number > 0):
                raise ValueError(f"{number:.20} is no positive number below 10**{MOST_DIGITS}")


def is_sane(number: Decimal) -> bool:
    """Whether a number can be an amount at all: finite, and its first digit within eighteen of the point."""
    return number.is_finite() and (not number or -MOST_DIGITS <= number.adjusted() < MOST_DIGITS)


class PriceLevel(NamedTuple):
    """One level of a book as it stands."""

    price: Decimal
    qty: Decimal


class Level(Wire, frozen=True, kw_only=False):
    """One level as a message sets it; a quantity of zero deletes it."""

    price: Decimal
    qty: Decimal

    def positive(self) -> tuple[Decimal | None, ...]:
        return (self.price,)

    def unsigned(self) -> tuple[Decimal | None, ...]:
        return (self.qty,)


class Book(Wire, frozen=True):
    """Levels to set, in order; `checksum` is CRC32 over the best ten of each side afterwards."""

    symbol: Symbol
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    checksum: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
    timestamp: Timestamp | None = None


class Trade(Wire, frozen=True):
    """One public trade; `side` is the taker's, `trade_id` counts up by one for each pair."""

    symbol: Symbol
    side: Side
    price: Decimal
    qty: Decimal
    trade_id: Count
    timestamp: Timestamp
    ord_type: str = ""

    def positive(self) -> tuple[Decimal | None, ...]:
        return (self.price, self.qty)


class Ohlc(Wire, frozen=True):
    """A bar as it stands; `interval` in minutes. It never says itself that it is final."""

    symbol: Symbol
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: Count
    interval_begin: Timestamp
    interval: Annotated[int, msgspec.Meta(ge=1, le=21_600)]
    vwap: Decimal | None = None

    def positive(self) -> tuple[Decimal | None, ...]:
        return (self.open, self.high, self.low, self.close)

    def unsigned(self) -> tuple[Decimal | None, ...]:
        return (self.volume, self.vwap)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high:
            raise ValueError(f"bar of {self.symbol}: open and close do not lie between low and high")


class Ticker(Wire, frozen=True):
    """Best prices and the last 24 hours; bid, ask or last may be absent in a quiet market."""

    symbol: Symbol
    bid: Decimal | None = None
    bid_qty: Decimal | None = None
    ask: Decimal | None = None
    ask_qty: Decimal | None = None
    last: Decimal | None = None
    volume: Decimal | None = None
    vwap: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    change: Decimal | None = None
    change_pct: Decimal | None = None
    timestamp: Timestamp | None = None

    def positive(self) -> tuple[Decimal | None, ...]:
        return (self.bid, self.ask)

    def unsigned(self) -> tuple[Decimal | None, ...]:
        return (self.bid_qty, self.ask_qty, self.last, self.volume, self.vwap, self.low, self.high)

    def __post_init__(self) -> None:
        super().__post_init__()
        for number in (self.change, self.change_pct):
            if number is not None and not is_sane(number):
                raise ValueError(f"a change of {number:.20}")


class Asset(Wire, frozen=True):
    id: str
    status: str
    precision: Places
    precision_display: Places


class Pair(Wire, frozen=True):
    """One tradable pair: `price_increment` and `qty_increment` are the steps that orders must keep to."""

    symbol: Symbol
    base: str
    quote: str
    status: str
    price_precision: Annotated[int, msgspec.Meta(ge=0, le=12)]
    price_increment: Decimal
    qty_precision: Annotated[int, msgspec.Meta(ge=0, le=12)]
    qty_increment: Decimal
    qty_min: Decimal
    cost_precision: Places
    cost_min: Decimal
    tick_size: Decimal | None = None
    marginable: bool = False
    has_index: bool = False

    def positive(self) -> tuple[Decimal | None, ...]:
        return (self.price_increment, self.qty_increment, self.tick_size)

    def unsigned(self) -> tuple[Decimal | None, ...]:
        return (self.qty_min, self.cost_min)


class Instruments(Wire, frozen=True):
    assets: tuple[Asset, ...]
    pairs: tuple[Pair, ...]


class SystemStatus(Wire, frozen=True):
    """`system` is online, maintenance, cancel_only or post_only."""

    system: str
    api_version: str = ""
    connection_id: int = 0
    version: str = ""


class BookMessage(Wire, frozen=True):
    """One book a message, as Kraken sends it."""

    type: Type
    data: tuple[Book]

    @property
    def symbol(self) -> str:
        return self.data[0].symbol

    @property
    def bids(self) -> tuple[Level, ...]:
        return self.data[0].bids

    @property
    def asks(self) -> tuple[Level, ...]:
        return self.data[0].asks

    @property
    def checksum(self) -> int:
        return self.data[0].checksum

    @property
    def timestamp(self) -> int | None:
        return self.data[0].timestamp


class TradeMessage(Wire, frozen=True):
    type: Type
    data: tuple[Trade, ...]


class OhlcMessage(Wire, frozen=True):
    type: Type
    data: tuple[Ohlc, ...]


class TickerMessage(Wire, frozen=True):
    type: Type
    data: tuple[Ticker, ...]


class InstrumentMessage(Wire, frozen=True):
    """`data` is an object here, unlike in every other channel."""

    type: Type
    data: Instruments


class StatusMessage(Wire, frozen=True):
    type: Type
    data: tuple[SystemStatus, ...]


class HeartbeatMessage(Wire, frozen=True):
    """Nothing else was sent for about a second."""


class Subscribed(Wire, frozen=True):
    """What an acknowledgement refers to; one acknowledgement comes for each symbol."""

    channel: str = ""
    symbol: str = ""
    depth: int | None = None
    interval: int | None = None
    snapshot: bool | None = None
    maxratecount: int | None = None
    warnings: tuple[str, ...] | None = None


class Acknowledgement(Wire, frozen=True):
    """The answer to a subscribe or unsubscribe."""

    method: Literal["subscribe", "unsubscribe"]
    success: bool
    result: Subscribed | None = None
    error: str | None = None
    symbol: str | None = None
    req_id: int | None = None
    time_in: Timestamp | None = None
    time_out: Timestamp | None = None


class Pong(Wire, frozen=True):
    req_id: int | None = None
    time_in: Timestamp | None = None
    time_out: Timestamp | None = None


class ErrorMessage(Wire, frozen=True):
    """An error that answers no subscription, such as `Exceeded msg rate`."""

    error: str
    method: str | None = None
    req_id: int | None = None


class OtherMessage(Wire, frozen=True):
    """Well-formed, and none of this engine's business: `name` is its channel or method."""

    name: str


Message = (
    BookMessage | TradeMessage | OhlcMessage | TickerMessage | InstrumentMessage | StatusMessage
    | HeartbeatMessage | Acknowledgement | Pong | ErrorMessage | OtherMessage
)  # fmt: skip


class _Head(msgspec.Struct):
    """What tells messages apart."""

    channel: str | None = None
    method: str | None = None
    error: str | None = None


def _hook(wanted: type, found: Any) -> Any:
    if wanted is not Timestamp or not isinstance(found, str):
        raise ValueError(f"expected a time, found {found!r:.40}")
    try:
        return Timestamp(from_iso(found))
    except (DataError, OverflowError) as error:
        raise ValueError(str(error)) from None


def decoder(wanted: Any) -> msgspec.json.Decoder[Any]:
    """Reads one type of message, times included."""
    return msgspec.json.Decoder(wanted, dec_hook=_hook)


_HEAD = decoder(_Head)
_CHANNELS = {
    "book": decoder(BookMessage),
    "trade": decoder(TradeMessage),
    "ohlc": decoder(OhlcMessage),
    "ticker": decoder(TickerMessage),
    "instrument": decoder(InstrumentMessage),
    "status": decoder(StatusMessage),
    "heartbeat": decoder(HeartbeatMessage),
}
_METHODS = {
    "subscribe": decoder(Acknowledgement),
    "unsubscribe": decoder(Acknowledgement),
    "pong": decoder(Pong),
}
_ERROR = decoder(ErrorMessage)


def decode(raw: bytes | bytearray | memoryview) -> Message:
    """One message of the wire. Raises ContractError in words that say what is wrong, and with how it begins."""
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"not a Kraken message: {error} (it begins {bytes(raw[:_SHOWN])!r})") from None


def _decode(raw: bytes | bytearray | memoryview) -> Message:
    head = _HEAD.decode(raw)
    if head.channel is not None:
        decoder = _CHANNELS.get(head.channel)
        return OtherMessage(name=head.channel) if decoder is None else decoder.decode(raw)
    decoder = _METHODS.get(head.method or "")
    if decoder is not None:
        return decoder.decode(raw)  # type: ignore[no-any-return]
    if head.error is not None:
        return _ERROR.decode(raw)  # type: ignore[no-any-return]
    if head.method is not None:
        return OtherMessage(name=head.method)
    raise msgspec.ValidationError("it has no channel, method or error")
