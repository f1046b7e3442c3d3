"""Kraken's public REST: OHLC for the last 720 closed bars, Trades for everything before.

OHLC carries trade-less bars (volume 0, count 0), which Kraken's archives and websocket leave out: dropped,
so that the lake holds one form. Its last row is the bar still open: never stored.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from gal_friday_adapters.history.naming import ALIASES
from gal_friday_adapters.history.rest import PAGES_A_WRITE, Download, ask
from gal_friday_core.candle_quality import select
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import ExchangeError
from gal_friday_core.spans import Span
from gal_friday_core.times import MINUTE_NS, SECOND_NS, to_iso
from gal_friday_core.trade_bars import bars_of_trades

OHLC_BARS = 720
PAGE = 1000
"""Trades in a full page."""

Trades = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]
"""Time (ns), price, quantity."""


def fetch(client: Any, download: Download, *, deep: bool) -> None:
    """Fill the download: the recent bars first, then, with `deep`, the older ones from trades."""
    client.parse_json = parse_json
    reach = recent(partial(ask, client.public_get_ohlc), download)
    older = download.missing(until=reach)
    if not older:
        return
    entry = download.entry
    limit = f"asked for bars since {to_iso(download.start)}; OHLC reaches back to {to_iso(reach)} ({OHLC_BARS} bars)"
    if not deep:
        entry.notes.append(f"{limit}; older bars were not asked for")
        return
    entry.notes.append(f"{limit}; older bars were rebuilt from Trades")
    for span in older:
        _rebuild(client, download, span)


def parse_json(text: str) -> Any:
    """The document, or None where it is no JSON (ccxt then goes by the HTTP status).

    Decimals stay text: a float of seconds is good to 240 ns, which can move a trade into the next bar.
    """
    try:
        return json.loads(text, parse_float=str)
    except (ValueError, RecursionError):
        return None


def pair_name(series: Series) -> str:
    """The pair by Kraken's own asset codes.

    >>> pair_name(Series("kraken", "BTC/USD", "1m"))
    'XBTUSD'
    """
    own = {usual: code for code, usual in ALIASES.items()}
    return own.get(series.base, series.base) + own.get(series.quote, series.quote)


def recent(get: Callable[[dict[str, Any]], Any], download: Download) -> int:
    """Store the bars that OHLC offers; when the first of them opened. `get` takes the query, and gives the answer
    as `parse_json` reads it. Raises ExchangeError for an answer that is not Kraken's.
    """
    candles, reach, committed = _recent(get, download)
    download.keep(candles, (reach, committed))
    return reach


def _recent(get: Callable[[dict[str, Any]], Any], download: Download) -> tuple[Candles, int, int]:
    """(bars with trades, open time of the first row offered, end of the last committed bar)."""
    series = download.series
    since = (download.missing()[0][0] - series.interval_ns) // SECOND_NS
    query = {"pair": pair_name(series), "interval": series.interval_ns // MINUTE_NS, "since": since}
    rows, last = _result(get(query), "OHLC")
    try:
        table = np.array([[float(value) for value in row] for row in rows], np.float64).reshape(-1, 8)
        ts = np.array([int(row[0]) for row in rows], np.int64) * SECOND_NS
        committed = int(last) * SECOND_NS + series.interval_ns
    except (TypeError, ValueError) as error:
        _unexpected("OHLC", error)
    candles = Candles(
        series,
        ts,
        table[:, 1],
        table[:, 2],
        table[:, 3],
        table[:, 4],
        table[:, 6],
        table[:, 7].astype(np.int64),
    )
    traded = (candles.volume > 0) | (candles.trades > 0)
    committed = min(committed, download.end)
    reach = int(ts[0]) if len(ts) else committed
    return select(candles, traded & (ts < committed)), min(reach, committed), committed


def _rebuild(client: Any, download: Download, span: Span) -> None:
    """Page through the trades of a span; store whole bars every so many pages."""
    start, end = span
    pending: list[Trades] = []
    cursor, pages = start - 1, 0
    while True:
        trades, last, full = _page(client, download.series, cursor)
        pending.append(trades)
        pages += 1
        finished = not full or last >= end
        if finished or pages % PAGES_A_WRITE == 0:
            start, pending = _flush(download, pending, start, end if finished else last)
        if finished:
            return
        if last <= cursor:
            raise ExchangeError(
                f"kraken Trades does not go on after {to_iso(cursor)}; what was fetched before is stored. "
                "Run the same command again"
            )
        cursor = last


def _flush(download: Download, pending: list[Trades], start: int, seen: int) -> tuple[int, list[Trades]]:
    """Store the bars that end by `seen`; returns where the next bar begins, and its trades so far."""
    series = download.series
    whole = seen - seen % series.interval_ns
    ts, price, quantity = (np.concatenate(column) for column in zip(*pending, strict=True))
    done = ts < whole
    download.keep(bars_of_trades(series, ts[done], price[done], quantity[done]), (start, whole))
    return whole, [(ts[~done], price[~done], quantity[~done])]


def _page(client: Any, series: Series, since: int) -> tuple[Trades, int, bool]:
    """(trades after `since`, time to continue from, whether the page is full)."""
    query = {"pair": pair_name(series), "since": str(since), "count": PAGE}
    rows, last = _result(ask(client.public_get_trades, query), "Trades")
    try:
        ts = np.array([int(Decimal(row[2]) * SECOND_NS) for row in rows], np.int64)
        price = np.array([float(row[0]) for row in rows], np.float64)
        quantity = np.array([float(row[1]) for row in rows], np.float64)
        order = np.argsort(ts, kind="stable")
        return (ts[order], price[order], quantity[order]), int(last), len(rows) >= PAGE
    except (TypeError, ValueError, ArithmeticError, IndexError) as error:
        _unexpected("Trades", error)


def _result(answer: Any, what: str) -> tuple[list[Any], Any]:
    """(rows, `last`) of an answer, whatever Kraken calls the pair in it."""
    if isinstance(answer, dict) and answer.get("error"):
        raise ExchangeError(f"kraken refused {what}: {str(answer['error'])[:200]}; check the pair")
    result = answer.get("result") if isinstance(answer, dict) else None
    if not isinstance(result, dict) or "last" not in result or len(result) != 2:
        _unexpected(what, None)
    rows = next(value for key, value in result.items() if key != "last")
    return rows, result["last"]


def _unexpected(what: str, error: Exception | None) -> NoReturn:
    raise ExchangeError(
        f"kraken answered {what} with something that is no list of rows; check for a proxy or maintenance page"
    ) from error
