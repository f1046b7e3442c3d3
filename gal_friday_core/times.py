"""Time inside is an int of nanoseconds UTC; ISO 8601 with nine digits is spoken at the door only."""

import re
from datetime import UTC, datetime
from functools import lru_cache

from gal_friday_core.errors import DataError

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

MAX_NS = 2**63 - 1
"""Columns, kernels and the database hold times in 64 bits."""

INTERVAL_NS = {
    "1m": MINUTE_NS,
    "5m": 5 * MINUTE_NS,
    "15m": 15 * MINUTE_NS,
    "30m": 30 * MINUTE_NS,
    "1h": HOUR_NS,
    "4h": 4 * HOUR_NS,
    "1d": DAY_NS,
}
"""The bar lengths that Gal-Friday knows, by the names that Kraken and ccxt use."""

_ISO = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?")


def interval_ns(interval: str) -> int:
    """Length of a bar in nanoseconds.

    >>> interval_ns("5m")
    300000000000
    """
    try:
        return INTERVAL_NS[interval]
    except KeyError:
        known = ", ".join(INTERVAL_NS)
        raise DataError(f"unknown interval {interval!r}: use one of {known}") from None


def to_iso(ns: int) -> str:
    """ISO 8601, UTC, nine digits.

    >>> to_iso(1_483_228_800_000_000_001)
    '2017-01-01T00:00:00.000000001Z'
    """
    seconds, fraction = divmod(ns, SECOND_NS)
    return f"{_to_the_second(seconds)}.{fraction:09d}Z"


@lru_cache(maxsize=256)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def from_iso(text: str) -> int:
    """Nanoseconds UTC from an ISO 8601 date or time; without a zone it is read as UTC.

    What it gives fits 64 bits. Raises DataError for other texts and times.

    >>> from_iso("2017-01-01") == from_iso("2017-01-01T01:00:00.000000000+01:00")
    True
    """
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise DataError(f"not an ISO 8601 time: {text!r} (for example 2024-01-31T12:00:00Z)")
    day, clock, fraction, zone = match.groups()
    zone = "+00:00" if zone in (None, "Z") else zone
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}{zone}")
    except ValueError as error:
        raise DataError(f"not an ISO 8601 time: {text!r} ({error})") from None
    whole = int(moment.timestamp())  # exact: the fraction is kept apart
    found = whole * SECOND_NS + int((fraction or "").ljust(9, "0") or 0)
    if not -MAX_NS <= found <= MAX_NS:
        raise DataError(f"not a time that nanoseconds can tell, which is 1678 to 2261: {text!r}")
    return found


def month_of(ns: int) -> str:
    """The UTC month that a time falls in, as 'YYYY-MM'.

    >>> month_of(1_483_228_800_000_000_000)
    '2017-01'
    """
    return f"{datetime.fromtimestamp(ns // SECOND_NS, UTC):%Y-%m}"
