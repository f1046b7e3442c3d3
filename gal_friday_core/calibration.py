"""From a model's log odds to probabilities that mean what they say, fitted on later data: Platt scaling or isotonic.

`fit_calibration` fits the kind that the configuration names. References: Platt, Probabilistic Outputs for
Support Vector Machines, 1999; the fit is Newton's method with the smoothed targets and the numerical form of
Lin, Lin and Weng, Machine Learning 68, 2007. Isotonic: Zadrozny and Elkan, KDD 2002, by pooling adjacent
violators (Ayer et al., Annals of Mathematical Statistics 26, 1955).
"""

import math
from typing import Any, Literal

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from gal_friday_core.compiled import kept
from gal_friday_core.errors import DataError

MAX_STEPS = 100


class Platt(msgspec.Struct, frozen=True, tag_field="kind", tag="platt"):
    """probability = sigmoid(slope * margin + intercept); `slope` ≥ 0, so the order of rows never turns round."""

    slope: float
    intercept: float

    def one(self, margin: float) -> float:
        """The probability of one margin."""
        found: float = calibrated(self.slope, self.intercept, margin)
        return found

    def __call__(self, margins: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probabilities of the margins (log odds) that the trees give."""
        found: NDArray[np.float64] = calibrated_rows(
            self.slope, self.intercept, np.ascontiguousarray(margins, np.float64)
        )
        return found


class Isotonic(msgspec.Struct, frozen=True, tag_field="kind", tag="isotonic"):
    """Straight lines between knots: `margins` rise strictly, `probabilities` never fall; constant outside."""

    margins: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        x, y = np.array(self.margins), np.array(self.probabilities)
        if not 1 <= len(x) == len(y) or (np.diff(x) <= 0).any() or (np.diff(y) < 0).any():
            raise ValueError(
                "isotonic knots: one probability a margin, margins rising, probabilities not falling"
            )
        if not ((y > 0) & (y < 1)).all():
            raise ValueError("isotonic probabilities lie between 0 and 1, both excluded")

    def one(self, margin: float) -> float:
        """The probability of one margin."""
        found: float = interpolated(np.array(self.margins), np.array(self.probabilities), margin)
        return found

    def __call__(self, margins: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probabilities of the margins that the model gives."""
        found: NDArray[np.float64] = interpolated_rows(
            np.array(self.margins),
            np.array(self.probabilities),
            np.ascontiguousarray(margins, np.float64),
        )
        return found


Calibration = Platt | Isotonic


@kept
@njit(cache=True)
def interpolated(x: Any, y: Any, value: Any) -> Any:
    """`np.interp` of one value, its arithmetic step by step."""
    if value <= x[0]:
        return y[0]
    if value >= x[-1]:
        return y[-1]
    if value != value:  # noqa: PLR0124 - NaN, without a call
        return value
    left, right = 0, len(x) - 1
    while right - left > 1:
        middle = (left + right) // 2
        if x[middle] <= value:
            left = middle
        else:
            right = middle
    return (y[left + 1] - y[left]) / (x[left + 1] - x[left]) * (value - x[left]) + y[left]


@kept
@njit(cache=True)
def interpolated_rows(x: Any, y: Any, values: Any) -> Any:
    """`interpolated` of every value."""
    found = np.empty(len(values))
    for row in range(len(values)):
        found[row] = interpolated(x, y, values[row])
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


def fit_calibration(
    kind: Literal["platt", "isotonic"], margins: NDArray[np.floating], labels: NDArray[np.bool_]
) -> Calibration:
    """The calibration of that kind. Raises DataError when one class is absent."""
    return fit_isotonic(margins, labels) if kind == "isotonic" else fit_platt(margins, labels)


def fit_isotonic(margins: NDArray[np.floating], labels: NDArray[np.bool_]) -> Isotonic:
    """The never-falling step curve that is nearest to `labels`, as the knots at the ends of its steps.

    No probability is nearer to 0 or 1 than one event beyond those seen could show. Raises DataError when one
    class is absent.
    """
    _require_both(labels)
    values, groups = np.unique(np.asarray(margins, np.float64), return_inverse=True)
    weight = np.bincount(groups).astype(np.float64)
    fitted = pooled(np.bincount(groups, labels) / weight, weight)
    edge = 1.0 / (len(labels) + 2)
    inner = np.zeros(len(values), np.bool_)
    inner[1:-1] = (fitted[1:-1] == fitted[:-2]) & (fitted[1:-1] == fitted[2:])
    knots = np.clip(fitted, edge, 1 - edge)
    return Isotonic(tuple(values[~inner].tolist()), tuple(knots[~inner].tolist()))


@kept
@njit(cache=True)
def pooled(means: Any, weights: Any) -> Any:
    """The nearest sequence that never falls, in weighted squares: neighbours that fall are averaged.

    >>> pooled(np.array([1.0, 3.0, 2.0]), np.ones(3)).tolist()
    [1.0, 2.5, 2.5]
    """
    sums, weight = np.empty(len(means)), np.empty(len(means))
    ends = np.empty(len(means), np.int64)
    blocks = 0
    for row in range(len(means)):
        sums[blocks], weight[blocks], ends[blocks] = means[row] * weights[row], weights[row], row + 1
        blocks += 1
        while blocks > 1 and sums[blocks - 2] * weight[blocks - 1] >= sums[blocks - 1] * weight[blocks - 2]:
            blocks -= 1
            sums[blocks - 1] += sums[blocks]
            weight[blocks - 1] += weight[blocks]
            ends[blocks - 1] = ends[blocks]
    found = np.empty(len(means))
    start = 0
    for block in range(blocks):
        found[start : ends[block]] = sums[block] / weight[block]
        start = ends[block]
    return found


def _require_both(labels: NDArray[np.bool_]) -> tuple[int, int]:
    wins, losses = int(labels.sum()), int((~labels).sum())
    if not (wins and losses):
        raise DataError(
            f"calibration needs wins and losses: found {wins} wins and {losses} losses; use more history"
        )
    return wins, losses


def fit_platt(margins: NDArray[np.floating], labels: NDArray[np.bool_]) -> Platt:
    """The calibration that maximises the likelihood of `labels` given the model's log odds.

    Where the best slope is negative the margins say nothing in the right direction: the slope is then 0
    and every row gets the base rate. Raises DataError when one class is absent.
    """
    x = np.asarray(margins, np.float64)
    wins, losses = _require_both(labels)
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
