"""What every month and every year returned, compounded from daily returns; the first and last may be parts of one."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.times import DAY_NS


class Month(msgspec.Struct, frozen=True):
    """`days` of it were in the run, at 00:00 UTC."""

    year: int
    month: int
    days: int
    net_return: float


class Year(msgspec.Struct, frozen=True):
    year: int
    days: int
    net_return: float


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """`best_day` and `worst_day` are (date, return); `winning_months` a share of those with any return at all."""

    months: tuple[Month, ...]
    years: tuple[Year, ...]
    best_day: tuple[str, float]
    worst_day: tuple[str, float]
    winning_months: float | None


def calendar(start_ns: int, returns: NDArray[np.float64]) -> Calendar:
    """Of daily `returns` (days,), at least one, the first being of the day that `start_ns` lies in."""
    days = np.datetime64(start_ns // DAY_NS, "D") + np.arange(len(returns))
    of_month, of_year = days.astype("datetime64[M]"), days.astype("datetime64[Y]")
    months = tuple(
        Month(int(str(one)[:4]), int(str(one)[5:]), int(here.sum()), _compound(returns[here]))
        for one in np.unique(of_month)
        for here in [of_month == one]
    )
    years = tuple(
        Year(int(str(one)), int(here.sum()), _compound(returns[here]))
        for one in np.unique(of_year)
        for here in [of_year == one]
    )
    best, worst = int(returns.argmax()), int(returns.argmin())
    moved = [month for month in months if month.net_return != 0]
    return Calendar(
        months=months,
        years=years,
        best_day=(str(days[best]), float(returns[best])),
        worst_day=(str(days[worst]), float(returns[worst])),
        winning_months=sum(month.net_return > 0 for month in moved) / len(moved) if moved else None,
    )


def _compound(returns: NDArray[np.float64]) -> float:
    return float(np.prod(1 + returns) - 1)
