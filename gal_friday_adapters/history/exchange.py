"""Candles from an exchange's public REST API through ccxt: resumable, rate-limited, closed bars only.

What was fetched is remembered as the lake's coverage, after the bars are written; a download that is
killed and started again goes on where the lake ends. ccxt is imported only when used (two seconds).
"""

import difflib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gal_friday_adapters.history import kraken_rest, paged_rest
from gal_friday_adapters.history.report import FileReport, IngestReport
from gal_friday_adapters.history.rest import Download
from gal_friday_adapters.history.storing import Progress, silent
from gal_friday_adapters.lake import CandleLake
from gal_friday_core.candle_quality import assess
from gal_friday_core.candles import Series
from gal_friday_core.errors import DataError, ExchangeError
from gal_friday_core.times import to_iso

URL_VARIABLE = "GAL_FRIDAY_EXCHANGE_URL"
"""Where the exchange's API is, when not at its public address: a proxy, or a recorded exchange in tests."""
TIMEOUT_MS = 10_000


def ingest_exchange(
    series: Series,
    lake: CandleLake,
    *,
    since_ns: int,
    url: str | None = None,
    deep: bool = True,
    pause_s: float | None = None,
    now_ns: Callable[[], int] = time.time_ns,
    progress: Progress = silent,
) -> IngestReport:
    """Download the closed bars of a series since a time, leaving out what the lake already covers.

    Kraken serves only its last 720 bars; with `deep` older ones are rebuilt from single trades, which
    takes a request for every thousand. `pause_s` overrules the exchange's own pause between requests.
    Raises ExchangeError where the exchange cannot be reached or refuses, DataError where it does not
    have the pair.
    """
    start = -(-since_ns // series.interval_ns) * series.interval_ns
    end = now_ns() // series.interval_ns * series.interval_ns
    if start >= end:
        raise DataError(
            f"--since {to_iso(since_ns)} leaves no closed {series.interval} bar; give an earlier time"
        )
    client = _client(series.venue, url or os.environ.get(URL_VARIABLE), pause_s)
    entry = FileReport(f"{series.venue} {series.pair} {series.interval}", series, "stored")
    download = Download(series, lake, entry, start, end, progress)
    if not download.missing():
        entry.notes.append(f"nothing to fetch: the lake is complete from {to_iso(start)} to {to_iso(end)}")
    else:
        with _told(series, client):
            kraken_rest.fetch(client, download, deep=deep) if series.venue == "kraken" else paged_rest.fetch(
                client, download
            )
    stored = lake.read(series, start, end)
    entry.rows, entry.quality = len(stored), assess(stored)
    return IngestReport([entry])


def _client(venue: str, url: str | None, pause_s: float | None) -> Any:
    import ccxt  # late: two seconds, and only a download needs it

    if venue not in ccxt.exchanges:
        close = difflib.get_close_matches(venue, ccxt.exchanges, n=1)
        hint = f"did you mean {close[0]}?" if close else "see the list at docs.ccxt.com"
        raise DataError(f"unknown exchange {venue!r}: {hint}")
    client = getattr(ccxt, venue)({"enableRateLimit": True, "timeout": TIMEOUT_MS})
    if pause_s is not None:
        client.rateLimit = pause_s * 1000
    if url is not None:
        client.urls["api"] = {name: url.rstrip("/") for name in client.urls["api"]}
    return client


@contextmanager
def _told(series: Series, client: Any) -> Iterator[None]:
    """Turn ccxt's errors into ours: one line that says what to do."""
    import ccxt

    try:
        yield
    except ccxt.NetworkError as error:
        where = next(iter(client.urls["api"].values()))
        raise ExchangeError(
            f"cannot reach {series.venue} at {where} ({type(error).__name__}); what was fetched before is stored. "
            "Check the connection and run the same command again, or ingest files with --history"
        ) from error
    except ccxt.BaseError as error:
        # ccxt knows Kraken's answer for a pair that does not exist only as "some error".
        if isinstance(error, ccxt.BadSymbol) or "Unknown asset pair" in str(error):
            raise DataError(f"{series.venue} has no pair {series.pair}; check --pair") from error
        raise ExchangeError(f"{series.venue} refused the request: {str(error)[:200]}") from error
