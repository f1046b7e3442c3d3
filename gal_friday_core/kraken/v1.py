"""Captures of Kraken's older websocket (v1) in v2 form, so that one reader serves both.

What is carried over: system status, subscription status, heartbeats, pongs and books. v1 says numbers as
strings with all their digits; they become JSON numbers with the same digits. v1 snapshots carry no checksum,
v2 snapshots do: it is computed here by the rule that the updates after it prove right or wrong. Trades are
left out: v1 does not number them, and v2's gap detection lives on their numbers.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from gal_friday_core.errors import ContractError
from gal_friday_core.kraken.wire import decode
from gal_friday_core.times import SECOND_NS, to_iso

_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
_ANY = msgspec.json.Decoder()
_CHECKED = 10


def is_v1(raw: bytes) -> bool:
    """Whether a message is of v1: a list, or an object that names an event."""
    start = raw.lstrip()[:1]
    return start == b"[" or (start == b"{" and b'"event"' in raw and b'"channel"' not in raw)


def to_v2(raw: bytes) -> list[bytes]:
    """The same in v2 form: one message, several for a list of books, none for what v2 does not have.

    Raises ContractError where it is not a message of v1, or what it says is refused by `wire`.
    """
    try:
        found = [msgspec.json.encode(item) for item in _converted(_ANY.decode(raw))]
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        # Also msgspec's DecodeError, which is a ValueError: the shapes of v1 are no more than lists and strings.
        raise ContractError(f"not a message of Kraken's websocket v1: {error!r:.100}") from None
    for message in found:
        decode(message)
    return found


def v2_symbol(pair: str) -> str:
    """The v2 name of a v1 pair.

    >>> v2_symbol("XBT/USD")
    'BTC/USD'
    """
    return "/".join(_NAMES.get(name, name) for name in pair.split("/"))


def _converted(message: Any) -> Iterable[dict[str, Any]]:
    if isinstance(message, list):
        *parts, channel, pair = message[1:]
        return [_book(parts, v2_symbol(pair))] if channel.startswith("book-") else []
    return _event(message)


def _event(message: dict[str, Any]) -> list[dict[str, Any]]:
    match message["event"]:
        case "heartbeat":
            return [{"channel": "heartbeat"}]
        case "systemStatus":
            status = {"system": message["status"], "api_version": "v1", "version": message["version"]}
            return [{"channel": "status", "type": "update", "data": [status]}]
        case "subscriptionStatus":
            return [_acknowledgement(message)]
        case "pong":
            return [{"method": "pong", "req_id": message.get("reqid")}]
        case _:
            return []


def _acknowledgement(message: dict[str, Any]) -> dict[str, Any]:
    asked = message["subscription"]
    result = {"channel": asked["name"], "symbol": v2_symbol(message["pair"])}
    if "depth" in asked:
        result["depth"] = asked["depth"]
    gone = message["status"] == "unsubscribed"
    refused = {"error": message["errorMessage"]} if message["status"] == "error" else {}
    return {
        "method": "unsubscribe" if gone else "subscribe", "success": not refused, "result": result, **refused
    }  # fmt: skip


def _book(parts: Sequence[dict[str, Any]], symbol: str) -> dict[str, Any]:
    """One message for up to two maps: Kraken splits a v1 update by side."""
    snapshot = any("as" in part or "bs" in part for part in parts)
    names = ("bs", "as") if snapshot else ("b", "a")
    bids, asks = ([level for part in parts for level in part.get(name, ())] for name in names)
    checksum = snapshot_checksum(bids, asks) if snapshot else int(parts[-1]["c"])
    latest = max((_time(level[2]) for level in (*bids, *asks)), default=None)
    return {
        "channel": "book",
        "type": "snapshot" if snapshot else "update",
        "data": [
            {
                "symbol": symbol,
                "bids": [{"price": _number(level[0]), "qty": _number(level[1])} for level in bids],
                "asks": [{"price": _number(level[0]), "qty": _number(level[1])} for level in asks],
                "checksum": checksum,
                **({} if latest is None else {"timestamp": to_iso(latest)}),
            }
        ],
    }


def snapshot_checksum(bids: Sequence[Sequence[str]], asks: Sequence[Sequence[str]]) -> int:
    """CRC32 over the first ten asks and bids of (price, quantity, …) as strings, best first."""
    levels = [*asks[:_CHECKED], *bids[:_CHECKED]]
    digits = "".join(part.replace(".", "").lstrip("0") for level in levels for part in level[:2])
    return zlib.crc32(digits.encode())


def _number(text: str) -> msgspec.Raw:
    """The digits of a string as a JSON number."""
    if not text.replace(".", "", 1).isdecimal() or not text.isascii():
        raise ValueError(f"not a number: {text!r}")
    return msgspec.Raw(text.encode())


def _time(text: str) -> int:
    """Nanoseconds from seconds with up to nine decimals."""
    seconds, _, fraction = text.partition(".")
    if not (seconds.isdecimal() and len(seconds) <= 10 and len(fraction) <= 9):
        raise ValueError(f"not a time: {text!r}")
    return int(seconds) * SECOND_NS + int(fraction.ljust(9, "0") or 0)
