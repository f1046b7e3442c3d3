"""What a series costs to trade beside its fees: estimated from what is stored of it, and as settings of `fidelity`."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from gal_friday_adapters.locations import Location
from gal_friday_adapters.sessions.market_lake import MarketLake
from gal_friday_core.candles import Candles
from gal_friday_core.errors import DataError
from gal_friday_core.frictions import rounded_up
from gal_friday_core.spread_estimates import (
    FEWEST_BARS,
    BookEstimate,
    SpreadEstimate,
    from_bars,
    from_books,
)
from gal_friday_core.times import from_iso
from gal_friday_live.replay_data import instrument_of

NEWEST_HOURS = 24
"""Hours of recorded books that are looked at."""


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """From bars, and from recorded books where there are any: these count then."""

    series: str
    bars: SpreadEstimate
    books: BookEstimate | None

    @property
    def source(self) -> str:
        """What the settings rest on."""
        if self.books is not None:
            return f"{self.books.books:,} recorded books"
        return f"{self.bars.pairs:,} pairs of bars, the largest of what they tell"

    def settings(self) -> dict[str, Any]:
        """Of the section `fidelity`. Raises DataError where neither books nor bars say anything."""
        half = self.bars.half_spread if self.books is None else self.books.half_spread
        if half is None:
            raise DataError(
                f"{self.series}: {self.bars.pairs} pairs of bars that follow each other and traded are too few to estimate "
                f"a spread, {FEWEST_BARS} are needed: ingest more, or set fidelity.half_spread"
            )
        found: dict[str, Any] = {"slippage": "modelled", "half_spread": rounded_up(half)}
        if self.books is not None and self.books.impact is not None:
            found["impact"] = round(self.books.impact, 4)
        return found

    def to_dict(self) -> dict[str, Any]:
        return {
            "series": self.series,
            "bars": {**msgspec.to_builtins(self.bars), "half_spread": self.bars.half_spread},
            "books": None if self.books is None else msgspec.to_builtins(self.books),
        }


def cost_estimate(root: Location, candles: Candles, tick: Decimal | None = None) -> CostEstimate:
    """Of these bars, and of the newest recorded books of their pair below the lake's `root`."""
    series = candles.series
    step = instrument_of(candles).price_tick if tick is None else tick
    lake = MarketLake(root)
    hours = lake.hours(series.venue, series.pair)[-NEWEST_HOURS:]
    events = lake.events(series.venue, series.pair, start_ns=_start(hours[0])) if hours else None
    return CostEstimate(series.key, from_bars(candles, step), None if events is None else from_books(events))


def _start(hour: str) -> int:
    return from_iso(f"{hour}:00:00Z")
