"""Which rows of a candle file cannot be true, and whether the file as a whole looks like a market.

`row_faults` names single rows that are refused; `assess` measures a series and says, in
`QualityReport.quarantine_reasons`, why a file must not be believed although each row is well formed.
`interval_contradiction` compares the times with the claimed bar length.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import UNKNOWN_TRADES, Candles
from gal_friday_core.times import INTERVAL_NS, from_iso, to_iso

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Times = NDArray[np.int64]

EARLIEST_NS = from_iso("2009-01-03")
"""Day of Bitcoin's first block: no coin traded before it."""
LATEST_NS = from_iso("2100-01-01")

OUTLIER_SIGMAS = 20.0
"""Reported as outliers: one-bar log returns beyond so many robust sigmas (1.4826 × MAD). Never refused:
crypto's real crashes reach several hundred."""

MIN_ROWS_TO_JUDGE = 100
"""Shorter files are checked row by row only: their statistics say nothing."""
MAX_FLAT_ZERO_SHARE = 0.5
"""Quarantine above this share of bars with one price and no volume. Kraken's REST answers have had 30 %."""
MAX_ZERO_VOLUME_SHARE = 0.9
"""Quarantine above this share of bars without volume, whatever the prices do: an index, not a market."""
LEAP = float(np.log(1.5))
"""A one-bar move by half. Kraken's ETH/USD history, flash crash included, has 5 in 63,568 hours."""
MAX_LEAPS = 10
MAX_LEAP_SHARE = 0.0005
"""Quarantine when leaps exceed both: misplaced decimal points, two series mixed in one file."""
MAX_TYPICAL_MOVE = 0.10
"""Quarantine when the median absolute one-bar log return exceeds this. Daily Bitcoin has 0.016."""
MAX_FLAT_RUN_SHARE = 0.5
"""Quarantine when one unchanged price covers more than this share of the file: a frozen feed."""

CHANCE = 1e-6
"""Times that fit a longer bar length by less than this chance contradict the claimed one."""


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What a series looks like; counts are rows unless the name says bars (slots of the time grid).

    `missing_bars` lie inside the span; `worst_outlier` is the log return farthest from typical, and
    `worst_outlier_ns` its bar; `longest_flat_run` counts consecutive rows of one unchanged price.
    """

    rows: int
    first_ns: int | None
    last_ns: int | None
    gaps: int
    missing_bars: int
    max_gap_bars: int
    duplicates: int
    off_grid: int
    out_of_order: int
    inconsistent: int
    zero_volume_share: float
    flat_zero_share: float
    outliers: int
    worst_outlier: float | None
    worst_outlier_ns: int | None
    longest_flat_run: int
    quarantine_reasons: tuple[str, ...]

    @property
    def plausible(self) -> bool:
        return not self.quarantine_reasons

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times also as ISO 8601."""
        result = asdict(self)
        for name in ("first", "last", "worst_outlier"):
            ns = result.pop(f"{name}_ns")
            result[name if name != "worst_outlier" else "worst_outlier_time"] = (
                None if ns is None else to_iso(ns)
            )
        result["quarantine_reasons"] = list(self.quarantine_reasons)
        return result


def row_faults(candles: Candles, *, plausible_times: bool = True) -> dict[str, Mask]:
    """Rows that cannot be true, by reason; only reasons that occur. An empty dict means a clean file.

    `candles` may break every promise of the class. NaN stands for a value that was missing or unreadable.
    """
    ts, interval = candles.ts, candles.series.interval_ns
    prices = np.stack((candles.open, candles.high, candles.low, candles.close))
    finite = np.isfinite(prices).all(axis=0) & np.isfinite(candles.volume)
    early, late, duplicate = _order_faults(ts)
    faults = {
        "a value is missing, NaN or infinite": ~finite,
        "a price is zero or negative": finite & (prices <= 0).any(axis=0),
        "the volume is negative": candles.volume < 0,
        "the number of trades is negative": candles.trades < UNKNOWN_TRADES,
        "high is below low": candles.high < candles.low,
        "open or close lies outside low..high": _outside(prices),
        f"the time is off the {candles.series.interval} grid": ts % interval != 0,
        "the time repeats that of an earlier row": duplicate,
        "out of order: the time is before that of an earlier row": early & ~duplicate,
        "out of order: the time is after that of a later row": late & ~duplicate,
    }
    if plausible_times:
        faults["the time is before 2009 or after 2100 (wrong unit?)"] = (ts < EARLIEST_NS) | (ts >= LATEST_NS)
    return {reason: mask for reason, mask in faults.items() if mask.any()}


