"""Before the start: how long an experiment must run to see a difference of a given size, and how soon it would.

The sum of block means is taken for a Brownian motion that drifts by the difference. The boundary is concave, so
whoever crosses its tangent has crossed it, and of a line the chance is known (Siegmund, Sequential Analysis, 1985,
chapter 3): what is foretold is never too much.
"""

from collections.abc import Callable
from math import exp, log, log1p, sqrt
from statistics import NormalDist

import msgspec
from scipy.special import log_ndtr

from gal_friday_core.experiments.boundaries import normal_mixture
from gal_friday_core.experiments.sequence import FIRST, Rule

MOST_BLOCKS = 10_000_000
MOST_DEVIATIONS = 100.0
_NORMAL = NormalDist()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an experiment may be expected to find. `effect` and `smallest_effect` per unit, in the metric's own units.

    `power`: chance that `effect` is seen within `blocks`. `median_…`: when half of those that see it have.
    `smallest_effect` is seen with the asked power. `blocks` is None where nothing says how long it runs, or no
    bearable length would do; `days` are unknown without a rate of units.
    """

    effect: float | None
    power: float
    blocks: int | None
    units: int | None
    median_units: int | None
    smallest_effect: float | None
    days: float | None
    median_days: float | None


def rule_for(blocks: int, alpha: float, *, first: int = FIRST) -> Rule:
    """How an experiment of at most `blocks` is looked at: most keenly halfway."""
    return Rule.tightest_at(blocks / 2, alpha, first=first)


def power_by(effect: float, sd: float, blocks: int, rule: Rule) -> float:
    """Least chance that the interval has excluded zero by the time that `blocks` are in."""
    boundary = normal_mixture(blocks, rule.alpha, rule.rho)
    slope = (log1p(blocks / rule.rho) + 2 * log(1 / rule.alpha) + 1) / (2 * boundary)
    start, drift = boundary - slope * blocks, abs(effect) / sd - slope
    beyond = _NORMAL.cdf((drift * blocks - start) / sqrt(blocks))
    returned = 2 * start * drift + float(log_ndtr((-drift * blocks - start) / sqrt(blocks)))
    return min(1.0, beyond + exp(returned))


def smallest_effect(sd: float, blocks: int, rule: Rule, power: float) -> float:
    """What `blocks` block means with standard deviation `sd` show with this power."""
    low, high = 0.0, MOST_DEVIATIONS * sd
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if power_by(middle, sd, blocks, rule) >= power else (middle, high)
    return high


def blocks_needed(effect: float, sd: float, alpha: float, power: float, *, first: int = FIRST) -> int | None:
    """The fewest blocks with this power; None beyond `MOST_BLOCKS`."""

    def enough(blocks: int) -> bool:
        return power_by(effect, sd, blocks, rule_for(blocks, alpha, first=first)) >= power

    return _fewest(enough, first, MOST_BLOCKS)


def typical_end(effect: float, sd: float, rule: Rule, most: int) -> int | None:
    """The block by which half of the experiments that are decided within `most` have been."""
    half = power_by(effect, sd, most, rule) / 2
    return _fewest(lambda blocks: power_by(effect, sd, blocks, rule) >= half, rule.first, most)


def _fewest(enough: Callable[[int], bool], first: int, most: int) -> int | None:
    """The least number from `first` on that is enough, where more never is less."""
    low, high = first - 1, first
    while not enough(high):
        if high >= most:
            return None
        low, high = high, min(high * 2, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def plan(
    *,
    sd: float,
    block: int,
    alpha: float,
    power: float,
    effect: float | None = None,
    most_units: int | None = None,
    units_per_day: float | None = None,
) -> Plan:
    """What to expect. `sd` of block means; of `effect` and `most_units` at least one says how long it runs."""
    blocks = None if most_units is None else max(FIRST, most_units // block)
    if blocks is None and effect is not None:
        blocks = blocks_needed(effect, sd, alpha, power)
    if blocks is None:
        return _plan(effect, power, block, units_per_day, None, None, None)
    rule = rule_for(blocks, alpha)
    shown = power if effect is None else power_by(effect, sd, blocks, rule)
    typical = None if effect is None else typical_end(effect, sd, rule, blocks)
    return _plan(
        effect, shown, block, units_per_day, blocks, typical, smallest_effect(sd, blocks, rule, power)
    )


def _plan(  # noqa: PLR0917 - every figure of it, in order
    effect: float | None,
    power: float,
    block: int,
    units_per_day: float | None,
    blocks: int | None,
    typical: int | None,
    least: float | None,
) -> Plan:
    units = None if blocks is None else blocks * block
    median = None if typical is None else typical * block
    return Plan(
        effect=effect,
        power=power,
        blocks=blocks,
        units=units,
        median_units=median,
        smallest_effect=least,
        days=None if units is None or not units_per_day else units / units_per_day,
        median_days=None if median is None or not units_per_day else median / units_per_day,
    )
