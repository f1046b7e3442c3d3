"""Whether a change to a running process helped: judged on pairs of measured blocks, one with it and one without.

Which of a pair comes first is drawn by lot, so the exact paired randomisation test holds whatever the measure's
distribution (R. A. Fisher, The Design of Experiments, 1935, section 21).
"""

import math
from collections.abc import Sequence
from itertools import product
from typing import Final, NamedTuple

from gal_friday_core.errors import ConfigError

MOST_PAIRS: Final = 14
"""All signs are tried: 16,384 sums."""


class Judgement(NamedTuple):
    """`gain` is the share by which the measure fell (below zero: rose), `p` the chance of such a fall by lot alone."""

    helped: bool
    before: float
    after: float
    gain: float
    p: float
    why: str


def judge(pairs: Sequence[tuple[float, float]], *, level: float, least_gain: float) -> Judgement:
    """Pairs of the measure (without, with), of which less is better.

    It helped where the mean fell by `least_gain` at least and by lot alone would so at most in `level` of cases.
    Raises ConfigError for so few pairs that nothing could ever be shown, or more than `MOST_PAIRS`.

    >>> judge([(10.0, 8.0), (11.0, 8.5), (9.0, 7.9), (10.0, 8.1), (10.5, 8.0)], level=0.05, least_gain=0.05).helped
    True
    >>> judge([(10.0, 9.0), (9.0, 10.0), (10.0, 9.5), (9.0, 9.4), (10.0, 10.0)], level=0.05, least_gain=0.05).why
    'no difference that could not be chance (p 0.50)'
    """
    _require(len(pairs), level)
    before, after = (math.fsum(side) / len(pairs) for side in zip(*pairs, strict=True))
    if before <= 0:
        return Judgement(False, before, after, 0.0, 1.0, "there was nothing to gain")
    gain, p = (before - after) / before, _by_lot([without - with_ for without, with_ in pairs])
    if p > level:
        why = f"no difference that could not be chance (p {p:.2f})"
    elif gain < least_gain:
        why = f"it helps by {gain:.1%} only, less than {least_gain:.0%}"
    else:
        return Judgement(True, before, after, gain, p, f"{gain:.1%} less (p {p:.3f})")
    return Judgement(False, before, after, gain, p, why)


def fewest_pairs(level: float) -> int:
    """With fewer, even a fall in every pair would not be beyond chance.

    >>> fewest_pairs(0.05), fewest_pairs(0.01)
    (5, 7)
    """
    return math.ceil(-math.log2(level))


def _require(count: int, level: float) -> None:
    if count > MOST_PAIRS:
        raise ConfigError(f"{count} pairs of blocks are more than are needed: ask for at most {MOST_PAIRS}")
    if count < fewest_pairs(level):
        raise ConfigError(
            f"{count} pairs of blocks can show nothing at the level {level:.3g}: it takes {fewest_pairs(level)}; "
            "ask for more, or try fewer tunings at once"
        )


def _by_lot(falls: Sequence[float]) -> float:
    """Share of all ways to swap within pairs whose sum is at least the one seen."""
    seen = math.fsum(falls)
    slack = 1e-9 * math.fsum(map(abs, falls))
    sums = (
        math.fsum(sign * fall for sign, fall in zip(signs, falls, strict=True))
        for signs in product((1, -1), repeat=len(falls))
    )
    return sum(total >= seen - slack for total in sums) / (1 << len(falls))


def growth_per_hour(samples: Sequence[tuple[float, float]]) -> float | None:
    """The median of the slopes between all pairs of (seconds, value): Theil (1950) and Sen (1968), so that one jump is
    no trend. None for fewer than three samples, or all at one time.

    >>> growth_per_hour([(0, 100.0), (1800, 101.0), (3600, 102.0), (5400, 103.0), (7200, 500.0)])
    2.0
    """
    slopes = sorted(
        (value - earlier) / (at - before) * 3600
        for number, (at, value) in enumerate(samples)
        for before, earlier in samples[:number]
        if at > before
    )
    if len(samples) < 3 or not slopes:
        return None
    middle = len(slopes) // 2
    return slopes[middle] if len(slopes) % 2 else (slopes[middle - 1] + slopes[middle]) / 2
