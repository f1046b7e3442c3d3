"""Predictions and what became of them: a label counts from the moment at which it is known, and not before."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.errors import DataError
from gal_friday_core.scores import sequential_trades
from gal_friday_core.times import SECOND_NS, to_iso

NOT_YET = 2**63 - 1
"""`t1_ns` of a prediction whose label nobody knows."""
AHEAD_NS = 10 * SECOND_NS
"""A prediction may be dated so far after now: two clocks never agree entirely."""


@dataclass(frozen=True, eq=False, slots=True)
class Scored:
    """What a model said, in time order, and what became of it.

    `t0_ns` the bar's close that was predicted for; `probability` calibrated; `t1_ns` when the label is known,
    `NOT_YET` where it is not; `net_return` of the money spent on the trade, NaN where it is not known.
    """

    t0_ns: NDArray[np.int64]
    probability: NDArray[np.float64]
    t1_ns: NDArray[np.int64]
    net_return: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.t0_ns)

    def __getitem__(self, rows: Any) -> "Scored":
        return Scored(self.t0_ns[rows], self.probability[rows], self.t1_ns[rows], self.net_return[rows])

    @property
    def won(self) -> NDArray[np.bool_]:
        """Whether the trade ended in net profit; says nothing where the label is not known."""
        return self.net_return > 0

    @classmethod
    def empty(cls) -> "Scored":
        times = np.empty(0, np.int64)
        return cls(times, np.empty(0), times, np.empty(0))


def known(scored: Scored, now_ns: int) -> Scored:
    """The predictions whose label is known at `now_ns`. Raises DataError as `check` does."""
    check(scored, now_ns)
    return scored[(scored.t1_ns <= now_ns) & np.isfinite(scored.net_return)]


def waiting(scored: Scored, now_ns: int) -> Scored:
    """The predictions whose label is still to come."""
    return scored[~((scored.t1_ns <= now_ns) & np.isfinite(scored.net_return))]


def without_overlap(scored: Scored, threshold: float = 0.0) -> Scored:
    """Trades at or above `threshold`, each begun when the last had ended: labels that share no time.

    Overlapping trades fail together. Counted one by one they would look like drift wherever the market moves.
    """
    return scored[sequential_trades(scored.t0_ns, scored.t1_ns, scored.probability, threshold)]


def check(scored: Scored, now_ns: int) -> None:
    """Raises DataError for times that cannot be, naming the first: clocks disagree, or records are mixed up."""
    _refuse(np.diff(scored.t0_ns, prepend=scored.t0_ns[:1]) < 0, scored, "is earlier than the one before it")
    _refuse(scored.t1_ns < scored.t0_ns, scored, "has a label that was known before it was made")
    _refuse(
        scored.t0_ns > now_ns + AHEAD_NS,
        scored,
        f"is of the future: it is {to_iso(now_ns)[:19]}Z by this clock",
    )
    outside = ~((scored.probability >= 0) & (scored.probability <= 1))
    _refuse(outside, scored, "has no probability between 0 and 1")


def _refuse(wrong: NDArray[np.bool_], scored: Scored, why: str) -> None:
    if wrong.any():
        first = int(np.argmax(wrong))
        raise DataError(
            f"prediction {first} of {len(scored):,}, for {to_iso(int(scored.t0_ns[first]))}, {why} "
            f"({int(wrong.sum()):,} such): check the clocks, and what was recorded"
        )
