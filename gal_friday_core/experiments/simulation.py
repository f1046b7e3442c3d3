"""A thousand experiments in worlds whose truth is known: do false alarms stay at alpha, and are differences seen?

Outcomes are heavy-tailed (Student's t), remember the unit before (autocorrelation), and share a market that
moves every variant. Nothing here is another way of computing: a run goes through the same weighting, blocks and
sequence as a real experiment, and is looked at after every block.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import fsum, log, sqrt
from statistics import median
from typing import Literal

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from gal_friday_core.compiled import kept
from gal_friday_core.experiments.blocks import block_means
from gal_friday_core.experiments.boundaries import tightest
from gal_friday_core.experiments.power import Plan, plan, rule_for
from gal_friday_core.experiments.sequence import Rule, walk
from gal_friday_core.experiments.thompson import DISCOUNT, FLOOR, WARM, chance_better
from gal_friday_core.experiments.weighting import differences

Values = NDArray[np.float64]
Kind = Literal["aa", "ab"]
Traffic = Literal["paired", "split", "thompson"]

PILOT_UNITS = 50_000
BURN_IN = 50


@dataclass(frozen=True, slots=True)
class World:
    """`freedom` of Student's t; `memory`: correlation with the unit before; `market`: variance of what variants share,
    where that of their own part is one.
    """

    freedom: float = 4.0
    memory: float = 0.3
    market: float = 4.0

    def outcomes(self, units: int, effect: float, rng: np.random.Generator) -> Values:
        """(units, 2) of control and challenger; the challenger's mean is `effect` higher."""
        shocks = rng.standard_t(self.freedom, size=(3, units + BURN_IN)) * sqrt(
            (self.freedom - 2) / self.freedom
        )
        remembered(shocks, self.memory)
        market, control, challenger = shocks[:, BURN_IN:]
        shared = sqrt(self.market) * market
        return np.column_stack((shared + control, shared + challenger + effect))


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Of an A/A the `false_positive_rate`, of an A/B the `power`; each with its 95 % interval.

    `effect` a unit, in standard deviations of a variant's own outcomes. `median_stop` in units, of the runs that
    were decided; `planned_…` what `power.plan` foretold, which holds for shares that stay. `naive_…`: runs in which a t-test, looked at as often,
    would have been significant; `unblocked_…`: a sequence that takes units for independent. `to_challenger`: its
    share of traffic.
    """

    kind: Kind
    traffic: Traffic
    runs: int
    units: int
    block: int
    looks: int
    alpha: float
    effect: float
    false_positive_rate: float | None
    power: float | None
    interval: tuple[float, float]
    median_stop: float | None
    planned_power: float | None
    planned_median_stop: int | None
    naive_rate: float
    unblocked_rate: float
    to_challenger: float
    variance_of_difference: float


@dataclass(frozen=True, slots=True)
class Course:
    """How many runs of how many units, and how they are looked at."""

    kind: Kind
    runs: int = 1_000
    units: int = 10_000
    block: int = 50
    alpha: float = 0.05
    power: float = 0.8
    traffic: Traffic = "paired"
    effect: float | None = None
    seed: int = 0
    world: World = World()


def simulate(course: Course) -> Simulated:
    """Run all of them. Without an `effect` an A/B has the smallest that is planned to be seen with `power`."""
    rule = rule_for(course.units // course.block, course.alpha)
    pilot = _difference(course, course.world.outcomes(PILOT_UNITS, 0.0, _rng(course, 0)), _rng(course, 1))[0]
    effect = course.effect if course.kind == "ab" else 0.0
    expected = _plan(course, pilot, effect or None)
    if effect is None:
        expected = _plan(course, pilot, expected.smallest_effect)
    effect = expected.effect or 0.0
    return _told(course, float(pilot.var()), expected, list(_runs(course, rule, effect)))


def _plan(course: Course, pilot: Values, effect: float | None) -> Plan:
    return plan(
        sd=float(block_means(pilot, course.block).std(ddof=1)), block=course.block, alpha=course.alpha,
        power=course.power, effect=effect, most_units=course.units,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Run:
    stop: int | None
    naive: bool
    unblocked: bool
    to_challenger: float


def _runs(course: Course, rule: Rule, effect: float) -> Iterator[_Run]:
    for run in range(course.runs):
        rng = _rng(course, 2 + run)
        values = course.world.outcomes(course.units, effect, rng)
        difference, share = _difference(course, values, rng)
        crossing = walk(block_means(difference, course.block), rule).crossing()
        yield _Run(
            stop=None if crossing is None else crossing * course.block,
            naive=_naive(difference, course, rule.first),
            unblocked=_unblocked(difference, course, rule.first),
            to_challenger=share,
        )


def _told(course: Course, variance: float, expected: Plan, runs: list[_Run]) -> Simulated:
    stops = [run.stop for run in runs if run.stop is not None]
    rate = len(stops) / course.runs
    is_null = course.kind == "aa"
    foretold = not is_null and course.traffic != "thompson"
    return Simulated(
        kind=course.kind,
        traffic=course.traffic,
        runs=course.runs,
        units=course.units,
        block=course.block,
        looks=course.units // course.block,
        alpha=course.alpha,
        effect=expected.effect or 0.0,
        false_positive_rate=rate if is_null else None,
        power=None if is_null else rate,
        interval=wilson(len(stops), course.runs),
        median_stop=float(median(stops)) if stops else None,
        planned_power=expected.power if foretold else None,
        planned_median_stop=expected.median_units if foretold else None,
        naive_rate=sum(run.naive for run in runs) / course.runs,
        unblocked_rate=sum(run.unblocked for run in runs) / course.runs,
        to_challenger=fsum(run.to_challenger for run in runs) / course.runs,
        variance_of_difference=variance,
    )


def wilson(hits: int, runs: int) -> tuple[float, float]:
    """The 95 % interval of a rate (Wilson, 1927).

    >>> tuple(round(end, 4) for end in wilson(30, 1_000))
    (0.0211, 0.0425)
    """
    z = 1.959963984540054
    middle = (hits + z * z / 2) / (runs + z * z)
    reach = z * sqrt(hits * (runs - hits) / runs + z * z / 4) / (runs + z * z)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _rng(course: Course, part: int) -> np.random.Generator:
    return np.random.default_rng([course.seed, part])


def _difference(course: Course, values: Values, rng: np.random.Generator) -> tuple[Values, float]:
    """Challenger less control as this traffic shows it, and the challenger's share of units."""
    if course.traffic == "paired":
        return values[:, 1] - values[:, 0], 0.5
    places = rng.random(len(values))
    adaptive = course.traffic == "thompson"
    served, propensity = serve(values, places, adaptive, course.block, WARM, FLOOR, DISCOUNT)
    seen = values[np.arange(len(values)), served]
    both = np.column_stack((1 - propensity, propensity))
    return differences(seen, served, both, 1), float(served.mean())


