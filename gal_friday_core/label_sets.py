"""Label sets by name: which trade a model learns to judge, and at which bars it is asked.

A set is a name, a revision, and the trade that the configuration makes of it. Its hash covers all of that and the
costs: equal hashes mean equal labels of equal candles. Every set is the trade that the strategy really makes
(decision 0003), so the barriers of a set are those that the model takes along:

- `triple_barrier`: stop, target and horizon by `barriers`;
- `fixed_horizon`: held until the horizon. Stop and target stand at `barriers.max_width`, where only disasters reach
  them, since no trade of this house goes without a stop;
- `meta`: the triple barrier, asked only at bars where a primary rule fires.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core import artifact
from gal_friday_core.config import BarriersConfig, Config, CostsConfig
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.labels import RULE
from gal_friday_core.primary_rules import PRIMARY_RULES, PrimaryRule

Kind = Literal["triple_barrier", "fixed_horizon", "meta"]

VOLATILITY = "volatility_60"
"""The feature that scales target and stop."""


@dataclass(frozen=True, slots=True)
class LabelSet:
    """One definition of what is foreseen. `barriers` are the set's own, not those of the configuration."""

    name: str
    revision: int
    kind: Kind
    barriers: BarriersConfig
    costs: CostsConfig
    primary: PrimaryRule | None = None

    @property
    def rule(self) -> str:
        """The label in words."""
        if self.kind == "fixed_horizon":
            return f"held for the horizon, with stop and target out of reach; {RULE}"
        return RULE if self.primary is None else f"only where {self.primary}; {RULE}"

    @property
    def hash(self) -> str:
        """sha256 over everything that a label depends on beside candles and features."""
        return hashlib.sha256(artifact.to_json(self.document())).hexdigest()

    def document(self) -> dict[str, Any]:
        """The definition as plain values."""
        return {
            "name": self.name,
            "revision": self.revision,
            "kind": self.kind,
            "rule": self.rule,
            "scale": VOLATILITY,
            "barriers": self.barriers.model_dump(mode="json"),
            "costs": self.costs.model_dump(mode="json"),
            "primary": None if self.primary is None else msgspec.to_builtins(self.primary),
        }

    def asks(self, values: NDArray[np.float64], schema: FeatureSchema) -> NDArray[np.bool_]:
        """(n,): at which rows of `values` (n, features) the model is asked. Raises SchemaMismatchError."""
        if self.primary is None:
            return np.ones(len(values), np.bool_)
        return self.primary.fires(values, schema)


def _as_configured(barriers: BarriersConfig) -> BarriersConfig:
    return barriers


def _out_of_reach(barriers: BarriersConfig) -> BarriersConfig:
    return barriers.model_copy(update={"min_width": barriers.max_width})


@dataclass(frozen=True, slots=True)
class _Definition:
    kind: Kind
    revision: int = 1
    barriers: Callable[[BarriersConfig], BarriersConfig] = _as_configured
    primary: PrimaryRule | None = None


_DEFINITIONS = {
    "triple-barrier-v1": _Definition("triple_barrier"),
    "fixed-horizon-v1": _Definition("fixed_horizon", barriers=_out_of_reach),
    **{f"meta-{name}-v1": _Definition("meta", primary=rule) for name, rule in PRIMARY_RULES.items()},
}
LABEL_SETS = tuple(_DEFINITIONS)


def label_set(config: Config) -> LabelSet:
    """The set that `labels.set` names, with the barriers and costs of the configuration."""
    name = config.labels.set
    found = _DEFINITIONS[name]
    return LabelSet(
        name, found.revision, found.kind, found.barriers(config.barriers), config.costs, found.primary
    )
