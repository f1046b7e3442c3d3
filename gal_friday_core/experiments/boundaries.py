"""How far a sum of centred values may wander, at every moment at once, with probability 1 - alpha.

All are functions of the intrinsic time `v` (the variance gathered so far) and never of how often somebody
looks. Source: Howard, Ramdas, McAuliffe, Sekhon, Time-uniform, nonparametric, nonasymptotic confidence
sequences, Annals of Statistics 49, 2021; numbers as in the authors' library confseq.
"""

from collections.abc import Callable
from math import log, log1p, sqrt

from scipy.special import gammainc, gammaln, log_ndtr, zeta


def tightest(v: float, alpha: float) -> float:
    """The mixture's parameter rho with which the two-sided boundary is lowest at time `v`."""
    certainty = 2 * log(1 / alpha)
    return v / (certainty + log1p(certainty))


def normal_mixture(v: float, alpha: float, rho: float) -> float:
    """Two-sided, for values whose sum behaves like a normal one: their number times their variance is `v`."""
    return sqrt((v + rho) * (log1p(v / rho) + 2 * log(1 / alpha)))


def one_sided_normal_mixture(v: float, alpha: float, rho: float) -> float:
    """As `normal_mixture` where only one direction matters; `rho` from `tightest(v, 2 * alpha)`."""

    def evidence(s: float) -> float:
        far = s * s / (2 * (v + rho)) + float(log_ndtr(s / sqrt(v + rho)))
        return 0.5 * log(4 * rho / (v + rho)) + far - log(1 / alpha)

    return _root(evidence, normal_mixture(v, alpha, rho))


def gamma_exponential(v: float, alpha: float, rho: float, scale: float) -> float:
    """One-sided, without any limit theorem: for values that exceed their mean by at most `scale`."""
    square = scale * scale
    start = rho / square
    leading = start * log(start) - gammaln(start) - log(gammainc(start, start))

    def evidence(s: float) -> float:
        gone, whole = (scale * s + v) / square, (v + rho) / square
        reach = gone + start
        inside = gammaln(whole) + log(gammainc(whole, reach)) - whole * log(reach)
        return float(leading + inside + gone - log(1 / alpha))

    return _root(evidence, normal_mixture(v, alpha, rho) + scale)


def stitched(
    v: float, alpha: float, v_min: float, scale: float, *, s: float = 1.4, eta: float = 2.0
) -> float:
    """One-sided polynomial stitching: wider, and of the order that the law of the iterated logarithm demands."""
    first, second = (eta**0.25 + eta**-0.25) / sqrt(2), (sqrt(eta) + 1) / 2
    time = max(v, v_min)
    level = s * log(log(eta * time / v_min)) + log(float(zeta(s, 1)) / (alpha * log(eta) ** s))
    tail = second * scale * level
    return sqrt(first * first * time * level + tail * tail) + tail


def _root(evidence: Callable[[float], float], near: float) -> float:
    """Where the evidence, which grows, is enough."""
    from scipy.optimize import brentq  # a quarter of a second of imports, for those who have an experiment

    high = near
    while evidence(high) < 0:
        high *= 2
    return float(brentq(evidence, 0.0, high))
