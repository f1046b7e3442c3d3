"""Evidence that may be looked at any time: a bettor who can grow rich only if the mean is higher than was said.

Whoever bets a share of his capital that outcomes exceed their stated means can, if no mean is higher than stated,
pass c times his capital with probability 1/c at most, however often one looks (Ville). Reference: Waudby-Smith and
Ramdas, Estimating Means of Bounded Random Variables by Betting, Journal of the Royal Statistical Society B 86,
2024. Bettors who begin anew at each outcome, added up, alarm once in c outcomes by chance (Shin, Ramdas and
Rinaldo, E-detectors, New England Journal of Statistics in Data Science 2, 2024).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.compiled import compiled

BITS = (0.1, 0.2)
"""Stakes against errors: at these a rise from .30 to .40 is seen soonest, and larger ones lose little."""
RETURNS = (0.1, 0.3, 0.9)
"""Stakes against net returns, which are small beside the largest gain that could be."""


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


def against(
    outcomes: NDArray[np.float64], means: NDArray[np.float64] | float, stakes: tuple[float, ...] = BITS
) -> Evidence:
    """Evidence that `outcomes` (n,), none below zero, have higher means than the stated ones (n,), above zero.

    A stake in (0, 1) is a share of the largest that cannot ruin the bettor; his capital is spread evenly over all.
    Means may differ from outcome to outcome, so long as each is stated before.
    """
    stated = np.maximum(np.broadcast_to(np.asarray(means, np.float64), outcomes.shape), 1e-3)
    wealth, restarted = _bet(np.maximum(outcomes, 0.0) / stated - 1.0, np.array(stakes))
    return Evidence(wealth, restarted)


@compiled
def _bet(
    gains: NDArray[np.float64], stakes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`gains` (n,), at least −1: what a whole stake wins."""
    wealth, restarted = np.empty(len(gains)), np.empty(len(gains))
    held, anew = np.ones(len(stakes)), np.zeros(len(stakes))
    for row in range(len(gains)):
        for stake in range(len(stakes)):
            growth = 1.0 + stakes[stake] * gains[row]
            held[stake] = min(held[stake] * growth, 1e300)
            anew[stake] = min((anew[stake] + 1.0) * growth, 1e300)
        wealth[row], restarted[row] = held.mean(), anew.mean()
    return wealth, restarted


def _first(reached: NDArray[np.bool_]) -> int | None:
    return int(np.argmax(reached)) + 1 if reached.any() else None