def _naive(difference: Values, course: Course, first: int) -> bool:
    """Whether a t-test of a fixed size, looked at after every block, is ever significant."""
    ends = np.arange(course.block, len(difference) + 1, course.block)
    mean, error = _running(difference, ends)
    likely = np.abs(mean[first - 1 :]) > 1.959963984540054 * error[first - 1 :]
    return bool(likely.any())


def _unblocked(difference: Values, course: Course, first: int) -> bool:
    """Whether a sequence over units, each taken for independent of the last, excludes zero at any of these looks."""
    ends = np.arange(course.block, len(difference) + 1, course.block)
    mean, error = _running(difference, ends)
    rho = tightest(course.units / 2, course.alpha)
    reach = error * np.sqrt((ends + rho) / ends * (np.log1p(ends / rho) + 2 * log(1 / course.alpha)))
    return bool((np.abs(mean) > reach)[first - 1 :].any())


def _running(values: Values, ends: NDArray[np.int64]) -> tuple[Values, Values]:
    """Mean of all values up to each end, and its standard error were they independent."""
    mean = np.cumsum(values)[ends - 1] / ends
    variance = np.cumsum(values * values)[ends - 1] / ends - mean * mean
    return mean, np.sqrt(variance / ends)


@kept
@njit(cache=True, fastmath=False, error_model="numpy")
def remembered(series: Values, memory: float) -> None:
    """Make each row of `series` (rows, units) remember its last value, with the variance that it had."""
    fresh = np.sqrt(1 - memory * memory)
    for row in range(series.shape[0]):
        for unit in range(1, series.shape[1]):
            series[row, unit] = memory * series[row, unit - 1] + fresh * series[row, unit]


@kept
@njit(cache=True, fastmath=False, error_model="numpy")
def serve(  # noqa: PLR0917 - compiled kernels take positions
    values: Values, places: Values, adaptive: bool, block: int, warm: int, floor: float, discount: float
) -> tuple[NDArray[np.int64], Values]:
    """Who served each unit, and with which probability the challenger would have; shares move after each block."""
    units = len(places)
    served, propensity = np.empty(units, np.int64), np.empty(units)
    arms = np.zeros((2, 4))  # outcomes, and discounted count, sum, squares
    share = 0.5
    for unit in range(units):
        if adaptive and unit % block == 0 and arms[0, 0] >= warm and arms[1, 0] >= warm:
            share = floor + (1 - 2 * floor) * _preferred(arms)
        propensity[unit] = share
        variant = 1 if places[unit] >= 1 - share else 0
        served[unit] = variant
        value = values[unit, variant]
        arms[:, 1:] *= discount
        arms[variant, 0] += 1
        arms[variant, 1] += 1
        arms[variant, 2] += value
        arms[variant, 3] += value * value
    return served, propensity


@kept
@njit(cache=True, fastmath=False, error_model="numpy")
def _preferred(arms: Values) -> float:
    """The challenger's chance of being better; as `thompson.chances` of two arms."""
    means, errors = np.empty(2), np.empty(2)
    for arm in range(2):
        count = arms[arm, 1]
        means[arm] = arms[arm, 2] / count
        errors[arm] = np.sqrt(max(arms[arm, 3] / count - means[arm] ** 2, 1e-18) / (count - 1))
    return chance_better(means[1], errors[1], means[0], errors[0])
