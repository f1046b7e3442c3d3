"""Where `up` gets its candles: files, else the exchange, else a simulated market that says what it is."""

import time
from dataclasses import dataclass
from pathlib import Path

import stamina.instrumentation

from gal_friday_adapters.ingest import IngestReport, ingest_exchange, ingest_paths
from gal_friday_adapters.lake import CandleLake
from gal_friday_core.candles import Series
from gal_friday_core.config import Config
from gal_friday_core.errors import DataError, ExchangeError
from gal_friday_core.market_simulator import simulate
from gal_friday_core.times import DAY_NS, from_iso
from gal_friday_live.pipeline_process import Progress

EXCHANGE_DAYS = 14
"""History asked of an exchange at the first start; deeper history is what `ingest` and archives are for."""

SYNTHETIC_BARS = 120_000
SYNTHETIC_SEED = 7
_SYNTHETIC_START = from_iso("2024-01-01")


@dataclass(frozen=True, slots=True)
class Market:
    """What is to be traded, and whether it is real and still running."""

    series: Series
    rows: int
    synthetic: bool
    live: bool
    """The exchange can be listened to; otherwise the latest stored history is replayed."""


def bring_history_in(
    config: Config, lake: CandleLake, history: tuple[Path, ...], wanted: str | None, progress: Progress
) -> Market:
    """Fill the lake and choose the series. Raises DataError for damaged input or an ambiguous choice."""
    if history:
        report = ingest_paths(list(history), lake, progress=progress)
        series = _choose(report, wanted)
        return Market(series, len(lake.read(series)), synthetic=False, live=False)
    series = Series(config.market.exchange, config.market.pairs[0], config.market.interval)
    # The default hook logs to standard output, which belongs to the result; the progress bar tells enough.
    stamina.instrumentation.set_on_retry_hooks(())
    try:
        since = time.time_ns() - EXCHANGE_DAYS * DAY_NS
        ingest_exchange(series, lake, since_ns=since, progress=progress)
    except ExchangeError:
        return _simulated(config, lake, progress)
    return Market(series, len(lake.read(series)), synthetic=False, live=True)


def _simulated(config: Config, lake: CandleLake, progress: Progress) -> Market:
    series = Series("synthetic", config.market.pairs[0], config.market.interval)
    progress("simulating a market", 0, 1)
    candles = simulate(series, _SYNTHETIC_START, SYNTHETIC_BARS, seed=SYNTHETIC_SEED)
    lake.write(candles)
    progress("simulating a market", 1, 1)
    return Market(series, len(candles), synthetic=True, live=False)


def _choose(report: IngestReport, wanted: str | None) -> Series:
    """The one series to trade out of what was ingested."""
    found = sorted(report.series)
    if wanted is not None:
        found = [series for series in found if series.key == wanted]
    if len(found) == 1:
        return found[0]
    keys = ", ".join(series.key for series in sorted(report.series))
    if wanted is not None:
        raise DataError(f"--series {wanted} is not in the given history, which holds {keys}")
    raise DataError(f"the given history holds several series: choose one with --series ({keys})")
