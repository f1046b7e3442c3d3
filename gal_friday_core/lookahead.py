"""Whether a run knew its future: the same decisions are asked for again with the future changed, cut off, or late.

Entry points: `shuffled_future` and `past_alone` say whether what is decided at a bar depends on later ones; each takes
any strategy and feature set as a `Decide`. `Delayed` tells what a run earned whose decisions came late: an edge that
is gone one bar later was hardly one.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles, concatenate
from gal_friday_core.errors import DataError

Columns = Mapping[str, NDArray[Any]]
"""What is decided, or decided by, at the close of each bar: (bars,) or (bars, n) each."""
Decide = Callable[[Candles, Candles], Columns]
"""From the bars before, and the bars that are decided on."""

SHUFFLED, ALONE = "shuffled future", "past alone"
"""Names of the checks."""
CUTS = 5
ROWS = 60
DELAYS = (1, 2, 5)


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """`checked` bars were asked again, and `differing` of them answered otherwise; `columns` names what differed."""

    name: str
    about: str
    checked: int
    differing: int
    columns: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Nothing differed, and something was asked."""
        return self.checked > 0 and not self.differing


class Delayed(msgspec.Struct, frozen=True, kw_only=True):
    """A run whose decisions came `bars` bars late; money in quote currency."""

    bars: int
    trades: int
    net_profit: str
    total_return: float
    sharpe: float | None


class Guards(msgspec.Struct, frozen=True, kw_only=True):
    """`checks` are verdicts; `delays`, the run itself first, are for people to judge."""

    checks: tuple[Check, ...]
    delays: tuple[Delayed, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, with the verdicts."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        for told, check in zip(found["checks"], self.checks, strict=True):
            told["passed"] = check.passed
        return found | {"passed": self.passed}


def shuffled_future(decide: Decide, history: Candles, bars: Candles, *, seed: int, cuts: int = CUTS) -> Check:
    """Change all bars after a moment: nothing that was decided up to it may change, bit for bit.

    The moments are spread over the run. Raises DataError where there are too few bars to have a future.
    """
    if len(bars) < 2 * (cuts + 1):
        raise DataError(f"{len(bars)} bars are too few to shuffle the future of: at least {2 * (cuts + 1)}")
    rng = np.random.default_rng(seed)
    whole = decide(history, bars)
    checked, differing, columns = 0, 0, set[str]()
    for cut in range(1, cuts + 1):
        known = len(bars) * cut // (cuts + 1)
        again = decide(history, shuffled(bars, known, rng))
        differs = {name: _differs(whole[name][:known], again[name][:known]) for name in whole}
        checked += known
        differing += int(np.logical_or.reduce(list(differs.values())).sum())
        columns |= {name for name, rows in differs.items() if rows.any()}
    return Check(
        name=SHUFFLED,
        about=f"after each of {cuts} moments all bars in another order, at other prices and volumes",
        checked=checked,
        differing=differing,
        columns=tuple(sorted(columns)),
    )


def past_alone(
    decide: Decide, history: Candles, bars: Candles, *, reach: int, seed: int, rows: int = ROWS
) -> Check:
    """Ask for single bars again with nothing behind them, and no more than `reach` bars before: the same, bit for bit."""
    whole = decide(history, bars)
    every = concatenate([history, bars]) if len(history) else bars
    offset = len(every) - len(bars)
    chosen = np.random.default_rng(seed).choice(len(bars), min(rows, len(bars)), replace=False)
    differing, columns = 0, set[str]()
    for row in np.sort(chosen).tolist():
        at = offset + row
        again = decide(every[max(at - reach, 0) : at], every[at : at + 1])
        differs = {name for name in whole if _differs(whole[name][row : row + 1], again[name])[0]}
        differing += bool(differs)
        columns |= differs
    return Check(
        name=ALONE,
        about=f"single bars with nothing behind them, and {reach:,} bars before",
        checked=len(chosen),
        differing=differing,
        columns=tuple(sorted(columns)),
    )


def shuffled(bars: Candles, known: int, rng: np.random.Generator) -> Candles:
    """The first `known` bars as they were, the others in another order at the same times, their prices and volumes scaled.

    Order alone would leave every mean and quantile as it was, and with them what looked at those.
    """
    order = np.concatenate((np.arange(known), known + rng.permutation(len(bars) - known)))
    price, volume = (np.where(np.arange(len(bars)) < known, 1.0, rng.uniform(1.5, 3.0)) for _ in range(2))
    scales = (price, price, price, price, volume)
    scaled = [column[order] * scale for column, scale in zip(bars.columns()[1:6], scales, strict=True)]
    return Candles(bars.series, *(bars.ts, *scaled, bars.trades[order]))


def late(columns: Columns, bars: int) -> dict[str, NDArray[Any]]:
    """What was said `bars` bars ago, at every bar; before the first, nothing: NaN, or False."""
    return {name: _late(column, bars) for name, column in columns.items()}


def _late(column: NDArray[Any], bars: int) -> NDArray[Any]:
    nothing: Any = False if column.dtype == np.bool_ else np.nan
    found = np.full_like(column, nothing)
    found[bars:] = column[: max(len(column) - bars, 0)]
    return found


def _differs(ours: NDArray[Any], theirs: NDArray[Any]) -> NDArray[np.bool_]:
    """(bars,): where two columns are not the same bits; NaN is itself."""
    if len(ours) != len(theirs):
        raise DataError(f"{len(theirs)} bars were decided on where {len(ours)} were asked")
    one, other = (np.ascontiguousarray(column).reshape(len(column), -1) for column in (ours, theirs))
    found: NDArray[np.bool_] = (one.view(np.uint8) != other.view(np.uint8)).any(axis=1)
    return found
