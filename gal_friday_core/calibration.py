"""From a model's log odds to probabilities that mean what they say: Platt scaling, fitted on later data.

Reference: Platt, Probabilistic Outputs for Support Vector Machines, 1999; the fit is Newton's method with
the smoothed targets and the numerical form of Lin, Lin and Weng, Machine Learning 68, 2007.
"""

import math

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from gal_friday_core.compiled import kept
from gal_friday_core.errors import DataError

MAX_STEPS = 100


class Platt(msgspec.Struct, frozen=True):
    """probability = sigmoid(slope * margin + intercept); `slope` ≥ 0, so the order of rows never turns round."""

    slope: float
    intercept: float
    kind: str = "platt"

    def __call__(self, margins: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probabilities of the margins (log odds) that the trees give."""
        found: NDArray[np.float64] = calibrated_rows(
            self.slope, self.intercept, np.ascontiguousarray(margins, np.float64)
        )
        return found


@kept
@njit(cache=True)
def calibrated(slope: float, intercept: float, margin: float) -> float:
    """One probability; the exponential never overflows."""
    z = slope * margin + intercept
    if z >= 0:
        return 1.0 / (1.0 + math.exp(-z))
    e = math.exp(z)
    return e / (1.0 + e)


@kept
@njit(cache=True)
def calibrated_rows(slope: float, intercept: float, margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """`calibrated` of every margin."""
    found = np.empty(len(margins), np.float64)
    for row in range(len(margins)):
        found[row] = calibrated(slope, intercept, margins[row])
    return found


def fit_platt(margins: NDArray[np.floating], labels: NDArray[np.bool_]) -> Platt:
    """The calibration that maximises the likelihood of `labels` given the model's log odds.

    Where the best slope is negative the margins say nothing in the right direction: the slope is then 0
    and every row gets the base rate. Raises DataError when one class is absent.
    """
    x = np.asarray(margins, np.float64)
    wins, losses = int(labels.sum()), int((~labels).sum())
    if not (wins and losses):
        raise DataError(
            f"calibration needs wins and losses: found {wins} wins and {losses} losses; use more history"
        )
    targets = np.where(labels, (wins + 1) / (wins + 2), 1 / (losses + 2))
    base = math.log(targets.mean() / (1 - targets.mean()))
    if np.ptp(x) == 0:
        return Platt(0.0, base)
    slope, intercept = _newton(x, targets, base)
    return Platt(slope, intercept) if slope > 0 else Platt(0.0, base)


def _loss(slope: float, intercept: float, x: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    z = slope * x + intercept
    return float(np.sum(np.logaddexp(0, z) - targets * z))


def _newton(x: NDArray[np.float64], targets: NDArray[np.float64], base: float) -> tuple[float, float]:
    """Damped Newton steps on a convex loss: halved until the loss falls."""
    slope, intercept = 0.0, base
    loss = _loss(slope, intercept, x, targets)
    for _ in range(MAX_STEPS):
        p = calibrated_rows(slope, intercept, x)
        weight = p * (1 - p)
        gradient = np.array([np.sum((p - targets) * x), np.sum(p - targets)])
        cross = np.sum(weight * x)
        hessian = np.array([[np.sum(weight * x * x), cross], [cross, np.sum(weight)]]) + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        if np.abs(gradient).max() < 1e-7 * len(x):
            break
        scale = 1.0
        while scale > 1e-10:
            tried = _loss(slope - scale * step[0], intercept - scale * step[1], x, targets)
            if tried < loss:
                slope, intercept, loss = (
                    slope - scale * float(step[0]),
                    intercept - scale * float(step[1]),
                    tried,
                )
                break
            scale /= 2
        else:
            break
    return slope, intercept