def _outside(prices: NDArray[np.float64]) -> Mask:
    body = prices[(0, 3), :]
    outside: Mask = ((body > prices[1]) | (body < prices[2])).any(axis=0) & (prices[1] >= prices[2])
    return outside


def _order_faults(ts: Times) -> tuple[Mask, Mask, Mask]:
    """(earlier than a row above, later than a row below, same time as a row above).

    Of the first two only the shorter list is given, as it names the strays and not those they passed.
    """
    early, late, duplicate = (np.zeros(len(ts), dtype=np.bool_) for _ in range(3))
    if len(ts) < 2 or (np.diff(ts) > 0).all():
        return early, late, duplicate
    early[1:] = ts[1:] < np.maximum.accumulate(ts)[:-1]
    late[:-1] = ts[:-1] > np.minimum.accumulate(ts[::-1])[::-1][1:]
    (early if late.sum() < early.sum() else late)[:] = False
    order = np.argsort(ts, kind="stable")
    repeats = np.flatnonzero(np.diff(ts[order]) == 0) + 1
    duplicate[order[repeats]] = True
    return early, late, duplicate


def interval_contradiction(candles: Candles) -> str | None:
    """Why the times cannot be bars of the claimed length, or None.

    Finer bars show in the median spacing; coarser ones when (nearly) all times fit a longer grid, which
    for n rows happens by chance with probability (claimed / longer)^n. Thin markets, whose median spacing
    is long because most bars are missing, pass.
    """
    claimed = candles.series.interval_ns
    steps = np.diff(_sorted_times(candles))
    if len(steps) == 0:
        return None
    spacing = int(np.median(steps))
    if spacing < claimed:
        return f"the median spacing is {_length(spacing)}, not {candles.series.interval}"
    for name, longer in sorted(INTERVAL_NS.items(), key=lambda item: -item[1]):
        fits = longer > claimed and np.mean(candles.ts % longer == 0) >= 0.99
        if fits and spacing >= longer and (claimed / longer) ** len(candles) < CHANCE:
            return f"every time lies on the {name} grid, so these are not {candles.series.interval} bars"
    return None


def _sorted_times(candles: Candles) -> Times:
    ts = candles.ts
    return ts if (np.diff(ts) > 0).all() else np.unique(ts)


def _length(ns: int) -> str:
    names = {length: name for name, length in INTERVAL_NS.items()}
    return names.get(ns, f"{ns / 1e9:g} s")


def assess(candles: Candles) -> QualityReport:
    """Measure a series. Rows may be bad: they are counted, and kept out of the return statistics."""
    faults = row_faults(candles, plausible_times=False)
    count = {reason: int(mask.sum()) for reason, mask in faults.items()}
    bad = np.logical_or.reduce(list(faults.values())) if faults else np.zeros(len(candles), np.bool_)
    good = candles if not bad.any() else select(candles, ~bad)
    holes = _holes(candles)
    leaps = _consecutive_returns(good)
    outliers, worst, worst_ns = _outliers(leaps)
    flat = (candles.open == candles.high) & (candles.high == candles.low) & (candles.low == candles.close)
    silent = candles.volume == 0
    report = QualityReport(
        rows=len(candles),
        first_ns=int(candles.ts.min()) if len(candles) else None,
        last_ns=int(candles.ts.max()) if len(candles) else None,
        gaps=len(holes),
        missing_bars=int(holes.sum()),
        max_gap_bars=int(holes.max(initial=0)),
        duplicates=_counted(count, "repeats"),
        off_grid=_counted(count, "off the"),
        out_of_order=_counted(count, "out of order"),
        inconsistent=_counted(count, "high is below") + _counted(count, "outside low..high"),
        zero_volume_share=float(silent.mean()) if len(candles) else 0.0,
        flat_zero_share=float((flat & silent).mean()) if len(candles) else 0.0,
        outliers=outliers,
        worst_outlier=worst,
        worst_outlier_ns=worst_ns,
        longest_flat_run=_longest_flat_run(flat, candles.close),
        quarantine_reasons=(),
    )
    return _judged(report, leaps[1])


