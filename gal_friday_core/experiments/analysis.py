"""What an experiment shows so far: each challenger against the control, what is wrong, and what to do."""

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from gal_friday_core.experiments.blocks import block_means
from gal_friday_core.experiments.design import Design
from gal_friday_core.experiments.guard_rails import Alarm, alarms
from gal_friday_core.experiments.outcomes import Outcomes, Values
from gal_friday_core.experiments.power import Plan, plan, rule_for
from gal_friday_core.experiments.sequence import FIRST, Rule, Walk, walk
from gal_friday_core.experiments.thompson import chance_of_higher_rate

Verdict = Literal["BETTER", "WORSE", "UNDECIDED", "TOO_FEW", "IDENTICAL"]


class VariantFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One variant by itself. Such means tell nothing about a difference: `Comparison` does."""

    name: str
    model_id: str
    units: int
    mean: float | None
    total: float
    wins: int
    losses: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A challenger less the control, a unit. The interval and `p_value` hold at every moment at once.

    `decided_after`: units at the first look at which zero lay outside; the verdict stands from then on.
    """

    variant: str
    model_id: str
    units: int
    blocks: int
    difference: float | None
    low: float | None
    high: float | None
    p_value: float
    verdict: Verdict
    decided_after: int | None
    chance_of_more_wins: float | None


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """`winner`: the variant that is proven best, the control where every challenger is proven worse."""

    name: str
    units: int
    block: int
    variants: tuple[VariantFigures, ...]
    comparisons: tuple[Comparison, ...]
    alarms: tuple[Alarm, ...]
    winner: str | None
    over: bool
    plan: Plan | None
    recommendation: str


@dataclass(frozen=True, eq=False, slots=True)
class Curve:
    """What the comparison with a challenger looked like after each block."""

    variant: str
    units: tuple[int, ...]
    walk: Walk


