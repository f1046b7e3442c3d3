"""Evidence that may be looked at any time: a bettor who can grow rich only if the mean is higher than was said.

Whoever bets a share of his capital that outcomes in [0, 1] exceed their stated means can, if the means are true,
pass c times his stake with probability 1/c at most, however often one looks (Ville). Reference: Waudby-Smith and
Ramdas, Estimating Means of Bounded Random Variables by Betting, Journal of the Royal Statistical Society B 86,
2024. Bettors who begin anew at each outcome, added up, alarm once in c outcomes by chance (Shin, Ramdas and
Rinaldo, E-detectors, New England Journal of Statistics in Data Science 2, 2024).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.compiled import compiled

STAKES = np.array([0.02, 0.05, 0.1, 0.2, 0.4])
"""Shares of the largest stake that cannot ruin the bettor; his capital is spread over all of them."""


class Evidence(NamedTuple):
    """After each outcome (n,): `wealth` of the bettor who began with 1 at the first; `restarted` of those who begin anew.

    That the means are as stated is refused at level α when wealth reaches 1/α, once; `restarted` at c means a false
    alarm once in c outcomes, and finds also what began late.
    """

    wealth: NDArray[np.float64]
    restarted: NDArray[np.float64]

    def crossed(self, wealth: float, restarted: float) -> tuple[int | None, int | None]:
        """Outcomes seen when each first reached its limit."""
        return _first(self.wealth >= wealth), _first(self.restarted >= restarted)


def against(outcomes: NDArray[np.float64], means: NDArray[np.float64]) -> Evidence:
    """Evidence that `outcomes` (n,) in [0, 1] have higher means than the stated `means` (n,) in (0, 1)."""
    wealth, restarted = _bet(
        np.ascontiguousarray(np.clip(outcomes, 0.0, 1.0), np.float64),
        np.ascontiguousarray(np.clip(means, 1e-3, 1 - 1e-3), np.float64),
        STAKES,
    )
    return Evidence(wealth, restarted)


@compiled
def _bet(
    outcomes: NDArray[np.float64], means: NDArray[np.float64], stakes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    wealth, restarted = np.empty(len(outcomes)), np.empty(len(outcomes))
    held, anew = np.ones(len(stakes)), np.zeros(len(stakes))
    for row in range(len(outcomes)):
        for stake in range(len(stakes)):
            growth = 1.0 + stakes[stake] / means[row] * (outcomes[row] - means[row])
            held[stake] = min(held[stake] * growth, 1e300)
            anew[stake] = min((anew[stake] + 1.0) * growth, 1e300)
        wealth[row], restarted[row] = held.mean(), anew.mean()
    return wealth, restarted


def _first(reached: NDArray[np.bool_]) -> int | None:
    return int(np.argmax(reached)) + 1 if reached.any() else None
