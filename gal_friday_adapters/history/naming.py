"""Which series a file holds, from its name.

Two conventions: Kraken's download (`XBTUSD_1.csv`: pair and minutes) and `venue_PAIR_interval[_note]`
(`bitfinex_BTCUSD_1m_2017.parquet`). Asset codes become the usual ones: XBT is BTC, XDG is DOGE.
"""

import re
from dataclasses import dataclass
from pathlib import PurePath

from gal_friday_core.candles import Series
from gal_friday_core.errors import DataError
from gal_friday_core.times import INTERVAL_NS, MINUTE_NS, interval_ns

ALIASES = {"XBT": "BTC", "XDG": "DOGE"}
"""Kraken's own asset codes."""

QUOTES = (
    *("USDT", "USDC", "USDE", "USDD", "DAI"),
    *("USD", "EUR", "GBP", "CAD", "AUD", "JPY", "CHF", "KRW", "TRY", "BRL", "AED", "PLN", "MXN"),
    *("XBT", "BTC", "ETH", "DOT", "BNB", "SOL"),
)
"""Assets that others are priced in."""

DOLLAR_TOKENS = ("BUSD", "FDUSD", "TUSD", "PYUSD", "RLUSD")
"""Quotes that end in USD themselves: believed only behind a major asset, since BNBUSD is BNB/USD."""
MAJORS = frozenset(("BTC", "XBT", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE", "XDG", "LTC", "USDC", "USDT"))

DERIVATIVE = re.compile(r"PERP|FUTURES?|SWAP|PI|PF", re.IGNORECASE)
REBUILT = frozenset({"cdd"})
"""Notes that mark another party's rebuild of a venue's candles: kept apart, as venue `kraken-cdd`."""

_KRAKEN = re.compile(r"(?P<pair>[A-Za-z0-9.]+)_(?P<minutes>[0-9]{1,9})")
_GENERAL = re.compile(
    r"(?P<venue>[A-Za-z].*?)_(?P<pair>[A-Z0-9.]+(?:[-][A-Z0-9]+)*)_(?P<interval>\d+(?:[mhdw]|min|s))(?:_(?P<note>.+))?"
)


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the user said about the files; it wins over their names."""

    venue: str | None = None
    pair: str | None = None
    interval: str | None = None


def asset(code: str) -> str:
    """The usual code of an asset.

    >>> asset("xbt"), asset("SOL")
    ('BTC', 'SOL')
    """
    code = code.upper()
    return ALIASES.get(code, code)


def split_pair(text: str) -> str:
    """A pair as BASE/QUOTE from any of its spellings.

    >>> split_pair("XBTUSDT"), split_pair("xdg-eur"), split_pair("ETH/XBT")
    ('BTC/USDT', 'DOGE/EUR', 'ETH/BTC')

    Raises DataError for a derivative, and where no known quote asset ends the name.
    """
    code = text.strip().upper()
    parts = re.split(r"[/_:-]", code)
    if len(parts) > 1:
        if DERIVATIVE.fullmatch(parts[-1]) or len(parts) > 2:
            raise DataError(f"{text!r} is a derivative; only spot pairs are ingested")
        base, quote = parts
    else:
        base, quote = _split_joined(code)
    if not (re.fullmatch(r"[A-Z0-9.]{1,12}", base) and re.fullmatch(r"[A-Z0-9.]{1,12}", quote)):
        raise DataError(f"cannot split {text!r} into base and quote: give --pair as BASE/QUOTE")
    return f"{asset(base)}/{asset(quote)}"


def _split_joined(code: str) -> tuple[str, str]:
    """('', '') where no known quote asset ends the code."""
    for quote in DOLLAR_TOKENS:
        if code.removesuffix(quote) in MAJORS:
            return code.removesuffix(quote), quote
    quote = max((q for q in QUOTES if code.endswith(q) and len(code) > len(q)), key=len, default="")
    return (code.removesuffix(quote), quote) if quote else ("", "")


def from_minutes(minutes: int) -> str:
    """Name of a bar length given in minutes; raises DataError for lengths that are not kept."""
    for name, length in INTERVAL_NS.items():
        if length == minutes * MINUTE_NS:
            return name
    known = ", ".join(str(length // MINUTE_NS) for length in INTERVAL_NS.values())
    raise DataError(f"bars of {minutes} minutes are not kept (known: {known})")


def series_of(name: str, overrides: Overrides | None = None) -> Series:
    """The series of a file by its name, completed or overruled by `overrides`.

    >>> series_of("XBTUSD_1.csv").key
    'kraken:BTC-USD:1m'
    >>> series_of("binance_ETHUSDT_5m_2022-08_2023-10.parquet").key
    'binance:ETH-USDT:5m'

    Raises DataError saying which part is unknown and which option supplies it.
    """
    said = overrides or Overrides()
    venue, pair, interval = _read_name(_stem(name), said)
    if not venue or not pair or not interval:
        raise DataError(
            f"{name}: the name does not say which candles these are (expected XBTUSD_1.csv or "
            f"bitfinex_BTCUSD_1m_2017.parquet); give {' '.join(unsaid(name, said))}"
        )
    try:
        interval_ns(interval)
        return Series(_venue(venue), split_pair(pair), interval)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None


def unsaid(name: str, overrides: Overrides) -> list[str]:
    """The options that would say what the name of a file leaves open.

    >>> unsaid("candles.csv", Overrides(pair="BTC/USD"))
    ['--venue', '--interval']
    """
    said = zip(("--venue", "--pair", "--interval"), _read_name(_stem(name), overrides), strict=True)
    return [option for option, value in said if not value]


def _stem(name: str) -> str:
    return PurePath(name).name.rsplit(".", 1)[0]


def _read_name(stem: str, said: Overrides) -> tuple[str | None, str | None, str | None]:
    kraken = _KRAKEN.fullmatch(stem)
    if kraken:
        interval = said.interval or from_minutes(int(kraken["minutes"]))
        return said.venue or "kraken", said.pair or kraken["pair"], interval
    general = _GENERAL.fullmatch(stem)
    if general:
        note = (general["note"] or "").partition("_")[0]
        venue = f"{general['venue']}-{note}" if note in REBUILT else general["venue"]
        return said.venue or venue, said.pair or general["pair"], said.interval or general["interval"]
    return said.venue, said.pair, said.interval


def _venue(text: str) -> str:
    venue = text.strip().lower().replace("_", "-")
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", venue):
        raise DataError(f"not a venue name: {text!r} (letters, digits and dashes)")
    return venue
