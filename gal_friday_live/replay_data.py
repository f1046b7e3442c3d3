"""What an engine needs from stored history: the bars to play, those to warm up on, and the pair's tick."""

from dataclasses import dataclass

from gal_friday_adapters.lake import CandleLake
from gal_friday_core.candles import Candles, Series, concatenate
from gal_friday_core.errors import DataError
from gal_friday_core.exchange_of_run import Recorded
from gal_friday_core.features.drivers import REACH
from gal_friday_core.instruments import Instrument
from gal_friday_core.times import from_iso, to_iso

TICK_SAMPLE = 1_000
"""Closes that a price tick is derived from, where no exchange has told it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bars to play in time order, those before them that decisions reach back to, the instrument that both runs share, and
    what orders meet where that is not the bars.
    """

    series: Series
    bars: Candles
    history: Candles
    instrument: Instrument
    recorded: Recorded | None = None


def stretch(
    lake: CandleLake, series: Series, start_ns: int, end_ns: int | None, before: int = REACH
) -> Stretch:
    """Bars that open in [start_ns, end_ns) with the `before` bars of their history. Raises DataError where there are none."""
    bars = lake.read(series, start_ns, end_ns)
    if not len(bars):
        until = to_iso(end_ns) if end_ns is not None else "now"
        raise DataError(
            f"no candles of {series.key} from {to_iso(start_ns)} to {until}: {_stored(lake, series)}"
        )
    history = history_before(lake, series, int(bars.ts[0]), before)
    return Stretch(series, bars, history, instrument_of(history if len(history) else bars))


def history_before(lake: CandleLake, series: Series, before_ns: int | None, bars: int = REACH) -> Candles:
    """The last `bars` bars before a time (before_ns None: of all), or all there are; read month by month."""
    found: Candles | None = None
    for month in reversed(lake.months(series)):
        start = from_iso(f"{month}-01")
        if before_ns is not None and start >= before_ns:
            continue
        end = before_ns if found is None else int(found.ts[0])
        part = lake.read(series, start, end)
        found = part if found is None or not len(found) else concatenate([part, found])
        if len(found) >= bars:
            break
    return lake.read(series, 0, 0) if found is None else found[-bars:]


def instrument_of(candles: Candles) -> Instrument:
    """Derived from closing prices. Raises DataError where there are none."""
    return Instrument.derive(candles.series.pair, candles.close[-TICK_SAMPLE:].tolist())


def _stored(lake: CandleLake, series: Series) -> str:
    months = lake.months(series)
    if months:
        return f"months {months[0]} to {months[-1]} are stored"
    known = ", ".join(item.key for item in lake.series()) or "nothing"
    return f"{known} is stored; run gal-friday ingest first"
