"""A sweep's result: every trial, the best point of each series and of all together, and the verdicts on them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.config import GatesConfig
from gal_friday_core.money import ZERO
from gal_friday_core.search import Trial
from gal_friday_core.sweeps.grid import Grid, neighbours
from gal_friday_core.sweeps.outcome import Outcome, days_of, over, ratio_of
from gal_friday_core.sweeps.verdict import Verdict, best_of, idle_ratio, judge
from gal_friday_core.sweeps.walk import Window

Floats = NDArray[np.float64]

Objective = Literal["ratio", "total_return"]
ALL = "all series"
"""Name of the series together: each with the same capital."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One backtest of a sweep: the point at `place` of the grid over bars of [start_ns, end_ns).

    `outcome` is None where it gave nothing, `reason` says why.
    """

    series: str
    place: int
    start_ns: int
    end_ns: int
    outcome: Outcome | None
    reason: str = ""


class Best(msgspec.Struct, frozen=True, kw_only=True):
    """The best point of a series. `place` None: no point gave a ratio.

    `returns` (days): its daily returns from `first_day` on; `held` those of holding the asset. `neighbours`: mean daily
    ratio of the points one step away, where there are any: a peak among low ones was found by luck more often than a
    plateau. `logits`: of CSCV's splits.
    """

    series: str
    place: int | None
    verdict: Verdict
    first_day: int
    returns: tuple[float, ...]
    held: tuple[float, ...]
    neighbours: float | None
    logits: tuple[float, ...]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One window of a walk: what was chosen, its daily ratio where it was chosen and where it was traded."""

    series: str
    window: Window
    place: int | None
    chosen_ratio: float | None
    traded_ratio: float | None
    traded: Outcome | None
    reason: str = ""