def rule_of(design: Design, alpha: float | None = None) -> Rule:
    """How the design is looked at; settled before its first outcome."""
    blocks = max(FIRST, design.most_units // (design.block or 1))
    return rule_for(blocks, design.each_alpha if alpha is None else alpha)


def curves(design: Design, outcomes: Outcomes) -> list[Curve]:
    """Of every challenger, in the design's order."""
    found, block = [], design.block or 1
    for place, variant in enumerate(design.challengers, start=1):
        means = block_means(outcomes.difference(place), block)
        ends = tuple(block * (row + 1) for row in range(len(means)))
        found.append(Curve(variant.name, ends, walk(means, rule_of(design))))
    return found


def analyse(
    design: Design, outcomes: Outcomes, *, running_ns: int, units_per_day: float | None = None
) -> Analysis:
    """Everything that may be said after `running_ns` of running. `design.block` must be settled."""
    wrong = alarms(design, outcomes, rule_of(design), running_ns=running_ns)
    compared = tuple(
        _comparison(design, outcomes, place, curve)
        for place, curve in enumerate(curves(design, outcomes), start=1)
    )
    spoilt = any(alarm.code == "TRAFFIC_MISMATCH" for alarm in wrong)
    winner = None if spoilt else _winner(design, compared)
    units = len(outcomes.at_ns)
    over = winner is not None or units >= design.most_units
    return Analysis(
        name=design.name,
        units=units,
        block=design.block or 1,
        variants=tuple(_figures(design, outcomes, place) for place in range(len(design.variants))),
        comparisons=compared,
        alarms=tuple(wrong),
        winner=winner,
        over=over,
        plan=_plan(design, outcomes, units_per_day),
        recommendation=recommendation(design, compared, wrong, winner=winner, over=over),
    )


def recommendation(
    design: Design, compared: tuple[Comparison, ...], wrong: list[Alarm], *, winner: str | None, over: bool
) -> str:
    """What to do. Nothing is ever promoted by an experiment: a winner goes the way of every model."""
    if any(alarm.code == "TRAFFIC_MISMATCH" for alarm in wrong):
        return "Conclude nothing: find out which outcomes are lost, then start a new experiment."
    if winner == design.control.name:
        return f"Keep {design.control.model_id}: every challenger is worse."
    if winner is not None:
        model_id = design.variants[design.index(winner)].model_id
        return (
            f"Consider {model_id}: proven better than {design.control.model_id}. It is not promoted by this: materialise its "
            f"certificate, then `gal-friday models promote {model_id}`."
        )
    if over:
        return (
            "Keep what is in production: the time is over, and no difference was proven. The intervals say how large one could "
            "still be."
        )
    losing = [item.variant for item in compared if item.verdict == "WORSE"]
    if losing:
        return f"Stop {', '.join(losing)}, and go on with the others."
    return "Go on: nothing is proven yet. Looking does no harm."


def _comparison(design: Design, outcomes: Outcomes, place: int, curve: Curve) -> Comparison:
    variant, looked = design.variants[place], curve.walk
    difference = outcomes.difference(place)
    crossing = looked.crossing()
    low, high = _last(looked.low), _last(looked.high)
    return Comparison(
        variant=variant.name,
        model_id=variant.model_id,
        units=len(difference),
        blocks=len(looked.mean),
        difference=_last(looked.mean),
        low=low,
        high=high,
        p_value=looked.p_value(),
        verdict=_verdict(difference, looked, crossing),
        decided_after=None if crossing is None else crossing * (design.block or 1),
        chance_of_more_wins=_chance(outcomes.own(0), outcomes.own(place)),
    )


def _verdict(difference: Values, looked: Walk, crossing: int | None) -> Verdict:
    if crossing is not None:
        return "BETTER" if looked.low[crossing - 1] > 0 else "WORSE"
    if len(looked.mean) < FIRST:
        return "TOO_FEW"
    return "IDENTICAL" if not np.any(difference) else "UNDECIDED"


def _winner(design: Design, compared: tuple[Comparison, ...]) -> str | None:
    """The better one with the highest lower end; the control where all others are worse."""
    better = [item for item in compared if item.verdict == "BETTER"]
    if better:
        return max(better, key=lambda item: item.low if item.low is not None else float("-inf")).variant
    if all(item.verdict == "WORSE" for item in compared):
        return design.control.name
    return None


def _figures(design: Design, outcomes: Outcomes, place: int) -> VariantFigures:
    own, variant = outcomes.own(place), design.variants[place]
    return VariantFigures(
        name=variant.name,
        model_id=variant.model_id,
        units=len(own),
        mean=float(own.mean()) if len(own) else None,
        total=float(own.sum()),
        wins=int((own > 0).sum()),
        losses=int((own < 0).sum()),
    )


def _chance(control: Values, challenger: Values) -> float | None:
    """That the challenger wins more of what it takes up; only where both took up something. At most a thousand each."""
    counts = [
        int(count) for values in (control, challenger) for count in ((values > 0).sum(), (values < 0).sum())
    ]
    if not (counts[0] + counts[1] and counts[2] + counts[3]) or sum(counts) > 2_000:
        return None
    return chance_of_higher_rate(*counts)


def _plan(design: Design, outcomes: Outcomes, units_per_day: float | None) -> Plan | None:
    """As it would be made with what is known of the spread by now, for the widest comparison."""
    block = design.block or 1
    spreads = [
        float(means.std(ddof=1))
        for place in range(1, len(design.variants))
        if len(means := block_means(outcomes.difference(place), block)) >= FIRST
    ]
    if not spreads or max(spreads) == 0:
        return None
    return plan(
        sd=max(spreads), block=block, alpha=design.each_alpha, power=design.power, effect=design.effect,
        most_units=design.most_units, units_per_day=units_per_day,
    )  # fmt: skip


def settled(design: Design, block: int) -> Design:
    """The design with its block length, which must be known before the first outcome."""
    return msgspec.structs.replace(design, block=block) if design.block is None else design


def _last(values: Values) -> float | None:
    return float(values[-1]) if len(values) and np.isfinite(values[-1]) else None
