"""Trades as daily returns: the record that Sharpe ratios, trials and equity curves are made of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.evidence.report import Day
from gal_friday_core.labels import Labels
from gal_friday_core.times import DAY_NS, to_iso
from gal_friday_core.validation import FoldResult


@dataclass(frozen=True, eq=False, slots=True)
class Daily:
    """Arrays (days,) over every UTC day from `first_day` on, a count since 1970; `folds` tells which fold tested it.

    `net_return` is the sum over the trades that ended on the day, each with the whole stake, not compounded.
    """

    first_day: int
    net_return: NDArray[np.float64]
    trades: NDArray[np.int64]
    folds: NDArray[np.int64]

    def days(self) -> tuple[Day, ...]:
        return tuple(
            Day(to_iso((self.first_day + day) * DAY_NS)[:10], int(fold), int(trades), float(earned))
            for day, (fold, trades, earned) in enumerate(
                zip(self.folds, self.trades, self.net_return, strict=True)
            )
        )


def daily(labels: Labels, folds: Sequence[FoldResult]) -> Daily:
    """Out of sample, all folds together. Which days there are depends on what was tested, not on what was traded."""
    first = int(labels.t0_ns[folds[0].events[0]]) // DAY_NS
    last = max(int(_ended(labels.t1_ns[fold.events]).max()) for fold in folds)
    tested_from = [int(labels.t0_ns[fold.events[0]]) // DAY_NS for fold in folds]
    traded = np.concatenate([fold.trades for fold in folds])
    ends = _ended(labels.t1_ns[traded]) - first
    size = last - first + 1
    return Daily(
        first_day=first,
        net_return=_by_day(ends, labels.net_return[traded], size),
        trades=np.bincount(ends, minlength=size),
        folds=np.searchsorted(tested_from, np.arange(first, last + 1), side="right"),
    )


def spread(
    t1_ns: NDArray[np.int64], returns: NDArray[np.float64], first: int, days: int
) -> NDArray[np.float64]:
    """`returns` (n,) of trades known at `t1_ns`, summed by day: (days,) from day `first` on; others are left out."""
    day = _ended(t1_ns) - first
    inside = (day >= 0) & (day < days)
    return _by_day(day[inside], returns[inside], days)


def _by_day(day: NDArray[np.int64], returns: NDArray[np.float64], days: int) -> NDArray[np.float64]:
    found = np.zeros(days)
    np.add.at(found, day, returns)
    return found


def _ended(t1_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """The UTC day of the last bar: its close at midnight belongs to the day before."""
    found: NDArray[np.int64] = (t1_ns - 1) // DAY_NS
    return found