def select(candles: Candles, keep: Mask) -> Candles:
    """The rows where `keep` is true."""
    return Candles(candles.series, *(column[keep] for column in candles.columns()))


def _counted(count: dict[str, int], phrase: str) -> int:
    return sum(rows for reason, rows in count.items() if phrase in reason)


def _holes(candles: Candles) -> NDArray[np.int64]:
    """Missing bars in each gap."""
    steps: Times = np.diff(_sorted_times(candles)) // candles.series.interval_ns
    return steps[steps > 1] - 1


def _consecutive_returns(candles: Candles) -> tuple[Times, Floats]:
    """(open time, close-to-close log return) of the bars whose predecessor is not missing."""
    adjacent = np.diff(candles.ts) == candles.series.interval_ns
    return candles.ts[1:][adjacent], np.diff(np.log(candles.close))[adjacent]


def _outliers(returns: tuple[Times, Floats]) -> tuple[int, float | None, int | None]:
    times, moves = returns
    if len(moves) == 0:
        return 0, None, None
    centre = float(np.median(moves))
    distance = np.abs(moves - centre)
    # With more than half of the moves zero the median distance is too, and says nothing.
    sigma = 1.4826 * float(np.median(distance)) or 1.2533 * float(distance.mean())
    worst = int(np.argmax(distance))
    beyond = int((distance > OUTLIER_SIGMAS * sigma).sum())
    return beyond, float(moves[worst]), int(times[worst])


def _longest_flat_run(flat: Mask, close: Floats) -> int:
    if not flat.any():
        return 0
    same = flat.copy()
    same[1:] &= close[1:] == close[:-1]
    ends = np.flatnonzero(np.append(~same, True))
    # A run's first row follows a different price, so it breaks `same` itself unless it opens the file.
    runs = np.diff(np.append(-1, ends)) - 1
    opened_by_flat_row = np.append(-1, ends)[:-1]
    opened = np.where(opened_by_flat_row >= 0, flat[opened_by_flat_row], False)
    return int((runs + opened).max())


def _judged(report: QualityReport, moves: Floats) -> QualityReport:
    """The report with its reasons to disbelieve the whole."""
    if report.rows < MIN_ROWS_TO_JUDGE:
        return report
    leaps = int((np.abs(moves) > LEAP).sum())
    typical = float(np.median(np.abs(moves))) if len(moves) >= MIN_ROWS_TO_JUDGE else 0.0
    flat_share = report.longest_flat_run / report.rows
    found = {
        f"{report.flat_zero_share:.0%} of the bars are flat with zero volume": report.flat_zero_share
        > MAX_FLAT_ZERO_SHARE,
        f"{report.zero_volume_share:.0%} of the bars have no volume": report.zero_volume_share
        > MAX_ZERO_VOLUME_SHARE,
        f"{leaps:,} bars moved by half or more": leaps > max(MAX_LEAPS, MAX_LEAP_SHARE * report.rows),
        f"the typical bar moves {typical:.0%}": typical > MAX_TYPICAL_MOVE,
        f"one unchanged price covers {flat_share:.0%} of the bars": flat_share > MAX_FLAT_RUN_SHARE,
    }
    reasons = tuple(reason for reason, holds in found.items() if holds)
    return QualityReport(**{**asdict(report), "quarantine_reasons": reasons})
