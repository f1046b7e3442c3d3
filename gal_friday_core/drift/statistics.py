"""How far two samples are apart: Kolmogorov–Smirnov, Wasserstein and the population stability index.

All work on samples that are sorted once; a reference is compared many times. `columns_apart` does all columns in
one compiled pass over both.
"""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.compiled import compiled

BINS = 10
"""Deciles of the reference, in which stability is measured."""


@compiled
def apart(reference: NDArray[np.float64], current: NDArray[np.float64]) -> tuple[float, float]:
    """Largest and summed distance of the two distribution functions: KS in [0, 1], W1 in the sample's own unit.

    Both sorted, finite, not empty. One merge; ties step together.
    """
    here, there = 0, 0
    many, few = len(reference), len(current)
    largest, area, last = 0.0, 0.0, 0.0
    gap = 0.0
    while here < many and there < few:
        now = min(reference[here], current[there])
        area += gap * (now - last)
        while here < many and reference[here] == now:
            here += 1
        while there < few and current[there] == now:
            there += 1
        gap = abs(here / many - there / few)
        largest = max(largest, gap)
        last = now
    while here < many:
        area += (1.0 - here / many) * (reference[here] - last)
        last = reference[here]
        here += 1
    while there < few:
        area += (1.0 - there / few) * (current[there] - last)
        last = current[there]
        there += 1
    return largest, area


@compiled
def shares(ordered: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """(len(edges) + 1,): which part of a sorted sample lies in each bin; an edge belongs to the bin above it."""
    found = np.empty(len(edges) + 1)
    before = 0
    for bin_ in range(len(edges)):
        below = np.searchsorted(ordered, edges[bin_])
        found[bin_] = (below - before) / len(ordered)
        before = below
    found[len(edges)] = (len(ordered) - before) / len(ordered)
    return found


@compiled
def stability(
    reference: NDArray[np.float64], current: NDArray[np.float64], reference_rows: int, current_rows: int
) -> float:
    """Σ (q − p) ln(q/p) over the bins' shares p and q; an empty bin counts as half a row, one empty in both as none."""
    found = 0.0
    for bin_ in range(len(reference)):
        if reference[bin_] == 0.0 and current[bin_] == 0.0:
            continue
        before = max(reference[bin_], 0.5 / reference_rows)
        now = max(current[bin_], 0.5 / current_rows)
        found += (now - before) * math.log(now / before)
    return found


@compiled
def columns_apart(
    reference: NDArray[np.float64],
    reference_known: NDArray[np.int64],
    current: NDArray[np.float64],
    current_known: NDArray[np.int64],
    edges: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(columns, 3): KS, Wasserstein and stability. Both (columns, rows) sorted along rows, unknown values last.

    NaN where a column has no known value on either side.
    """
    found = np.full((len(reference), 3), np.nan)
    for column in range(len(reference)):
        many, few = reference_known[column], current_known[column]
        if many == 0 or few == 0:
            continue
        before, now = reference[column, :many], current[column, :few]
        found[column, 0], found[column, 1] = apart(before, now)
        found[column, 2] = stability(shares(before, edges[column]), shares(now, edges[column]), many, few)
    return found


def smirnov_p_value(distance: float, reference_rows: float, current_rows: float) -> float:
    """Chance of so large a KS distance between samples of one distribution, of so many independent rows.

    Kolmogorov's limit law, uncorrected: between two samples the usual small-sample correction, which is of one
    sample against a known law, would alarm too often.

    >>> round(smirnov_p_value(0.1, 500, 500), 4)
    0.0135
    """
    if not (math.isfinite(distance) and min(reference_rows, current_rows) > 0):
        return math.nan
    return kolmogorov(math.sqrt(reference_rows * current_rows / (reference_rows + current_rows)) * distance)


def kolmogorov(value: float) -> float:
    """P(K > value) of the Kolmogorov distribution.

    >>> round(kolmogorov(1.3581), 4)
    0.05
    """
    if value <= 0:
        return 1.0
    if value < 1.18:  # where the other series would need many terms
        scale = -(math.pi**2) / (8 * value * value)
        below = (
            math.fsum(math.exp(scale * odd * odd) for odd in (1, 3, 5, 7)) * math.sqrt(2 * math.pi) / value
        )
        return min(1.0, max(0.0, 1.0 - below))
    return min(1.0, 2 * math.fsum((j % 2 * 2 - 1) * math.exp(-2 * (j * value) ** 2) for j in range(1, 6)))


def stability_noise(
    reference_rows: float, current_rows: float, bins: int = BINS, share: float = 0.95
) -> tuple[float, float]:
    """Mean and quantile of the stability index between samples of one distribution, of so many independent rows.

    The index is then nearly (1/N + 1/M) χ² with bins − 1 degrees of freedom (Yurdakul, Statistical Properties of
    Population Stability Index, 2018). The quantile of χ² is that of Wilson and Hilferty.

    >>> [round(value, 5) for value in stability_noise(10_000, 10_000)]
    [0.0018, 0.00338]
    """
    freedom = bins - 1
    unit = 1 / reference_rows + 1 / current_rows
    shrink = 2 / (9 * freedom)
    quantile = freedom * (1 - shrink + NormalDist().inv_cdf(share) * math.sqrt(shrink)) ** 3
    return freedom * unit, quantile * unit


def proportions_p_value(
    reference_share: float, reference_rows: float, current_share: float, current_rows: float
) -> float:
    """Two-sided: chance of two shares so far apart, of so many independent rows; NaN where fewer than five would fall in.

    >>> round(proportions_p_value(0.3, 1000, 0.35, 1000), 4)
    0.017
    """
    rows = reference_rows + current_rows
    pooled = (reference_share * reference_rows + current_share * current_rows) / rows
    if min(pooled, 1 - pooled) * min(reference_rows, current_rows) < 5:
        return math.nan
    spread = math.sqrt(pooled * (1 - pooled) * (1 / reference_rows + 1 / current_rows))
    return 2 * NormalDist().cdf(-abs(current_share - reference_share) / spread)
