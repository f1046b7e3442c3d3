"""An exchange's latest bars in a moment: for an engine that starts, and may not wait for a library of all exchanges.

Kraken's OHLC holds 720 bars, which is what features need to be known; where more is missing, and wanted,
`history.exchange` fetches the rest.
"""

import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from gal_friday_adapters.history import kraken_rest
from gal_friday_adapters.history.exchange import URL_VARIABLE, ingest_exchange
from gal_friday_adapters.history.report import FileReport
from gal_friday_adapters.history.rest import Download
from gal_friday_adapters.history.storing import silent
from gal_friday_adapters.lake import CandleLake
from gal_friday_core.candles import Series
from gal_friday_core.errors import ExchangeError

PUBLIC_URL = "https://api.kraken.com"
TIMEOUT_S = 10.0
MOST_BYTES = 4_000_000


def ingest_recent(
    series: Series,
    lake: CandleLake,
    *,
    since_ns: int,
    now_ns: Callable[[], int] = time.time_ns,
    url: str | None = None,
    deep: bool = True,
) -> None:
    """Bring the lake up to date since a time, with `deep` all the way back.

    Raises ExchangeError where the exchange cannot be reached or refuses, DataError where it has no such pair.
    """
    if series.venue == "kraken":
        length = series.interval_ns
        start, end = -(-since_ns // length) * length, now_ns() // length * length
        entry = FileReport(f"{series.venue} {series.pair} {series.interval}", series, "stored")
        download = Download(series, lake, entry, start, end, silent)
        if start >= end or not download.missing():
            return
        base = url or os.environ.get(URL_VARIABLE) or PUBLIC_URL
        kraken_rest.recent(lambda query: _get(base, query), download)
        if not deep or not download.missing():
            return
    ingest_exchange(series, lake, since_ns=since_ns, now_ns=now_ns, url=url, deep=deep)


def _get(base: str, query: dict[str, Any]) -> Any:
    """OHLC, once: whoever starts asks again by starting, or goes on with what is stored."""
    address = f"{base.rstrip('/')}/0/public/OHLC?{urllib.parse.urlencode(query)}"
    if not address.startswith(("https://", "http://")):
        raise ExchangeError(f"{base} is no address of an exchange: it begins with https://")
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the scheme is checked above
            text = answer.read(MOST_BYTES).decode("utf-8", "replace")
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        raise ExchangeError(f"cannot reach kraken at {base}: {error}") from error
    return kraken_rest.parse_json(text)
