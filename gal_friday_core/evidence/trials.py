"""What was tried before one configuration was chosen: without it no Sharpe ratio can be judged."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, slots=True)
class Trials:
    """`count` configurations were tried, the chosen one among them.

    `ratios` (n,): daily Sharpe ratios of all that gave one. `returns` (days, n): daily net returns out of sample of
    those whose returns were kept, all over the same days, 0 on days without a trade. `apart` were tested on other days
    than the chosen one: they count, and were no choice in its days.
    """

    count: int = 1
    ratios: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    returns: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    apart: int = 0

    @property
    def variance(self) -> float | None:
        """Of the trials' ratios; 0 for a single trial, None where fewer than two of several are known."""
        known = self.ratios[np.isfinite(self.ratios)]
        if len(known) >= 2:
            return float(known.var(ddof=1))
        return 0.0 if self.count == 1 else None


ONE = Trials()
"""Nothing was chosen: one configuration was tried."""