class Walk(msgspec.Struct, frozen=True, kw_only=True):
    """A walk forward: `returns` (days) of what was traded, one window after the other, from `first_day` on.

    `efficiency`: the daily ratio that was traded as a share of those that were chosen, on average; None where nothing
    was to be had.
    """

    series: str
    steps: tuple[Step, ...]
    verdict: Verdict
    first_day: int
    returns: tuple[float, ...]
    held: tuple[float, ...]
    efficiency: float | None


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a sweep found. `bests` of a plain sweep, `walks` of one that walked forward.

    `cancelled`: runs that were asked for and not made. `wall_s`: seconds from the first run to the last, `work_s` CPU
    seconds of each process that ran some. `notes`: what a reader must know before the verdicts.
    """

    strategy: str
    models: dict[str, str]
    objective: Objective
    start_ns: int
    end_ns: int
    grid: Grid
    runs: tuple[Run, ...]
    bests: tuple[Best, ...]
    walks: tuple[Walk, ...]
    workers: int
    wall_s: float
    work_s: tuple[float, ...] = ()
    cancelled: int = 0
    notes: tuple[str, ...] = ()

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """By series; those of walks where there are any."""
        return {one.series: one.verdict for one in self.walks or self.bests}

    @property
    def overfitted(self) -> bool:
        """Whether any verdict says so."""
        return any(verdict.overfitted for verdict in self.verdicts.values())


def value(outcome: Outcome | None, objective: Objective) -> float | None:
    """What a choice makes large."""
    if outcome is None:
        return None
    return outcome.ratio if objective == "ratio" else outcome.total_return


def choose(outcomes: Sequence[Outcome | None], objective: Objective) -> int | None:
    """The place of the best, the first of equal ones; None where no point gave anything to go by."""
    return best_of([value(one, objective) for one in outcomes])


def trial_of(parameters: Mapping[str, Any], outcome: Outcome) -> Trial:
    """As the log of trials keeps it."""
    return Trial(
        parameters=dict(parameters),
        log_loss_gain=None,
        ratio=outcome.ratio,
        first_day=outcome.first_day,
        returns=outcome.returns,
    )


def best_one(
    series: str,
    found: Grid,
    outcomes: Sequence[Outcome | None],
    held: Outcome,
    *,
    objective: Objective,
    trials: int,
    ratios: Floats,
    gates: GatesConfig,
) -> Best:
    """The best of `outcomes`, one for each point of the grid, with the verdict on it.

    `held` are the returns of holding the asset; `trials` and `ratios` tell of everything tried on the question.
    """
    known = [one for one in outcomes if one is not None]
    days = days_of([*known, held])
    place = choose(outcomes, objective)
    best = outcomes[place] if place is not None else None
    records = (
        np.column_stack([over(days, one) for one in known]) if known else np.empty((days[1] - days[0], 0))
    )
    asset = over(days, held)
    returns = np.zeros(len(asset)) if best is None else over(days, best)
    idle = idle_ratio(asset, best.exposure if best else 0.0)
    verdict, logits = judge(
        returns, records, ratios=ratios, trials=max(trials, len(known)), idle=idle, gates=gates
    )
    near = [] if place is None else [outcomes[other] for other in neighbours(found, place)]
    ratios_near = [one.ratio for one in near if one is not None and one.ratio is not None]
    return Best(
        series=series,
        place=place,
        verdict=verdict,
        first_day=days[0],
        returns=tuple(returns.tolist()),
        held=tuple(asset.tolist()),
        neighbours=float(np.mean(ratios_near)) if ratios_near else None,
        logits=tuple(logits.tolist()),
    )


def stitched(steps: Sequence[Step]) -> Outcome | None:
    """What was traded, one window after the other, each with what the one before left; None where nothing was."""
    traded = [step.traded for step in steps if step.traded is not None]
    if not traded:
        return None
    days = days_of(traded)
    return _joined(traded, np.sum([over(days, one) for one in traded], axis=0), days[0])


def walked(
    series: str,
    steps: Sequence[Step],
    whole: Outcome | None,
    asset: Outcome,
    *,
    trials: int,
    ratios: Floats,
    gates: GatesConfig,
) -> Walk:
    """What a walk earned: `whole` are its `steps` stitched together, `asset` is held over all of the time.

    `trials` and `ratios`: of all walks on the question, this one among them.
    """
    seen = whole or asset
    days = (seen.first_day, seen.first_day + len(seen.returns))
    returns = over(days, whole) if whole else np.zeros(days[1] - days[0])
    hold = over(days, asset)
    verdict, _ = judge(
        returns,
        returns[:, np.newaxis],
        ratios=ratios,
        trials=max(trials, 1),
        idle=idle_ratio(hold, whole.exposure if whole else 0.0),
        gates=gates,
    )
    chosen = [step.chosen_ratio for step in steps if step.chosen_ratio is not None]
    mean = float(np.mean(chosen)) if chosen else 0.0
    ratio = ratio_of(returns)
    return Walk(
        series=series,
        steps=tuple(steps),
        verdict=verdict,
        first_day=days[0],
        returns=tuple(returns.tolist()),
        held=tuple(hold.tolist()),
        efficiency=ratio / mean if ratio is not None and mean > 0 else None,
    )


def together(outcomes: Sequence[Outcome | None]) -> Outcome | None:
    """Several series with the same settings and the same capital each; None where one of them gave nothing.

    Money is of all of them together, their return that of capital spread anew every day.
    """
    known = [one for one in outcomes if one is not None]
    if not known or len(known) < len(outcomes):
        return None
    days = days_of(known)
    return _joined(known, np.mean([over(days, one) for one in known], axis=0), days[0])


def _joined(parts: Sequence[Outcome], returns: Floats, first_day: int) -> Outcome:
    curve = np.concatenate(([1.0], np.cumprod(1 + returns)))
    return Outcome(
        first_day=first_day,
        returns=tuple(returns.tolist()),
        bars=sum(one.bars for one in parts),
        trades=sum(one.trades for one in parts),
        fees=str(sum((Decimal(one.fees) for one in parts), ZERO)),
        net_profit=str(sum((Decimal(one.net_profit) for one in parts), ZERO)),
        total_return=float(curve[-1] - 1),
        max_drawdown=float((1 - curve / np.maximum.accumulate(curve)).max()),
        exposure=float(np.mean([one.exposure for one in parts])),
        halted=tuple(reason for one in parts for reason in one.halted),
    )
