"""What is left of the best of a sweep when luck is taken off: the Sharpe ratio deflated by all trials, and CSCV.

A sweep overfits where its best is not beyond what the best of so many trials without skill would show, or where
being best in one half of the time says nothing of the other half and loses money there: among points that all earn
alike it is luck which is the best, and no harm. References: Bailey and López de Prado, The
Deflated Sharpe Ratio, 2014; Bailey, Borwein, López de Prado and Zhu, The Probability of Backtest Overfitting, 2017.
"""

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.config import GatesConfig
from gal_friday_core.errors import DataError
from gal_friday_core.evidence import sharpe
from gal_friday_core.evidence.overfitting import (
    BLOCKS,
    MIN_BLOCK_ROWS,
    Overfitting,
    probability_of_overfitting,
)
from gal_friday_core.sweeps.outcome import ratio_of

Floats = NDArray[np.float64]

LEAST_DAYS = BLOCKS * MIN_BLOCK_ROWS
DAYS_A_YEAR = 365
"""Crypto trades on all of them."""

Word = Literal["HOLDS", "OVERFITTED", "LOSES", "UNKNOWN"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Ratios are daily, `annual_ratio` by the year; None where the returns cannot say.

    `trials`: everything that was tried on this question, earlier sweeps and failed points included. `luck`: by how
    much the best of them is expected to exceed having no skill; `idle`: the ratio of holding the asset at random times
    for as long as the best does. `dsr`: probability that the best's true ratio exceeds both. `pbo`: how often the best
    in one half of the days is below the median in the other, over `strategies` points.
    """

    word: Word
    reasons: tuple[str, ...]
    days: int
    trials: int
    ratio: float | None
    annual_ratio: float | None
    idle: float
    luck: float | None
    psr: float | None
    dsr: float | None
    pbo: float | None
    loss_probability: float | None
    degradation: float | None
    strategies: int

    @property
    def overfitted(self) -> bool:
        return self.word == "OVERFITTED"


def judge(
    best: Floats, tried: Floats, *, ratios: Floats, trials: int, idle: float, gates: GatesConfig
) -> tuple[Verdict, NDArray[np.float64]]:
    """The verdict on `best` (days,), one column of `tried` (days, points), and CSCV's logits (splits,), empty where
    it could not be measured.

    `ratios` (n,): of everything tried on the question, `trials` in number. `idle`: see `idle_ratio`. Raises DataError
    where fewer trials are told than points given.
    """
    if trials < tried.shape[1]:
        raise DataError(f"{trials} trials cannot have given {tried.shape[1]} records")
    record = _record(best)
    luck = _luck(ratios, trials)
    psr = dsr = None
    if record is not None:
        psr = sharpe.probabilistic(record)
        dsr = None if luck is None else sharpe.probabilistic(record, max(idle, 0.0) + luck)
    choice = _choice(tried)
    word, reasons = _word(record, dsr, choice, trials, gates)
    found = Verdict(
        word=word,
        reasons=reasons,
        days=len(best),
        trials=trials,
        ratio=record.ratio if record else None,
        annual_ratio=record.ratio * math.sqrt(DAYS_A_YEAR) if record else None,
        idle=idle,
        luck=luck,
        psr=psr,
        dsr=dsr,
        pbo=choice.probability if choice else None,
        loss_probability=choice.loss_probability if choice else None,
        degradation=choice.degradation if choice and math.isfinite(choice.degradation) else None,
        strategies=tried.shape[1],
    )
    return found, choice.logits if choice else np.empty(0)


def idle_ratio(held: Floats, exposure: float) -> float:
    """The daily ratio of holding the asset, whose daily returns are `held` (days,), for a share `exposure` of the time
    at random: its mean shrinks with the share, its deviation with the root of it. Costs are not taken off.
    """
    return (ratio_of(held) or 0.0) * math.sqrt(min(max(exposure, 0.0), 1.0))


def best_of(ratios: Sequence[float | None]) -> int | None:
    """The place of the largest ratio, the first of equal ones; None where there is none."""
    known = [(value, -place) for place, value in enumerate(ratios) if value is not None]
    return -max(known)[1] if known else None


def _record(returns: Floats) -> sharpe.Record | None:
    try:
        return sharpe.Record.of(returns)
    except DataError:
        return None


def _luck(ratios: Floats, trials: int) -> float | None:
    if trials == 1:
        return 0.0
    return sharpe.luck(trials, float(ratios.var(ddof=1))) if len(ratios) >= 2 else None


def _choice(tried: Floats) -> Overfitting | None:
    """CSCV, where there was a choice and time enough. Points may outnumber days: this matrix is not transposed."""
    days, points = tried.shape
    if points < 2 or days < LEAST_DAYS:
        return None
    return probability_of_overfitting(np.ascontiguousarray(tried), outnumbered=True)


def _word(
    record: sharpe.Record | None,
    dsr: float | None,
    choice: Overfitting | None,
    trials: int,
    gates: GatesConfig,
) -> tuple[Word, tuple[str, ...]]:
    if record is None:
        return "UNKNOWN", ("No point traded on enough days for a Sharpe ratio.",)
    if record.ratio <= 0:
        return "LOSES", (
            "It earned nothing." if trials == 1 else f"The best of {trials:,} trials earned nothing.",
        )
    if dsr is None or record.length < LEAST_DAYS:
        return "UNKNOWN", (_unmeasured(record.length, trials),)
    beyond = "holding the asset at random" if trials == 1 else f"the luck of {trials:,} trials"
    for_it = f"The {'record' if trials == 1 else 'best'} is beyond {beyond} with a probability of {dsr:.1%}"
    against = [f"{for_it}; {gates.min_dsr:.0%} is asked for."] if dsr < gates.min_dsr else []
    told = "" if choice is None else _chosen(choice)
    if choice is not None and min(choice.probability, choice.loss_probability) > gates.max_pbo:
        against.append(f"{told} {gates.max_pbo:.0%} is allowed.")
    if against:
        return "OVERFITTED", tuple(against)
    return "HOLDS", tuple(filter(None, (f"{for_it}.", told)))


def _chosen(choice: Overfitting) -> str:
    return (
        f"What is best in one half of the days is below the median in the other half in {choice.probability:.1%} of "
        f"{choice.splits:,} splits, and loses there in {choice.loss_probability:.1%}."
    )


def _unmeasured(days: int, trials: int) -> str:
    if days < LEAST_DAYS:
        return f"{days:,} days are too few to tell skill from luck: {LEAST_DAYS} are needed to cut them in blocks."
    return f"{trials:,} trials gave too few records to tell what luck would show."
