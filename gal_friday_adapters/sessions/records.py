"""The record format: one JSON object a line, holding a message as it was sent, byte for byte.

    {"kind":"connect","url":"wss://ws.kraken.com/v2","ts":1618678132.385815100}
    {"kind":"client","url":"wss://ws.kraken.com/v2","ts":1618678132.825306200,"msg":{"method":"subscribe",…}}
    {"kind":"server","ts":1618678132.825818800,"msg":{"channel":"status",…}}

`ts` is the time of receipt in seconds, nine digits here, any number of them when read. `msg` is the text of
the message itself; a text that is not a JSON object or array on one line stands as a JSON string instead,
and bytes that are no text at all as base64 under `bytes`. Beside `connect`, `client`, `server` and `http`
there are `close` (the line went down: `reason`) and `gap` (`dropped` records were lost here). `id` numbers
the connection where several are open at once.
"""

from base64 import b64decode, b64encode
from decimal import Decimal

import msgspec

from gal_friday_core.errors import DataError
from gal_friday_core.times import SECOND_NS

CONNECT, CLIENT, SERVER, HTTP, CLOSE, GAP = "connect", "client", "server", "http", "close", "gap"
_LATEST_S = Decimal(2**63 // SECOND_NS)
_WHOLE = (b"{}", b"[]")
"""First and last byte of a message that may stand as it is."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One line of a session. `ts_ns` is 0 where the capture tells no time."""

    kind: str
    ts_ns: int
    message: bytes = b""
    url: str = ""
    connection: int = 0
    reason: str = ""
    dropped: int = 0


class _Line(msgspec.Struct):
    kind: str | None = None
    ts: Decimal = Decimal(0)
    msg: msgspec.Raw = msgspec.Raw(b"")
    url: str = ""
    id: int = 0
    reason: str = ""
    dropped: int = 0
    bytes: str | None = None


_LINE = msgspec.json.Decoder(_Line)
_TEXT = msgspec.json.Decoder(str)
_RAW = msgspec.json.Decoder(msgspec.Raw)


def encode(record: Record) -> bytes:
    """The line of a record, with its newline."""
    seconds, fraction = divmod(record.ts_ns, SECOND_NS)
    head = f'{{"kind":"{record.kind}"'
    if record.url:
        head += f',"url":{_quoted(record.url)}'
    if record.connection:
        head += f',"id":{record.connection}'
    head += f',"ts":{seconds}.{fraction:09d}'
    if record.reason:
        head += f',"reason":{_quoted(record.reason)}'
    if record.dropped:
        head += f',"dropped":{record.dropped}'
    if not record.message:
        return head.encode() + b"}\n"
    return head.encode() + _member(record.message) + b"}\n"


def decode(line: bytes) -> Record:
    """Read one line: a record, or a bare message (then `server`, time 0). Raises DataError where it is neither."""
    try:
        if not line.lstrip().startswith(b"{"):
            return Record(SERVER, 0, bytes(_RAW.decode(line)).strip())
        parts = _LINE.decode(line)
        if parts.kind is None:
            return Record(SERVER, 0, line.strip())
        return Record(
            parts.kind,
            _nanoseconds(parts.ts),
            _message(parts),
            parts.url,
            parts.id,
            parts.reason,
            parts.dropped,
        )
    except (ValueError, RecursionError) as error:  # of JSON, UTF-8 and base64
        raise DataError(f"not a record: {error}") from None


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _member(message: bytes) -> bytes:
    if message[:1] + message[-1:] in _WHOLE and b"\n" not in message and _is_json(message):
        return b',"msg":' + message
    try:
        return b',"msg":' + msgspec.json.encode(message.decode())
    except UnicodeDecodeError:
        return b',"bytes":"' + b64encode(message) + b'"'


def _is_json(message: bytes) -> bool:
    try:
        _RAW.decode(message)
        return message.isascii() or bool(message.decode())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _message(parts: _Line) -> bytes:
    if parts.bytes is not None:
        return b64decode(parts.bytes, validate=True)
    raw = bytes(parts.msg)
    return _TEXT.decode(raw).encode() if raw.startswith(b'"') else raw


def _nanoseconds(seconds: Decimal) -> int:
    if not (seconds.is_finite() and 0 <= seconds < _LATEST_S):
        raise DataError(f"not a record: ts {seconds} is no time in seconds since 1970")
    return int(seconds.scaleb(9))
