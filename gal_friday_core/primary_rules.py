"""Primary rules: plain conditions on feature columns that say when a trade is looked at at all.

Meta-labelling asks a model only where such a rule fires, and the model says how likely the trade is to pay (López de
Prado, Advances in Financial Machine Learning, 2018, section 3.6). Training reads a rule over whole tables
(`fires`), the live engine over one row (`fires_on`): the same comparisons of the same numbers. A rule travels inside
the model that was trained on it, so that no later version of this file changes where a model trades.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.errors import SchemaMismatchError
from gal_friday_core.features.schema import FeatureSchema, FeatureVector


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature against a limit, which itself does not count. False where the feature is not known (NaN)."""

    feature: str
    side: Literal["above", "below"]
    limit: float

    def __str__(self) -> str:
        return f"{self.feature} {self.side} {self.limit:g}"


class PrimaryRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fires where every condition holds. Long only, as every trade of this house."""

    name: str
    revision: int
    about: str
    conditions: tuple[Condition, ...]

    def __str__(self) -> str:
        return f"{self.name} revision {self.revision}: {' and '.join(map(str, self.conditions))}"

    def fires(self, values: NDArray[np.float64], schema: FeatureSchema) -> NDArray[np.bool_]:
        """(n,) of `values` (n, features) in schema order. Raises SchemaMismatchError where a feature is missing."""
        self.require(schema)
        found = np.ones(len(values), np.bool_)
        for condition in self.conditions:
            column = values[:, schema.index(condition.feature)]
            found &= column > condition.limit if condition.side == "above" else column < condition.limit
        return found

    def fires_on(self, row: FeatureVector) -> bool:
        """The same of one row. Raises SchemaMismatchError where a feature is missing."""
        self.require(row.schema)
        return all(
            row[condition.feature] > condition.limit
            if condition.side == "above"
            else row[condition.feature] < condition.limit
            for condition in self.conditions
        )

    def require(self, schema: FeatureSchema) -> None:
        """Refuse a feature set without the rule's features."""
        missing = [one.feature for one in self.conditions if one.feature not in schema.places]
        if missing:
            raise SchemaMismatchError(
                f"primary rule {self.name} reads {', '.join(missing)}, which {schema.name} does not have: "
                "choose another labels.set or feature set"
            )


TREND = PrimaryRule(
    "trend", 1, "an upward trend that gathers pace",
    (Condition("ema_26_distance", "above", 0.0), Condition("macd_histogram", "above", 0.0),
     Condition("log_return_60", "above", 0.0)),
)  # fmt: skip
BREAKOUT = PrimaryRule(
    "breakout", 1, "the top of the last 60 bars, on more volume than usual",
    (Condition("range_position_60", "above", 0.95), Condition("volume_ratio_20_60", "above", 1.0)),
)  # fmt: skip
REVERSION = PrimaryRule(
    "reversion", 1, "fallen fast, and below its band",
    (Condition("rsi_14", "below", 30.0), Condition("bollinger_position_20", "below", -1.0)),
)  # fmt: skip

PRIMARY_RULES: Mapping[str, PrimaryRule] = {rule.name: rule for rule in (TREND, BREAKOUT, REVERSION)}
