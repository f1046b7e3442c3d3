"""DATA drift: do the features still look as they did when the model learnt?

`Reference.of` takes the training window once; `data_drift` compares a current window with it, feature by feature;
`data_finding` says what it amounts to. A feature has drifted when its distribution differs beyond chance (KS on
independent rows, false discovery controlled over all features) and beyond what matters (`drift.min_shift`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.compiled import compiled
from gal_friday_core.drift.discovery import adjusted
from gal_friday_core.drift.finding import Finding, Severity, found, undecided
from gal_friday_core.drift.settings import DriftConfig
from gal_friday_core.drift.statistics import BINS, columns_apart, shares, smirnov_p_value, stability_noise
from gal_friday_core.drift.thinning import inefficiency_of_shares
from gal_friday_core.errors import DataError

State = Literal["same", "drifted", "dead", "missing", "constant", "short"]
BROKEN = frozenset({"dead", "missing"})
"""The feature says nothing any more: its source is broken."""

MISSING_MORE = 0.2
"""A feature is missing when the share of rows in which it is unknown rose by more than this."""
STUCK_TIMES, STUCK_ROWS = 2, 10
"""It is dead when it ends the window unchanged for twice as long, and ten rows more, than it ever did before."""
SOME, HALF = 0.25, 0.5
"""Of the model's weight on features: from here on their drift is HIGH, and CRITICAL."""
FAR = 0.5
"""Standard deviations: drift of half the weight is CRITICAL only when it is so far."""
NAMED = 10
"""Features named in a finding."""


class FeatureDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One feature: `shift` is the Wasserstein distance in standard deviations of the reference; None is unknown.

    `stability_noise` is the index that chance alone passes once in twenty; `q_value` the p-value adjusted for all
    features; `independent_rows` what the current window is worth, `reference_rows` what the reference is.
    """

    name: str
    state: State
    shift: float | None
    ks: float | None
    p_value: float | None
    q_value: float | None
    stability: float | None
    stability_noise: float | None
    missing_share: float
    independent_rows: float
    reference_rows: float

    @property
    def told(self) -> bool:
        """Whether it counts as drift."""
        return self.state in {"drifted", "dead", "missing"}


@dataclass(frozen=True, eq=False, slots=True)
class Reference:
    """The features of a training window, prepared once. Arrays by feature.

    `ordered` (features, rows) sorted, unknown values last; `known` how many are; `spread` standard deviations;
    `edges` (features, bins − 1) of the stability bins; `rows_each` rows worth one independent row;
    `longest_run` rows for which a value stayed the same.
    """

    names: tuple[str, ...]
    ordered: NDArray[np.float64]
    known: NDArray[np.int64]
    spread: NDArray[np.float64]
    edges: NDArray[np.float64]
    rows_each: NDArray[np.float64]
    longest_run: NDArray[np.int64]

    @classmethod
    def of(cls, values: NDArray[np.float64], names: Sequence[str]) -> "Reference":
        """`values` (rows, features) in time order, NaN where unknown. Raises DataError for a shape that does not fit."""
        columns = _columns(values, names)
        ordered = np.sort(columns, axis=1)
        known = np.isfinite(columns).sum(axis=1)
        return cls(
            names=tuple(names),
            ordered=ordered,
            known=known,
            spread=_spread(columns, known),
            edges=_edges(ordered, known),
            rows_each=np.array([inefficiency_of_shares(column) for column in columns]),
            longest_run=longest_runs(columns),
        )

    @property
    def rows(self) -> int:
        return int(self.ordered.shape[1])


def data_drift(
    reference: Reference, current: NDArray[np.float64], config: DriftConfig
) -> tuple[FeatureDrift, ...]:
    """Every feature of `current` (rows, features), in time order, against the reference."""
    columns = _columns(current, reference.names)
    ordered = np.sort(columns, axis=1)
    known = np.isfinite(columns).sum(axis=1)
    distances = columns_apart(reference.ordered, reference.known, ordered, known, reference.edges)
    worth = known / reference.rows_each
    held = reference.known / reference.rows_each
    judged = np.minimum(worth, held) >= config.min_effective_rows
    p_values = np.array(
        [
            smirnov_p_value(distances[column, 0], held[column], worth[column]) if judged[column] else np.nan
            for column in range(len(known))
        ]
    )
    q_values = adjusted(p_values)
    shift = np.divide(
        distances[:, 1], reference.spread, out=np.full(len(known), np.nan), where=reference.spread > 0
    )
    drifted = (q_values <= config.false_discovery_rate) & (shift >= config.min_shift)
    states = _states(reference, columns, known, judged, drifted, least_rows=config.min_effective_rows)
    missing = _missing(known, columns.shape[1])
    return tuple(
        FeatureDrift(
            name=name, state=states[column], shift=_known(shift[column]), ks=_known(distances[column, 0]),
            p_value=_known(p_values[column]), q_value=_known(q_values[column]),
            stability=_known(distances[column, 2]),
            stability_noise=stability_noise(held[column], worth[column])[1] if judged[column] else None,
            missing_share=float(missing[column]), independent_rows=float(worth[column]),
            reference_rows=float(held[column]),
        )
        for column, name in enumerate(reference.names)
    )  # fmt: skip


def _states(
    reference: Reference,
    columns: NDArray[np.float64],
    known: NDArray[np.int64],
    judged: NDArray[np.bool_],
    drifted: NDArray[np.bool_],
    *,
    least_rows: int,
) -> list[State]:
    """What comes first holds: a feature that is missing or dead is not judged by its distribution."""
    more = _missing(known, columns.shape[1]) - _missing(reference.known, reference.rows)
    conditions: list[tuple[State, NDArray[np.bool_]]] = [
        ("missing", (more > MISSING_MORE) & (columns.shape[1] >= least_rows)),
        ("constant", (reference.spread == 0) | (reference.known == 0)),
        ("dead", final_runs(columns) > STUCK_TIMES * reference.longest_run + STUCK_ROWS),
        ("short", ~judged),
        ("drifted", drifted),
    ]
    return [
        next((state for state, holds in conditions if holds[column]), "same")
        for column in range(len(columns))
    ]


def _missing(known: NDArray[np.int64], rows: int) -> NDArray[np.float64]:
    """Shares of rows in which each feature is unknown; of no rows, none."""
    return 1 - known / rows if rows else np.zeros(len(known))


class Shape(NamedTuple):
    """A feature's distribution, before and now: shares in bins of equal width between `low` and `high`.

    The outermost bins hold what lies beyond, too.
    """

    name: str
    low: float
    high: float
    before: tuple[float, ...]
    now: tuple[float, ...]


def shape(reference: Reference, current: NDArray[np.float64], name: str, bins: int = 30) -> Shape | None:
    """Of one feature of `current` (rows, features), to be drawn; None where either side knows no value, or never moved."""
    column = reference.names.index(name)
    before = reference.ordered[column, : reference.known[column]]
    now = np.sort(current[:, column])
    now = now[: int(np.isfinite(now).sum())]
    if not (len(before) and len(now)) or before[0] == before[-1]:
        return None
    both = np.concatenate(
        (before[[len(before) // 100, -1 - len(before) // 100]], np.quantile(now, (0.01, 0.99)))
    )
    low, high = float(both.min()), float(both.max())
    inner = np.linspace(low, high, bins + 1)[1:-1]
    return Shape(name, low, high, tuple(shares(before, inner).tolist()), tuple(shares(now, inner).tolist()))


def data_finding(
    model_id: str,
    features: Sequence[FeatureDrift],
    config: DriftConfig,
    importance: Mapping[str, float] | None = None,
) -> Finding:
    """What the features amount to. `importance`: weight by name of what the model goes by; all alike without it."""
    weights = _weights(features, importance)
    told = sorted((one for one in features if one.told), key=lambda one: -weights[one.name])
    broken = [one for one in told if one.state in BROKEN]
    judged = [one for one in features if one.state not in {"short", "constant"}]
    metrics = _metrics(features, told, weights)
    if not judged:
        return undecided(
            model_id, "DATA_DRIFT",
            f"none of {len(features)} features could be judged: the windows are worth fewer than "
            f"{config.min_effective_rows} independent rows, or never moved; take longer windows",
            metrics,
        )  # fmt: skip
    confidence = (
        1.0 if broken else 1 - min((one.q_value for one in judged if one.q_value is not None), default=1.0)
    )
    severity = _severity(told, broken, weights)
    return found(
        model_id,
        "DATA_DRIFT",
        severity,
        confidence=confidence,
        reason=_reason(told, broken, judged),
        metrics=metrics,
        repair=bool(broken),
    )


def _severity(
    told: Sequence[FeatureDrift], broken: Sequence[FeatureDrift], weights: Mapping[str, float]
) -> Severity:
    """By how much of what the model goes by has drifted; a broken feature is worse than a drifted one."""
    weight = fsum(weights[one.name] for one in told)
    if fsum(weights[one.name] for one in broken) >= SOME:
        return "CRITICAL"
    if weight >= HALF and np.median([one.shift for one in told if one.shift is not None] or [0.0]) >= FAR:
        return "CRITICAL"
    if broken or weight >= SOME:
        return "HIGH"
    return "MEDIUM" if told else "LOW"


def _reason(
    told: Sequence[FeatureDrift], broken: Sequence[FeatureDrift], judged: Sequence[FeatureDrift]
) -> str:
    if broken:
        named = ", ".join(f"{one.name} ({one.state})" for one in broken[:NAMED])
        return (
            f"{len(broken)} features say nothing any more: {named}; repair their source before training again"
        )
    if told:
        named = ", ".join(one.name for one in told[:NAMED])
        return f"{len(told)} of {len(judged)} features that could be judged have drifted: {named}"
    return f"none of {len(judged)} features that could be judged has drifted"


def _metrics(
    features: Sequence[FeatureDrift], told: Sequence[FeatureDrift], weights: Mapping[str, float]
) -> dict[str, Any]:
    shifts = [one.shift for one in features if one.shift is not None]
    indices = [one.stability for one in features if one.stability is not None]
    return {
        "features": len(features),
        "drifted": len(told),
        "drifted_weight": fsum(weights[one.name] for one in told),
        "not_judged": [one.name for one in features if one.state in {"short", "constant"}],
        "largest_shift": max(shifts, default=None),
        "largest_stability_index": max(indices, default=None),
        "worst": {one.name: {"state": one.state, "shift": one.shift, "q_value": one.q_value} for one in told[:NAMED]},
    }  # fmt: skip


def _weights(features: Sequence[FeatureDrift], importance: Mapping[str, float] | None) -> dict[str, float]:
    raw = {
        one.name: 1.0 if importance is None else max(importance.get(one.name, 0.0), 0.0) for one in features
    }
    total = fsum(raw.values())
    return {name: value / total if total > 0 else 1 / len(raw) for name, value in raw.items()}


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _columns(values: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """(features, rows), infinities as unknown."""
    if values.ndim != 2 or values.shape[1] != len(names):
        raise DataError(
            f"features for drift: {values.shape}, expected (rows, {len(names)}); compute the features again"
        )
    columns = np.ascontiguousarray(values.T, np.float64)
    return np.where(np.isfinite(columns), columns, np.nan)


def _edges(ordered: NDArray[np.float64], known: NDArray[np.int64]) -> NDArray[np.float64]:
    """(features, bins − 1): the inner deciles of what is known; NaN where nothing is."""
    if not ordered.shape[1]:
        return np.full((len(ordered), BINS - 1), np.nan)
    return np.take_along_axis(ordered, (np.arange(1, BINS) * known[:, None]) // BINS, axis=1)


def _spread(columns: NDArray[np.float64], known: NDArray[np.int64]) -> NDArray[np.float64]:
    """Standard deviations, exactly 0 for a column that never moves, however its mean is rounded."""
    found = np.zeros(len(columns))
    for row, column in enumerate(columns):
        values = column[np.isfinite(column)]
        if known[row] and values.min() < values.max():
            found[row] = values.std()
    return found


@compiled
def longest_runs(columns: NDArray[np.float64]) -> NDArray[np.int64]:
    """By column: over how many rows a value stayed the same, at most. Unknown values are no value."""
    found = np.zeros(len(columns), np.int64)
    for column in range(len(columns)):
        run = 0
        last = np.nan
        for value in columns[column]:
            if np.isnan(value):
                continue
            run = run + 1 if value == last else 1
            last = value
            found[column] = max(found[column], run)
    return found


@compiled
def final_runs(columns: NDArray[np.float64]) -> NDArray[np.int64]:
    """By column: for how many rows the last known value has stood."""
    found = np.zeros(len(columns), np.int64)
    for column in range(len(columns)):
        last = np.nan
        for row in range(columns.shape[1] - 1, -1, -1):
            value = columns[column, row]
            if np.isnan(value):
                continue
            if found[column] and value != last:
                break
            last = value
            found[column] += 1
    return found
