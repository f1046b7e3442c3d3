"""Confidence intervals for dependent data: the moving-block bootstrap, seeded.

Neighbouring labels share bars, and calm and wild days come in runs, so rows are drawn in blocks of
consecutive rows, long enough to hold both. Reference: Künsch, The Jackknife and the Bootstrap for
General Stationary Observations, Annals of Statistics 17, 1989; circular form of Politis and Romano, 1992.
"""

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

MIN_BLOCKS = 10
"""Fewer blocks than this say little about spread; shorter data gets shorter blocks."""


class Estimate(msgspec.Struct, frozen=True):
    """A value with the interval it lies in at the report's confidence; None where the data cannot say."""

    value: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return "unknown"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


UNKNOWN = Estimate(None, None, None)


@dataclass(frozen=True, eq=False, slots=True)
class Blocks:
    """The same draws for every statistic of one report: `starts` (draws, blocks) first rows, of `length` rows each."""

    rows: int
    length: int
    starts: NDArray[np.int64]

    @classmethod
    def draw(cls, rows: int, length: int, draws: int, rng: np.random.Generator) -> "Blocks":
        """`draws` resamples of `rows` rows in blocks of `length`, at most a `MIN_BLOCKS`-th of the rows."""
        length = max(1, min(length, rows // MIN_BLOCKS))
        blocks = -(-rows // length)
        return cls(rows, length, rng.integers(0, rows, size=(draws, blocks)))

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum of `values` (rows,) in every resample."""
        running = np.concatenate(([0.0], np.cumsum(np.concatenate((values, values[: self.length])))))
        found: NDArray[np.float64] = (running[self.starts + self.length] - running[self.starts]).sum(axis=1)
        return found

    def counts(self, draw: int) -> NDArray[np.int64]:
        """How often each row occurs in one resample."""
        edges = np.bincount(self.starts[draw], minlength=self.rows + self.length)
        edges[self.length :] -= edges[: -self.length].copy()
        running = np.cumsum(edges)
        running[: self.length] += running[self.rows :]
        return running[: self.rows]


def ratio(
    blocks: Blocks, numerator: NDArray[np.float64], denominator: NDArray[np.float64], confidence: float
) -> Estimate:
    """sum(numerator) / sum(denominator), such as a mean per trade, with its percentile interval."""
    total = float(denominator.sum())
    if total <= 0:
        return UNKNOWN
    above, below = blocks.sums(numerator), blocks.sums(denominator)
    drawn = above[below > 0.5] / below[below > 0.5]
    return interval(float(numerator.sum()) / total, drawn, confidence)


def interval(value: float, drawn: NDArray[np.float64], confidence: float) -> Estimate:
    """The central interval of resampled values."""
    drawn = drawn[np.isfinite(drawn)]
    if not (np.isfinite(value) and len(drawn)):
        return UNKNOWN
    low, high = np.quantile(drawn, ((1 - confidence) / 2, (1 + confidence) / 2))
    return Estimate(value, float(low), float(high))
