"""JSON as the exchange writes it: numbers with all their digits on the websocket, strings over REST.

A `Decimal` becomes a JSON number in plain notation (never `1E-8`), because checksums are computed from the
digits as sent.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from gal_friday_core.times import SECOND_NS, to_iso

_encoder = msgspec.json.Encoder()


def encode(message: Any) -> bytes:
    """JSON bytes; decimals as plain numbers."""
    return _encoder.encode(_numbered(message))


def _numbered(value: Any) -> Any:
    if isinstance(value, Decimal):
        return msgspec.Raw(format(value, "f").encode())
    if isinstance(value, dict):
        return {key: _numbered(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_numbered(item) for item in value]
    return value


def fixed(number: Decimal, decimals: int) -> str:
    """Exactly so many decimals, plain notation.

    >>> fixed(Decimal("105944.3"), 5), fixed(Decimal("1E-8"), 8)
    ('105944.30000', '0.00000001')
    """
    return f"{number:.{decimals}f}"


def micro_iso(ns: int) -> str:
    """RFC 3339 with six digits, as the websocket spells times.

    >>> micro_iso(1_696_613_755_440_295_000)
    '2023-10-06T17:35:55.440295Z'
    """
    return f"{to_iso(ns)[:26]}Z"


def second_iso(ns: int) -> str:
    """RFC 3339 without a fraction, as REST spells times.

    >>> second_iso(1_762_820_230_999_999_999)
    '2025-11-11T00:17:10Z'
    """
    return f"{to_iso(ns)[:19]}Z"


def rfc1123(ns: int) -> str:
    """The second spelling of `Time`.

    >>> rfc1123(1_762_820_224_000_000_000)
    'Tue, 11 Nov 25 00:17:04 +0000'
    """
    return f"{datetime.fromtimestamp(ns // SECOND_NS, UTC):%a, %d %b %y %H:%M:%S +0000}"


def seconds_text(ns: int) -> str:
    """Unix seconds with microseconds, as order times are spelled: whole where unknown.

    >>> seconds_text(1_705_259_439_563_000_000), seconds_text(0)
    ('1705259439.563000', '0')
    """
    return f"{ns // SECOND_NS}.{ns % SECOND_NS // 1000:06d}" if ns else "0"
