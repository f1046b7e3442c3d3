"""When a variant is stopped although nothing is won yet, and when an experiment says nothing at all."""

from collections.abc import Sequence
from math import fsum, lgamma, log
from typing import Literal

import msgspec
import numpy as np

from gal_friday_core.experiments.blocks import block_means
from gal_friday_core.experiments.design import Design
from gal_friday_core.experiments.outcomes import Outcomes, Served
from gal_friday_core.experiments.sequence import Rule, walk
from gal_friday_core.times import HOUR_NS

Code = Literal["HARM", "LOSS", "DEAD_VARIANT", "TRAFFIC_MISMATCH", "NO_TRAFFIC", "NOT_SERVED"]


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong. With `stops` the variant gets no more traffic, or without a variant the experiment ends."""

    code: Code
    text: str
    variant: str | None = None
    stops: bool = True


def alarms(design: Design, outcomes: Outcomes, rule: Rule, *, running_ns: int) -> list[Alarm]:
    """Everything that is wrong after `running_ns` of running; empty where all is well."""
    units = len(outcomes.at_ns)
    if not units:
        return _no_traffic(design, running_ns)
    found = _mismatch(design, outcomes)
    for place, variant in enumerate(design.variants):
        silent = outcomes.since(place)
        if silent >= design.guards.silent_units:
            text = f"{variant.name} ({variant.model_id}) had no outcome in the last {silent:,} units: is it served, and can it predict?"
            found.append(Alarm(code="DEAD_VARIANT", variant=variant.name, text=text))
        elif place:
            found += _losing(design, outcomes, place, rule)
    return found


def _no_traffic(design: Design, running_ns: int) -> list[Alarm]:
    hours = running_ns / HOUR_NS
    if hours < design.guards.silent_hours:
        return []
    text = f"no outcome in {hours:,.1f} hours: is the engine running on {design.series}, and are all variants in production or staging?"
    return [Alarm(code="NO_TRAFFIC", text=text, stops=False)]


def _losing(design: Design, outcomes: Outcomes, place: int, rule: Rule) -> list[Alarm]:
    """By proof, at an error rate of its own; and by money, where it is the variant that spent it."""
    name, guards = design.variants[place].name, design.guards
    found = []
    means = block_means(outcomes.difference(place), design.block or 1)
    looked = walk(means, Rule(guards.harm_alpha, rule.rho, rule.first))
    if (looked.high < 0).any():
        text = f"{name} is worse than {design.control.name}, at an error rate of {guards.harm_alpha:g}"
        found.append(Alarm(code="HARM", variant=name, text=text))
    lost = -float(outcomes.own(place).sum())
    if isinstance(outcomes, Served) and lost > guards.max_loss:
        text = f"{name} lost {lost:.2%} of the money it spent, summed over its trades; {guards.max_loss:.2%} are allowed"
        found.append(Alarm(code="LOSS", variant=name, text=text))
    return found


def _mismatch(design: Design, outcomes: Outcomes) -> list[Alarm]:
    """Traffic that is split otherwise than designed means that units are lost, and rarely at random."""
    if not isinstance(outcomes, Served) or design.allocation != "fixed":
        return []
    split = list(design.split().values())
    counts = [int(count) for count in outcomes.counts(np.array(split))]
    if mismatch(counts, split) <= log(1 / design.guards.mismatch_alpha):
        return []
    seen = ", ".join(f"{name} {count:,}" for name, count in zip(design.split(), counts, strict=True))
    text = (
        f"traffic is not split as designed: {seen}; outcomes of one variant get lost, so nothing is concluded"
    )
    return [Alarm(code="TRAFFIC_MISMATCH", text=text)]


def mismatch(counts: Sequence[int], split: Sequence[float]) -> float:
    """Log evidence that units do not come with the probabilities `split`; above log(1 / alpha) at any time is proof.

    Uniform Dirichlet mixture against the multinomial: Lindon, Malek, Anytime-valid inference for multinomial
    count data, NeurIPS 2022.

    >>> mismatch([500, 500], [0.5, 0.5]) < 0 < mismatch([600, 400], [0.5, 0.5])
    True
    """
    kinds, total = len(counts), sum(counts)
    mixed = lgamma(kinds) - lgamma(kinds + total) + fsum(lgamma(1 + count) for count in counts)
    return mixed - fsum(count * log(share) for count, share in zip(counts, split, strict=True))
