"""CUSUM and EWMA control charts of standardised residuals, and how long each runs until it alarms.

Run lengths are exact up to the grid: a chart is a Markov chain on its statistic (Brook and Evans, Biometrika 59,
1972, for CUSUM; Lucas and Saccucci, Technometrics 32, 1990, for EWMA).
"""

import math

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.compiled import compiled

_STATES = 301


@compiled
def cusum(values: NDArray[np.float64], slack: float) -> NDArray[np.float64]:
    """max(0, S + x − slack), step by step: rises while `values` (in standard deviations) lie above the slack.

    >>> cusum(np.array([1.0, 2.0, -3.0]), 0.5).tolist()
    [0.5, 2.0, 0.0]
    """
    found = np.empty(len(values))
    total = 0.0
    for row in range(len(values)):
        total = max(0.0, total + values[row] - slack)
        found[row] = total
    return found


@compiled
def ewma(values: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Exponentially weighted mean that begins at zero: `weight` of the newest value.

    >>> ewma(np.array([1.0, 1.0]), 0.5).tolist()
    [0.5, 0.75]
    """
    found = np.empty(len(values))
    level = 0.0
    for row in range(len(values)):
        level += weight * (values[row] - level)
        found[row] = level
    return found


def cusum_run_length(slack: float, limit: float, shift: float) -> float:
    """Mean number of values until a one-sided chart passes `limit`; `shift` in standard deviations.

    >>> round(cusum_run_length(0.5, 4.0, 0.0))
    335
    """
    width = 2 * limit / (2 * _STATES - 1)
    states = np.arange(_STATES) * width
    upper = states[None, :] - states[:, None] + width / 2 + slack - shift
    chain = _normal(upper)
    chain[:, 1:] -= chain[:, :-1].copy()
    return float(_until_absorbed(chain)[0])


def two_sided_cusum_run_length(slack: float, limit: float, shift: float) -> float:
    """Of two charts, one for each direction, until either alarms (van Dobben de Bruyn, 1968).

    >>> round(two_sided_cusum_run_length(0.5, 5.0, 1.0), 1)
    10.4
    """
    up, down = cusum_run_length(slack, limit, shift), cusum_run_length(slack, limit, -shift)
    return 1 / (1 / up + 1 / down)


def ewma_run_length(weight: float, limit: float, shift: float) -> float:
    """Mean number of values until |EWMA| passes `limit` of its own standard deviations.

    >>> round(ewma_run_length(0.1, 2.814, 1.0), 1)
    10.3
    """
    edge = limit * math.sqrt(weight / (2 - weight))
    width = 2 * edge / _STATES
    states = -edge + (np.arange(_STATES) + 0.5) * width
    carried = (1 - weight) * states[:, None]
    upper = (states[None, :] + width / 2 - carried) / weight - shift
    lower = (states[None, :] - width / 2 - carried) / weight - shift
    return float(_until_absorbed(_normal(upper) - _normal(lower))[_STATES // 2])


def cusum_limit(slack: float, run_length: float) -> float:
    """The limit at which a one-sided chart alarms once in `run_length` values by chance, to a hundredth.

    Inverts Siegmund's approximation (Sequential Analysis, 1985), which `cusum_run_length` confirms.

    >>> round(cusum_limit(0.5, 335.0), 1)
    4.0
    """
    low, high = 0.0, 60.0
    for _ in range(60):
        middle = (low + high) / 2
        drift = 2 * slack * (middle + 1.166)
        low, high = (middle, high) if math.expm1(drift) - drift < 2 * slack**2 * run_length else (low, middle)
    return high


def _until_absorbed(chain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean steps from each state of a chain that may be left."""
    return np.asarray(np.linalg.solve(np.eye(len(chain)) - chain, np.ones(len(chain))), np.float64)


@compiled
def _normal(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The normal distribution function of every element of a matrix."""
    found = np.empty_like(values)
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            found[row, column] = 0.5 * math.erfc(-values[row, column] / math.sqrt(2.0))
    return found
