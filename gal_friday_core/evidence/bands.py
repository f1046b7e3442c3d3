"""How much of an equity curve is luck: its days in another order, many times, fold by fold."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.evidence.report import Day
from gal_friday_core.resampling import Blocks

BLOCK_DAYS = 7
DRAWS = 1_000
_SEED = 2_018


class Band(NamedTuple):
    """One fold: at the end of each of `dates`, net returns added up since its begin, and the band they lie in."""

    fold: int
    dates: tuple[str, ...]
    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def equity_bands(days: Sequence[Day], confidence: float) -> tuple[Band, ...]:
    """The curve of every fold with the share `confidence` of what its days give when drawn anew.

    Days are drawn in blocks of a week, with replacement, from the fold itself; the same days give the same bands.
    """
    rng = np.random.default_rng(_SEED)
    return tuple(
        _band(fold, list(members), confidence, rng)
        for fold, members in groupby(days, key=lambda day: day.fold)
    )


def _band(fold: int, days: list[Day], confidence: float, rng: np.random.Generator) -> Band:
    returns = np.array([day.net_return for day in days])
    drawn = np.cumsum(returns[_rows(len(days), rng)], axis=1)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    curves = (tuple(curve.tolist()) for curve in (np.cumsum(returns), low, high))
    return Band(fold, tuple(day.date for day in days), *curves)


def _rows(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which day stands where, in every draw: (draws, days)."""
    blocks = Blocks.draw(count, BLOCK_DAYS, DRAWS, rng)
    rows = (blocks.starts[:, :, None] + np.arange(blocks.length)).reshape(DRAWS, -1)[:, :count]
    found: NDArray[np.int64] = rows % count
    return found
