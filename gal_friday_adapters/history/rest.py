"""What every download shares: the request with its retries, and the span of time to be filled."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import stamina

from gal_friday_adapters.history.report import FileReport
from gal_friday_adapters.history.storing import Progress, store
from gal_friday_adapters.lake import CandleLake
from gal_friday_core.candles import Candles, Series
from gal_friday_core.spans import Span, missing

Answer = TypeVar("Answer")

ATTEMPTS = 4
"""Of one request, when the network or the exchange's limits stand in the way; about four seconds in all."""
PAGES_A_WRITE = 20
"""Pages gathered before they are written: what a killed download has to fetch again."""


def ask(call: Callable[..., Answer], *arguments: Any, **named: Any) -> Answer:
    """Make one reading request, again after network errors only. Raises ccxt's error when that does not help."""
    import ccxt  # late: two seconds, and only a download needs it

    retries = stamina.retry_context(
        on=ccxt.NetworkError, attempts=ATTEMPTS, wait_initial=0.5, wait_max=8, timeout=60
    )
    for attempt in retries:
        with attempt:
            return call(*arguments, **named)
    raise AssertionError("stamina ends with an answer or an error")


@dataclass(slots=True)
class Download:
    """Bars that open in [start, end) of one series, on their way into the lake. Times in nanoseconds."""

    series: Series
    lake: CandleLake
    entry: FileReport
    start: int
    end: int
    progress: Progress

    def missing(self, until: int | None = None) -> list[Span]:
        """What the lake does not cover yet, before `until`."""
        wanted = (self.start, self.end if until is None else min(until, self.end))
        return missing(self.lake.coverage(self.series), wanted)

    def keep(self, candles: Candles, span: Span) -> None:
        """Store bars, then note that `span` is complete."""
        first, last = max(span[0], self.start), min(span[1], self.end)
        store(candles.between(first, last), self.lake, self.entry)
        if first < last:
            self.lake.cover(self.series, [(first, last)])
        length = self.series.interval_ns
        left = sum(end - start for start, end in self.missing()) // length
        total = (self.end - self.start) // length
        self.progress(self.entry.name, total - left, total)
