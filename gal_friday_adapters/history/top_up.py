"""Keeping stored series current: what closed since the last time, and the latest bars again, since exchanges correct them.

A top-up bridges holes of up to `CAUGHT_UP_NS`; after a longer absence it stores what the exchange still offers,
and the hole stays for `gal-friday ingest` to fill.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from gal_friday_adapters.history.kraken_rest import OHLC_BARS
from gal_friday_adapters.history.recent import ingest_recent
from gal_friday_adapters.lake import CandleLake
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import DataError, ExchangeError
from gal_friday_core.spans import union
from gal_friday_core.times import DAY_NS

CAUGHT_UP_NS = 7 * DAY_NS
"""Older bars come from single trades: a request for every thousand of them."""
PAUSE_S = 1.0
"""Between two series: Kraken's public counter forgives one request a second."""


@dataclass(frozen=True, slots=True)
class ToppedUp:
    """What became of one series. `closed_ns`: when its newest stored bar closed; `problem`: why nothing came."""

    series: Series
    added: int = 0
    corrected: int = 0
    closed_ns: int | None = None
    problem: str | None = None


def top_up(
    series: Iterable[Series],
    lake: CandleLake,
    *,
    overlap_bars: int,
    now_ns: Callable[[], int] = time.time_ns,
    pause: Callable[[float], None] = time.sleep,
    url: str | None = None,
) -> list[ToppedUp]:
    """Top up one series after the other. A series that its exchange does not give says so, and stops no other."""
    found: list[ToppedUp] = []
    for one in series:
        if found:
            pause(PAUSE_S)
        found.append(_one(one, lake, overlap_bars, now_ns, url))
    return found


def _one(
    series: Series, lake: CandleLake, overlap_bars: int, now_ns: Callable[[], int], url: str | None
) -> ToppedUp:
    closed = lake.closed_ns(series)
    now, length = now_ns(), series.interval_ns
    start = now - OHLC_BARS * length if closed is None else closed - overlap_bars * length
    before, known = lake.read(series, start), lake.coverage(series)
    lake.forget(series, start)
    problem = None
    try:
        ingest_recent(series, lake, since_ns=start, now_ns=now_ns, url=url, deep=now - start <= CAUGHT_UP_NS)
    except (ExchangeError, DataError) as error:
        lake.cover(series, union(known))  # nothing came: what was complete still is
        problem = str(error)
    added, corrected = _differences(before, lake.read(series, start))
    return ToppedUp(series, added, corrected, lake.closed_ns(series), problem)


def _differences(before: Candles, after: Candles) -> tuple[int, int]:
    """Bars that are new, and bars whose values changed."""
    _, old, new = np.intersect1d(before.ts, after.ts, assume_unique=True, return_indices=True)
    pairs = zip(before.columns(), after.columns(), strict=True)
    changed = np.logical_or.reduce([was[old] != now[new] for was, now in pairs])
    return len(after) - len(new), int(changed.sum())
