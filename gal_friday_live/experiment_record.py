"""What an experiment's rows mean, and how its state is told: values in, values out."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from math import fsum, isfinite
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_adapters.postgres.experiments import Assignment, Outcome, Stored
from gal_friday_core.errors import DataError
from gal_friday_core.experiments import thompson
from gal_friday_core.experiments.analysis import Analysis
from gal_friday_core.experiments.design import Design
from gal_friday_core.experiments.outcomes import Outcomes, Paired, Served
from gal_friday_core.times import from_iso, to_iso

Values = NDArray[np.float64]
Row = dict[str, Any]

NOTHING: Final[Values] = np.zeros(0)
SAME: Final = 0.005
"""Shares that differ by less stay as they are."""


def nanoseconds(moment: datetime) -> int:
    """UTC nanoseconds of a time that the database gave."""
    return from_iso(moment.isoformat())


def outcome(experiment: str, variant: str, told: Mapping[str, Any], moment: Callable[[Any], int]) -> Outcome:
    """Raises DataError where something is missing, or the value is no finite number."""
    missing = [name for name in ("unit", "value", "timestamp") if name not in told]
    if missing:
        raise DataError(f"experiment {experiment}, outcome of {variant}: {', '.join(missing)} is missing")
    value = told["value"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise DataError(
            f"experiment {experiment}, outcome of {variant} at {told['unit']}: {value!r} is no finite number"
        )
    at_ns = moment(told["timestamp"])
    return Outcome(unit=str(told["unit"]), variant=variant, at_ns=at_ns, value=float(value))


def paired(design: Design, outcomes: Sequence[Outcome]) -> Paired:
    """`outcomes` in the order of units."""
    units: dict[str, int] = {}
    at = []
    for one in outcomes:
        if one.unit not in units:
            units[one.unit] = len(units)
            at.append(one.at_ns)
    values = np.full((len(units), len(design.variants)), np.nan)
    for one in outcomes:
        values[units[one.unit], design.index(one.variant)] = one.value
    return Paired(np.array(at, np.int64), values)


def served(design: Design, outcomes: Sequence[Outcome], assignments: Sequence[Assignment]) -> Served:
    """Of units whose assignment is known. An outcome told without one counts with the design's shares."""
    split = design.split()
    known = {one.unit: one for one in assignments}
    names = [variant.name for variant in design.variants]
    rows = [known[one.unit].propensity if one.unit in known else split for one in outcomes]
    propensity = np.array([[row.get(name, 0.0) for name in names] for row in rows], np.float64)
    return Served(
        np.array([one.at_ns for one in outcomes], np.int64),
        np.array([one.value for one in outcomes], np.float64),
        np.array([design.index(one.variant) for one in outcomes], np.int64),
        propensity.reshape(len(outcomes), len(names)),
    )


def shares(design: Design, places: Sequence[int], outcomes: Outcomes | None = None) -> dict[str, float]:
    """By variant, zero for those not in `places`: the design's in proportion, or by chance of being best."""
    found = dict.fromkeys((variant.name for variant in design.variants), 0.0)
    if design.allocation == "thompson" and isinstance(outcomes, Served):
        parts = thompson.shares([_arm(design, outcomes, place) for place in places], design.floor)
    else:
        split = list(design.split().values())
        whole = fsum(split[place] for place in places)
        parts = tuple(split[place] / whole for place in places)
    for place, part in zip(places, parts, strict=True):
        found[design.variants[place].name] = part
    return found


def _arm(design: Design, outcomes: Served, place: int) -> thompson.Arm:
    """What is known of a variant, older units forgotten at the design's discount."""
    rows = np.flatnonzero(outcomes.served == place)
    weight = design.discount ** (len(outcomes.served) - 1 - rows).astype(np.float64)
    values = outcomes.values[rows]
    return thompson.Arm(
        len(rows), float(weight.sum()), float(weight @ values), float(weight @ (values * values))
    )


def traffic(stored: Stored, split: Mapping[str, float]) -> Row:
    """Who is served how much."""
    return {
        "experiment_id": stored.experiment_id,
        "mode": stored.mode,
        "allocation": stored.design.allocation,
        "traffic_split": dict(split),
    }


def summary(stored: Stored) -> Row:
    """One line of a list."""
    return {
        "experiment_id": stored.experiment_id,
        "name": stored.name,
        "state": stored.state,
        "mode": stored.mode,
        "series": stored.series,
        "variants": {variant.name: variant.model_id for variant in stored.design.variants},
        "created_at": to_iso(nanoseconds(stored.created_at)),
    }


def described(stored: Stored, events: Sequence[Row], split: Mapping[str, float]) -> Row:
    """Everything that was designed and decided."""
    return {
        **summary(stored),
        "design": msgspec.to_builtins(stored.design),
        "traffic_split": dict(split),
        "history": [{**event, "at": to_iso(nanoseconds(event["at"]))} for event in events],
    }


def analysis(stored: Stored, found: Analysis) -> Row:
    """What was found, with what was asked."""
    return {
        **summary(stored),
        "design": msgspec.to_builtins(stored.design),
        **{
            name: value
            for name, value in msgspec.to_builtins(found).items()
            if name not in {"name", "variants"}
        },
        "figures": msgspec.to_builtins(found.variants),
    }
