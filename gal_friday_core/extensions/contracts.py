"""What an entry point of each group names: how the thing is made, and from which parameters.

The things themselves are protocols where their own kind lives: `strategies.protocol.Strategy`, `risk.rules.RiskRule`,
`ColumnStream` below, `ports.Exchange` and `ports.Feed`. docs/extending.md says what each promises, and
`gal_friday_testkit` tries it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from gal_friday_core.candles import Candles
from gal_friday_core.config import BarriersConfig, Config, Section
from gal_friday_core.errors import ConfigError
from gal_friday_core.extensions.loading import Extension
from gal_friday_core.extensions.offers import Kind
from gal_friday_core.extensions.parameters import NoParameters
from gal_friday_core.extensions.venues import ExchangeExtension
from gal_friday_core.features.schema import Feature
from gal_friday_core.risk.rules import RiskRule
from gal_friday_core.strategies.protocol import Strategy

Parameters = TypeVar("Parameters", bound=Section)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyExtension:
    """`make(parameters, config, barriers)` gives the strategy; `barriers` are those of the model that it listens to."""

    make: Callable[[Any, Config, BarriersConfig], Strategy]
    parameters: type[Section] = NoParameters


class ColumnStream(Protocol):
    """A package's own columns of one series: each closed bar once, in order. One at a time or many, the same bits."""

    def update(  # noqa: PLR0917 - a bar has six numbers in one well-known order
        self,
        ts: int,
        open: float,  # noqa: A002 - the bar's own word
        high: float,
        low: float,
        close: float,
        volume: float,
    ) -> NDArray[np.float64]:
        """The columns of the bar that opened at `ts` (ns UTC), in the order of `features`; NaN where not known yet."""
        ...

    def extend(self, candles: Candles) -> NDArray[np.float64]:
        """`update` for each of these bars: (bars, columns)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSetExtension:
    """`stream(interval_ns)` gives the columns of one series. There are no parameters: another window is another column.

    No column may depend on more than the last `drivers.REACH` bars, its own included.
    """

    features: tuple[Feature, ...]
    stream: Callable[[int], ColumnStream]
    revision: int = 1
    parameters: type[Section] = NoParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskRuleExtension:
    """`make(parameters, config)` gives the rule."""

    make: Callable[[Any, Config], RiskRule]
    parameters: type[Section] = NoParameters


def parameters_of(name: str, kind: type[Parameters], config: Config) -> Parameters:
    """What the configuration sets under `extensions.NAME`. Raises ConfigError naming the key."""
    try:
        return kind.model_validate(dict(config.extensions.get(name, {})))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(("extensions", name, *(str(part) for part in first["loc"])))
        said = (
            first["msg"].removeprefix("Value error, ").removeprefix("Input ").replace("should be", "must be")
        )
        if first["type"] == "extra_forbidden":
            said = f"unknown parameter: {name} takes {', '.join(kind.model_fields) or 'none'}"
        raise ConfigError(f"{key}: {said}") from None


def strategy_of(found: Extension[StrategyExtension], config: Config, barriers: BarriersConfig) -> Strategy:
    """The strategy, under the id by which it was named. Raises ConfigError where it calls itself otherwise."""
    made = found.contents.make(parameters_of(found.name, found.contents.parameters, config), config, barriers)
    if made.id != found.name:
        raise ConfigError(
            f"{found.offer} calls itself {made.id!r}: its id must be the name of its entry point"
        )
    return made


CONTRACTS: Mapping[Kind, type[Any]] = {
    "strategy": StrategyExtension,
    "feature-set": FeatureSetExtension,
    "risk-rule": RiskRuleExtension,
    "exchange": ExchangeExtension,
}
"""What an entry point of each kind names."""
