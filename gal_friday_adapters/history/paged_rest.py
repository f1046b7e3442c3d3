"""Any exchange whose candles ccxt pages forward from a time (`fetch_ohlcv`)."""

from typing import Any

import numpy as np

from gal_friday_adapters.history.rest import PAGES_A_WRITE, Download, ask
from gal_friday_core.candles import UNKNOWN_TRADES, Candles, Series
from gal_friday_core.errors import DataError
from gal_friday_core.spans import Span
from gal_friday_core.times import to_iso

MS_NS = 1_000_000


def fetch(client: Any, download: Download) -> None:
    """Fill the download. Raises DataError where the exchange does not serve this bar length."""
    ask(client.load_markets)
    if not client.has.get("fetchOHLCV") or download.series.interval not in (client.timeframes or {}):
        raise DataError(
            f"{download.series.venue} has no {download.series.interval} candles; choose another --interval"
        )
    for span in download.missing():
        _fill(client, download, span)


def _fill(client: Any, download: Download, span: Span) -> None:
    """Page through a span. What an exchange answers with silence is not taken for known."""
    series, (cursor, end) = download.series, span
    start, rows, pages = cursor, [], 0
    while cursor < end:
        page = ask(client.fetch_ohlcv, series.pair, series.interval, cursor // MS_NS)
        fresh = [row for row in page if cursor <= row[0] * MS_NS < end]
        rows.extend(fresh)
        pages += 1
        beyond = any(row[0] * MS_NS >= end for row in page)
        silent = not fresh and not beyond
        if fresh or beyond:
            cursor = end if beyond else int(fresh[-1][0]) * MS_NS + series.interval_ns
        if silent or cursor >= end or pages % PAGES_A_WRITE == 0:
            download.keep(_candles(series, rows), (start, cursor))
            start, rows = cursor, []
        if silent:
            download.entry.notes.append(f"{series.venue} served nothing from {to_iso(cursor)} on")
            return


def _candles(series: Series, rows: list[list[float]]) -> Candles:
    table = np.array(rows, np.float64).reshape(-1, 6)
    ts = np.array([int(row[0]) * MS_NS for row in rows], np.int64)
    unknown = np.full(len(rows), UNKNOWN_TRADES, np.int64)
    return Candles(series, ts, table[:, 1], table[:, 2], table[:, 3], table[:, 4], table[:, 5], unknown)
